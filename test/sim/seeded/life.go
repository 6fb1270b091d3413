package seeded

import (
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// The lengths of a run's parts, on its own clock.
const (
	trouble    = 100 * time.Minute
	restWithin = 8 * time.Hour
	calm       = 12 * time.Minute
	goneWithin = 4 * time.Hour
)

// seededFault is what a fault of the seed says of itself.
const seededFault = "trouble from the seed"

// draw gives a run its luck: most kinds of trouble are away or rare, some frequent.
func (w *world) draw() {
	rate := func(what string, choices ...int) int { return choices[w.below(len(choices), "rate of "+what)] }
	w.faults = faults{
		crash: rate("crash", 0, 0, 2, 10), apiError: rate("api", 0, 5, 50), lostAnswer: rate("lost", 0, 5, 50), meddle: rate("meddle", 0, 20, 200),
		unreachable: rate("unreachable", 0, 0, 10, 200), busy: rate("busy", 0, 0, 20), internal: rate("internal", 0, 0, 20, 100),
		bmcAnswerLost: rate("answer", 0, 0, 20, 100), hang: rate("hang", 0, 0, 5), stale: rate("stale", 0, 0, 20), forget: rate("forget", 0, 0, 50),
		machineHangs: rate("machine", 0, 0, 50, 200), agentDies: rate("agent", 0, 0, 5, 20), stepFails: rate("step", 0, 0, 50, 200), stain: rate("stain", 0, 0, 50),
		messageLost: rate("message", 0, 20, 300), messageTwice: rate("twice", 0, 50), neighbour: rate("neighbour", 0, 0, 300),
	}
}

// life is a whole run: hosts are made, their owners do what they like while everything fails, then all trouble ends, and each host comes to rest where it should be; deleted, each goes.
func (w *world) life() {
	w.draw()
	for _, m := range w.machines {
		w.agenda.add(w.now().Add(w.between(0, time.Minute, "create "+m.name)), m.name, func() { w.createHost(m) })
		w.plan(m, w.below(9, "deeds "+m.name))
	}
	for w.healAt = w.began.Add(trouble); w.now().Before(w.healAt) && len(w.wrongs()) == 0; {
		w.run(w.healAt)
	}
	w.heal()
	if !w.rest() {
		return
	}
	w.ending = true
	for _, m := range w.machines {
		w.note(m.name, "OWNER deletes the host for good")
		w.remove(&metal3.BareMetalHost{ObjectMeta: at(m, "")})
	}
	w.run(w.now().Add(goneWithin))
	for _, m := range w.machines {
		if h := w.hostOf(m.key); h != nil && len(w.wrongs()) == 0 {
			w.wrong("%s was deleted and is not gone after %s: %s", m.name, goneWithin, w.where(m))
		}
	}
}

// plan puts the next of what a host's owner will do on the agenda.
func (w *world) plan(m *machine, deedsLeft int) {
	if deedsLeft == 0 {
		return
	}
	all := deeds()
	names := all.names()
	w.agenda.add(w.now().Add(w.between(time.Second, trouble/6, "when "+m.name)), m.name, func() {
		if w.ending {
			return
		}
		name := names[w.below(len(names), "deed "+m.name)]
		w.note(m.name, "OWNER %s", name)
		all[name](w, m)
		w.plan(m, deedsLeft-1)
	})
}

// jump is a clock that goes on by hours while nothing happens: a site whose management server was off, or hung.
func (w *world) jump() {
	w.kill("a power cut at the management server")
	w.settle()
	gap := w.between(time.Hour, 9*time.Hour, "jump")
	w.healAt = w.healAt.Add(gap)
	time.Sleep(gap)
}

// heal ends all trouble, also that which only a person can end.
func (w *world) heal() {
	w.note("", "HEAL")
	w.faults = faults{}
	w.ending = true
	for _, m := range w.machines {
		m.bmc.Heal()
		w.setPassword(m, password(m.name, 1))
		if w.hostOf(m.key) == nil {
			w.createHost(m)
			continue
		}
		w.edit(m.key, func(h *metal3.BareMetalHost) {
			for _, a := range []string{metal3.PausedAnnotation, metal3.DetachedAnnotation, metal3.RebootAnnotationPrefix + "/k", ingot.BurnInAnnotation} {
				delete(h.Annotations, a)
			}
			if h.Spec.RAID != nil {
				// Volumes are not changed while nothing may be wiped.
				h.Spec.AutomatedCleaningMode = metal3.CleaningModeMetadata
			}
			if r := h.Spec.RootDeviceHints; r != nil && r.SerialNumber != "" {
				h.Spec.RootDeviceHints = nil
			}
		})
	}
}

// rest lets the site run until every host was at rest for a while, and judges where.
func (w *world) rest() bool {
	end := w.now().Add(restWithin)
	var quiet time.Time
	for {
		w.run(w.now().Add(time.Minute))
		if len(w.wrongs()) > 0 {
			return false
		}
		restless := w.restless()
		switch {
		case restless != nil && w.now().After(end):
			w.wrong("%s does not come to rest within %s: %s", restless.name, restWithin, w.where(restless))
			return false
		case restless != nil:
			quiet = time.Time{}
		case quiet.IsZero():
			quiet = w.now()
		case w.now().Sub(quiet) >= calm:
			for _, m := range w.machines {
				if problem := w.judge(m); problem != "" {
					w.wrong("%s %s: %s", m.name, problem, w.where(m))
				}
			}
			return len(w.wrongs()) == 0
		}
	}
}

// restless is a machine whose host is still on its way, nil for none.
func (w *world) restless() *machine {
	for _, m := range w.machines {
		h, l := w.hostOf(m.key), w.recordOf(m.key)
		if h == nil {
			// It was being deleted when the trouble ended, and its Secret, which it held, may have gone with it.
			w.setPassword(m, password(m.name, 1))
			w.createHost(m)
			return m
		}
		if l != nil && l.Status.Outcome.Reason == string(journey.ReasonImageGivenUp) && strings.Contains(l.Status.Outcome.Message, seededFault) && h.Spec.Description == "" {
			// The trouble had it given up before it ended: a change of the spec is what asks for one more try.
			w.edit(m.key, func(h *metal3.BareMetalHost) { h.Spec.Description = "once more" })
			return m
		}
		if l == nil || h.DeletionTimestamp != nil || l.Status.Outcome.Kind != string(journey.Done) && l.Status.Outcome.Reason != string(journey.ReasonImageGivenUp) {
			return m
		}
	}
	return nil
}

// judge says why a healed host at rest is not where its spec wants it.
func (w *world) judge(m *machine) string {
	h, l := w.hostOf(m.key), w.recordOf(m.key)
	state, p := h.Status.Provisioning.State, &h.Status.Provisioning
	want := metal3.StateAvailable
	switch {
	case l.Status.Outcome.Reason == string(journey.ReasonImageGivenUp):
		if h.Spec.Image.Checksum != badSum {
			return "gave a good image up"
		}
		return ""
	case h.Spec.ExternallyProvisioned:
		want = metal3.StateExternallyProvisioned
	case h.Spec.Image != nil && (h.Spec.Online || state == metal3.StateProvisioned):
		want = metal3.StateProvisioned
	}
	on := h.Spec.Online || h.Spec.DisablePowerOff
	switch {
	case state != want:
		return fmt.Sprintf("should be %q", want)
	case m.bmc.Powered() != on || h.Status.PoweredOn != on:
		return fmt.Sprintf("has power %v, status %v, spec %v", m.bmc.Powered(), h.Status.PoweredOn, on)
	case state == metal3.StateProvisioned && on && l.Status.Disk != nil && m.runs != "system":
		return "is provisioned and does not run its system"
	case state == metal3.StateProvisioned && on && p.Image.IsLiveISO() && !m.adopted && m.runs != "live":
		return "is provisioned with a live ISO and does not run it"
	case h.Status.ErrorMessage != "":
		return "has an error left"
	}
	return ""
}

// where says all that is known of a host, for failures.
func (w *world) where(m *machine) string {
	h, l := w.hostOf(m.key), w.recordOf(m.key)
	text := fmt.Sprintf("machine runs %q, powered %v, disks %s", m.runs, m.bmc.Powered(), m.contents())
	if h != nil {
		text += fmt.Sprintf("; host %q, error %q, spec %s", h.Status.Provisioning.State, h.Status.ErrorMessage, asJSON(h.Spec))
	}
	if l != nil {
		text += fmt.Sprintf("; outcome %s, failure %s", asJSON(l.Status.Outcome), asJSON(l.Status.Failure))
	}
	return text
}
