package journey

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// Action is one thing to do in the world. The set is closed: the controller has one arm per type. Every action is idempotent.
type Action interface {
	// Name is the action's name in the timeline and in metrics.
	Name() string
}

// Verify connects to the BMC with the Secret's credentials, probes what it can do and reads the power state.
type Verify struct{}

// ReadPower reads the power state (and the inserted medium where there is virtual media).
type ReadPower struct{}

// SetPower turns the machine on or off. Soft asks the operating system.
type SetPower struct {
	Want PowerState
	Soft bool
	// Drive is brought into order before the machine is turned on.
	Drive Drive
}

// Restart resets a machine whose power may not be turned off (spec.disablePowerOff).
type Restart struct {
	Soft bool
	// Drive is brought into order before the reset.
	Drive Drive
}

// Drive is what the owner wants of the virtual CD drive at a start of the machine. The zero value leaves the drive alone.
type Drive struct {
	// Managed: the drive is to hold URL, or nothing where that is empty.
	Managed bool
	URL     string
	// Boot: the machine boots from it, now and at every later start, in this mode.
	Boot bool
	Mode metal3.BootMode
}

// OpenWindow mints a token and makes the BootWindow of a boot; an open window of another boot of this host is deleted first. An open window of this boot is left as
// it is.
type OpenWindow struct {
	BootID  string
	Purpose ingot.BootPurpose
	Method  ingot.BootMethod
	// ClosesInSeconds bounds the window.
	ClosesInSeconds int64
	// TPM is what is asked of the machine's TPM; the zero value for a window that is not for an agent.
	TPM ingot.TPMDemand
}

// StartAgent makes the machine boot the agent once: medium inserted or network override set, firmware mode set, power-cycled. It is asked for only while the
// window of BootID is open and its token was not traded, so that repeating it does no harm.
type StartAgent struct {
	BootID string
	Method ingot.BootMethod
	Mode   metal3.BootMode
}

// RunStep hands a step to the connected agent. The agent answers through AgentFacts, not through ActionResult.
type RunStep struct {
	ID   string
	Kind step.Kind
	// Claim is the disk that a write may touch; nil for others.
	Claim *ingot.DiskClaim
	// Deadline is when the step is given up.
	Deadline time.Time
}

// CloseWindow deletes the host's windows and ejects the agent's medium; the owner's stays. It never changes the power state.
type CloseWindow struct{}

// BootDisk makes the machine boot from its disk from now on: medium ejected, override cleared, windows of other boots closed, power-cycled into the disk (or only turned on
// when it is off). Its own window, of purpose first-boot, was opened before and stays.
type BootDisk struct {
	BootID string
	Mode   metal3.BootMode
}

// SetDisk makes the next boot the disk's, and changes nothing about the machine that runs: medium ejected, override set. The agent is about to start the installed system itself.
type SetDisk struct {
	BootID string
	Mode   metal3.BootMode
}

// BootISO makes the machine boot a live ISO, now and at every later start: windows of other boots closed, medium inserted, override set until changed, power-cycled (or turned on). Its own
// window, of purpose first-boot, was opened before and stays.
type BootISO struct {
	BootID string
	URL    string
	Mode   metal3.BootMode
}

// EjectMedium takes the owner's medium out of the drive, and the boot override away. It never changes the power state.
type EjectMedium struct{}

// SaveHardware writes the HardwareData; nil deletes it.
type SaveHardware struct {
	Hardware *metal3.HardwareDetails
}

// ReadInventory asks the BMC what the machine is made of. Nothing is booted.
type ReadInventory struct{}

// Release lets the host go: windows, tokens and the Secret's finalizer are removed. The controller removes the host's finalizer after it, since
// the decision has RemoveFinalizer set.
type Release struct{}

// Name implements Action.
func (Verify) Name() string        { return "verify BMC" }
func (ReadPower) Name() string     { return "read power" }
func (SetPower) Name() string      { return "set power" }
func (Restart) Name() string       { return "restart machine" }
func (OpenWindow) Name() string    { return "open boot window" }
func (StartAgent) Name() string    { return "boot agent" }
func (a RunStep) Name() string     { return string(a.Kind) }
func (CloseWindow) Name() string   { return "close boot window" }
func (BootDisk) Name() string      { return "boot from disk" }
func (SetDisk) Name() string       { return "set disk for the next boot" }
func (BootISO) Name() string       { return "boot live ISO" }
func (EjectMedium) Name() string   { return "eject medium" }
func (SaveHardware) Name() string  { return "save hardware data" }
func (ReadInventory) Name() string { return "read inventory" }
func (Release) Name() string       { return "release host" }

// ActionResult is what an action came to.
type ActionResult struct {
	// Action is the action's Name.
	Action string
	// BootID is set for the actions that have one.
	BootID string
	// Failure is nil when it went well.
	Failure *step.Failure
	// Generation, CredentialsVersion and CertificatePin are the host's, its BMC Secret's and its annotation's when the action began; a Generation of zero: as they are now. What was changed meanwhile was not tried.
	Generation         int64
	CredentialsVersion string
	CertificatePin     string
	// BMC is the result of Verify. The address and certificate fields are those that it used.
	BMC *ingot.BMCStatus
	// Power is the result of Verify, ReadPower and SetPower.
	Power *PowerReading
	// Drive is the URL of the owner's medium that the action left in the drive, empty for none; nil: it did not get so far, or it was no matter. It may be set although the action failed after it.
	Drive *string
	// OwnsDrive: the action was to bring the owner's medium into the drive, or out of it.
	OwnsDrive bool
	// Health is the result of ReadPower, nil where the BMC does not say how the machine is.
	Health *health.Reading
	// Inventory is the result of ReadInventory. Its disks have no device names, which a BMC cannot know.
	Inventory *step.Inventory
	// Update is the result of StartUpdate and FollowUpdate.
	Update *UpdateReading
	// Storage is the result of ReadVolumes, Volume of MakeVolume, DeleteVolume and FollowVolume.
	Storage *raid.Storage
	Volume  *VolumeReading
}
