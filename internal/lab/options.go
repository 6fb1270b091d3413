package lab

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"regexp"
	"time"

	"github.com/ingotmetal/ingot/internal/agent"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/qemu"
	"github.com/ingotmetal/ingot/internal/lab/simulated"
)

// Kind is how a machine is made.
type Kind string

// The kinds of machine.
const (
	// Simulated machines run the real agent in this process, over sparse files and the kernel's loopback.
	Simulated Kind = "simulated"
	// QEMU machines are virtual machines on the lab's own network.
	QEMU Kind = "qemu"
)

// Options are a lab. The zero value of a field gives the default that is named.
type Options struct {
	Kind Kind
	// Machines is how many there are.
	Machines int
	// DataDir keeps disks, console logs and state over a restart of the lab.
	DataDir string
	// Prefix begins the machines' names, which are "<prefix>-<number>" from 0. Default: node.
	Prefix string
	// Namespace and Partition are where the manifests put the hosts. Default: namespace default, no partition named.
	Namespace, Partition string
	// Method is how the manifests' BMC addresses ask for the agent to be booted: bmc.BootCD (default), bmc.BootPXE or bmc.BootHTTP.
	Method bmc.Device
	// Protocol is what the manifests' BMC addresses speak: bmc.Redfish (default), or bmc.IPMI, which implies network boot.
	Protocol bmc.Protocol
	// OnNetwork puts simulated machines on the lab's network in user space instead of the kernel's loopback. QEMU machines and network boot imply it.
	OnNetwork bool
	// Disks is how many a machine has (default 2), DiskBytes the size of each (default 8 GiB). The first is NVMe, the others are rotating SCSI disks; DiskBus
	// changes the first one's bus (QEMU only).
	Disks     int
	DiskBytes int64
	DiskBus   qemu.Bus
	// MemoryMebibytes (default 512) and CPUs (default 1) of a QEMU machine.
	MemoryMebibytes, CPUs int
	// Firmware is the mode in which QEMU machines boot by themselves. Default: bmc.ModeUEFI.
	Firmware bmc.Mode
	// NICs is how many network cards a machine has (default 1). The first is on the lab's network; each further one is on a network of its own, with nobody on it but the machines and who joins State.Segments (QEMU only).
	NICs int
	// TPM gives QEMU machines a TPM 2.0 in software (needs swtpm).
	TPM bool
	// FirmwareTime and SystemTime are a simulated machine's; default 20 ms.
	FirmwareTime, SystemTime time.Duration
	// AgentTiming changes the simulated machines' agents.
	AgentTiming agent.Timing
	// Seed makes faults repeatable; Faults is how BMCs and simulated machines misbehave.
	Seed   uint64
	Faults Faults
	// BMC changes the BMC of machine number i before it is added. May be nil.
	BMC func(i int, c *bmcsim.Config)
	// Parts is what is broken about simulated machine number i. May be nil, and may give nil.
	Parts func(i int) *simulated.Parts
	// Capture is the path of a pcap file with all frames of the network; empty: none.
	Capture string
	Log     *slog.Logger
}

// Faults is how a lab misbehaves.
type Faults struct {
	BMC bmcsim.Faults
	// HangChance is how often a simulated machine's boot hangs in firmware.
	HangChance float64
}

// The lab's network. Machines get addresses from the partition role, or none.
var (
	Network = netip.MustParsePrefix("172.22.0.0/24")
	// The addresses are the lab's image server's and those that the roles are given.
	ImageAddress     = netip.MustParseAddr("172.22.0.1")
	PartitionAddress = netip.MustParseAddr("172.22.0.2")
	BootAddress      = netip.MustParseAddr("172.22.0.3")
	// FirstLease and LastLease bound what DHCP may give to machines.
	FirstLease = netip.MustParseAddr("172.22.0.100")
	LastLease  = netip.MustParseAddr("172.22.0.250")
)

const (
	maxMachines = 10_000
	maxNICs     = 4
	defaultDisk = 8 << 30
	defaultTime = 20 * time.Millisecond
)

var namePattern = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,40}[a-z0-9])?$`)

func (o Options) withDefaults() (Options, error) {
	if o.Kind == "" {
		o.Kind = Simulated
	}
	if o.Prefix == "" {
		o.Prefix = "node"
	}
	if o.Namespace == "" {
		o.Namespace = "default"
	}
	if o.Protocol == "" {
		o.Protocol = bmc.Redfish
	}
	if o.Method == "" && o.Protocol == bmc.IPMI {
		o.Method = bmc.BootPXE
	}
	if o.Method == "" {
		o.Method = bmc.BootCD
	}
	if o.Kind == QEMU || o.Method != bmc.BootCD {
		o.OnNetwork = true
	}
	if o.Disks == 0 {
		o.Disks = 2
	}
	if o.DiskBytes == 0 {
		o.DiskBytes = defaultDisk
	}
	if o.NICs == 0 {
		o.NICs = 1
	}
	if o.DiskBus == "" {
		o.DiskBus = qemu.NVMe
	}
	if o.Firmware == "" {
		o.Firmware = bmc.ModeUEFI
	}
	if o.FirmwareTime == 0 {
		o.FirmwareTime = defaultTime
	}
	if o.SystemTime == 0 {
		o.SystemTime = defaultTime
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.DataDir != "" {
		dir, err := filepath.Abs(o.DataDir)
		if err != nil {
			return o, fmt.Errorf("lab's data directory: %w", err)
		}
		o.DataDir = dir
	}
	return o, o.check()
}

func (o Options) check() error {
	switch {
	case o.Kind != Simulated && o.Kind != QEMU:
		return fmt.Errorf("machines of kind %q: there are %s and %s", o.Kind, Simulated, QEMU)
	case o.Machines < 1 || o.Machines > maxMachines:
		return fmt.Errorf("%d machines: want 1 to %d", o.Machines, maxMachines)
	case o.DataDir == "":
		return errors.New("the lab has no data directory")
	case !namePattern.MatchString(o.Prefix):
		return fmt.Errorf("machine names with prefix %q: want lower-case letters, digits and dashes", o.Prefix)
	case o.Disks < 1 || o.Disks > 8:
		return fmt.Errorf("%d disks: want 1 to 8", o.Disks)
	case o.DiskBytes < 16<<20 || o.DiskBytes%(1<<20) != 0:
		return fmt.Errorf("disks of %d bytes: want at least 16 MiB, in whole MiB", o.DiskBytes)
	case o.Protocol != bmc.Redfish && o.Protocol != bmc.IPMI:
		return fmt.Errorf("BMC protocol %q: there are %s and %s", o.Protocol, bmc.Redfish, bmc.IPMI)
	case o.Protocol == bmc.IPMI && o.Method != bmc.BootPXE:
		return fmt.Errorf("boot method %q: IPMI has no virtual media, only %s", o.Method, bmc.BootPXE)
	case o.Method != bmc.BootCD && o.Method != bmc.BootPXE && o.Method != bmc.BootHTTP:
		return fmt.Errorf("boot method %q: there are %s, %s and %s", o.Method, bmc.BootCD, bmc.BootPXE, bmc.BootHTTP)
	case o.Method == bmc.BootHTTP && o.Firmware == bmc.ModeLegacy:
		return fmt.Errorf("boot method %q: a BIOS has none", o.Method)
	case o.NICs < 1 || o.NICs > maxNICs:
		return fmt.Errorf("%d network cards: want 1 to %d", o.NICs, maxNICs)
	case o.NICs > 1 && o.Kind != QEMU:
		return errors.New("several network cards are for QEMU machines: simulated ones have one")
	case o.TPM && o.Kind != QEMU:
		return errors.New("a TPM is for QEMU machines: simulated ones have none")
	case o.Firmware != bmc.ModeUEFI && o.Firmware != bmc.ModeLegacy:
		return fmt.Errorf("firmware %q: there are %s and %s", o.Firmware, bmc.ModeUEFI, bmc.ModeLegacy)
	}
	return nil
}
