package disk

import "context"

// Member is a place that an array keeps its data in: a partition of a disk by its number from 1, or the whole disk with 0.
type Member struct {
	Disk   string
	Number int
}

// Array is a software RAID array that runs.
type Array struct {
	// Name is the device; it is opened by it as a disk is. UUID is as mdadm writes it.
	Name, UUID string
	// Level is md's number: 0, 1 or 10.
	Level       int
	SizeBytes   int64
	SectorBytes int
	// Members are those that are there, in no order.
	Members []Member
}

// Arrays is what an operating system does about software RAID. The superblocks that make an array are written through OpenPartition.
type Arrays interface {
	// Assemble starts each array whose superblocks are on these disks or their partitions, and lists those that run. Nothing is written by it: an array that was started stays as it is until the first write
	// to it. An array that cannot be started, for members that are missing, is left out.
	Assemble(ctx context.Context, disks []string) ([]Array, error)
	// Stop ends an array that nobody has open. ErrNotFound for one that does not run, ErrBusy.
	Stop(ctx context.Context, name string) error
	// OpenPartition opens a part of a disk for exclusive writing, as Open does a disk. ErrBusy while it is a member of an array that runs.
	OpenPartition(ctx context.Context, m Member) (Disk, error)
}
