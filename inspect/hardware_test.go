package inspect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/step"
)

func TestHardwareDetails(t *testing.T) {
	got := HardwareDetails(step.Inventory{
		Hostname: "n1", MemoryBytes: 17179869184 + 5,
		System:   step.System{Manufacturer: "Dell Inc.", ProductName: "R650", SerialNumber: "ABC", UUID: "u"},
		Firmware: step.Firmware{Vendor: "Dell", Version: "1.2", Date: "01/02/2026", UEFI: true},
		CPU:      step.CPU{Architecture: "x86_64", Model: "Xeon", ClockMHz: 2899.6, Flags: []string{"vmx", "aes"}, Count: 64},
		NICs: []step.NIC{
			{Name: "eth1", MAC: "AA:BB:CC:00:00:02", SpeedMbps: 2500},
			{Name: "eth0", Model: "0x8086 0x1572", MAC: "aa:bb:cc:00:00:01", Addresses: []string{"fe80::1/64", "10.0.0.9/24", "2001:db8::9/64", "10.0.0.10"}, SpeedMbps: 25000,
				Booted: true, LLDP: &step.LLDP{ChassisID: "c", PortID: "p7", SystemName: "leaf1", VLAN: 42, VLANs: []step.LLDPVLAN{{ID: 7, Name: "mgmt"}, {ID: 42, Name: "prod"}, {ID: 4095}}}},
		},
		Disks: []step.Disk{
			{Name: "/dev/sdb", SizeBytes: 500, Rotational: true, Type: "hdd", HCTL: "0:0:1:0", WWN: "w", WWNVendorExtension: "x", WWNWithExtension: "wx", Vendor: "v", Model: "m", SerialNumber: "s"},
			{Name: "/dev/nvme0n1", AlternateNames: []string{"/dev/disk/by-id/n", "/dev/disk/by-path/pci-1"}, SizeBytes: 1 << 40, Type: "nvme"},
			{Name: "/dev/sda", SizeBytes: 100, Type: "ssd"},
			{Name: "/dev/sdc", SizeBytes: 1, Removable: true},
			{Name: "/dev/sr0", SizeBytes: 1, ReadOnly: true},
		},
	})
	lldp := &metal3.LLDP{SwitchID: "c", PortID: "p7", SwitchSystemName: "leaf1"}
	eth0 := metal3.NIC{Name: "eth0", Model: "0x8086 0x1572", MAC: "aa:bb:cc:00:00:01", IP: "10.0.0.9", SpeedGbps: 25, PXE: true, VLANID: 42, VLANs: []metal3.VLAN{{ID: 42, Name: "prod"}, {ID: 7, Name: "mgmt"}}, LLDP: lldp}
	eth0v6 := eth0
	eth0v6.IP = "2001:db8::9"
	want := metal3.HardwareDetails{
		SystemVendor: metal3.HardwareSystemVendor{Manufacturer: "Dell Inc.", ProductName: "R650", SerialNumber: "ABC"},
		Firmware:     metal3.Firmware{BIOS: metal3.BIOS{Vendor: "Dell", Version: "1.2", Date: "01/02/2026"}},
		RAMMebibytes: 16384,
		NIC:          []metal3.NIC{eth0, eth0v6, {Name: "eth1", MAC: "aa:bb:cc:00:00:02", SpeedGbps: 3}},
		Storage: []metal3.Storage{
			{Name: "/dev/disk/by-path/pci-1", AlternateNames: []string{"/dev/nvme0n1", "/dev/disk/by-id/n", "/dev/disk/by-path/pci-1"}, SizeBytes: 1 << 40, Type: metal3.NVME},
			{Name: "/dev/sda", AlternateNames: []string{"/dev/sda"}, SizeBytes: 100, Type: metal3.SSD},
			{Name: "/dev/sdb", AlternateNames: []string{"/dev/sdb"}, SizeBytes: 500, Rotational: true, Type: metal3.HDD, HCTL: "0:0:1:0", WWN: "w", WWNVendorExtension: "x",
				WWNWithExtension: "wx", Vendor: "v", Model: "m", SerialNumber: "s"},
		},
		CPU:      metal3.CPU{Arch: "x86_64", Model: "Xeon", ClockMegahertz: 2900, Flags: []string{"aes", "vmx"}, Count: 64},
		Hostname: "n1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatal(d)
	}
}

func TestHardwareDetailsOfNothing(t *testing.T) {
	if d := cmp.Diff(metal3.HardwareDetails{}, HardwareDetails(step.Inventory{MemoryBytes: -1, NICs: nil})); d != "" {
		t.Fatal(d)
	}
}

// TestDisksIsTheWayBack: hints that name a disk by any of its names still find it.
func TestDisksIsTheWayBack(t *testing.T) {
	in := []step.Disk{{Name: "/dev/sda", AlternateNames: []string{"/dev/disk/by-path/p"}, SerialNumber: "s", WWN: "w", SizeBytes: 7, Rotational: true, Type: "hdd", HCTL: "1:0:0:0"}}
	h := HardwareDetails(step.Inventory{Disks: in})
	want := in[0]
	want.AlternateNames = []string{"/dev/sda", "/dev/disk/by-path/p"}
	if d := cmp.Diff([]step.Disk{want}, Disks(&h)); d != "" {
		t.Fatal(d)
	}
	if Disks(nil) != nil {
		t.Fatal("disks of nothing")
	}
}
