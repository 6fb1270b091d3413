package provision

import (
	"fmt"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/ramdisk"
	"github.com/ingotmetal/ingot/step"
)

// maxReason bounds what is kept of a reason, as the CRD does.
const maxReason = 1024

// handOver has the agent start the installed system itself, where the host asks for it and it can be. Over: there is a decision; else the firmware starts the system.
//
// Three things, each in the record before the next: the kernel is ready; the BMC has the disk as the next boot's; the agent leaves. An agent that was told to leave and is not heard any more has
// left, so that a lost answer never cuts into the new system's first boot. Whatever fails before that ends in the firmware's way, with the reason in the record.
func handOver(d *journey.Draft) (dec journey.Decision, over bool) {
	method, err := asked(d.Host)
	h := d.Record.HandOver
	switch {
	case leaving(d):
		return awaitLeft(d)
	case method == ingot.HandOverByReboot && err == nil:
		d.Record.HandOver = nil
		return dec, false
	case h != nil && h.Method == ingot.HandOverByReboot:
		return dec, false
	case err != nil:
		return byFirmware(d, err.Error())
	}
	if why := unfit(d); why != "" {
		return byFirmware(d, why)
	}
	switch {
	case h == nil || h.BootID != d.Record.Boot.ID || h.ReadyAt == nil:
		return load(d)
	case h.DiskSetAt == nil && d.Succeeded(journey.SetDisk{}) && d.Facts.Result.BootID == h.BootID:
		h.DiskSetAt = d.Stamp()
		return d.Again(journey.ReasonObjectsChanged, "the BMC has the disk as the next boot's"), true
	case h.DiskSetAt == nil:
		return d.Act(journey.SetDisk{BootID: h.BootID, Mode: bootMode(d.Host)}, journey.ReasonHandingOver, "telling the BMC that the next boot is the disk's"), true
	}
	return enter(d)
}

// unfit says why the agent cannot start the system, empty if it may try.
func unfit(d *journey.Draft) string {
	switch {
	case bootMode(d.Host) == metal3.UEFISecureBoot:
		return "the system is to be started with secure boot, which only the firmware can do"
	case d.Record.Boot == nil || !ramdisk.Alive(d):
		return "the agent is not there any more"
	}
	return ""
}

// byFirmware gives the other way up. The next pass goes on with the firmware's.
func byFirmware(d *journey.Draft, why string) (journey.Decision, bool) {
	if len(why) > maxReason {
		why = strings.ToValidUTF8(why[:maxReason], "")
	}
	d.DropStep()
	d.Record.HandOver = &ingot.HandOverStatus{Method: ingot.HandOverByReboot, Reason: why}
	return d.Again(journey.ReasonObjectsChanged, "the firmware starts the system: "+why), true
}

func load(d *journey.Draft) (journey.Decision, bool) {
	out, dec := ramdisk.Run(d, step.LoadSystem, nil)
	switch {
	case out == nil:
		return dec, true
	case out.Failure != nil:
		d.EndStep(out.Failure.Message)
		return byFirmware(d, out.Failure.Message)
	case out.Loaded == nil:
		return byFirmware(d, "the agent does not say which kernel it made ready")
	}
	d.EndStep("")
	d.Record.HandOver = &ingot.HandOverStatus{
		Method: ingot.HandOverByKexec, BootID: d.Record.Boot.ID, ReadyAt: d.Stamp(), Kernel: bounded(out.Loaded.Kernel, maxReason), CommandLine: bounded(out.Loaded.CommandLine, 2047),
	}
	return d.Again(journey.ReasonObjectsChanged, fmt.Sprintf("the kernel %s is ready", out.Loaded.Kernel)), true
}

func bounded(s string, most int) string { return strings.ToValidUTF8(s[:min(len(s), most)], "") }

func enter(d *journey.Draft) (journey.Decision, bool) {
	out, dec := ramdisk.Run(d, step.EnterSystem, nil)
	switch {
	case out == nil:
		return dec, true
	case out.Failure != nil:
		d.EndStep(out.Failure.Message)
		return byFirmware(d, out.Failure.Message)
	}
	return left(d), true
}

// leaving: the agent was told to leave, and is not heard. It may be the one that was to be told and never was: then it comes back, or the system never reports.
func leaving(d *journey.Draft) bool {
	s := d.Record.Step
	return s != nil && s.Kind == string(step.EnterSystem) && !ramdisk.Alive(d)
}

func awaitLeft(d *journey.Draft) (journey.Decision, bool) {
	if dec, waits := ramdisk.Returning(d); waits {
		return dec, true
	}
	return left(d), true
}

// left ends the agent's boot and begins the system's: what is left to do is its window, which closes that of the agent.
func left(d *journey.Draft) journey.Decision {
	d.EndStep("")
	d.Record.HandOver.EnteredAt = d.Stamp()
	previous := d.Record.Boot.ID
	d.DropBoot()
	d.Record.Boot = &ingot.BootStatus{ID: ramdisk.NewBootID(d, previous), Purpose: ingot.PurposeFirstBoot, Attempt: 1, StartedAt: d.Stamp()}
	return openWindow(d)
}

// entered: the agent started the system of the boot under way.
func entered(d *journey.Draft) bool {
	h, b := d.Record.HandOver, d.Record.Boot
	return h != nil && h.EnteredAt != nil && b != nil && b.Purpose == ingot.PurposeFirstBoot
}

// endEntered waits for the window of a system that runs already.
func endEntered(d *journey.Draft) journey.Decision {
	if w := d.Facts.Window; w == nil || w.Name != d.Record.Boot.ID {
		return openWindow(d)
	}
	d.Record.Boot.ConfirmedAt = d.Stamp()
	return provisioned(d)
}

// asked is how a host's machine is to come from the agent to its system (ingot.HandOverAnnotation). A word that is not known means the firmware's way, which always works, and is told.
func asked(h *metal3.BareMetalHost) (ingot.HandOverMethod, error) {
	text := h.Annotations[ingot.HandOverAnnotation]
	switch m := ingot.HandOverMethod(strings.ToLower(strings.TrimSpace(text))); m {
	case "", ingot.HandOverByReboot:
		return ingot.HandOverByReboot, nil
	case ingot.HandOverByKexec:
		return m, nil
	}
	return ingot.HandOverByReboot, fmt.Errorf("the annotation %s has %q, which is neither %s nor %s", ingot.HandOverAnnotation, text, ingot.HandOverByKexec, ingot.HandOverByReboot)
}
