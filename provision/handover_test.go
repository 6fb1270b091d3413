package provision

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// life takes decisions and does what they say, as long as the test wants.
type life struct {
	t     *testing.T
	now   time.Time
	facts journey.Facts
	// outcomes are what the agent answers; actions what was asked for.
	outcomes map[step.Kind]step.Outcome
	actions  []string
	// dies: the agent is not heard any more once it was given a step of this kind.
	dies step.Kind
}

func newLife(t *testing.T) *life {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now.Add(-time.Minute))
	h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Finalizers: []string{metal3.BareMetalHostFinalizer}}}
	h.Annotations = map[string]string{ingot.HandOverAnnotation: "kexec"}
	h.Spec.BMC.Address, h.Spec.Online = "redfish-virtualmedia://10.0.0.5/", true
	h.Spec.Image = &metal3.Image{URL: "http://i/a.raw", Checksum: strings.Repeat("a", 64)}
	h.Status.Provisioning.State, h.Status.Provisioning.Image = metal3.StateProvisioning, *h.Spec.Image
	r := ingot.HostLifecycleStatus{
		Boot: &ingot.BootStatus{ID: "boot-1", Purpose: ingot.PurposeAgent, StartedAt: &at, ConfirmedAt: &at, EnrolledAt: &at, Attempt: 1, Steps: 2},
		Disk: &ingot.DiskClaim{DeviceName: "/dev/sda", SerialNumber: "s", StepID: "boot-1-2-write-image", Written: true, ImageURL: h.Spec.Image.URL},
	}
	l := &life{t: t, now: now, facts: journey.Facts{Host: h, Record: r, Site: journey.Site{VirtualMedia: true, PXE: true}}}
	l.facts.Agent = &journey.AgentFacts{BootID: "boot-1", LastSeen: now, Phase: step.Idle}
	l.facts.Power = journey.PowerReading{State: journey.PowerOn, ReadAt: now}
	l.outcomes = map[step.Kind]step.Outcome{step.LoadSystem: {Loaded: &step.Loaded{Kernel: "/vmlinuz", CommandLine: "ro"}}, step.EnterSystem: {}}
	return l
}

// run goes on until the host is provisioned.
func (l *life) run() ingot.HostLifecycleStatus {
	l.t.Helper()
	for range 60 {
		if l.facts.Host.Status.Provisioning.State == metal3.StateProvisioned {
			return l.facts.Record
		}
		dec := Decide(l.facts, l.now)
		if v := journey.Check(l.facts, dec); len(v) > 0 {
			l.t.Fatalf("%v in %+v", v, dec.Outcome)
		}
		l.facts.Host, l.facts.Record, l.facts.Result = dec.Host, dec.Record, nil
		l.now = l.now.Add(2 * time.Second)
		if dec.Action != nil {
			l.do(dec.Action)
		} else if n := dec.Outcome.NextAttempt; n.After(l.now) {
			l.now = n
		}
		if a := l.facts.Agent; a != nil {
			c := *a
			if l.dies == "" || c.StepID == "" || !strings.HasSuffix(c.StepID, string(l.dies)) {
				c.LastSeen = l.now
			}
			l.facts.Agent = &c
		}
	}
	l.t.Fatalf("not provisioned; did %v; at %+v", l.actions, l.facts.Record.Outcome)
	return l.facts.Record
}

func (l *life) do(a journey.Action) {
	l.actions = append(l.actions, a.Name())
	r := &journey.ActionResult{Action: a.Name()}
	switch a := a.(type) {
	case journey.RunStep:
		o := l.outcomes[a.Kind]
		c := journey.AgentFacts{BootID: l.facts.Record.Boot.ID, LastSeen: l.now, StepID: a.ID, WantedID: a.ID, Phase: step.Finished, Outcome: &o}
		if a.Kind == l.dies {
			c.Phase, c.Outcome = step.Idle, nil
		}
		l.facts.Agent = &c
		return
	case journey.SetDisk:
		r.BootID = a.BootID
	case journey.OpenWindow:
		r.BootID = a.BootID
		l.facts.Window = &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Name: a.BootID}}
	case journey.SetPower:
		l.facts.Power = journey.PowerReading{State: a.Want, ReadAt: l.now.Add(time.Second)}
		r.Power = &l.facts.Power
	case journey.BootDisk:
		r.BootID = a.BootID
		l.facts.Power = journey.PowerReading{State: journey.PowerOn, ReadAt: l.now.Add(time.Second)}
	case journey.ReadPower:
		l.facts.Power.ReadAt = l.now.Add(time.Second)
		r.Power = &l.facts.Power
	}
	l.facts.Result = r
}

// TestHandOver: what is done in which order, and when the firmware does it after all.
func TestHandOver(t *testing.T) {
	const firmware = "set power, open boot window, boot from disk"
	for name, c := range map[string]struct {
		change  func(l *life)
		actions string
		method  ingot.HandOverMethod
		reason  string
	}{
		"kexec":           {func(*life) {}, "load-system, set disk for the next boot, enter-system, open boot window", ingot.HandOverByKexec, ""},
		"nobody asks":     {func(l *life) { l.facts.Host.Annotations = nil }, firmware, "", ""},
		"reboot":          {func(l *life) { l.facts.Host.Annotations[ingot.HandOverAnnotation] = "Reboot" }, firmware, "", ""},
		"an unknown word": {func(l *life) { l.facts.Host.Annotations[ingot.HandOverAnnotation] = "warp" }, firmware, ingot.HandOverByReboot, "neither"},
		"secure boot":     {func(l *life) { l.facts.Host.Status.Provisioning.BootMode = metal3.UEFISecureBoot }, firmware, ingot.HandOverByReboot, "secure boot"},
		"no agent":        {func(l *life) { l.facts.Agent = nil }, firmware, ingot.HandOverByReboot, "not there"},
		"a kernel that is locked down": {func(l *life) {
			l.outcomes[step.LoadSystem] = step.Outcome{Failure: &step.Failure{Message: "kexec_file_load(2): it is locked down"}}
		},
			"load-system, " + firmware, ingot.HandOverByReboot, "locked down"},
		"an agent of an earlier release": {func(l *life) { l.outcomes[step.LoadSystem] = step.Outcome{} }, "load-system, " + firmware, ingot.HandOverByReboot, "does not say"},
		"an agent that has lost it": {func(l *life) {
			l.outcomes[step.EnterSystem] = step.Outcome{Failure: &step.Failure{Message: "no system was made ready"}}
		},
			"load-system, set disk for the next boot, enter-system, " + firmware, ingot.HandOverByReboot, "made ready"},
		"an answer that is lost":           {func(l *life) { l.dies = step.EnterSystem }, "load-system, set disk for the next boot, enter-system, open boot window", ingot.HandOverByKexec, ""},
		"one whose power may not be taken": {func(l *life) { l.facts.Host.Spec.DisablePowerOff = true }, "load-system, set disk for the next boot, enter-system, open boot window", ingot.HandOverByKexec, ""},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLife(t)
			c.change(l)
			r := l.run()
			var did []string
			for _, a := range l.actions {
				if n := len(did); n == 0 || did[n-1] != a {
					did = append(did, a)
				}
			}
			if got := strings.Join(did, ", "); got != c.actions {
				t.Errorf("did %s; want %s", got, c.actions)
			}
			h := r.HandOver
			if (h != nil) != (c.method != "") || h != nil && (h.Method != c.method || !strings.Contains(h.Reason, c.reason) || (h.Reason != "") != (c.reason != "")) {
				t.Errorf("record %+v", h)
			}
			if h != nil && h.Method == ingot.HandOverByKexec && (h.Kernel != "/vmlinuz" || h.EnteredAt == nil || r.Boot.Purpose != ingot.PurposeFirstBoot) {
				t.Errorf("record %+v, boot %+v", h, r.Boot)
			}
		})
	}
}
