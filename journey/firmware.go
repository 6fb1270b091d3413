package journey

import (
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
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

// CapabilityComponents is the word in HostLifecycle.status.bmc.capabilities for a BMC that has a service for updates of firmware.
const CapabilityComponents = "firmware-components"

// ComponentsFacts is the HostFirmwareComponents of the host's name, its zero value where there is none.
type ComponentsFacts struct {
	// Generation is the object's.
	Generation int64
	// Wanted are the updates that its spec asks for, in its order. Applied are those that its status says were done: they count where our own record was lost.
	Wanted, Applied []firmware.Update
	// Read: its status has versions, which are Current.
	Read    bool
	Current []firmware.Component
}

// UpdatePolicy is what a HostUpdatePolicy allows at a provisioned machine's next start; without one both are false.
type UpdatePolicy struct {
	Settings, Updates bool
}

// Problems are the wanted updates that cannot be.
func (f ComponentsFacts) Problems() []firmware.Problem {
	return firmware.CheckUpdates(f.Current, f.Read, f.Wanted)
}

// Version is the version of a component that was last read, empty for none.
func (f ComponentsFacts) Version(component string) string {
	for _, c := range f.Current {
		if c.Name == component {
			return c.Version
		}
	}
	return ""
}

// Outstanding are the wanted updates that were not carried out.
func (f ComponentsFacts) Outstanding(r *ingot.HostLifecycleStatus) []firmware.Update {
	var out []firmware.Update
	for _, u := range f.Wanted {
		done := slices.Contains(f.Applied, u)
		if r.Components != nil {
			done = done || slices.ContainsFunc(r.Components.Done, func(d ingot.UpdateDone) bool { return d.Component == u.Component && d.URL == u.URL })
		}
		if !done {
			out = append(out, u)
		}
	}
	return out
}

// UpdateState is what a BMC says of an update, in the words of internal/driver/bmc.
type UpdateState string

// The states. UpdateWaits: the BMC has the image and has not begun. UpdateUnknown: it knows nothing of the update.
const (
	UpdateRuns    UpdateState = "runs"
	UpdateWaits   UpdateState = "waits"
	UpdateDone    UpdateState = "done"
	UpdateFailed  UpdateState = "failed"
	UpdateUnknown UpdateState = "unknown"
	// UpdatePostponed: the BMC was not asked, since as many images are being fetched for other machines as may be at once.
	UpdatePostponed UpdateState = "postponed"
)

// UpdateReading is one look at an update. Ticket is by what it is asked for again.
type UpdateReading struct {
	State   UpdateState
	Ticket  string
	Percent int
	// Message is why it failed.
	Message string
}

// ReadComponents reads the versions of the machine's firmware from the BMC into the host's HostFirmwareComponents.
type ReadComponents struct{}

// StartUpdate asks the BMC to fetch an image and write it into a component. It never changes the power state, and is the one action that is not asked for again when its result was lost: FollowUpdate
// without a ticket finds out.
type StartUpdate struct {
	Component, URL string
}

// FollowUpdate looks at an update once; without a ticket it looks for one by this image.
type FollowUpdate struct {
	Component, URL, Ticket string
}

// Name implements Action.
func (ReadComponents) Name() string { return "read firmware versions" }
func (StartUpdate) Name() string    { return "update firmware" }
func (FollowUpdate) Name() string   { return "follow firmware update" }

// Writing is the update that the BMC is at, or may be at, right now; nil for none. One that waits for the machine's next start is none.
func Writing(r *ingot.HostLifecycleStatus) *ingot.UpdateStatus {
	if r.Components == nil {
		return nil
	}
	for i := range r.Components.Updates {
		if u := &r.Components.Updates[i]; u.EndedAt == nil && (!u.Staged || u.Runs) {
			return u
		}
	}
	return nil
}

// updateAllowed: an update is written down before, asked for and possible; and it is done on the way to being offered, or at the start of a provisioned machine whose owner allows it.
func updateAllowed(f Facts, dec Decision) string {
	a, updates := dec.Action.(StartUpdate)
	if !updates {
		return ""
	}
	want := firmware.Update{Component: a.Component, URL: a.URL}
	u := Writing(&dec.Record)
	switch b := dec.Record.BMC; {
	case b == nil || !slices.Contains(b.Capabilities, CapabilityComponents):
		return "the BMC takes no updates"
	case u == nil || u.Component != a.Component || u.URL != a.URL || u.AcceptedAt != nil:
		return "it is not in the record"
	case Writing(&f.Record) != nil:
		return "another update is under way"
	case !slices.Contains(f.Components.Outstanding(&f.Record), want):
		return a.Component + " is not asked for"
	case !f.Host.DeletionTimestamp.IsZero():
		return "the host is being deleted"
	case dec.Record.Step != nil:
		return "the agent is at " + dec.Record.Step.Kind
	}
	if wrong := f.Components.Problems(); len(wrong) > 0 {
		return firmware.Listed(wrong)
	}
	switch s := f.Host.Status.Provisioning.State; {
	case s == metal3.StatePreparing:
		return ""
	case s != metal3.StateProvisioned:
		return fmt.Sprintf("in state %q", s)
	case !f.Policy.Updates:
		return "no HostUpdatePolicy allows it on a provisioned host"
	case dec.Record.Servicing == nil || f.Power.State != PowerOff && dec.Record.Reboot == nil:
		return "the machine is not at a start"
	}
	return ""
}

// leftAlone: a machine that loses its power, or is reset, while its firmware is written may never start again.
func leftAlone(f Facts, dec Decision) string {
	u := Writing(&f.Record)
	if u == nil {
		return ""
	}
	switch dec.Action.(type) {
	case nil, FollowUpdate, ReadPower, ReadComponents, ReadFirmware, ReadVolumes, Verify, SaveHardware, ReadInventory:
		return ""
	}
	return dec.Action.Name() + " while " + u.Component + " is updated"
}
