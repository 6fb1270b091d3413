// Package filebacked makes sparse files the disks of a simulated machine.
//
// It owns the mapping from the names in a machine's described inventory ("/dev/sda") to files, the lock that makes a second writer fail as it fails on a block device, and the
// observer by which a test sees who has a disk open. It refuses to invent sizes: a file is made with Create, of the size in the inventory.
//
// A disk may have firmware of its own (Firmware), which answers the commands of NVMe or ATA that erase a disk, and fails as it is told to.
//
// Invariants: an open file is locked with flock(2), so that two processes cannot write one disk at the same time; Erase leaves holes, so that a large empty
// disk costs nothing.
package filebacked

import (
	"context"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/directio"
)

// Observer hears of every disk that is opened for writing and closed. It is called while the lock is held, so its calls for one disk never overlap.
type Observer interface {
	OpenedForWrite(name string)
	Closed(name string)
}

// Spec is one disk.
type Spec struct {
	// Path of the file behind it.
	Path string
	// SectorBytes is 512 when 0.
	SectorBytes int
	// Removed makes the disk unknown, as if it had been pulled.
	Removed bool
	// Firmware erases the disk by itself; nil: it cannot.
	Firmware *Firmware
	// Unreadable says whether a read that touches a range fails; nil: none does.
	Unreadable func(off, length int64) bool
}

// Machine is the disks of one simulated machine by name. It implements disk.Opener.
type Machine struct {
	Disks map[string]Spec
	// Observer may be nil.
	Observer Observer
	// Direct asks for O_DIRECT where the file system has it. Without it many machines on one small host are faster.
	Direct bool
	// shared opens files without the lock: parts of a disk whose whole is not open.
	shared bool
}

// Disk is an open file.
type Disk struct {
	directio.File
	observer Observer
	firmware *Firmware
	spoiled  func(off, length int64) bool
	closed   bool
}

// Create makes an empty disk of a size, or gives an existing one that size. The file is sparse.
func Create(path string, sizeBytes int64) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("make the file of a disk: %w", err)
	}
	return errors.Join(f.Truncate(sizeBytes), f.Close())
}

// Open implements disk.Opener.
func (m *Machine) Open(_ context.Context, name string) (disk.Disk, error) {
	spec, ok := m.Disks[name]
	if !ok || spec.Removed {
		return nil, &disk.Error{Op: "open", Disk: name, Kind: disk.ErrNotFound}
	}
	f, direct, err := open(spec.Path, m.Direct, !m.shared)
	if err != nil {
		return nil, &disk.Error{Op: "open for exclusive writing", Disk: name, Kind: directio.Kind(err), Err: err}
	}
	d := &Disk{File: directio.File{F: f, Name: name, Direct: direct}, observer: m.Observer, firmware: spec.Firmware, spoiled: spec.Unreadable}
	d.Geo.SectorBytes = spec.SectorBytes
	if d.Geo.SectorBytes == 0 {
		d.Geo.SectorBytes = 512
	}
	st, err := f.Stat()
	if err != nil {
		return nil, errors.Join(d.Fail("look at", err), f.Close())
	}
	d.Geo.SizeBytes = st.Size() - st.Size()%int64(d.Geo.SectorBytes)
	if m.Observer != nil {
		m.Observer.OpenedForWrite(name)
	}
	return d, nil
}

// open opens a file, locked for a whole disk. A file system without O_DIRECT answers EINVAL.
func open(path string, direct, lock bool) (*os.File, bool, error) {
	flags := os.O_RDWR | unix.O_CLOEXEC
	if direct {
		flags |= unix.O_DIRECT
	}
	f, err := os.OpenFile(path, flags, 0)
	if direct && errors.Is(err, unix.EINVAL) {
		return open(path, false, lock)
	}
	if err != nil {
		return nil, false, err
	}
	if !lock {
		return f, direct, nil
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return nil, false, errors.Join(err, f.Close())
	}
	return f, direct, nil
}

// Erase implements disk.Disk: every erasure is a hole, which reads as zero.
func (d *Disk) Erase(how disk.Erasure, off, length int64) error {
	if err := disk.CheckRange("erase", d.Name, d.Geo, off, length); err != nil || length == 0 {
		return err
	}
	if err := d.firmware.usable(); err != nil {
		return &disk.Error{Op: how.String() + " a range of", Disk: d.Name, Kind: disk.ErrIO, Err: err}
	}
	err := unix.Fallocate(int(d.F.Fd()), unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, length)
	if errors.Is(err, unix.EOPNOTSUPP) && (how == disk.Zero || how == disk.Overwrite) {
		return d.writeZeros(off, length)
	}
	return d.Fail(how.String()+" a range of", err)
}

func (d *Disk) writeZeros(off, length int64) error {
	zeros := disk.Buffer(1 << 20)
	for length > 0 {
		n := min(length, int64(len(zeros)))
		if _, err := d.File.WriteAt(zeros[:n], off); err != nil {
			return err
		}
		off, length = off+n, length-n
	}
	return nil
}

// RereadPartitions implements disk.Disk; no kernel knows this disk.
func (d *Disk) RereadPartitions() error { return nil }

// Close implements disk.Disk. The observer hears of it before the lock goes.
func (d *Disk) Close() error {
	if d.closed {
		return &disk.Error{Op: "close", Disk: d.Name, Kind: disk.ErrClosed}
	}
	d.closed = true
	if d.observer != nil {
		d.observer.Closed(d.Name)
	}
	return d.File.Close()
}
