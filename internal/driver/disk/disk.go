// Package disk is the contract with a machine's disks: a whole disk, opened by one writer, read and written by position.
//
// It owns the words (Disk, Opener), the kinds of error and the aligned buffer. It refuses file systems, partitions and any thought of what the bytes mean; those are
// internal/image and its neighbours. The shape is a positioned reader and writer and not a stream, because images are written out of order (their first and last
// MiB last of all) and holes are never written.
//
// What a disk's own firmware can do is the capability Eraser (eraser.go).
//
// Implementations: linux (block devices of a real machine), filebacked (sparse files of a simulated machine). Both pass the suite in disktest.
//
// Invariants: while a Disk is open no other Open of the same disk succeeds, in this process or in another; WriteAt and Erase never touch a byte outside of
// the range that they were given; nothing outlives Flush only in a cache.
package disk

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Geometry is the size of a disk.
type Geometry struct {
	// SizeBytes is the size of the whole disk, a multiple of SectorBytes.
	SizeBytes int64
	// SectorBytes is the logical sector size, 512 or 4096: the unit of writes, and the unit in which partition tables count.
	SectorBytes int
}

// Erasure is how a range loses its content.
type Erasure int

// The ways to erase.
const (
	// Discard tells the device that nobody needs the range any more. What is read there afterwards is undefined. ErrUnsupported where the device cannot.
	Discard Erasure = iota
	// Unmap makes the range read as zero without sending the zeros: write-zeroes with deallocation, or a hole. ErrUnsupported where that is not guaranteed.
	Unmap
	// Zero makes the range read as zero, in the cheapest way that is certain; at worst every byte is written.
	Zero
	// Overwrite makes the range read as zero by sending the zeros: the medium is written, however clever the device is.
	Overwrite
)

// String is the word for reports.
func (e Erasure) String() string {
	switch e {
	case Discard:
		return "discard"
	case Unmap:
		return "unmap"
	case Zero:
		return "zero"
	case Overwrite:
		return "overwrite"
	}
	return fmt.Sprintf("erasure %d", int(e))
}

// Disk is one whole disk, open for exclusive reading and writing. Its methods may be called from several goroutines as long as their ranges do not overlap.
type Disk interface {
	// ReadAt reads what is on the disk, at any offset and length, past every cache that the implementation can avoid.
	io.ReaderAt
	// WriteAt writes whole sectors: offset and length are multiples of SectorBytes (ErrMisaligned). A buffer of Buffer saves a copy.
	io.WriterAt
	Geometry() Geometry
	// Erase erases a range of whole sectors.
	Erase(how Erasure, off, length int64) error
	// Flush returns when everything written is on stable storage.
	Flush() error
	// RereadPartitions makes the operating system forget the old partition table. ErrBusy when one of its partitions is in use. Nothing happens where the
	// operating system does not know the disk.
	RereadPartitions() error
	io.Closer
}

// Opener opens disks by the name that the inventory gave them ("/dev/sda").
type Opener interface {
	// Open opens a whole disk for exclusive writing. ErrNotFound, ErrBusy (mounted, part of a RAID or opened by another writer), ErrReadOnly, ErrNotDisk.
	Open(ctx context.Context, name string) (Disk, error)
}

// The kinds of error, asked with errors.Is.
var (
	ErrNotFound    = errors.New("no such disk")
	ErrNotDisk     = errors.New("not a whole disk")
	ErrBusy        = errors.New("in use")
	ErrReadOnly    = errors.New("read-only")
	ErrUnsupported = errors.New("not supported by this disk")
	ErrMisaligned  = errors.New("not a multiple of the sector size")
	ErrOutOfRange  = errors.New("outside of the disk")
	ErrNoSpace     = errors.New("no space left behind the disk")
	ErrIO          = errors.New("input/output error")
	ErrClosed      = errors.New("disk is closed")
)

// Error says what was tried on which disk and which kind of failure it was.
type Error struct {
	Op   string
	Disk string
	// Kind is one of the kinds above.
	Kind error
	// Err is what the operating system said, nil when it was not asked.
	Err error
}

// Error implements error.
func (e *Error) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("%s %s: %v", e.Op, e.Disk, e.Kind)
	}
	return fmt.Sprintf("%s %s: %v (%v)", e.Op, e.Disk, e.Kind, e.Err)
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// CheckRange is the check that every WriteAt and Erase begins with; op and name are for the error.
func CheckRange(op, name string, g Geometry, off, length int64) error {
	sector := int64(g.SectorBytes)
	if off < 0 || length < 0 || off > g.SizeBytes-length {
		return &Error{Op: fmt.Sprintf("%s %d bytes at %d of", op, length, off), Disk: name, Kind: ErrOutOfRange}
	}
	if off%sector != 0 || length%sector != 0 {
		return &Error{Op: fmt.Sprintf("%s %d bytes at %d of", op, length, off), Disk: name, Kind: ErrMisaligned}
	}
	return nil
}
