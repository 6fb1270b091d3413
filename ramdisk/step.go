package ramdisk

import (
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// progressEvery bounds how often progress goes into the record.
const progressEvery = 5 * time.Second

// timeouts are how long a step may take. A write is bounded by what a 1 TB image needs at 50 MB/s; a wipe of metadata by a shelf of 100 slow disks.
func timeouts() map[step.Kind]time.Duration {
	return map[step.Kind]time.Duration{
		step.Inspect:    10 * time.Minute,
		step.ChooseDisk: 5 * time.Minute,
		step.Clean:      time.Hour,
		step.WriteImage: 6 * time.Hour,
		// Some 100 MiB are read, and their digest is made.
		step.LoadSystem: 5 * time.Minute,
		// Longer than an agent that does not call is waited for: one that was told to leave has left.
		step.EnterSystem: 15 * time.Minute,
		// A table and a superblock on each disk, and the metadata of the arrays.
		step.ConfigureRAID: time.Hour,
	}
}

// Run gets a step done by the agent that Ensure found. It returns the outcome, not nil, once the agent has it; the caller stores what it needs and then
// calls Draft.EndStep. Until then the decision says what is awaited.
func Run(d *journey.Draft, kind step.Kind, claim *ingot.DiskClaim) (*step.Outcome, journey.Decision) {
	a, s := d.Agent(), d.Record.Step
	if s == nil || s.Kind != string(kind) || !ofBoot(d, s.ID) {
		return nil, offer(d, kind, claim, true)
	}
	deadline := s.StartedAt.Add(timeout(d, kind))
	switch {
	case a.StepID == s.ID && a.Phase == step.Finished && a.Outcome != nil:
		return a.Outcome, journey.Decision{}
	case !d.Now.Before(deadline):
		// What the agent is at is not known any more; the next boot supersedes it.
		out := &step.Outcome{Failure: &step.Failure{Kind: step.Timeout, Message: fmt.Sprintf("%s did not end within %s", kind, timeout(d, kind))}}
		d.EndStep(out.Failure.Message)
		d.DropBoot()
		return out, journey.Decision{}
	case a.StepID == s.ID && a.Phase == step.Running:
		takeProgress(d, a)
		return nil, d.Wait(journey.ReasonStepRunning, runningMessage(kind, s.Progress), deadline, deadline)
	case a.WantedID == s.ID:
		return nil, d.Wait(journey.ReasonStepStarting, fmt.Sprintf("%s was handed to the agent", kind), d.Now.Add(reoffer), deadline)
	}
	return nil, offer(d, kind, claim, false)
}

// NextStepID is the ID that the next new step of this boot gets: a claim is bound to it before the step exists.
func NextStepID(d *journey.Draft, kind step.Kind) string {
	b := d.Record.Boot
	return fmt.Sprintf("%s-%d-%s", b.ID, b.Steps+1, kind)
}

// OfBoot says whether a step ID is of the boot under way.
func OfBoot(d *journey.Draft, id string) bool { return d.Record.Boot != nil && ofBoot(d, id) }

func ofBoot(d *journey.Draft, id string) bool {
	n := len(d.Record.Boot.ID)
	return len(id) > n && id[:n] == d.Record.Boot.ID && id[n] == '-'
}

// offer hands the step out: a new one with a new ID, or again the one that the agent did not take up.
func offer(d *journey.Draft, kind step.Kind, claim *ingot.DiskClaim, fresh bool) journey.Decision {
	if fresh {
		attempt := int32(1)
		if s := d.Record.Step; s != nil && s.Kind == string(kind) {
			attempt = s.Attempt + 1
		}
		d.DropStep()
		id := NextStepID(d, kind)
		d.Record.Boot.Steps++
		d.Record.Step = &ingot.StepStatus{ID: id, Kind: string(kind), Attempt: attempt, StartedAt: *d.Stamp()}
	}
	s := d.Record.Step
	deadline := s.StartedAt.Add(timeout(d, kind))
	return d.ActUntil(journey.RunStep{ID: s.ID, Kind: kind, Claim: claim, Deadline: deadline},
		journey.Outcome{Reason: journey.ReasonStepStarting, Message: fmt.Sprintf("handing %s to the agent", kind), Deadline: deadline, NextAttempt: d.Now.Add(reoffer)})
}

// takeProgress copies the agent's progress into the record, not more often than progressEvery within a phase.
func takeProgress(d *journey.Draft, a *journey.AgentFacts) {
	p, old := a.Progress, d.Record.Step.Progress
	if p == nil || old != nil && old.Phase == p.Phase && p.UpdatedAt.Sub(old.UpdatedAt.Time) < progressEvery {
		return
	}
	d.Record.Step.Progress = &ingot.Progress{
		Phase: p.Phase, DoneBytes: p.DoneBytes, TotalBytes: p.TotalBytes, BytesPerSecond: p.BytesPerSecond, SecondsLeft: p.SecondsLeft,
		UpdatedAt: metav1.NewTime(p.UpdatedAt),
	}
}

func runningMessage(kind step.Kind, p *ingot.Progress) string {
	if p == nil || p.Phase == "" {
		return fmt.Sprintf("the agent is at %s", kind)
	}
	return fmt.Sprintf("the agent is at %s: %s", kind, p.Phase)
}
