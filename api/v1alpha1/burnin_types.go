package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// BurnInAnnotation on a BareMetalHost asks for tests of its machine before it is offered: a list with commas of "cpu=TIME" (all processors calculate), "memory=PASSES" (patterns over all memory
// that is free), "disk=sample", "disk=read" or "disk=write" (places of every disk are read; every block is read; every block is written and read back, by which what is on the disk is lost),
// "network=TIME" or "network=TIME@RATE" (data is fetched from the partition role, and less than so many "Mbps" is a failure) and "lldp=required" (a neighbour must be heard on every link that is up).
// For example "cpu=10m,memory=1pass,disk=sample". It is done once for each value; to have the same again, remove the annotation and set it again. A host whose machine fails is not offered until
// the annotation is removed or changed. A host that is in use is tested when it is released.
const BurnInAnnotation = "ingot.dev/burn-in"

// BenchmarkAnnotation on a BareMetalHost says what is measured at its next inspection: "disks" (how fast each disk reads; nothing is written). What was found is in HostLifecycle.status.hardware.
const BenchmarkAnnotation = "ingot.dev/benchmark"

// BurnInStatus is the last test of a host's machine.
type BurnInStatus struct {
	// Request is what was asked for, in one canonical form.
	// +kubebuilder:validation:MaxLength=256
	Request string `json:"request"`
	// Withdrawn: it is not asked for any more; the next wish is a new one, even if it is the same.
	Withdrawn bool `json:"withdrawn,omitempty"`
	// StartedAt is when it was begun, FinishedAt when it ended with a result.
	StartedAt  metav1.Time  `json:"startedAt"`
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`
	// Attempts is how often it was handed to an agent.
	Attempts int32 `json:"attempts,omitempty"`
	// Result is passed or failed, empty before the end.
	// +kubebuilder:validation:Enum="";passed;failed
	Result string `json:"result,omitempty"`
	// Message is what failed, Fix what to do about it.
	// +kubebuilder:validation:MaxLength=4096
	Message string `json:"message,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Fix string `json:"fix,omitempty"`
	// Tests are the parts that were tested.
	// +kubebuilder:validation:MaxItems=320
	Tests []BurnInTest `json:"tests,omitempty"`
}

// BurnInTest is one test of one part.
type BurnInTest struct {
	// Test is cpu, memory, disk, network or link; Subject the part, SerialNumber its number where it has one (a link's is its MAC address).
	Test         string `json:"test"`
	Subject      string `json:"subject,omitempty"`
	SerialNumber string `json:"serialNumber,omitempty"`
	// Result is passed, failed or skipped.
	// +kubebuilder:validation:Enum=passed;failed;skipped
	Result     string      `json:"result"`
	StartedAt  metav1.Time `json:"startedAt"`
	FinishedAt metav1.Time `json:"finishedAt"`
	// Bytes is how much was tested, read or written; BytesPerSecond how fast.
	Bytes          int64 `json:"bytes,omitempty"`
	BytesPerSecond int64 `json:"bytesPerSecond,omitempty"`
	// SlowestMicroseconds is the longest that one read of a disk took.
	SlowestMicroseconds int64 `json:"slowestMicroseconds,omitempty"`
	// MaxCelsius is the highest temperature of all sensors meanwhile; Throttled how often a processor slowed down for heat.
	MaxCelsius int32 `json:"maxCelsius,omitempty"`
	Throttled  int64 `json:"throttled,omitempty"`
	// Errors counts what was wrong; Message names it, or says what was done.
	Errors int64 `json:"errors,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// +kubebuilder:validation:MaxLength=1024
	Fix string `json:"fix,omitempty"`
}

// HardwareStatus is what inspection found and HardwareData has no field for.
type HardwareStatus struct {
	// InspectedAt is when it was found.
	InspectedAt metav1.Time `json:"inspectedAt"`
	// Neighbours are what is at the other end of the network links, by LLDP.
	// +kubebuilder:validation:MaxItems=64
	Neighbours []Neighbour `json:"neighbours,omitempty"`
	// Firmware are the components whose firmware tells its version, as the machine itself sees them.
	// +kubebuilder:validation:MaxItems=128
	Firmware []FirmwareComponent `json:"firmware,omitempty"`
	// GPUs are the graphics processors and other accelerators, without the graphics of the BMC and of the processor.
	// +kubebuilder:validation:MaxItems=64
	GPUs []GPU `json:"gpus,omitempty"`
	// Disks is how fast disks read, where that was asked for (annotation ingot.dev/benchmark).
	// +kubebuilder:validation:MaxItems=256
	Disks []DiskBenchmark `json:"disks,omitempty"`
}

// GPU is one graphics processor or accelerator on the PCI bus.
type GPU struct {
	// Device is its PCI address.
	Device string `json:"device,omitempty"`
	// Model is its vendor and device as the PCI bus has them, in hex, with the vendor's name where Ingot knows it: "NVIDIA 10de:20b0".
	// +kubebuilder:validation:MaxLength=128
	Model string `json:"model"`
}

// Neighbour is what a switch says of itself on a link (IEEE 802.1AB).
type Neighbour struct {
	// Interface and MACAddress are the machine's.
	Interface  string `json:"interface"`
	MACAddress string `json:"macAddress,omitempty"`
	// SwitchName, SwitchID and SwitchDescription are the neighbour's; ManagementAddress is where it is managed.
	SwitchName string `json:"switchName,omitempty"`
	SwitchID   string `json:"switchID,omitempty"`
	// +kubebuilder:validation:MaxLength=255
	SwitchDescription string `json:"switchDescription,omitempty"`
	ManagementAddress string `json:"managementAddress,omitempty"`
	// PortID and PortDescription are the neighbour's port.
	PortID          string `json:"portID,omitempty"`
	PortDescription string `json:"portDescription,omitempty"`
	// VLAN is the port's own; VLANs are all that it says.
	VLAN int32 `json:"vlan,omitempty"`
	// +kubebuilder:validation:MaxItems=64
	VLANs []NeighbourVLAN `json:"vlans,omitempty"`
	// MaxFrameBytes is the largest frame that the port takes, its header included; 0: not said.
	MaxFrameBytes int32 `json:"maxFrameBytes,omitempty"`
}

// NeighbourVLAN is a VLAN of a port.
type NeighbourVLAN struct {
	ID   int32  `json:"id"`
	Name string `json:"name,omitempty"`
}

// FirmwareComponent is one component's firmware.
type FirmwareComponent struct {
	// Kind is bios, cpu, nic, disk, hba or bmc; Device is what it is called on the machine, Model what its maker calls it.
	Kind    string `json:"kind"`
	Device  string `json:"device,omitempty"`
	Model   string `json:"model,omitempty"`
	Version string `json:"version"`
	// Date is the firmware's, as it is written there.
	Date string `json:"date,omitempty"`
}

// DiskBenchmark is how fast a disk reads.
type DiskBenchmark struct {
	DeviceName   string `json:"deviceName"`
	SerialNumber string `json:"serialNumber,omitempty"`
	// SequentialBytesPerSecond is from the disk's beginning on, in pieces of 1 MiB.
	SequentialBytesPerSecond int64 `json:"sequentialBytesPerSecond"`
	// RandomReadsPerSecond is of 4 KiB all over the disk, one at a time; half of them took MedianMicroseconds at most, all but one in a hundred SlowMicroseconds.
	RandomReadsPerSecond int64 `json:"randomReadsPerSecond"`
	MedianMicroseconds   int64 `json:"medianMicroseconds"`
	SlowMicroseconds     int64 `json:"slowMicroseconds"`
}
