package filebacked

import (
	"errors"
	"io"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/superblock"
)

// window is a range of a disk that is open.
type window struct {
	disk.Disk
	name        string
	off, length int64
}

// Geometry implements disk.Disk.
func (w *window) Geometry() disk.Geometry {
	return disk.Geometry{SizeBytes: w.length, SectorBytes: w.Disk.Geometry().SectorBytes}
}

// ReadAt implements disk.Disk.
func (w *window) ReadAt(p []byte, off int64) (int, error) {
	return io.NewSectionReader(w.Disk, w.off, w.length).ReadAt(p, off)
}

// WriteAt implements disk.Disk.
func (w *window) WriteAt(p []byte, off int64) (int, error) {
	if err := disk.CheckRange("write", w.name, w.Geometry(), off, int64(len(p))); err != nil {
		return 0, err
	}
	return w.Disk.WriteAt(p, w.off+off)
}

// Erase implements disk.Disk.
func (w *window) Erase(how disk.Erasure, off, length int64) error {
	if err := disk.CheckRange("erase", w.name, w.Geometry(), off, length); err != nil {
		return err
	}
	return w.Disk.Erase(how, w.off+off, length)
}

// arrayDisk is an array that is open.
type arrayDisk struct {
	arrays *Arrays
	array  *array
	// files are by role, nil for a member that is missing.
	files []disk.Disk
}

// Geometry implements disk.Disk.
func (d *arrayDisk) Geometry() disk.Geometry {
	return disk.Geometry{SizeBytes: d.array.SizeBytes, SectorBytes: d.array.SectorBytes}
}

// piece is where a range of the array is: at off of each of some members.
type piece struct {
	members     []int
	off, length int64
}

// at finds the first piece of a range.
func (d *arrayDisk) at(off, length int64) piece {
	s := d.array.super
	n := int64(s.Members)
	if s.Level == superblock.RAID1 {
		p := piece{off: s.DataOffset + off, length: length}
		for i := range d.files {
			p.members = append(p.members, i)
		}
		return p
	}
	copies := int64(1)
	if s.Level == superblock.RAID10 {
		copies = 2
	}
	chunk, within := off/s.ChunkBytes*copies, off%s.ChunkBytes
	p := piece{off: s.DataOffset + chunk/n*s.ChunkBytes + within, length: min(length, s.ChunkBytes-within)}
	for c := range copies {
		// Near copies are in the same row where there are members enough for both: an even number has them always.
		p.members = append(p.members, int((chunk+c)%n))
	}
	return p
}

// each walks over a range.
func (d *arrayDisk) each(off, length int64, do func(p piece, done int64) error) error {
	for done := int64(0); done < length; {
		p := d.at(off+done, length-done)
		if err := do(p, done); err != nil {
			return err
		}
		done += p.length
	}
	return nil
}

// ReadAt implements disk.Disk.
func (d *arrayDisk) ReadAt(b []byte, off int64) (int, error) {
	size := d.array.SizeBytes
	if off < 0 || off >= size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), size-off)
	err := d.each(off, n, func(p piece, done int64) error {
		for _, m := range p.members {
			if d.files[m] != nil {
				_, err := d.files[m].ReadAt(b[done:done+p.length], p.off)
				return err
			}
		}
		return &disk.Error{Op: "read", Disk: d.array.Name, Kind: disk.ErrIO}
	})
	if err == nil && n < int64(len(b)) {
		err = io.EOF
	}
	return int(n), err
}

// WriteAt implements disk.Disk.
func (d *arrayDisk) WriteAt(b []byte, off int64) (int, error) {
	if err := disk.CheckRange("write", d.array.Name, d.Geometry(), off, int64(len(b))); err != nil {
		return 0, err
	}
	err := d.each(off, int64(len(b)), func(p piece, done int64) error {
		return d.members(p, func(f disk.Disk) error {
			_, err := f.WriteAt(b[done:done+p.length], p.off)
			return err
		})
	})
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// Erase implements disk.Disk.
func (d *arrayDisk) Erase(how disk.Erasure, off, length int64) error {
	if err := disk.CheckRange("erase", d.array.Name, d.Geometry(), off, length); err != nil {
		return err
	}
	return d.each(off, length, func(p piece, _ int64) error {
		return d.members(p, func(f disk.Disk) error { return f.Erase(how, p.off, p.length) })
	})
}

func (d *arrayDisk) members(p piece, do func(disk.Disk) error) error {
	for _, m := range p.members {
		if d.files[m] == nil {
			continue
		}
		if err := do(d.files[m]); err != nil {
			return err
		}
	}
	return nil
}

// Flush implements disk.Disk.
func (d *arrayDisk) Flush() error {
	var errs []error
	for _, f := range d.files {
		if f != nil {
			errs = append(errs, f.Flush())
		}
	}
	return errors.Join(errs...)
}

// RereadPartitions implements disk.Disk; no kernel knows this disk.
func (d *arrayDisk) RereadPartitions() error { return nil }

// Close implements disk.Disk.
func (d *arrayDisk) Close() error {
	d.arrays.mu.Lock()
	defer d.arrays.mu.Unlock()
	if !d.array.open {
		return &disk.Error{Op: "close", Disk: d.array.Name, Kind: disk.ErrClosed}
	}
	d.array.open = false
	if o := d.arrays.machine.Observer; o != nil {
		o.Closed(d.array.Name)
	}
	return d.close()
}

func (d *arrayDisk) close() error {
	var errs []error
	for _, f := range d.files {
		if f != nil {
			errs = append(errs, f.Close())
		}
	}
	return errors.Join(errs...)
}
