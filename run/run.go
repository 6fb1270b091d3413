// Package run keeps a provisioned machine as its owner wants it.
//
// It owns the states provisioned and externally provisioned: power (spec.online, reboot annotations), servicing of the firmware at a start where the owner allows it, and the notice that the image is no longer wanted. It refuses
// the disk: nothing here writes to one, and the only way to a wipe is the move to deprovisioning.
//
// Invariants: a machine is turned off only for online=false or a reboot annotation; the reboot annotation without a key is removed only after the machine
// was seen off; an externally provisioned host never goes to deprovisioning directly.
package run

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/power"
	"github.com/ingotmetal/ingot/update"
)

// firstBootExpected is within how long a system usually reports its first boot; information only.
const firstBootExpected = 30 * time.Minute

// Decide decides for a provisioned host.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if why := unwanted(d.Host); why != "" {
		d.MoveTo(metal3.StateDeprovisioning)
		return d.Again(journey.ReasonStageChanged, why)
	}
	if d.Record.Servicing == nil && !due(d) {
		// What could not be done is done, or not asked for any more.
		d.Overcome(metal3.ServicingError)
	}
	return shown(steady(d, journey.ReasonProvisioned, provisioned(d)))
}

// DecideExternal decides for an externally provisioned host.
func DecideExternal(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	d.Record.CleanedAt = nil
	if !d.Host.Spec.ExternallyProvisioned {
		// What runs is taken for what the spec asks for, so that nothing is erased; without an image the next pass goes to deprovisioning.
		if i := d.Host.Spec.Image; i != nil {
			d.Host.Status.Provisioning.Image = *i.DeepCopy()
		}
		d.MoveTo(metal3.StateProvisioned)
		return d.Again(journey.ReasonStageChanged, "the host is no longer externally provisioned")
	}
	return steady(d, journey.ReasonExternallyProvisioned, "externally provisioned; only power is managed")
}

// unwanted says why the image on the disk is no longer wanted, empty if it is. As in Metal3 the URL and the custom deploy method count, nothing else; with a method of another
// operator's the method alone.
func unwanted(h *metal3.BareMetalHost) string {
	want, have := h.Spec.Image, h.Status.Provisioning
	custom := h.Spec.CustomDeploy != nil && h.Spec.CustomDeploy.Method != ""
	switch {
	case have.CustomDeploy != nil && (!custom || h.Spec.CustomDeploy.Method != have.CustomDeploy.Method):
		return "the custom deploy method was changed or cleared"
	case have.CustomDeploy == nil && custom:
		return "a custom deploy method is asked for"
	case have.CustomDeploy != nil && !journey.Deploys(have.CustomDeploy.Method):
		return ""
	case want == nil || want.URL == "":
		return "the image was cleared"
	case want.URL != have.Image.URL:
		return "another image is asked for"
	}
	return ""
}

// steady manages power and closes what the last boot left open.
func steady(d *journey.Draft, r journey.Reason, message string) journey.Decision {
	seen := takeService(d)
	if dec, failed := d.ActionFailed(metal3.PowerManagementError); failed {
		return dec
	}
	if dec, waits := d.RetryPending(); waits && !otherMedium(d) {
		return dec
	}
	if dec, rests := managePower(d, seen); !rests {
		return dec
	}
	if w := d.Facts.Window; w != nil && !d.Now.Before(w.Spec.ClosesAt.Time) && !d.Succeeded(journey.CloseWindow{}) {
		return d.Act(journey.CloseWindow{}, journey.ReasonClosingWindow, "the window of the last boot is over")
	}
	next := power.Next(d)
	if w := d.Facts.Window; w != nil && w.Spec.ClosesAt.After(d.Now) && w.Spec.ClosesAt.Time.Before(next) {
		next = w.Spec.ClosesAt.Time
	}
	return d.Done(r, message, next)
}

// managePower brings the power to where spec.online and the reboot annotations want it.
func managePower(d *journey.Draft, seen update.Seen) (dec journey.Decision, rests bool) {
	reboot, asked := rebootWanted(d.Host.Annotations)
	if asked || d.Record.Reboot != nil {
		if dec, over := carryReboot(d, reboot, asked, seen); !over {
			return dec, false
		}
	}
	if d.Host.Spec.Online || d.Host.Spec.DisablePowerOff {
		if dec, ready := beforeStart(d, seen, false); !ready {
			return dec, false
		}
		if dec, aligned := power.Align(d, power.Want{State: journey.PowerOn, Why: "online is true", Drive: drive(d)}); !aligned {
			return dec, false
		}
		return afterStart(d, seen)
	}
	return power.Align(d, power.Want{State: journey.PowerOff, Soft: true, Why: "online is false"})
}

// Reported is what is said of a provisioned host whose system reported its first boot.
func Reported(at time.Time) string {
	return "provisioned; the system reported its first boot at " + at.UTC().Format(time.RFC3339)
}

// provisioned says what is known of the new system's own report.
func provisioned(d *journey.Draft) string {
	r := d.Record.FirstBoot
	switch {
	case r == nil:
		return "provisioned"
	case r.ReportedAt != nil:
		return Reported(r.ReportedAt.Time)
	}
	start := d.Host.Status.OperationHistory.Provision.End
	if !start.IsZero() && d.Now.Sub(start.Time) > firstBootExpected {
		return fmt.Sprintf("provisioned; the system has not reported its first boot within %s, see the machine's console", firstBootExpected)
	}
	return "provisioned; the system has not reported its first boot yet"
}
