// Package volume brings the volumes of a machine's RAID controllers to what spec.raid.hardwareRAIDVolumes asks for.
//
// It owns the order: what is there is read, one volume after another is deleted and made, each change is followed to its end and proved by reading again, and a machine whose volumes were changed is inspected
// again, since it has other disks now. It refuses which volumes and which drives (package raid), and how a BMC is asked (the drivers). prepare calls it, before the disks are cleaned.
//
// The agent runs meanwhile: many BMCs show no controller, and change none, of a machine that is off. A change that its controller carries out with the next start gets one, into a new boot of the agent.
//
// A change is written down before the BMC is asked. When the answer was lost (a crash, a connection that broke) the BMC is not asked again before the controller was read: a volume that is there was made.
//
// Volumes and drives of an available host are taken as they were found: they are looked at again after an inspection, and when spec.raid changes. Cleaning wipes what is on volumes and leaves them there, as
// Ironic's automated cleaning does: they are the host's configuration, and the next user's root device.
//
// Invariants: at most one change is under way; a volume is changed only on a host in preparation with nothing on its disks (journey.RefuseVolume); every change voids the proof that the disks are clean; nothing
// here changes a machine's power but by booting the agent.
package volume

import (
	"fmt"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

const (
	// followEvery is how often a BMC is asked how far a change is, in its first minute after a tenth of its age and at least followFirst; unansweredRetry how soon again where it did not answer.
	followEvery     = 10 * time.Second
	followFirst     = time.Second
	unansweredRetry = 15 * time.Second
	// Limit is how long a change may take in all before its end counts as not known: a controller may initialize a volume before it says that it is made.
	Limit = 2 * time.Hour
	// staging is how long a change may wait at its BMC before it counts as one that needs the machine's next start; stagedWithin how long it may take after that start.
	staging      = time.Minute
	stagedWithin = 30 * time.Minute
	// shownWithin is how long the BMC may still show the controller as it was; readAgain how often it is read meanwhile.
	shownWithin = 10 * time.Minute
	readAgain   = 20 * time.Second
)

// Seen is what the last action told, for the same pass.
type Seen struct {
	// Storage is what was read, nil for nothing.
	Storage *raid.Storage
	// Looked: the BMC told of the change under way. Unanswered: it did not answer.
	Looked, Unanswered bool
}

// Take takes up the last action on volumes. A BMC that did not answer while a change is under way is no failure of the stage: the draft has no result any more then.
func Take(d *journey.Draft) Seen {
	r := d.Facts.Result
	if r == nil {
		return Seen{}
	}
	c := change(&d.Record)
	switch r.Action {
	case journey.ReadVolumes{}.Name():
		return takeReading(d, c)
	case journey.MakeVolume{}.Name(), journey.DeleteVolume{}.Name():
		return takeAnswer(d, c)
	case journey.FollowVolume{}.Name():
		return takeLook(d, c)
	}
	return Seen{}
}

func change(r *ingot.HostLifecycleStatus) *ingot.RAIDChange {
	if r.RAID == nil {
		return nil
	}
	return r.RAID.Change
}

func noAnswer(f *step.Failure) bool {
	return f.Kind == step.Unreachable || f.Kind == step.Timeout || f.Kind == step.Busy
}

func takeReading(d *journey.Draft, c *ingot.RAIDChange) Seen {
	r := d.Facts.Result
	switch {
	case r.Failure == nil && r.Storage != nil:
		if c != nil {
			c.ReadAt = d.Stamp()
		}
		return Seen{Storage: r.Storage}
	case r.Failure == nil:
		d.Facts.Result = &journey.ActionResult{Action: r.Action, Failure: &step.Failure{Kind: step.Internal, Message: "the RAID controllers were read, and nothing came of it"}}
	case c != nil && noAnswer(r.Failure):
		d.Facts.Result = nil
		return Seen{Unanswered: true}
	}
	return Seen{}
}

func takeAnswer(d *journey.Draft, c *ingot.RAIDChange) Seen {
	r := d.Facts.Result
	if c == nil || c.AcceptedAt != nil {
		return Seen{}
	}
	if f := r.Failure; f != nil {
		if f.Kind == step.Unreachable || f.Kind == step.Timeout {
			// It may have taken the order.
			d.Facts.Result = nil
			return Seen{Unanswered: true}
		}
		// What the BMC refused it did not do; the stage tells the failure.
		f := *f
		f.Message = fmt.Sprintf("%s: %s", told(c), f.Message)
		r := *r
		r.Failure = &f
		d.Facts.Result = &r
		drop(d, c, f.Message)
		return Seen{}
	}
	c.AcceptedAt, c.HeardAt = d.Stamp(), d.Stamp()
	if v := r.Volume; v != nil {
		c.Ticket = v.Ticket
		if v.OnReset {
			stage(d, c)
		}
	}
	if c.Ticket == "" && !c.Staged {
		c.EndedAt = d.Stamp()
	}
	return Seen{Looked: true}
}

func takeLook(d *journey.Draft, c *ingot.RAIDChange) Seen {
	r := d.Facts.Result
	d.Facts.Result = nil
	if c == nil {
		return Seen{}
	}
	if r.Failure != nil || r.Volume == nil {
		return Seen{Unanswered: true}
	}
	if c.HeardAt == nil || !d.Now.Before(c.HeardAt.Add(time.Minute)) {
		c.HeardAt = d.Stamp()
	}
	switch r.Volume.State {
	case journey.UpdateRuns:
		c.WaitsAt = nil
	case journey.UpdateWaits:
		if c.WaitsAt == nil {
			c.WaitsAt = d.Stamp()
		}
		if !c.Staged && !d.Now.Before(c.WaitsAt.Add(staging)) {
			stage(d, c)
		}
	case journey.UpdateFailed:
		f := step.Failure{Kind: step.Internal, Message: fmt.Sprintf("%s: %s", told(c), r.Volume.Message), Fix: "see the BMC's own log of the controller, and correct spec.raid or the controller"}
		drop(d, c, f.Message)
		d.Facts.Result = &journey.ActionResult{Action: journey.FollowVolume{}.Name(), Failure: &f}
		return Seen{}
	default:
		// Done, or the BMC knows nothing of it any more: the controller's volumes tell.
		c.EndedAt = d.Stamp()
	}
	return Seen{Looked: true}
}

func stage(d *journey.Draft, c *ingot.RAIDChange) {
	c.Staged = true
	if b := d.Record.Boot; b != nil {
		c.StagedIn = b.ID
	}
}

// drop ends a change that was not carried out.
func drop(d *journey.Draft, c *ingot.RAIDChange, failure string) {
	d.EndVolume(c.Delete, failure)
	d.Record.RAID.Change = nil
}

// Bring does the next thing. as is true once the volumes are as asked for; then the decision is empty.
func Bring(d *journey.Draft, seen Seen) (dec journey.Decision, as bool) {
	if d.Record.Step != nil && change(&d.Record) == nil {
		// The agent is at the disks; a host that asks for other volumes meanwhile comes back here before it is offered.
		return journey.Decision{}, true
	}
	if c := change(&d.Record); c != nil {
		return follow(d, c, seen), false
	}
	wishes, managed := journey.HardwareRAID(d.Host)
	switch {
	case !managed:
		return reinspect(d)
	case journey.VolumesMade(d.Host, &d.Record) && !readBefore(d):
		return journey.Decision{}, true
	}
	if f := raid.CheckWishes(wishes); f != nil {
		return d.Fail(metal3.PreparationError, *f), false
	}
	if dec, ready := ramdisk.Ensure(d, metal3.PreparationError); !ready {
		return dec, false
	}
	if seen.Storage == nil {
		return d.Act(journey.ReadVolumes{}, journey.ReasonChangingVolumes, "reading the machine's RAID controllers"), false
	}
	return bring(d, wishes, *seen.Storage)
}

// readBefore: the machine was inspected since its volumes were read, and may be another one inside.
func readBefore(d *journey.Draft) bool {
	if _, managed := journey.HardwareRAID(d.Host); !managed {
		return false
	}
	end := d.Host.Status.OperationHistory.Inspect.End
	r := d.Record.RAID
	return r == nil || r.VolumesReadAt == nil || !end.IsZero() && r.VolumesReadAt.Before(&end)
}

// bring holds what was read against what is asked for, and asks for the first change.
func bring(d *journey.Draft, wishes []raid.Wish, s raid.Storage) (journey.Decision, bool) {
	policy, err := journey.Erasure(d.Host)
	if err != nil {
		return d.Block(journey.ReasonAnnotationInvalid, err.Error(), "correct the annotation", d.Now.Add(annotationRetry)), false
	}
	r := d.Record.RAID
	if r == nil {
		r = &ingot.RAIDStatus{}
		d.Record.RAID = r
	}
	note(r, s)
	asked := names(r)
	todo, f := raid.Bring(wishes, s, policy, asked)
	if f != nil {
		return d.Fail(metal3.PreparationError, *f), false
	}
	if len(todo.Delete) == 0 && len(todo.Make) == 0 {
		return settle(d, wishes, todo.Has, asked)
	}
	if d.Host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		return d.Fail(metal3.PreparationError, step.Failure{Kind: step.Invalid,
			Message: "spec.raid.hardwareRAIDVolumes asks for other volumes than the machine has, and what is on its disks may not be lost: automatedCleaningMode is disabled",
			Fix:     "set spec.automatedCleaningMode to metadata for the change, or remove spec.raid.hardwareRAIDVolumes, which leaves the volumes as they are"}), false
	}
	if why := refused(d); why != "" {
		return d.Fail(metal3.PreparationError, step.Failure{Kind: step.Invalid, Message: "spec.raid.hardwareRAIDVolumes asks for other volumes than the machine has, and none is changed: " + why, Fix: "bring spec.raid back to what it was"}), false
	}
	d.Record.CleanedAt = nil
	r.VolumesFor, r.VolumesReadAt, r.VolumesChanged = "", nil, true
	if len(todo.Delete) > 0 {
		del := todo.Delete[0]
		r.Change = &ingot.RAIDChange{Delete: true, Volume: recorded(del.Controller, del.Volume, ""), AskedAt: *d.Stamp()}
		return d.Act(journey.DeleteVolume{Controller: del.Controller, ID: del.Volume.ID}, journey.ReasonChangingVolumes,
			fmt.Sprintf("deleting the volume %s of controller %s, which is not asked for", del.Volume.ID, del.Controller)), false
	}
	order := todo.Make[0]
	r.Change = &ingot.RAIDChange{Volume: recorded(order.Controller, order.Volume, order.Volume.Name), Before: ids(s, order.Controller), AskedAt: *d.Stamp()}
	return d.Act(journey.MakeVolume{Controller: order.Controller, Volume: order.Volume}, journey.ReasonChangingVolumes,
		fmt.Sprintf("making volume %d of level %s at controller %s of %s", order.Wish+1, order.Volume.Level, order.Controller, strings.Join(order.Volume.Drives, ", "))), false
}

// annotationRetry is when an annotation that cannot be read is read again; a change of it wakes the host at once.
const annotationRetry = time.Minute

// refused is journey.RefuseVolume for a host whose proof will be voided with the change.
func refused(d *journey.Draft) string {
	r := d.Record
	r.CleanedAt = nil
	return journey.RefuseVolume(d.Host, &r)
}

// settle notes that the volumes are as asked for.
func settle(d *journey.Draft, wishes []raid.Wish, has []raid.Removal, asked raid.Asked) (journey.Decision, bool) {
	r := d.Record.RAID
	r.Volumes = nil
	for _, h := range has {
		r.Volumes = append(r.Volumes, recorded(h.Controller, h.Volume, asked(h.Controller, h.Volume.ID)))
	}
	if len(has) > 0 && has[0].Volume.WWN == "" && noHints(d.Host) {
		return d.Fail(metal3.PreparationError, step.Failure{Kind: step.Invalid,
			Message: fmt.Sprintf("the BMC tells no WWN of the volume %s of controller %s, which is the root device since there are no root device hints: the system's disk of it is not known", has[0].Volume.ID, has[0].Controller),
			Fix:     "set spec.rootDeviceHints, for example to a minSizeGigabytes or a model that only this volume has"}), false
	}
	r.VolumesFor, r.VolumesReadAt = journey.VolumesKey(wishes), d.Stamp()
	d.Overcome(metal3.PreparationError)
	return reinspect(d)
}

func noHints(h *metal3.BareMetalHost) bool {
	return h.Spec.RootDeviceHints == nil || *h.Spec.RootDeviceHints == metal3.RootDeviceHints{}
}

// reinspect sends a host whose volumes were changed back to its inspection, with a new boot of the agent: the one that runs may hold disks that are gone. One that is never inspected goes on.
//
// That they were changed is forgotten when the inspection is over (package inspect), and not here: the record is written before the host's state, and who dies in between comes here again.
func reinspect(d *journey.Draft) (journey.Decision, bool) {
	r := d.Record.RAID
	if r == nil || !r.VolumesChanged {
		return journey.Decision{}, true
	}
	d.DropBoot()
	if d.Host.InspectionDisabled() {
		r.VolumesChanged = false
		return d.Again(journey.ReasonObjectsChanged, "the volumes are as asked for"), false
	}
	d.MoveTo(metal3.StateInspecting)
	return d.Again(journey.ReasonStageChanged, "the volumes of the machine's RAID controllers were changed: it is inspected again"), false
}
