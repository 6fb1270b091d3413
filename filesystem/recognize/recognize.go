// Package recognize tells from the first bytes of a partition image what file system it is, and refuses what could not become the root of a machine.
//
// It owns the superblocks of ext4 (Linux, Documentation/filesystems/ext4) and XFS (XFS Filesystem Structure, third edition) as far as a boot needs them: the identifier by which boot loader and
// kernel find the root, the size that the image must have, and the features that the boot loader must know. It refuses to read files, and everything that is no file system: whole disks, LVM, encrypted volumes.
//
// Invariants: Look reads nothing outside of the bytes that it is given; what it gives has an identifier of five groups of hexadecimal digits, and a size above zero.
package recognize

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"

	"github.com/ingotmetal/ingot/filesystem"
)

// HeadBytes is how much of an image's beginning tells everything that is told here: up to the magic number of btrfs.
const HeadBytes = 68 << 10

// Found is a file system that can be a root.
type Found struct {
	// Format is ext4, also for ext2 and ext3, which the same driver mounts, or xfs.
	Format filesystem.Format
	// ID is its UUID, lower case.
	ID string
	// SizeBytes is how much of a disk it takes.
	SizeBytes int64
}

// Refusal says why an image cannot be the root of a machine, and what to do.
type Refusal struct{ Message, Fix string }

// Error implements error.
func (r *Refusal) Error() string { return r.Message }

// The features of ext4 that the boot loader of Debian 12 (GRUB 2.06) reads or may ignore: filetype, meta_bg, extents, 64bit, mmp, flex_bg, encrypt.
const extReadable = 0x2 | 0x10 | 0x40 | 0x80 | 0x100 | 0x200 | 0x10000

// The same of XFS: ftype, sparse inodes, meta_uuid, bigtime.
const xfsReadable = 0x1 | 0x2 | 0x4 | 0x8

// Look recognizes an image by its first bytes; fewer than HeadBytes are enough where the image is smaller. The error is a *Refusal.
func Look(head []byte) (Found, error) {
	switch {
	case at(head, 0, "XFSB"):
		return xfs(head)
	case at(head, 0x438, "\x53\xef"):
		return ext(head)
	}
	return Found{}, other(head)
}

func at(head []byte, off int, magic string) bool {
	return len(head) >= off+len(magic) && string(head[off:off+len(magic)]) == magic
}

func refuse(fix, format string, args ...any) error {
	return &Refusal{Message: fmt.Sprintf(format, args...), Fix: fix}
}

// others are what people may take for a partition image, with the first offset at which it is told by.
func others() []struct {
	off               int
	magic, what, help string
} {
	const whole, remake = "remove spec.customDeploy: a whole-disk image needs no deploy method", "make an image of one file system, ext4 or xfs"
	return []struct {
		off               int
		magic, what, help string
	}{
		{0x200, "EFI PART", "a whole disk with a partition table", whole}, {0x1000, "EFI PART", "a whole disk with a partition table", whole},
		{0x218, "LVM2 001", "a physical volume of LVM, which the agent's kernel has no device-mapper for", remake},
		{0x18, "LVM2 001", "a physical volume of LVM, which the agent's kernel has no device-mapper for", remake},
		{0, "LUKS\xba\xbe", "an encrypted volume (LUKS), which the agent's kernel has no device-mapper for", remake},
		{0x1000, "\xfc\x4e\x2b\xa9", "a member of a software RAID array", remake}, {0, "\xfc\x4e\x2b\xa9", "a member of a software RAID array", remake},
		{0x10040, "_BHRfS_M", "btrfs", remake}, {0, "hsqs", "squashfs", remake}, {0x8001, "CD001", "an ISO image", remake}, {0xff6, "SWAPSPACE2", "swap", remake},
		{0x52, "FAT32", "vfat", remake}, {0x36, "FAT1", "vfat", remake},
		// Last: file systems may have the mark of a boot sector, too.
		{0x1fe, "\x55\xaa", "a whole disk with a boot sector", whole},
	}
}

func other(head []byte) error {
	for _, o := range others() {
		if at(head, o.off, o.magic) {
			return refuse(o.help, "the image is %s, and no file system of ext4 or xfs", o.what)
		}
	}
	return refuse("make an image of one file system, ext4 or xfs, raw or qcow2, packed or not", "the image is no file system of ext4 or xfs: neither's superblock is in it")
}

func ext(head []byte) (Found, error) {
	const start, length = 0x400, 0x400
	if len(head) < start+length {
		return Found{}, refuse("replace the image by one that is whole", "the image ends in the superblock of ext4, after %d bytes", len(head))
	}
	s, le := head[start:start+length], binary.LittleEndian
	incompatible := le.Uint32(s[0x60:])
	blocks := uint64(le.Uint32(s[0x4:]))
	if incompatible&0x80 != 0 {
		blocks |= uint64(le.Uint32(s[0x150:])) << 32
	}
	shift := le.Uint32(s[0x18:])
	if shift > 6 {
		return Found{}, refuse("replace the image by one that is whole", "the superblock of ext4 says blocks of 2^%d KiB", shift)
	}
	const needsRecovery = 0x4
	if incompatible&needsRecovery != 0 {
		return Found{}, refuse("run e2fsck -f -p on it, or unmount it before the image is made of it", "the image's ext4 was in use when the image was made of it: its journal has what is not in its place yet")
	}
	if more := incompatible &^ extReadable; more != 0 {
		return Found{}, refuse("make the file system without them: mke2fs -O ^metadata_csum_seed,^casefold,^inline_data,^large_dir,^ea_inode",
			"the image's ext4 has features that the boot loader (GRUB 2.06) cannot read: %#x of the incompatible ones", more)
	}
	return found(filesystem.Ext4, s[0x68:0x78], blocks, 1024<<shift)
}

func xfs(head []byte) (Found, error) {
	const length = 264
	if len(head) < length {
		return Found{}, refuse("replace the image by one that is whole", "the image ends in the superblock of XFS, after %d bytes", len(head))
	}
	be := binary.BigEndian
	size := be.Uint32(head[4:])
	version := be.Uint16(head[100:]) & 0xf
	switch {
	case size < 512 || size > 64<<10 || bits.OnesCount32(size) != 1:
		return Found{}, refuse("replace the image by one that is whole", "the superblock of XFS says blocks of %d bytes", size)
	case version != 4 && version != 5:
		return Found{}, refuse("make the file system with mkfs.xfs of xfsprogs 6", "the image's XFS has version %d, and 4 and 5 are known", version)
	case version == 5 && be.Uint32(head[216:])&^xfsReadable != 0:
		return Found{}, refuse("make the file system without them: mkfs.xfs -i nrext64=0,exchange=0 -n parent=0", "the image's XFS has features that the boot loader (GRUB 2.06) cannot read: %#x of the incompatible ones",
			be.Uint32(head[216:])&^xfsReadable)
	}
	return found(filesystem.XFS, head[32:48], be.Uint64(head[8:]), int64(size))
}

func found(format filesystem.Format, id []byte, blocks uint64, size int64) (Found, error) {
	const most = 1 << 60
	switch {
	case blocks == 0 || blocks > uint64(most/size):
		return Found{}, refuse("replace the image by one that is whole", "the superblock of %s says %d blocks of %d bytes", format, blocks, size)
	case bytes.Equal(id, make([]byte, len(id))):
		return Found{}, refuse("give the file system a UUID (tune2fs -U random, xfs_admin -U generate)", "the image's %s has no UUID, by which boot loader and kernel would find it", format)
	}
	return Found{Format: format, ID: fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:]), SizeBytes: int64(blocks) * size}, nil
}
