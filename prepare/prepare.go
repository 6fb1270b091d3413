// Package prepare brings a machine to spec and offers it.
//
// It owns the states preparing and available: what the spec asks of the machine itself (boot mode, root device hints, RAID), the versions and the settings of its firmware, the first cleaning of its disks, and
// the wait for an image. It refuses the write (provision) and the cleaning after use (clean).
//
// The rule for the agent in between: an online host keeps the agent that inspected or cleaned it, so that its first image needs no further boot; a host that
// should be off is turned off at once. No timer is involved: spec.online says what the owner wants, and an agent that fades is not booted again before there is work.
//
// Invariants: a host becomes available only with every disk proved clean or with cleaning disabled; status.provisioning.image is set in the same write that begins
// provisioning; what is asked for and cannot be done is an error, never ignored.
package prepare

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/update"
	"github.com/ingotmetal/ingot/volume"
)

// askedMeanwhile is what was asked for while the agent was at the disks, and waits until it is not; empty for nothing.
func askedMeanwhile(d *journey.Draft) string {
	switch {
	case !journey.VolumesMade(d.Host, &d.Record):
		return "spec.raid asks for other volumes than the machine has"
	case !journey.BurnInDone(d.Host, &d.Record):
		return "a burn-in was asked for meanwhile"
	}
	return ""
}

// inspectAgain has a host whose preparation failed inspected anew where a person asks for it, as the failure of a cleaning advises: the machine may have other disks than the last inspection saw. Not while
// its BMC is at a change of volumes or firmware.
func inspectAgain(d *journey.Draft) (journey.Decision, bool) {
	r := &d.Record
	if !inspectionAsked(d.Host) || d.Failures() == 0 || d.Facts.Result != nil || journey.Writing(r) != nil || r.RAID != nil && r.RAID.Change != nil {
		return journey.Decision{}, false
	}
	d.DropBoot()
	d.Host.Status.HardwareDetails = nil
	d.MoveTo(metal3.StateInspecting)
	return d.Again(journey.ReasonStageChanged, "a new inspection was asked for"), true
}

// Decide decides for a preparing host.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	if d.FillArchitecture(d.Facts.Hardware) {
		return d.Again(journey.ReasonObjectsChanged, "inspection found the architecture")
	}
	seen, volumes := update.Take(d), volume.Take(d)
	takeSettingsResult(d)
	takeBurnIn(d)
	if dec, again := inspectAgain(d); again {
		return dec
	}
	if dec, failed := d.ActionFailed(metal3.PreparationError); failed {
		return dec
	}
	if dec, waits := d.RetryPending(); waits {
		return dec
	}
	if f := unsupported(d.Host); f != nil {
		return d.Fail(metal3.PreparationError, *f)
	}
	if dec, updated := components(d, seen); !updated {
		return dec
	}
	if f := checkRAID(d); f != nil {
		return d.Fail(metal3.PreparationError, *f)
	}
	if dec, settled := settle(d); !settled {
		return dec
	}
	if dec, as := volume.Bring(d, volumes); !as {
		return dec
	}
	if dec, passed := burnIn(d); !passed {
		return dec
	}
	voidArrays(d)
	if d.Host.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled {
		if dec, clean := ramdisk.Wipe(d, metal3.PreparationError); !clean {
			return dec
		}
	}
	if dec, made := makeArrays(d); !made {
		return dec
	}
	if why := askedMeanwhile(d); why != "" {
		// The agent may still be at the step that they had to wait for.
		d.DropBoot()
		return d.Again(journey.ReasonObjectsChanged, why)
	}
	takeSettings(d.Host)
	d.MoveTo(metal3.StateAvailable)
	return d.Again(journey.ReasonStageChanged, "the host is to spec and available")
}

// unsupported says what the spec asks for that is not there, or not together.
func unsupported(h *metal3.BareMetalHost) *step.Failure {
	no := func(what, fix string) *step.Failure {
		return &step.Failure{Kind: step.Unsupported, Message: what + " is not supported yet", Fix: fix}
	}
	switch r := h.Spec.RAID; {
	case r != nil && len(r.HardwareRAIDVolumes) > 0 && len(r.SoftwareRAIDVolumes) > 0:
		return &step.Failure{Kind: step.Invalid, Message: "spec.raid has both hardwareRAIDVolumes and softwareRAIDVolumes", Fix: "keep one of them"}
	case h.Spec.Firmware != nil: //nolint:staticcheck // deprecated, but still in the API: what asks for it must be told that nothing does it
		return no("configuring firmware by the deprecated spec.firmware", "remove spec.firmware and name the firmware's own settings in the host's HostFirmwareSettings")
	}
	return nil
}

// takeSettings notes what the host was prepared with.
func takeSettings(h *metal3.BareMetalHost) {
	p := &h.Status.Provisioning
	p.BootMode = h.BootMode()
	p.RootDeviceHints = h.Spec.RootDeviceHints.DeepCopy()
	p.RAID = raidStatus(h)
}

// differs says whether the host asks for other settings than it was prepared with.
func differs(h *metal3.BareMetalHost) bool {
	p := h.Status.Provisioning
	return !equality.Semantic.DeepEqual(p.RootDeviceHints, h.Spec.RootDeviceHints) ||
		h.Spec.Firmware != nil //nolint:staticcheck // deprecated, but still in the API; see unsupported
}
