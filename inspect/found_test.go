package inspect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

func TestWhatIsFoundBesideTheHardwareData(t *testing.T) {
	at := metav1.NewTime(time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	got := found(step.Inventory{
		NICs: []step.NIC{
			{Name: "eth1", MAC: "b", LLDP: &step.LLDP{ChassisID: "c2"}}, {Name: "eth2", MAC: "n"},
			{Name: "eth0", MAC: "a", LLDP: &step.LLDP{ChassisID: "c", PortID: "p7", SystemName: "leaf1", SystemText: "NOS", PortText: "rack 1", ManagementAddress: "10.0.0.5",
				VLAN: 42, VLANs: []step.LLDPVLAN{{ID: 7, Name: "mgmt"}}, MaxFrameBytes: 9216}},
		},
		GPUs:       []step.GPU{{Device: "0000:81:00.0", Model: "AMD 1002:740f"}, {Device: "0000:41:00.0", Model: "NVIDIA 10de:20b0"}},
		Components: []step.Component{{Kind: step.ComponentNIC, Device: "eth0", Version: "1"}, {Kind: step.ComponentBIOS, Model: "M", Version: "2", Date: "d"}},
		Disks: []step.Disk{{Name: "/dev/sda"}, {Name: "/dev/sdb", SerialNumber: "B",
			Benchmark: &step.DiskBenchmark{SequentialBytesPerSecond: 5, RandomReadsPerSecond: 6, MedianMicroseconds: 7, SlowMicroseconds: 8}}},
	}, at)
	want := &ingot.HardwareStatus{
		InspectedAt: at,
		Neighbours: []ingot.Neighbour{
			{Interface: "eth0", MACAddress: "a", SwitchName: "leaf1", SwitchID: "c", SwitchDescription: "NOS", ManagementAddress: "10.0.0.5", PortID: "p7", PortDescription: "rack 1",
				VLAN: 42, VLANs: []ingot.NeighbourVLAN{{ID: 7, Name: "mgmt"}}, MaxFrameBytes: 9216},
			{Interface: "eth1", MACAddress: "b", SwitchID: "c2"},
		},
		Firmware: []ingot.FirmwareComponent{{Kind: "bios", Model: "M", Version: "2", Date: "d"}, {Kind: "nic", Device: "eth0", Version: "1"}},
		GPUs:     []ingot.GPU{{Device: "0000:41:00.0", Model: "NVIDIA 10de:20b0"}, {Device: "0000:81:00.0", Model: "AMD 1002:740f"}},
		Disks:    []ingot.DiskBenchmark{{DeviceName: "/dev/sdb", SerialNumber: "B", SequentialBytesPerSecond: 5, RandomReadsPerSecond: 6, MedianMicroseconds: 7, SlowMicroseconds: 8}},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(&ingot.HardwareStatus{InspectedAt: at}, found(step.Inventory{}, at)); d != "" {
		t.Error(d)
	}
}
