package prepare

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/update"
)

// components brings the firmware of the machine's components to what the HostFirmwareComponents ask for. updated is true when it is; then the decision is empty.
//
// It comes before the settings, which a new BIOS may have others of. The start that a new version needs boots the agent, whose first word says that the self-test, in which a staged update is
// written, is over; the agent of that boot serves what follows.
func components(d *journey.Draft, seen update.Seen) (dec journey.Decision, updated bool) {
	if d.Record.Step != nil {
		// The agent is at the disks; an available host whose updates are outstanding comes back here.
		return journey.Decision{}, true
	}
	n := update.Advance(d, seen, update.Way{Begin: true, Restarted: func(since time.Time) (time.Time, bool) { return bootedSince(d, since) }})
	switch {
	case n.Decision != nil:
		return *n.Decision, false
	case n.Failure != nil:
		return d.Fail(metal3.PreparationError, *n.Failure), false
	case n.Restart.IsZero():
		return journey.Decision{}, true
	}
	if b := d.Record.Boot; b != nil && b.StartedAt != nil && b.StartedAt.Time.Before(n.Restart) {
		// The agent at work booted before it.
		d.DropBoot()
	}
	if dec, ready := ramdisk.Ensure(d, metal3.PreparationError); !ready {
		return dec, false
	}
	return d.Wait(journey.ReasonUpdatingFirmware, "the machine is started for its new firmware", d.Now.Add(readAgain), time.Time{}), false
}

// bootedSince: the agent of a boot after that time has called, so that the self-test is over.
func bootedSince(d *journey.Draft, since time.Time) (time.Time, bool) {
	b := d.Record.Boot
	if b == nil || b.Purpose == ingot.PurposeFirstBoot || b.StartedAt == nil || b.StartedAt.Time.Before(since) || b.EnrolledAt == nil {
		return time.Time{}, false
	}
	return b.EnrolledAt.Time, true
}

// updatesDiffer says whether an available host has to be prepared for its updates, or to be told that they cannot be.
func updatesDiffer(d *journey.Draft) bool {
	s := d.Record.Components
	return len(d.Facts.Components.Outstanding(&d.Record)) > 0 || s != nil && len(s.Updates) > 0
}
