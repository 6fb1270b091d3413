package bmcsim

import (
	"context"
	"io"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// Machine is the hardware behind one simulated BMC. The lab implements it once for QEMU and once for simulated machines.
//
// Calls for one machine never overlap, except Powered, Console and Hardware, which may come at any time and must return at once. A call returns when the hardware
// took the order, not when the machine is through its boot. Nothing here waits for the transition times that a BMC shows: the BMC simulator adds those.
type Machine interface {
	// PowerOn starts a machine that is off. The plan is what its firmware must follow in this boot.
	PowerOn(ctx context.Context, plan BootPlan) error
	// ForceOff cuts the power. No error when the machine is off already.
	ForceOff(ctx context.Context) error
	// GracefulOff presses the power button; the operating system may ignore it.
	GracefulOff(ctx context.Context) error
	// Reset restarts a machine that is on, without the operating system having a say.
	Reset(ctx context.Context, plan BootPlan) error
	// Powered says whether the machine is on now. A machine may turn itself off at any time.
	Powered() bool
	// Console is the last bytes, at most max, of what the machine wrote to its serial console since it was first turned on.
	Console(max int) []byte
	Hardware() Hardware
}

// MediumChanger is what a Machine also implements if a running machine must notice that its virtual CD changed. nil means ejected.
type MediumChanger interface {
	ChangeMedium(ctx context.Context, m *Medium) error
}

// BootPlan is what the firmware does in one boot.
type BootPlan struct {
	// Mode is the firmware's mode for this boot.
	Mode bmc.Mode
	// Device is where to boot from; bmc.BootNone for the machine's own order (disk first, then network).
	Device bmc.Device
	// Once: Device was a one-time override, and is used up by this boot.
	Once bool
	// Medium is what is in the virtual CD drive; nil for nothing.
	Medium *Medium
	// URI is what the firmware fetches with bmc.BootHTTP, and Authorities the PEM certificates that it trusts for that.
	URI         string
	Authorities string
}

// Medium is an inserted virtual CD. The BMC has fetched it, or reads it by ranges: either way the machine sees a local disk and never the URL's network.
type Medium struct {
	// URL is where it came from, for logs.
	URL string
	// Size in bytes.
	Size int64
	// Path is the downloaded file, where the BMC downloads (Config.Fetch == Download); empty otherwise. The file stays until the medium is ejected
	// and the machine was told so.
	Path string
	// Image reads the medium in both cases, over HTTP ranges where nothing is downloaded.
	Image io.ReaderAt
}

// Hardware is what a BMC knows of its machine without asking an operating system.
type Hardware struct {
	// UUID in its canonical form; the ComputerSystem's UUID.
	UUID                                   string
	Manufacturer, Model, SerialNumber, SKU string
	BIOSVersion                            string
	CPUs                                   []CPU
	MemoryMebibytes                        int
	NICs                                   []NIC
	Disks                                  []Disk
	// UEFI: the firmware can run in UEFI mode; Legacy: in BIOS mode. SecureBoot: UEFI Secure Boot can be enabled.
	UEFI, Legacy, SecureBoot bool
}

// CPU is one socket.
type CPU struct {
	Model          string
	Cores, Threads int
	MaxMHz         int
	// Architecture is x86 or ARM, as Redfish's ProcessorArchitecture has it.
	Architecture string
}

// NIC is one network interface.
type NIC struct {
	Name, MAC string
	SpeedMbps int
	LinkUp    bool
}

// Disk is one drive.
type Disk struct {
	Name, Model, SerialNumber string
	SizeBytes                 int64
	// Protocol is NVMe, SATA, SAS or PCIe, as Redfish has it.
	Protocol   string
	Rotational bool
}

// Firmware is how a machine asks its BMC for orders when it boots without the BMC having said so, which is what a restart by the operating system is. *BMC
// implements it; the machine gets it with Attach of Config, before the first PowerOn.
type Firmware interface {
	// NextBoot gives the plan for a boot that starts now, and uses up a one-time override.
	NextBoot() BootPlan
}
