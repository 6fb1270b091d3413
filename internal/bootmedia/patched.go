package bootmedia

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/ingotmetal/ingot/netboot/medium"
)

// Patched shows the ISO with the archive in its region's place. Nothing is copied; reads are forwarded, and only bytes of the region are replaced. The reader is for one
// goroutine, its ReadAt for any number.
func Patched(iso io.ReaderAt, size int64, region Region, archive []byte) (*io.SectionReader, error) {
	if int64(len(archive)) != region.Bytes {
		return nil, fmt.Errorf("boot archive has %d bytes, the ISO's region has %d", len(archive), region.Bytes)
	}
	if region.Offset < 0 || region.Offset > size-region.Bytes {
		return nil, fmt.Errorf("the ISO has %d bytes, its region is said to be %d bytes at %d", size, region.Bytes, region.Offset)
	}
	return io.NewSectionReader(overlay{iso, region.Offset, archive}, 0, size), nil
}

// overlay is base with top laid over it at an offset.
type overlay struct {
	base io.ReaderAt
	at   int64
	top  []byte
}

// ReadAt implements io.ReaderAt.
func (o overlay) ReadAt(p []byte, off int64) (int, error) {
	// A read that lies in the region does not touch the base at all: this is what a BMC asks for most once the kernel is loaded.
	if off >= o.at && off+int64(len(p)) <= o.at+int64(len(o.top)) {
		return copy(p, o.top[off-o.at:]), nil
	}
	n, err := o.base.ReadAt(p, off)
	from, to := max(off, o.at), min(off+int64(n), o.at+int64(len(o.top)))
	if from < to {
		copy(p[from-off:to-off], o.top[from-o.at:to-o.at])
	}
	return n, err
}

var errNotBlank = errors.New("the ISO's region for the boot configuration is not blank: the offset is wrong, or the ISO was patched on disk")

func checkBlank(iso io.ReaderAt, r Region) error {
	got := make([]byte, r.Bytes)
	if _, err := iso.ReadAt(got, r.Offset); err != nil {
		return fmt.Errorf("read the ISO's region of %d bytes at %d: %w", r.Bytes, r.Offset, err)
	}
	if !bytes.Equal(got, medium.Blank()) {
		return errNotBlank
	}
	return nil
}
