// Package bmc is the contract with a baseboard management controller, cut by capability.
//
// It owns the words (power state, boot device, medium) and the kinds of failure. It refuses protocols: those are the packages below it (redfish, fake).
// A Driver opens a Session; a Session says what this BMC can do, and gives one small interface per capability. The suite in bmctest
// holds for every implementation.
//
// Invariants: one Session per BMC address at a time (Pool); every call is counted against the BMC's call budget; no method retries a
// change of power or boot order by itself without reading the state first; passwords never appear in an error.
package bmc

import (
	"context"
	"time"

	"github.com/ingotmetal/ingot/internal/secret"
)

// Target says which BMC, and how to get in.
type Target struct {
	// Address is as the BareMetalHost has it, for example "redfish-virtualmedia+https://10.0.0.5/redfish/v1/Systems/1".
	Address  string
	Username string
	Password secret.String
	// CAPEM verifies the BMC's certificate; empty: the system's roots.
	CAPEM []byte
	// DisableCertificateVerification is the host's explicit word.
	DisableCertificateVerification bool
	// CertificatePin is the host's annotation ingot.dev/bmc-certificate (package pin): the BMC must show that certificate, and nothing else counts. Empty: none is pinned.
	CertificatePin string
	// SSHHostKey is the host's annotation ingot.dev/bmc-ssh-host-key: the fingerprint of the key that the BMC's SSH server must show. Empty: none is known, and no password is sent there.
	SSHHostKey string
}

// Driver opens sessions of one protocol.
type Driver interface {
	// Open logs in and probes. Errors are *Error.
	Open(ctx context.Context, t Target) (Session, error)
}

// Session is one login. Close logs out; calls after that fail.
type Session interface {
	Identity() Identity
	Power() Power
	// Boot, Media and Inventory are nil where the BMC lacks the capability.
	Boot() Boot
	Media() Media
	Inventory() Inventory
	// ConsoleLog is nil where the BMC keeps none.
	ConsoleLog() ConsoleLog
	// BIOS is nil where the BMC does not show the firmware's settings.
	BIOS() BIOS
	// Events is nil where the BMC sends none. Health is nil where it does not say how the machine is.
	Events() Events
	Health() Health
	// Components is nil where the BMC has no service for updates of firmware.
	Components() Components
	// Storage is nil where the BMC does not show the machine's storage controllers.
	Storage() Storage
	// Console is nil where the serial console cannot be watched.
	Console() Console
	// Accounts is nil where none can be made at the BMC.
	Accounts() Accounts
	Close(ctx context.Context) error
}

// Capability is something a BMC may be able to do.
type Capability string

// The capabilities.
const (
	CanPower        Capability = "power"
	CanSoftPowerOff Capability = "soft-power-off"
	CanBootOnce     Capability = "boot-once"
	CanBootMode     Capability = "boot-mode"
	CanSecureBoot   Capability = "secure-boot"
	CanVirtualMedia Capability = "virtual-media"
	CanInventory    Capability = "inventory"
	CanTasks        Capability = "tasks"
	CanSessions     Capability = "sessions"
	CanConsoleLog   Capability = "console-log"
	CanBIOS         Capability = "bios"
	CanUEFIHTTP     Capability = "uefi-http"
)

// Identity is what the probe found.
type Identity struct {
	Driver, Vendor, Model, FirmwareVersion, ProtocolVersion string
	SystemID, SystemUUID                                    string
	// ServiceUUID is the Redfish service's own (DSP0268, ServiceRoot.UUID), lower case; empty for none.
	ServiceUUID  string
	Capabilities []Capability
	// Quirks names the vendor quirks in force.
	Quirks []string
}

// PowerState is what the BMC says of the machine.
type PowerState string

// The power states; PoweringOn and PoweringOff where the BMC tells them.
const (
	Off         PowerState = "off"
	On          PowerState = "on"
	PoweringOn  PowerState = "powering-on"
	PoweringOff PowerState = "powering-off"
)

// PowerAction is a change of power.
type PowerAction string

// The power actions.
const (
	PowerOn      PowerAction = "on"
	ForceOff     PowerAction = "force-off"
	GracefulOff  PowerAction = "graceful-off"
	ForceRestart PowerAction = "force-restart"
	PowerCycle   PowerAction = "power-cycle"
	// GracefulRestart asks the operating system; Unsupported where the BMC cannot.
	GracefulRestart PowerAction = "graceful-restart"
)

// Power reads and changes the power state.
type Power interface {
	State(ctx context.Context) (PowerState, error)
	// Do asks for a change and returns when the BMC accepted it, not when it happened: read State. What is already so is no error and asks for nothing. A
	// restart of a machine that is off turns it on. GracefulOff never turns into ForceOff: without CanSoftPowerOff it is Unsupported.
	Do(ctx context.Context, a PowerAction) error
}

// Device is where to boot from.
type Device string

// The boot devices.
const (
	BootNone Device = "none"
	BootPXE  Device = "pxe"
	BootCD   Device = "cd"
	BootDisk Device = "disk"
	// BootHTTP: the firmware fetches BootSetting.URI by UEFI HTTP boot.
	BootHTTP Device = "http"
)

// Mode is the firmware's mode.
type Mode string

// The firmware modes.
const (
	ModeUEFI       Mode = "uefi"
	ModeSecureBoot Mode = "uefi-secure-boot"
	ModeLegacy     Mode = "legacy"
)

// BootSetting is a boot override.
type BootSetting struct {
	Device Device
	// Mode is the firmware's mode from the next boot on, whichever the device; empty leaves it as it is.
	Mode Mode
	// Once: for the next boot only; else until changed. Ignored with BootNone. A BMC without CanBootOnce keeps the override until it is changed.
	Once bool
	// URI is what BootHTTP boots; empty with other devices.
	URI string
	// Authorities is a PEM certificate that the firmware is to trust for an https URI, where the BMC has a place for it; Get gives none.
	Authorities string
}

// Boot reads and sets the boot override.
type Boot interface {
	Get(ctx context.Context) (BootSetting, error)
	Set(ctx context.Context, s BootSetting) error
}

// Media inserts and ejects the virtual CD.
type Media interface {
	// Inserted is the URL of the medium, empty for none, and "unknown:" where a BMC does not name what is inserted.
	Inserted(ctx context.Context) (string, error)
	// Insert replaces what is inserted, and returns when the machine can boot from it. After an error the drive is empty, as far as the BMC answers.
	Insert(ctx context.Context, url string) error
	// Eject of an empty drive is no error.
	Eject(ctx context.Context) error
}

// Inventory reads the hardware out of band.
type Inventory interface {
	Read(ctx context.Context) (Hardware, error)
}

// ConsoleLog reads the serial console's log that the BMC keeps.
type ConsoleLog interface {
	Read(ctx context.Context) (string, error)
}

// Hardware is an out-of-band inventory.
type Hardware struct {
	Manufacturer, ProductName, SerialNumber, UUID, BIOSVersion string
	MemoryMebibytes                                            int
	CPUModel                                                   string
	// CPUArchitecture is x86_64 or aarch64, empty where the BMC does not say.
	CPUArchitecture string
	CPUCount        int
	NICs            []NIC
	Disks           []Disk
	ReadAt          time.Time
}

// NIC is a network interface as the BMC sees it.
type NIC struct {
	Name, MAC string
	SpeedMbps int
	LinkUp    bool
}

// Disk is a drive as the BMC sees it.
type Disk struct {
	Name, Model, SerialNumber string
	SizeBytes                 int64
	Rotational                bool
}
