// Package linux opens the block devices of the machine it runs on.
//
// It owns the block layer's ioctls: size, sector size, discard, zero-out, re-reading the partition table; and it carries NVMe and ATA commands (package firmware). It refuses partitions (a whole disk or nothing), files, and anything
// mounted or claimed: O_EXCL on a block device fails while a file system, RAID or another exclusive opener holds it or one of its partitions
// (open(2), "block device"), and is held until Close.
//
// Invariant: reads and writes go past the page cache (O_DIRECT), so that what is read back is what the device has.
package linux

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/directio"
)

// Opener opens block devices.
type Opener struct {
	// SysRoot is where sysfs is mounted; empty: /sys.
	SysRoot string
	// Patience is how long Open waits for another opener; 0: 5 s. udev and the kernel's own partition scan hold a device for some milliseconds after each change.
	Patience time.Duration
}

// Device is an open block device.
type Device struct {
	directio.File
}

// busyWait is the default patience.
const busyWait = 5 * time.Second

// Open implements disk.Opener.
func (o Opener) Open(ctx context.Context, name string) (disk.Disk, error) {
	if err := o.whole(name); err != nil {
		return nil, err
	}
	f, err := openPatiently(ctx, name, cmp.Or(o.Patience, busyWait))
	if err != nil {
		return nil, &disk.Error{Op: "open for exclusive writing", Disk: name, Kind: directio.Kind(err), Err: err}
	}
	d := &Device{directio.File{F: f, Name: name, Direct: true}}
	if err := d.measure(); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return d, nil
}

func openPatiently(ctx context.Context, name string, patience time.Duration) (*os.File, error) {
	deadline := time.Now().Add(patience)
	for {
		f, err := os.OpenFile(name, unix.O_RDWR|unix.O_EXCL|unix.O_DIRECT|unix.O_CLOEXEC, 0)
		if err == nil || !errors.Is(err, unix.EBUSY) || time.Now().After(deadline) {
			return f, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// whole refuses everything that is not a whole disk, by what sysfs says of the device number: a partition has a "partition" file.
func (o Opener) whole(name string) error {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return &disk.Error{Op: "look at", Disk: name, Kind: directio.Kind(err), Err: err}
	}
	if st.Mode&unix.S_IFMT != unix.S_IFBLK {
		return &disk.Error{Op: "open", Disk: name, Kind: disk.ErrNotDisk, Err: errors.New("not a block device")}
	}
	root := o.SysRoot
	if root == "" {
		root = "/sys"
	}
	dir := filepath.Join(root, "dev/block", fmt.Sprintf("%d:%d", unix.Major(st.Rdev), unix.Minor(st.Rdev)))
	if _, err := os.Stat(filepath.Join(dir, "partition")); err == nil {
		return &disk.Error{Op: "open", Disk: name, Kind: disk.ErrNotDisk, Err: errors.New("a partition")}
	}
	if b, err := os.ReadFile(filepath.Join(dir, "ro")); err == nil && len(b) > 0 && b[0] == '1' {
		return &disk.Error{Op: "open", Disk: name, Kind: disk.ErrReadOnly}
	}
	return nil
}

func (d *Device) measure() error {
	sector, err := unix.IoctlGetInt(d.fd(), unix.BLKSSZGET)
	if err != nil {
		return d.Fail("ask the sector size of", err)
	}
	var size uint64
	if err := ioctl(d.fd(), unix.BLKGETSIZE64, unsafe.Pointer(&size)); err != nil {
		return d.Fail("ask the size of", err)
	}
	d.Geo = disk.Geometry{SizeBytes: int64(size), SectorBytes: sector}
	if size == 0 {
		return &disk.Error{Op: "open", Disk: d.Name, Kind: disk.ErrNotFound, Err: errors.New("size is 0: no medium")}
	}
	return nil
}

// Erase implements disk.Disk.
func (d *Device) Erase(how disk.Erasure, off, length int64) error {
	if err := disk.CheckRange("erase", d.Name, d.Geo, off, length); err != nil || length == 0 {
		return err
	}
	switch how {
	case disk.Discard:
		span := [2]uint64{uint64(off), uint64(length)}
		return d.Fail("discard a range of", ioctl(d.fd(), unix.BLKDISCARD, unsafe.Pointer(&span[0])))
	case disk.Unmap:
		// On a block device a punched hole is a zero-out that must not fall back to writing (blkdev_fallocate, BLKDEV_ZERO_NOFALLBACK).
		return d.Fail("unmap a range of", d.fallocate(unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length))
	case disk.Zero:
		// With fallback: write-zeroes where the device has it, else the kernel writes zero pages.
		return d.Fail("zero a range of", d.fallocate(unix.FALLOC_FL_ZERO_RANGE|unix.FALLOC_FL_KEEP_SIZE, off, length))
	case disk.Overwrite:
		return d.sendZeros(off, length)
	}
	return &disk.Error{Op: how.String(), Disk: d.Name, Kind: disk.ErrUnsupported}
}

// sendZeros writes zeros in pieces of 4 MiB, which is more than any disk takes at once.
func (d *Device) sendZeros(off, length int64) error {
	zeros := disk.Buffer(int(min(length, 4<<20)))
	for length > 0 {
		n, err := d.WriteAt(zeros[:min(length, int64(len(zeros)))], off)
		if err != nil {
			return err
		}
		off, length = off+int64(n), length-int64(n)
	}
	return nil
}

func (d *Device) fallocate(mode uint32, off, length int64) error {
	for {
		err := unix.Fallocate(d.fd(), mode, off, length)
		if !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// RereadPartitions implements disk.Disk. udev may hold a partition for a moment, so a busy answer is tried again for a while.
func (d *Device) RereadPartitions() error {
	deadline := time.Now().Add(busyWait)
	for {
		err := ioctl(d.fd(), unix.BLKRRPART, nil)
		switch {
		case errors.Is(err, unix.EINVAL):
			return nil // a device that cannot be partitioned (a loop device without partition scan)
		case errors.Is(err, unix.EBUSY) && time.Now().Before(deadline):
			time.Sleep(50 * time.Millisecond)
		default:
			return d.Fail("re-read the partition table of", err)
		}
	}
}

func (d *Device) fd() int { return int(d.F.Fd()) }

func ioctl(fd int, request uintptr, arg unsafe.Pointer) error {
	for {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(arg))
		if errno == 0 {
			return nil
		}
		if errno != unix.EINTR {
			return errno
		}
	}
}
