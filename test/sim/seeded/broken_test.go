package seeded

import (
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/step"
)

// breakage is a defect made on purpose, and how the simulation names it.
type breakage struct {
	name string
	// world breaks the world around the controller, decide the decisions.
	world  func(*world)
	decide func(f journey.Facts, now time.Time, d journey.Decision) journey.Decision
	// found are words, one of which a finding must hold.
	found []string
}

func breakages() []breakage {
	return []breakage{
		{name: "a token lets two agents in", world: func(w *world) { w.trusting = true }, found: []string{"two agents were let in"}},
		{name: "hosts are offered without cleaning", decide: unwiped, found: []string{"was not cleaned", "unsafe", "proved clean"}},
		{name: "a failed wipe counts as done", decide: stainsAreFine, found: []string{"proved clean", "unsafe", "without proof"}},
		{name: "the image goes to another disk", decide: otherDisk, found: []string{"than was chosen", "unsafe"}},
		{name: "deletion is not seen", decide: staysForever, found: []string{"is not gone", "unsafe"}},
		{name: "a failure is never tried again", decide: givesUp, found: []string{"does not come to rest"}},
		{name: "a host at rest is looked at all the time", decide: restless, found: []string{"times within a second"}},
		{name: "the password stands in the outcome", decide: talks, found: []string{"shows a secret"}},
		{name: "power is read, and never set", decide: powerless, found: []string{"has power", "does not come to rest", "is not gone"}},
		{name: "an agent wipes what it is not asked to", world: func(w *world) { w.eager = true }, found: []string{"and its disks hold", "does not run its system", "does not come to rest"}},
		{name: "what a burn-in wrote stays", decide: trustsBurnIns, found: []string{"with old data", "unsafe"}},
		{name: "an evidence is lost", decide: losesEvidence, found: []string{"without proof", "unsafe"}},
		{name: "errors stay when they are over", decide: keepsErrors, found: []string{"has an error left", "unsafe"}},
	}
}

// TestBreakagesAreFound: each defect made on purpose is found within some seeds. A simulation that finds nothing proves nothing.
func TestBreakagesAreFound(t *testing.T) {
	const seeds = 40
	for _, b := range breakages() {
		t.Run(strings.ReplaceAll(b.name, " ", "-"), func(t *testing.T) {
			t.Parallel()
			for seed := uint64(1); seed <= seeds; seed++ {
				w := live(t, seed, b.alter)
				for _, wrong := range w.wrongs() {
					if !slices.ContainsFunc(b.found, func(words string) bool { return strings.Contains(wrong, words) }) {
						t.Errorf("seed %d finds another defect: %s", seed, wrong)
					}
					return
				}
			}
			t.Errorf("not found by %d seeds", seeds)
		})
	}
}

func (b breakage) alter(w *world) {
	if b.world != nil {
		b.world(w)
	}
	if b.decide == nil {
		return
	}
	w.decide = w.traced(func(f journey.Facts, now time.Time) journey.Decision {
		return b.decide(f, now, lifecycle.Decide(f, now))
	})
	// The process of the beginning has the sound decisions.
	w.kill("the broken one takes over")
}

func unwiped(_ journey.Facts, now time.Time, d journey.Decision) journey.Decision {
	if s, ok := d.Action.(journey.RunStep); ok && s.Kind == step.Clean {
		at := metav1.NewTime(now)
		d.Record.CleanedAt, d.Record.Step, d.Action = &at, nil, nil
		d.Host.Status.Provisioning.State = metal3.StateAvailable
	}
	return d
}

func stainsAreFine(f journey.Facts, now time.Time, d journey.Decision) journey.Decision {
	if f.Agent == nil || f.Agent.Outcome == nil {
		return d
	}
	for i := range f.Agent.Outcome.Wipes {
		f.Agent.Outcome.Wipes[i].Clean = true
	}
	return lifecycle.Decide(f, now)
}

func otherDisk(f journey.Facts, now time.Time, _ journey.Decision) journey.Decision {
	if f.Agent == nil || f.Agent.Outcome == nil || f.Agent.Outcome.Disk == nil || f.Agent.Outcome.Written != nil {
		return lifecycle.Decide(f, now)
	}
	agent, outcome, disk := *f.Agent, *f.Agent.Outcome, *f.Agent.Outcome.Disk
	disk.SerialNumber = f.Host.Name + map[bool]string{true: "-B", false: "-A"}[disk.SerialNumber == f.Host.Name+"-A"]
	outcome.Disk = &disk
	agent.Outcome = &outcome
	f.Agent = &agent
	return lifecycle.Decide(f, now)
}

func staysForever(f journey.Facts, now time.Time, _ journey.Decision) journey.Decision {
	f.Host = f.Host.DeepCopy()
	f.Host.DeletionTimestamp = nil
	return lifecycle.Decide(f, now)
}

func givesUp(_ journey.Facts, now time.Time, d journey.Decision) journey.Decision {
	if d.Record.Failure != nil {
		never := metav1.NewTime(now.Add(10000 * time.Hour))
		d.Record.Failure.NextAttempt = never
	}
	return d
}

func restless(_ journey.Facts, now time.Time, d journey.Decision) journey.Decision {
	if d.Outcome.Kind == journey.Done {
		d.Outcome.NextAttempt = now.Add(time.Millisecond)
	}
	return d
}

func talks(f journey.Facts, _ time.Time, d journey.Decision) journey.Decision {
	d.Outcome.Message += " with " + password(f.Host.Name, 1)
	d.Record.Outcome.Message = d.Outcome.Message
	return d
}

func powerless(_ journey.Facts, _ time.Time, d journey.Decision) journey.Decision {
	if _, ok := d.Action.(journey.SetPower); ok {
		d.Action = journey.ReadPower{}
	}
	return d
}

func trustsBurnIns(f journey.Facts, now time.Time, d journey.Decision) journey.Decision {
	if s, ok := d.Action.(journey.RunStep); ok && s.Kind == step.BurnIn && d.Record.CleanedAt == nil && f.Record.CleanedAt != nil {
		at := metav1.NewTime(now)
		d.Record.CleanedAt = &at
	}
	return d
}

func losesEvidence(_ journey.Facts, _ time.Time, d journey.Decision) journey.Decision {
	if len(d.Record.Wipes) > 1 {
		d.Record.Wipes = d.Record.Wipes[:1]
	}
	return d
}

func keepsErrors(f journey.Facts, _ time.Time, d journey.Decision) journey.Decision {
	if text := f.Host.Status.ErrorMessage; text != "" && d.Host.Status.ErrorMessage == "" {
		d.Host.Status.ErrorMessage, d.Host.Status.ErrorType = text, f.Host.Status.ErrorType
	}
	return d
}
