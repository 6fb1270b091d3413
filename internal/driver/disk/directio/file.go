// Package directio reads and writes one open file descriptor past the page cache: what a block device and a sparse file have in common.
//
// It owns alignment (direct I/O wants offset, length and memory aligned; callers should not have to), and the translation of errno into the kinds of package disk. It
// refuses to open or to erase: those differ between devices and files. Where the file system has no direct I/O the same calls go through the cache, and
// Flush makes them durable.
//
// Invariant: a write touches exactly the bytes that it was given; a misaligned read is widened, a misaligned write is refused.
package directio

import (
	"errors"
	"io"
	"os"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/disk"
)

// bounceBytes is the size of the aligned buffer for callers whose memory is not aligned.
const bounceBytes = 1 << 20

// File is an open disk. The zero value is not usable.
type File struct {
	F    *os.File
	Name string
	Geo  disk.Geometry
	// Direct says that F was opened with O_DIRECT.
	Direct bool
}

// Geometry implements disk.Disk.
func (f *File) Geometry() disk.Geometry { return f.Geo }

// WriteAt implements disk.Disk.
func (f *File) WriteAt(p []byte, off int64) (int, error) {
	if err := disk.CheckRange("write", f.Name, f.Geo, off, int64(len(p))); err != nil {
		return 0, err
	}
	if !f.Direct || disk.Aligned(p) {
		n, err := f.F.WriteAt(p, off)
		return n, f.Fail("write to", err)
	}
	bounce := disk.Buffer(min(len(p), bounceBytes))
	done := 0
	for done < len(p) {
		n := copy(bounce, p[done:])
		m, err := f.F.WriteAt(bounce[:n], off+int64(done))
		done += m
		if err != nil {
			return done, f.Fail("write to", err)
		}
	}
	return done, nil
}

// ReadAt implements disk.Disk.
func (f *File) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, &disk.Error{Op: "read", Disk: f.Name, Kind: disk.ErrOutOfRange}
	}
	if off >= f.Geo.SizeBytes {
		return 0, io.EOF
	}
	short := false
	if left := f.Geo.SizeBytes - off; int64(len(p)) > left {
		p, short = p[:left], true
	}
	n, err := f.readWithin(p, off)
	if err == nil && short {
		err = io.EOF
	}
	return n, err
}

func (f *File) readWithin(p []byte, off int64) (int, error) {
	unit := int64(max(f.Geo.SectorBytes, disk.BufferAlignment))
	if f.Geo.SizeBytes%unit != 0 {
		unit = int64(f.Geo.SectorBytes)
	}
	if !f.Direct || (disk.Aligned(p) && off%unit == 0 && int64(len(p))%unit == 0) {
		n, err := f.F.ReadAt(p, off)
		return n, f.Fail("read", err)
	}
	from := off - off%unit
	to := min((off+int64(len(p))+unit-1)/unit*unit, f.Geo.SizeBytes)
	bounce := disk.Buffer(int(min(to-from, bounceBytes)))
	done := 0
	for done < len(p) {
		want := min(int64(len(bounce)), to-from)
		m, err := f.F.ReadAt(bounce[:want], from)
		if skip := off + int64(done) - from; int64(m) > skip {
			done += copy(p[done:], bounce[skip:m])
		}
		if err != nil && done < len(p) {
			return done, f.Fail("read", err)
		}
		from += want
	}
	return done, nil
}

// Flush implements disk.Disk.
func (f *File) Flush() error { return f.Fail("flush", f.F.Sync()) }

// Close implements disk.Disk.
func (f *File) Close() error { return f.Fail("close", f.F.Close()) }

// Fail puts an error of the operating system into the words of package disk; nil stays nil.
func (f *File) Fail(op string, err error) error {
	if err == nil {
		return nil
	}
	return &disk.Error{Op: op, Disk: f.Name, Kind: Kind(err), Err: err}
}

// Kind finds the kind of an error of the operating system.
func Kind(err error) error {
	for _, k := range []struct {
		cause, kind error
	}{
		{os.ErrNotExist, disk.ErrNotFound},
		{unix.ENXIO, disk.ErrNotFound},
		{unix.ENODEV, disk.ErrNotFound},
		{unix.EBUSY, disk.ErrBusy},
		{unix.EWOULDBLOCK, disk.ErrBusy},
		{unix.EROFS, disk.ErrReadOnly},
		{os.ErrPermission, disk.ErrReadOnly},
		{unix.EOPNOTSUPP, disk.ErrUnsupported},
		{unix.ENOTTY, disk.ErrUnsupported},
		{unix.ENOSPC, disk.ErrNoSpace},
		{os.ErrClosed, disk.ErrClosed},
	} {
		if errors.Is(err, k.cause) {
			return k.kind
		}
	}
	return disk.ErrIO
}
