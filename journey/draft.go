package journey

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Draft is a decision in the making: copies of the objects, and the edits that every stage makes in the same way. A stage begins one, edits Host and
// Record, and ends it with exactly one of Act, Again, Wait, Done, Block, Fail.
type Draft struct {
	// Facts are as they were gathered; Facts.Host is never edited.
	Facts Facts
	Now   time.Time
	// Host and Record are what will be written.
	Host   *metal3.BareMetalHost
	Record ingot.HostLifecycleStatus

	event string
}

// Begin copies the objects and takes up what the last action, the BMC and the agent said, in so far as it means the same in every stage.
func Begin(f Facts, now time.Time) *Draft {
	d := &Draft{Facts: f, Now: now, Host: f.Host.DeepCopy(), Record: *f.Record.DeepCopy()}
	d.takeResult()
	d.takeDrive()
	d.takeHealth()
	if p := d.Power().State; p != PowerUnknown {
		d.Host.Status.PoweredOn = p == PowerOn
	}
	if d.Agent() != nil && d.Record.Boot.EnrolledAt == nil {
		d.Record.Boot.EnrolledAt = d.Stamp()
		endEntry(&d.Record, StartAgent{}.Name(), ResultOK, "", now)
	}
	return d
}

// takeResult closes the action's line in the timeline. A step's line and a boot's stay open: they end with the agent's word.
func (d *Draft) takeResult() {
	r := d.Facts.Result
	if r == nil {
		return
	}
	b := d.Record.Boot
	mine := b != nil && b.ID == r.BootID && b.StartedAt != nil
	if r.Failure != nil {
		endEntry(&d.Record, r.Action, ResultFailed, r.Failure.Message, d.Now)
		if mine && b.ConfirmedAt == nil && starts(r.Action) {
			// The next attempt begins with the window again. That the machine is on then proves no start: a BMC that showed it off too early may have let it run on.
			b.StartedAt = nil
			if r.Action != (StartAgent{}).Name() {
				b.StartFailedAt = d.Stamp()
			}
		}
		return
	}
	switch {
	case r.Action == StartUpdate{}.Name(), r.Action == MakeVolume{}.Name(), r.Action == DeleteVolume{}.Name():
		// Its line ends with the update, or with the change.
		return
	case starts(r.Action):
		d.Host.Status.PoweredOn = true
		if mine && b.ConfirmedAt == nil {
			b.ConfirmedAt = d.Stamp()
		}
		if r.Action == (StartAgent{}).Name() {
			return
		}
	case r.Action == SetPower{}.Name():
		if c := d.Record.PowerChange; c != nil {
			c.Confirmed = true
		}
	}
	endEntry(&d.Record, r.Action, ResultOK, "", d.Now)
}

// starts: an action that starts the machine for the boot under way.
func starts(action string) bool {
	return action == (StartAgent{}).Name() || action == (BootDisk{}).Name() || action == (BootISO{}).Name()
}

// State is the provisioning state that the decision is in.
func (d *Draft) State() metal3.ProvisioningState { return d.Host.Status.Provisioning.State }

// Deleting says whether the host was deleted.
func (d *Draft) Deleting() bool { return !d.Host.DeletionTimestamp.IsZero() }

// Agent is the connected agent of the boot under way, nil for none.
func (d *Draft) Agent() *AgentFacts {
	a, b := d.Facts.Agent, d.Record.Boot
	if a == nil || b == nil || a.BootID != b.ID || b.Purpose == ingot.PurposeFirstBoot {
		return nil
	}
	return a
}

// Power is the last power reading, unknown when it is from before the boot under way: that boot turned the machine on. What the start of that boot read itself counts, and so does an agent's
// word, which comes from a machine that is on; not while a change of power is under way, which the agent may not have felt yet.
func (d *Draft) Power() PowerReading {
	p, b := d.Facts.Power, d.Record.Boot
	if a := d.Agent(); a != nil && d.Record.PowerChange == nil && a.LastSeen.After(p.ReadAt) {
		return PowerReading{State: PowerOn, ReadAt: a.LastSeen}
	}
	if r := d.Facts.Result; r != nil && r.Power != nil && r.Failure == nil && b != nil && b.ID == r.BootID {
		return *r.Power
	}
	if b != nil && (before(p, b.StartedAt) || before(p, b.StartFailedAt)) {
		return PowerReading{}
	}
	return p
}

// before says whether a reading is older than a time in the objects, which hold whole seconds.
func before(p PowerReading, t *metav1.Time) bool {
	return t != nil && p.ReadAt.Before(t.Add(time.Second))
}

// Succeeded says whether the last action was of this name and went well.
func (d *Draft) Succeeded(a Action) bool {
	r := d.Facts.Result
	return r != nil && r.Action == a.Name() && r.Failure == nil
}

// UID is what deterministic choices about this host are derived from.
func (d *Draft) UID() string {
	if uid := string(d.Host.UID); uid != "" {
		return uid
	}
	return d.Host.Namespace + "/" + d.Host.Name
}

// MoveTo changes the provisioning state: errors are over, the stage's operation ends, the next one begins. The step at work is abandoned; the agent and its boot stay.
func (d *Draft) MoveTo(to metal3.ProvisioningState) {
	d.ClearError()
	d.Host.Status.ErrorCount = 0
	d.MoveWithError(to)
}

// MoveWithError is MoveTo for a move that an error causes: it stays visible until it is overcome.
func (d *Draft) MoveWithError(to metal3.ProvisioningState) {
	now := metav1.NewTime(d.Now)
	if m := d.Host.OperationMetricForState(d.State()); m != nil && !m.Start.IsZero() && m.End.IsZero() {
		m.End = now
	}
	if m := d.Host.OperationMetricForState(to); m != nil {
		*m = metal3.OperationMetric{Start: now}
	}
	d.DropStep()
	endEntry(&d.Record, "", ResultOK, "", d.Now)
	d.Host.Status.Provisioning.State = to
	beginEntry(&d.Record, string(to), "", d.Now)
	if d.Record.Boot != nil {
		d.Record.Boot.Attempt = 1
	}
	d.Record.Failure = nil
	d.Record.PowerChange = nil
	d.Record.Servicing = nil
	d.event = moveEvents()[to]
}

// moveEvents are the Kubernetes event reasons that Metal3 uses for the beginning of a stage.
func moveEvents() map[metal3.ProvisioningState]string {
	return map[metal3.ProvisioningState]string{
		metal3.StateRegistering:             "RegistrationStarted",
		metal3.StateInspecting:              "InspectionStarted",
		metal3.StatePreparing:               "PreparationStarted",
		metal3.StateAvailable:               "HostAvailable",
		metal3.StateProvisioning:            "ProvisioningStarted",
		metal3.StateProvisioned:             "ProvisioningComplete",
		metal3.StateExternallyProvisioned:   "ExternallyProvisioned",
		metal3.StateDeprovisioning:          "DeprovisioningStarted",
		metal3.StatePoweringOffBeforeDelete: "PoweringOffBeforeDelete",
		metal3.StateDeleting:                "DeletionStarted",
	}
}

// DropStep abandons the step at work, if there is one.
func (d *Draft) DropStep() {
	if s := d.Record.Step; s != nil {
		endEntry(&d.Record, s.Kind, ResultInterrupted, "", d.Now)
		d.Record.Step = nil
	}
}

// EndStep closes the step at work with what it came to.
func (d *Draft) EndStep(failure string) {
	s := d.Record.Step
	if s == nil {
		return
	}
	result := ResultOK
	if failure != "" {
		result = ResultFailed
	}
	endEntry(&d.Record, s.Kind, result, failure, d.Now)
	d.Record.Step = nil
}

// DropBoot gives the boot under way up, and the step with it: its agent is superseded.
func (d *Draft) DropBoot() {
	d.DropStep()
	endEntry(&d.Record, StartAgent{}.Name(), ResultInterrupted, "", d.Now)
	d.Record.Boot = nil
}

// Announce publishes a Kubernetes event of this reason with the outcome's message.
func (d *Draft) Announce(event string) { d.event = event }

// Act ends the draft with an action.
func (d *Draft) Act(a Action, r Reason, message string) Decision {
	return d.ActUntil(a, Outcome{Reason: r, Message: message})
}

// ActUntil is Act with a deadline, or with a later next look than the action's end.
func (d *Draft) ActUntil(a Action, o Outcome) Decision {
	if inTimeline(a) {
		beginEntry(&d.Record, string(d.State()), a.Name(), d.Now)
	}
	o.Kind = Act
	dec := d.end(o)
	dec.Action = a
	return dec
}

// Again ends the draft with a change of the objects alone; the next pass follows at once.
func (d *Draft) Again(r Reason, message string) Decision {
	return d.end(Outcome{Kind: Wait, Reason: r, Message: message})
}

// Wait ends the draft with a wait: for an event, until next at the latest. A deadline, where not zero, is when it counts as failed.
func (d *Draft) Wait(r Reason, message string, next, deadline time.Time) Decision {
	return d.end(Outcome{Kind: Wait, Reason: r, Message: message, NextAttempt: next, Deadline: deadline})
}

// WaitOn is Wait with all that an outcome can say.
func (d *Draft) WaitOn(o Outcome) Decision {
	o.Kind = Wait
	return d.end(o)
}

// Done ends the draft: the host is where it should be until next at the latest.
func (d *Draft) Done(r Reason, message string, next time.Time) Decision {
	return d.end(Outcome{Kind: Done, Reason: r, Message: message, NextAttempt: next})
}

// Block ends the draft: a person must act. It is looked at again at next in any case.
func (d *Draft) Block(r Reason, message, fix string, next time.Time) Decision {
	return d.end(Outcome{Kind: Blocked, Reason: r, Message: message, Fix: fix, NextAttempt: next})
}

func (d *Draft) end(o Outcome) Decision {
	return Decision{Host: d.Host, Record: d.Record, Outcome: o, Event: d.event}
}

// Stamp is now as the objects hold it.
func (d *Draft) Stamp() *metav1.Time {
	t := metav1.NewTime(d.Now)
	return &t
}
