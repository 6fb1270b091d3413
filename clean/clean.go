// Package clean takes an image off a machine, and lets a machine go.
//
// It owns the states deprovisioning, powering off before delete and deleting. It refuses to guess that a disk is clean: the agent wipes, looks again, and the evidence
// stands in the record before the host is offered again. Fail closed: while the proof fails the host stays here, unless its owner turned cleaning off or deleted
// the host. A deleted host whose cleaning, or power-off, failed more than 3 times is let go as it is, as in Metal3, and an event says so: otherwise a dead
// machine would keep its namespace for ever.
package clean

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/power"
	"github.com/ingotmetal/ingot/ramdisk"
)

// maxFailures is how often cleaning or power-off may fail before a deleted host is let go.
const maxFailures = 3

// Decide decides for a deprovisioning host.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	dec, failed := d.ActionFailed(metal3.ProvisioningError)
	if failed {
		return orGiveUp(d, dec)
	}
	if dec, waits := d.RetryPending(); waits {
		return orGiveUp(d, dec)
	}
	if dec, ejects := ejectMedium(d); ejects {
		return dec
	}
	if d.Host.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
		return skip(d)
	}
	dec, clean := ramdisk.Wipe(d, metal3.ProvisioningError)
	if !clean {
		return orGiveUp(d, dec)
	}
	return leave(d, "every disk was wiped and found clean")
}

// ejectMedium takes the owner's medium out, a live ISO or a DataImage, before anything else has a use for the drive. The image in the status counts too: the record of a host that was moved here
// does not know of it. A BMC without a drive holds nothing.
func ejectMedium(d *journey.Draft) (journey.Decision, bool) {
	drive, image := d.Record.Drive, d.Host.Status.Provisioning.Image
	switch {
	case drive == nil && !image.IsLiveISO(), drive != nil && drive.EjectedAt != nil, journey.LacksDrive(&d.Record):
		return journey.Decision{}, false
	case drive == nil:
		d.Record.Drive = &ingot.DriveStatus{URL: image.URL, Boot: true}
	}
	return d.Act(journey.EjectMedium{}, journey.ReasonEjecting, "taking "+d.Record.Drive.URL+" out of the virtual CD drive"), true
}

// skip ends the image's run without touching the disk.
func skip(d *journey.Draft) journey.Decision {
	if !d.Host.Spec.DisablePowerOff {
		if dec, off := power.Align(d, power.Want{State: journey.PowerOff, Why: "the image is no longer wanted, and cleaning is disabled"}); !off {
			return orGiveUp(d, dec)
		}
	}
	return leave(d, "cleaning is disabled: the disks keep their data")
}

// leave ends deprovisioning. The error that sent the host here stays visible while its image is still asked for.
func leave(d *journey.Draft, why string) journey.Decision {
	p := &d.Host.Status.Provisioning
	p.Image, p.CustomDeploy = metal3.Image{}, nil
	if b := d.Record.Boot; b != nil && b.Purpose == ingot.PurposeFirstBoot {
		// It started the image that goes. The next image must not take it for its own start.
		d.DropBoot()
	}
	d.Record.Disk, d.Record.FirstBoot, d.Record.Reboot, d.Record.Drive = nil, nil, nil, nil
	n := d.Record.ImageFailures
	switch {
	case d.Deleting():
		d.MoveTo(metal3.StatePoweringOffBeforeDelete)
	case n != nil && n.Image == journey.ImageKey(d.Host):
		d.SetError(metal3.ProvisioningError, n.Message)
		d.Host.Status.ErrorCount = int(n.Count)
		d.MoveWithError(metal3.StateAvailable)
	default:
		d.MoveTo(metal3.StateAvailable)
	}
	d.Announce("DeprovisioningComplete")
	return d.Again(journey.ReasonStageChanged, why)
}

// orGiveUp lets a deleted host go that cannot be cleaned.
func orGiveUp(d *journey.Draft, dec journey.Decision) journey.Decision {
	if !d.Deleting() || d.Failures() <= maxFailures || !failing(dec) {
		return dec
	}
	message := fmt.Sprintf("gave up cleaning after %d failures, since the host is deleted: its disks MAY STILL HOLD DATA; last failure: %s",
		d.Failures(), d.Host.Status.ErrorMessage)
	d.DropStep()
	d.MoveTo(metal3.StatePoweringOffBeforeDelete)
	d.Announce("CleaningGivenUp")
	return d.Again(journey.ReasonStageChanged, message)
}

// failing says whether a decision is a failure, and not a new attempt under way.
func failing(dec journey.Decision) bool {
	r := dec.Outcome.Reason
	return r == journey.ReasonCleaningFailed || r == journey.ReasonPowerFailed || r == journey.ReasonProvisioningFailed
}

// PowerOff decides for a host that is turned off before it is let go.
func PowerOff(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if d.Host.Spec.DisablePowerOff {
		return toDeleting(d, "power off is disabled: the machine stays as it is")
	}
	if dec, failed := d.ActionFailed(metal3.PowerManagementError); failed {
		return orLeaveOn(d, dec)
	}
	if dec, waits := d.RetryPending(); waits {
		return orLeaveOn(d, dec)
	}
	if dec, off := power.Align(d, power.Want{State: journey.PowerOff, Why: "the host is deleted"}); !off {
		return orLeaveOn(d, dec)
	}
	if d.Record.Drive != nil {
		if dec, ejects := ejectMedium(d); ejects {
			return dec
		}
	}
	return toDeleting(d, "the machine is off")
}

// orLeaveOn lets a host go whose machine cannot be turned off.
func orLeaveOn(d *journey.Draft, dec journey.Decision) journey.Decision {
	if d.Failures() <= maxFailures || !failing(dec) {
		return dec
	}
	message := fmt.Sprintf("gave up turning the machine off after %d failures, since the host is deleted: it MAY STILL RUN; last failure: %s",
		d.Failures(), d.Host.Status.ErrorMessage)
	dec = toDeleting(d, message)
	dec.Event = "PowerOffGivenUp"
	return dec
}

func toDeleting(d *journey.Draft, why string) journey.Decision {
	d.MoveTo(metal3.StateDeleting)
	return d.Again(journey.ReasonStageChanged, why)
}

// Release decides for a host that is let go: its last traces are removed, then its finalizer.
func Release(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	d.DropBoot()
	if dec, failed := d.ActionFailed(metal3.RegistrationError); failed {
		return dec
	}
	if dec, waits := d.RetryPending(); waits {
		return dec
	}
	dec := d.Act(journey.Release{}, journey.ReasonReleasing, "removing the last traces of the host")
	dec.RemoveFinalizer = true
	return dec
}
