package journey

import (
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/firmware"
)

// CapabilityBIOS is the word in HostLifecycle.status.bmc.capabilities for a BMC that shows the firmware's settings.
const CapabilityBIOS = "bios"

// FirmwareFacts is the HostFirmwareSettings of the host's name, its zero value where there is none, and of the FirmwareSchema what matters.
type FirmwareFacts struct {
	// Generation is the object's.
	Generation int64
	// Wanted are the settings that its spec asks for.
	Wanted map[string]string
	// Described: its status names a FirmwareSchema that is there.
	Described bool
	// Current and Settings are what was last read, and how it is described, of the wanted settings alone.
	Current  map[string]string
	Settings map[string]firmware.Setting
}

// Problems are the wanted settings that cannot be.
func (f FirmwareFacts) Problems() []firmware.Problem { return firmware.Check(f.Settings, f.Wanted) }

// Differing are the wanted settings that are not in force.
func (f FirmwareFacts) Differing() map[string]string {
	return firmware.Differing(f.Settings, f.Wanted, f.Current)
}

// ReadFirmware reads the firmware's settings from the BMC into the host's HostFirmwareSettings and its FirmwareSchema. A BMC that has none leaves both empty.
type ReadFirmware struct{}

// SetFirmware asks the BMC for settings from the machine's next boot on. It never changes the power state.
type SetFirmware struct {
	Settings map[string]string
}

// Name implements Action.
func (ReadFirmware) Name() string { return "read firmware settings" }
func (SetFirmware) Name() string  { return "set firmware settings" }

// firmwareAllowed: settings are changed only on the way to being offered, or at the start of a provisioned machine whose owner allows it, and only to what was asked for and checked.
func firmwareAllowed(f Facts, dec Decision) string {
	a, sets := dec.Action.(SetFirmware)
	if !sets {
		return ""
	}
	serviced := f.Host.Status.Provisioning.State == metal3.StateProvisioned && f.Policy.Settings && dec.Record.Servicing != nil
	if s := f.Host.Status.Provisioning.State; s != metal3.StatePreparing && !serviced {
		return fmt.Sprintf("in state %q", s)
	}
	if b := dec.Record.BMC; b == nil || !slices.Contains(b.Capabilities, CapabilityBIOS) {
		return "the BMC has no settings of the firmware"
	}
	for name, value := range a.Settings {
		if want, asked := f.Firmware.Wanted[name]; !asked || want != value {
			return name + " is not asked for"
		}
	}
	if wrong := firmware.Check(f.Firmware.Settings, a.Settings); len(wrong) > 0 {
		return firmware.Listed(wrong)
	}
	return ""
}
