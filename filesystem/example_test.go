package filesystem

import "encoding/json"

// server is a layout as for a server: both firmwares, a boot partition, xfs for data.
func server() Layout {
	return Layout{
		Partitions: []Partition{
			{Name: "bios", Type: BIOSBoot, SizeMiB: 1}, {Name: "esp", Type: EFISystem, SizeMiB: 100}, {Name: "boot", Type: Linux, SizeMiB: 500},
			{Name: "swap", Type: LinuxSwap, SizeMiB: 256}, {Name: "root", Type: Linux, SizeMiB: 2000}, {Name: "var", Type: Linux},
		},
		Filesystems: []Filesystem{
			{Partition: "var", Format: XFS, Path: "/var", MountOptions: []string{"noatime"}}, {Partition: "root", Format: Ext4, Path: "/", Label: "root", CreateOptions: []string{"-m", "1"}},
			{Partition: "esp", Format: VFAT, Path: "/boot/efi", MountOptions: []string{"umask=0077"}}, {Partition: "boot", Format: Ext4, Path: "/boot"},
			{Partition: "swap", Format: Swap, Label: "swap"}, {Format: TmpFS, Path: "/tmp", MountOptions: []string{"size=1G"}},
		},
	}
}

// copyOf is a deep copy.
func copyOf(l Layout) Layout {
	b, err := json.Marshal(l)
	if err != nil {
		panic(err)
	}
	var out Layout
	if err := json.Unmarshal(b, &out); err != nil {
		panic(err)
	}
	return out
}
