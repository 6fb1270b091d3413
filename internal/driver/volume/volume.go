// Package volume is the contract with what makes file systems: partitions of a disk that the kernel knows before the disk's own table says so, mkfs, and mounts.
//
// It owns the words and refuses the order of things, which is internal/image/rootfs's: partitions are told to the kernel, file systems made and filled, and the table that makes
// the disk bootable is written last of all.
//
// Implementation: linux (ioctls of the block layer and of XFS, mke2fs, resize2fs, mkfs.xfs, mkfs.fat). There is no simulated one: a test that needs file systems needs a kernel.
//
// Invariants: Add writes nothing to the disk; Format writes inside of the partition only.
package volume

import "context"

// Span is a range of bytes of a disk.
type Span struct{ OffBytes, SizeBytes int64 }

// Spec is a file system to be made. All words were checked by package filesystem.
type Spec struct {
	// Format is vfat, ext4, xfs or swap.
	Format string
	Label  string
	// ID is a UUID, or for vfat eight hexadecimal digits with a dash.
	ID string
	// Options are further ones of mkfs, pairs of a letter and a value.
	Options []string
}

// Maker makes file systems on the disks of one machine.
type Maker interface {
	// Add makes a partition known to the kernel and gives its device; the disk's own table is not read and not written. The disk must not be open exclusively by anybody.
	Add(ctx context.Context, disk string, number int, at Span) (device string, err error)
	// Remove makes the kernel forget a partition; it is no error if it knows none of that number.
	Remove(disk string, number int) error
	// Format makes a file system on a device.
	Format(ctx context.Context, device string, s Spec) error
	// Mount mounts a device at a folder that exists, writable, without executing anything and without devices.
	Mount(device, folder, format string) error
	// Grow makes an ext4 or xfs, which is not mounted, as large as its device; it is no error if it is already. An empty folder to mount it at meanwhile is given.
	Grow(ctx context.Context, device, folder, format string) error
	// Unmount writes everything back and unmounts.
	Unmount(folder string) error
	// Scratch gives an empty folder for mounting, and takes it away again.
	Scratch() (folder string, remove func() error, err error)
}
