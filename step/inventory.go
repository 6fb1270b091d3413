package step

// Inventory is a machine as its agent sees it.
type Inventory struct {
	Hostname string   `json:"hostname,omitempty"`
	System   System   `json:"system"`
	Firmware Firmware `json:"firmware"`
	CPU      CPU      `json:"cpu"`
	// MemoryBytes is the installed memory where DMI tells it, else what the kernel sees.
	MemoryBytes int64  `json:"memoryBytes"`
	NICs        []NIC  `json:"nics,omitempty"`
	Disks       []Disk `json:"disks,omitempty"`
	// GPUs are the graphics processors and other accelerators on the PCI bus, without those of the BMC and of the processor.
	GPUs []GPU `json:"gpus,omitempty"`
	// Components are the parts whose firmware tells its version.
	Components []Component `json:"components,omitempty"`
}

// What a Component.Kind says.
const (
	ComponentBIOS = "bios"
	ComponentCPU  = "cpu"
	ComponentNIC  = "nic"
	ComponentDisk = "disk"
	ComponentHBA  = "hba"
	ComponentBMC  = "bmc"
)

// Component is a part with firmware of its own.
type Component struct {
	Kind string `json:"kind"`
	// Device is what the part is called on the machine ("/dev/sda", "eth0", a PCI address), Model what its maker calls it; either may be empty.
	Device string `json:"device,omitempty"`
	Model  string `json:"model,omitempty"`
	// Version is the firmware's, never empty; Date as it is written there.
	Version string `json:"version"`
	Date    string `json:"date,omitempty"`
}

// System is the maker's plate (SMBIOS type 1).
type System struct {
	Manufacturer string `json:"manufacturer,omitempty"`
	ProductName  string `json:"productName,omitempty"`
	SerialNumber string `json:"serialNumber,omitempty"`
	UUID         string `json:"uuid,omitempty"`
}

// Firmware is the BIOS (SMBIOS type 0) and how it booted.
type Firmware struct {
	Vendor     string `json:"vendor,omitempty"`
	Version    string `json:"version,omitempty"`
	Date       string `json:"date,omitempty"`
	UEFI       bool   `json:"uefi,omitempty"`
	SecureBoot bool   `json:"secureBoot,omitempty"`
}

// CPU is all processors together.
type CPU struct {
	// Architecture is x86_64 or aarch64.
	Architecture string   `json:"architecture,omitempty"`
	Model        string   `json:"model,omitempty"`
	ClockMHz     float64  `json:"clockMHz,omitempty"`
	Flags        []string `json:"flags,omitempty"`
	// Count is the number of logical processors.
	Count int `json:"count"`
}

// GPU is one graphics processor or accelerator.
type GPU struct {
	// Device is its PCI address, Model its vendor's name, where that is known, and its IDs: "NVIDIA 10de:20b0".
	Device string `json:"device,omitempty"`
	Model  string `json:"model"`
}

// NIC is one network interface.
type NIC struct {
	Name      string   `json:"name"`
	Model     string   `json:"model,omitempty"`
	MAC       string   `json:"mac"`
	Addresses []string `json:"addresses,omitempty"`
	SpeedMbps int      `json:"speedMbps,omitempty"`
	// Booted: the agent was booted over it, as far as is known.
	Booted bool  `json:"booted,omitempty"`
	LinkUp bool  `json:"linkUp,omitempty"`
	LLDP   *LLDP `json:"lldp,omitempty"`
}

// LLDP is what the neighbour on a NIC said (IEEE 802.1AB).
type LLDP struct {
	ChassisID  string `json:"chassisID,omitempty"`
	PortID     string `json:"portID,omitempty"`
	SystemName string `json:"systemName,omitempty"`
	// SystemText and PortText are the descriptions of the neighbour and of its port; ManagementAddress is an IP address.
	SystemText        string `json:"systemText,omitempty"`
	PortText          string `json:"portText,omitempty"`
	ManagementAddress string `json:"managementAddress,omitempty"`
	// VLAN is the port's own (untagged frames are of it); VLANs are those that the neighbour names, MaxLLDPVLANs at most.
	VLAN  int        `json:"vlan,omitempty"`
	VLANs []LLDPVLAN `json:"vlans,omitempty"`
	// MaxFrameBytes is the largest frame that the port takes, header and check included; 0: not said.
	MaxFrameBytes int `json:"maxFrameBytes,omitempty"`
}

// MaxLLDPVLANs bounds the VLANs that are kept of a port.
const MaxLLDPVLANs = 64

// LLDPVLAN is a VLAN that a neighbour names.
type LLDPVLAN struct {
	ID   int    `json:"id"`
	Name string `json:"name,omitempty"`
}

// Disk is one whole disk.
type Disk struct {
	// Name is the device's path by which it is opened now ("/dev/sda"); ByPath and AlternateNames are stable links.
	Name           string   `json:"name"`
	AlternateNames []string `json:"alternateNames,omitempty"`
	Model          string   `json:"model,omitempty"`
	Vendor         string   `json:"vendor,omitempty"`
	SerialNumber   string   `json:"serialNumber,omitempty"`
	// HCTL is the SCSI host:channel:target:lun.
	HCTL               string `json:"hctl,omitempty"`
	WWN                string `json:"wwn,omitempty"`
	WWNVendorExtension string `json:"wwnVendorExtension,omitempty"`
	WWNWithExtension   string `json:"wwnWithExtension,omitempty"`
	SizeBytes          int64  `json:"sizeBytes"`
	SectorBytes        int    `json:"sectorBytes,omitempty"`
	Rotational         bool   `json:"rotational,omitempty"`
	// Type is hdd, ssd or nvme.
	Type      string    `json:"type,omitempty"`
	ReadOnly  bool      `json:"readOnly,omitempty"`
	Transport Transport `json:"transport,omitempty"`
	// Removable media can be taken out of the machine; the medium that the agent was booted from may be one.
	Removable bool `json:"removable,omitempty"`
	// Kept: the policy of its host keeps what is on it, so that it is chosen for an image only by its number.
	Kept bool `json:"kept,omitempty"`
	// Array: it is no disk but a software RAID array; its SerialNumber is the array's UUID. MemberOf is the array that a disk is a part of, empty for none.
	Array    bool   `json:"array,omitempty"`
	MemberOf string `json:"memberOf,omitempty"`
	// Benchmark is how fast it reads, nil where nobody asked or it could not be measured.
	Benchmark *DiskBenchmark `json:"benchmark,omitempty"`
}
