// Package filesystem is what a machine's disk is to look like when an operating system is unpacked on it: partitions, file systems, where they are mounted, and the
// fstab of it all.
//
// It owns the layout as an operator writes it, the check of it, and the plan: the same in bytes for one disk. It refuses disks, mounts and programs; the agent carries a plan
// out (internal/image/rootfs). RAID is not here: an array that a host has is a disk to this package.
//
// Layouts are metal-stack's FilesystemLayout in shape. What differs: partitions are named, not numbered, and file systems speak of them by that name, since a device's path
// ("/dev/sda2") is an accident of one machine; the disk is the one that the root device hints of the host mean, since only that one is claimed before it is written.
//
// Invariants: a plan's partitions begin at whole MiB, do not overlap, and are inside of the disk; a layout that Check refuses has no plan; the same layout, disk and
// seed give the same plan.
package filesystem

import (
	"fmt"
	"strings"
)

// Format is a file system.
type Format string

// The formats.
const (
	VFAT  Format = "vfat"
	Ext4  Format = "ext4"
	XFS   Format = "xfs"
	Swap  Format = "swap"
	TmpFS Format = "tmpfs"
)

// Type is what a partition is for: its type in the GPT.
type Type string

// The types, in systemd's and sgdisk's words.
const (
	// EFISystem (sgdisk ef00) is what UEFI firmware boots from.
	EFISystem Type = "efi-system"
	// BIOSBoot (ef02) holds the boot loader of a machine that boots by BIOS.
	BIOSBoot Type = "bios-boot"
	// Linux (8300) and LinuxSwap (8200).
	Linux     Type = "linux"
	LinuxSwap Type = "swap"
)

// Layout is one disk's.
type Layout struct {
	// Partitions are in the order on the disk, and numbered so from 1.
	Partitions []Partition `json:"partitions"`
	// Filesystems are what is made in the partitions, and what else is mounted.
	Filesystems []Filesystem `json:"filesystems"`
}

// Partition is a part of the disk.
type Partition struct {
	// Name is the partition's name in the GPT, and what file systems speak of it by: at most 36 of [A-Za-z0-9_-].
	Name string `json:"name"`
	// Type is what it is for.
	Type Type `json:"type"`
	// SizeMiB is its size; 0 in the last one: all that is left.
	SizeMiB int64 `json:"sizeMiB,omitempty"`
}

// Filesystem is one file system.
type Filesystem struct {
	// Partition is the name of its partition; empty for tmpfs.
	Partition string `json:"partition,omitempty"`
	Format    Format `json:"format"`
	// Path is where it is mounted; empty for swap.
	Path string `json:"path,omitempty"`
	// Label is the file system's own: at most 16 characters for ext4, 12 for xfs, 11 for vfat, 15 for swap.
	Label string `json:"label,omitempty"`
	// MountOptions are for fstab; empty: defaults. CreateOptions are for mkfs: pairs of a letter that is allowed for the format and its value, "-m 1".
	MountOptions  []string `json:"mountOptions,omitempty"`
	CreateOptions []string `json:"createOptions,omitempty"`
}

// ConfigDrive is the name of the partition that the agent adds at the disk's end where the host has user data; no layout may use it.
const ConfigDrive = "config-2"

// The bounds.
const (
	maxPartitions  = 64
	maxFilesystems = 64
	// The smallest sizes at which mkfs does what is wanted: FAT32 with clusters of 512 bytes needs 33 MiB; GRUB's core image is below 1 MiB; mkfs.xfs of xfsprogs 6 takes no less than
	// 300 MB.
	minEFIMiB, minBIOSMiB, minXFSMiB = 34, 1, 300
	maxSizeMiB                       = 1 << 33
)

// Problem is one thing that is wrong. Field is a path as in the object: "partitions[1].sizeMiB".
type Problem struct{ Field, Message string }

// String is "field: message".
func (p Problem) String() string { return p.Field + ": " + p.Message }

// Problems are all of them.
type Problems []Problem

// Error implements error.
func (p Problems) Error() string {
	words := make([]string, 0, len(p))
	for _, one := range p {
		words = append(words, one.String())
	}
	return strings.Join(words, "; ")
}

func (p *Problems) add(field, format string, args ...any) {
	*p = append(*p, Problem{field, fmt.Sprintf(format, args...)})
}

// Check says everything that is wrong with a layout; nil for nothing.
func Check(l Layout) Problems {
	var p Problems
	partitions := checkPartitions(&p, l.Partitions)
	checkFilesystems(&p, l.Filesystems, partitions)
	if len(p) == 0 {
		checkBoot(&p, l)
	}
	return p
}
