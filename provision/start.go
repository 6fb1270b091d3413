package provision

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/power"
	"github.com/ingotmetal/ingot/ramdisk"
)

// firstBootWindow is how long the new system may get an address from the provisioning network.
const firstBootWindow = time.Hour

// startSystem turns the agent's machine off and starts it from the disk that was written.
func startSystem(d *journey.Draft) journey.Decision {
	b := d.Record.Boot
	if entered(d) {
		return endEntered(d)
	}
	if b == nil || b.Purpose != ingot.PurposeFirstBoot {
		if !live(d.Host) {
			if dec, over := handOver(d); over {
				return dec
			}
		}
		return endAgent(d)
	}
	switch w := d.Facts.Window; {
	case b.ConfirmedAt != nil:
		return provisioned(d)
	case b.StartedAt != nil:
		return bootAgain(d)
	case needsWindow(d) && (w == nil || w.Name != b.ID):
		return openWindow(d)
	}
	// Somebody may have pressed the button since it was seen off, or a start that failed may have had its effect.
	if p := d.Power().State; (p == journey.PowerOn || p == journey.PowerUnknown && b.StartFailedAt != nil) && !d.Host.Spec.DisablePowerOff {
		if dec, off := seenOff(d); !off {
			return dec
		}
	}
	return bootDisk(d)
}

func seenOff(d *journey.Draft) (journey.Decision, bool) {
	return power.Align(d, power.Want{State: journey.PowerOff, Why: "the image is written, the agent's boot is over"})
}

// endAgent sees the machine off, so that from here on a machine that is on was started from its disk.
func endAgent(d *journey.Draft) journey.Decision {
	if !d.Host.Spec.DisablePowerOff {
		if dec, off := seenOff(d); !off {
			return dec
		}
	}
	previous := ""
	if d.Record.Boot != nil {
		previous = d.Record.Boot.ID
	}
	d.DropBoot()
	d.Record.Boot = &ingot.BootStatus{ID: ramdisk.NewBootID(d, previous), Purpose: ingot.PurposeFirstBoot, Attempt: 1}
	if !needsWindow(d) {
		return bootDisk(d)
	}
	return openWindow(d)
}

// needsWindow: a window lets the new system have an address from the provisioning network; where the site serves none, nobody looks at it.
func needsWindow(d *journey.Draft) bool { return d.Facts.Site.PXE }

func openWindow(d *journey.Draft) journey.Decision {
	if d.Succeeded(journey.OpenWindow{}) && d.Facts.Result.BootID == d.Record.Boot.ID {
		return d.Wait(journey.ReasonOpeningWindow, "the boot window was made and is not seen yet", d.Now.Add(time.Second), time.Time{})
	}
	return d.Act(journey.OpenWindow{BootID: d.Record.Boot.ID, Purpose: ingot.PurposeFirstBoot, ClosesInSeconds: int64(firstBootWindow / time.Second)},
		journey.ReasonOpeningWindow, "opening the window for the new system's first boot")
}

// bootDisk asks for the start. Power readings from before it say nothing about it.
func bootDisk(d *journey.Draft) journey.Decision {
	d.Record.Boot.StartedAt, d.Record.Boot.StartFailedAt = d.Stamp(), nil
	if live(d.Host) {
		return bootISO(d)
	}
	return d.Act(journey.BootDisk{BootID: d.Record.Boot.ID, Mode: bootMode(d.Host)}, journey.ReasonBootingDisk, "starting the machine from its disk")
}

// bootAgain goes on after a start whose answer was lost or that failed. A machine that is on was started by it, since it had been seen off before; one whose power may
// not be turned off cannot tell, and is started once more.
func bootAgain(d *journey.Draft) journey.Decision {
	if d.Host.Spec.DisablePowerOff {
		return bootDisk(d)
	}
	switch p := d.Power(); {
	case p.State == journey.PowerUnknown && d.Succeeded(journey.ReadPower{}):
		return d.Wait(journey.ReasonReadingPower, "the BMC does not say whether the machine was started", d.Now.Add(time.Second), time.Time{})
	case p.State == journey.PowerUnknown:
		return d.Act(journey.ReadPower{}, journey.ReasonReadingPower, "reading whether the machine was started")
	case p.State == journey.PowerOn && (!live(d.Host) || inserted(d)):
		return provisioned(d)
	}
	return bootDisk(d)
}

func provisioned(d *journey.Draft) journey.Decision {
	d.Record.ImageFailures = nil
	d.MoveTo(metal3.StateProvisioned)
	if live(d.Host) {
		return d.Again(journey.ReasonStageChanged, "the machine was started from the live ISO")
	}
	return d.Again(journey.ReasonStageChanged, "the machine was started from its disk")
}

// bootMode is the mode that the host was prepared with, so that an edit meanwhile does not start the image in a mode it was not made for.
func bootMode(h *metal3.BareMetalHost) metal3.BootMode {
	if m := h.Status.Provisioning.BootMode; m != "" {
		return m
	}
	return h.BootMode()
}
