// Package disktest is the suite that every implementation of the disk contract passes, so that a simulated machine's disk cannot promise what a real one does not hold.
package disktest

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk"
)

// Subject is one disk to test: at least 16 MiB, free to be overwritten.
type Subject struct {
	Opener disk.Opener
	Name   string
	// Missing is the name of a disk that does not exist.
	Missing string
	// NoUnmap says that the disk cannot unmap; the suite then asks for ErrUnsupported instead.
	NoUnmap bool
	// Means is what its firmware can do, in the order of preference.
	Means []disk.Means
}

// Run runs the suite.
func Run(t *testing.T, s Subject) {
	t.Helper()
	t.Run("round trip", s.roundTrip)
	t.Run("misaligned memory and reads", s.misaligned)
	t.Run("erase", s.erase)
	t.Run("refuses ranges", s.ranges)
	t.Run("is exclusive", s.exclusive)
	t.Run("erases itself", s.erasesItself)
	t.Run("missing", s.missing)
}

// Open opens the disk and closes it at the test's end.
func (s Subject) open(t *testing.T) disk.Disk {
	t.Helper()
	d, err := s.Opener.Open(t.Context(), s.Name)
	if err != nil {
		t.Fatalf("open: %v", err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil && !errors.Is(err, disk.ErrClosed) {
			t.Errorf("close: %v", err)
		}
	})
	return d
}

func (s Subject) roundTrip(t *testing.T) {
	d := s.open(t)
	g := d.Geometry()
	if g.SizeBytes < 16<<20 || g.SizeBytes%int64(g.SectorBytes) != 0 {
		t.Fatalf("geometry %+v: want at least 16 MiB in whole sectors", g)
	}
	data := noise(disk.Buffer(4<<20), 1)
	last := g.SizeBytes - int64(g.SectorBytes)
	for _, off := range []int64{0, int64(g.SectorBytes), 5 << 20, last} {
		p := data[:min(int64(len(data)), g.SizeBytes-off)]
		if n, err := d.WriteAt(p, off); err != nil || n != len(p) {
			t.Fatalf("write %d bytes at %d: %d, %v", len(p), off, n, err)
		}
		if err := d.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, d, off, len(p)); !bytes.Equal(got, p) {
			t.Fatalf("read %d bytes at %d: not what was written", len(p), off)
		}
	}
	if err := d.RereadPartitions(); err != nil {
		t.Fatalf("re-read partitions: %v", err)
	}
}

func (s Subject) misaligned(t *testing.T) {
	d := s.open(t)
	g := d.Geometry()
	sector := int64(g.SectorBytes)
	data := noise(make([]byte, 3<<20+1)[1:], 2)
	data = data[:int64(len(data))/sector*sector]
	if _, err := d.WriteAt(data, sector); err != nil {
		t.Fatalf("write from misaligned memory: %v", err)
	}
	for _, c := range []struct{ off, n int64 }{{0, 1}, {1, 1}, {sector - 1, 2}, {sector + 3, 1000}, {sector + 511, 2<<20 + 7}} {
		got := read(t, d, sector+c.off, int(c.n))
		if !bytes.Equal(got, data[c.off:c.off+c.n]) {
			t.Errorf("read %d bytes at %d: wrong content", c.n, sector+c.off)
		}
	}
	p := make([]byte, 10)
	if n, err := d.ReadAt(p, g.SizeBytes-4); n != 4 || !errors.Is(err, io.EOF) {
		t.Errorf("read over the end: %d, %v; want 4 and EOF", n, err)
	}
	if n, err := d.ReadAt(p, g.SizeBytes); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read at the end: %d, %v; want 0 and EOF", n, err)
	}
}

func (s Subject) erase(t *testing.T) {
	d := s.open(t)
	const off, size = 1 << 20, 8 << 20
	data := noise(disk.Buffer(size), 3)
	for _, how := range []disk.Erasure{disk.Unmap, disk.Zero, disk.Overwrite} {
		if _, err := d.WriteAt(data, off); err != nil {
			t.Fatal(err)
		}
		hole := int64(64 << 10)
		err := d.Erase(how, off+hole, size-2*hole)
		if how == disk.Unmap && s.NoUnmap {
			if !errors.Is(err, disk.ErrUnsupported) {
				t.Fatalf("unmap: %v; want ErrUnsupported", err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%v: %v", how, err)
		}
		want := bytes.Clone(data)
		clear(want[hole : size-hole])
		if !bytes.Equal(read(t, d, off, size), want) {
			t.Errorf("%v: want zeros in the range and the old bytes around it", how)
		}
	}
	if err := d.Erase(disk.Discard, 0, d.Geometry().SizeBytes); err != nil && !errors.Is(err, disk.ErrUnsupported) {
		t.Errorf("discard: %v; want nil or ErrUnsupported", err)
	}
}

func (s Subject) ranges(t *testing.T) {
	d := s.open(t)
	g := d.Geometry()
	sector := int64(g.SectorBytes)
	for _, c := range []struct {
		off, n int64
		want   error
	}{
		{-sector, sector, disk.ErrOutOfRange},
		{g.SizeBytes, sector, disk.ErrOutOfRange},
		{g.SizeBytes - sector, 2 * sector, disk.ErrOutOfRange},
		{1, sector, disk.ErrMisaligned},
		{0, sector - 1, disk.ErrMisaligned},
	} {
		if _, err := d.WriteAt(make([]byte, c.n), c.off); !errors.Is(err, c.want) {
			t.Errorf("write %d at %d: %v; want %v", c.n, c.off, err, c.want)
		}
		if err := d.Erase(disk.Zero, c.off, c.n); !errors.Is(err, c.want) {
			t.Errorf("erase %d at %d: %v; want %v", c.n, c.off, err, c.want)
		}
	}
}

// erasesItself tries every means: those that the disk names work, and the others are refused and leave the data.
func (s Subject) erasesItself(t *testing.T) {
	d, ok := s.open(t).(disk.Eraser)
	if !ok {
		t.Fatal("the disk cannot be asked what it can do")
	}
	ability, err := d.Ability(t.Context())
	if err != nil || ability.Running != "" || len(ability.Means) == 0 && ability.Why == "" || !slices.Equal(ability.Means, s.Means) {
		t.Fatalf("ability %+v, %v; want %v, and why where there is none", ability, err, s.Means)
	}
	data := noise(disk.Buffer(1<<20), 4)
	for _, how := range []disk.Means{disk.NVMeSanitize, disk.NVMeFormat, disk.ATAEnhanced, disk.ATASecure, "burn"} {
		last := d.Geometry().SizeBytes - int64(len(data))
		for _, off := range []int64{0, last} {
			if _, err := d.WriteAt(data, off); err != nil {
				t.Fatal(err)
			}
		}
		share := -1.0
		answer, err := d.EraseAll(t.Context(), how, func(f float64) {
			if f < share || f > 1 {
				t.Errorf("%s: progress %v after %v", how, f, share)
			}
			share = f
		})
		able := slices.Contains(s.Means, how)
		if able && (err != nil || answer == "") || !able && !errors.Is(err, disk.ErrUnsupported) {
			t.Errorf("%s: %q, %v", how, answer, err)
		}
		for _, off := range []int64{0, last} {
			if kept := bytes.Equal(read(t, d, off, len(data)), data); kept == able {
				t.Errorf("%s: the data at %d are kept: %v", how, off, kept)
			}
		}
	}
}

func (s Subject) exclusive(t *testing.T) {
	d := s.open(t)
	if _, err := s.Opener.Open(t.Context(), s.Name); !errors.Is(err, disk.ErrBusy) {
		t.Fatalf("second open: %v; want ErrBusy", err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(make([]byte, d.Geometry().SectorBytes), 0); err == nil {
		t.Error("a closed disk was written")
	}
	again := s.open(t)
	if err := again.Close(); err != nil {
		t.Fatal(err)
	}
}

func (s Subject) missing(t *testing.T) {
	if _, err := s.Opener.Open(t.Context(), s.Missing); !errors.Is(err, disk.ErrNotFound) {
		t.Errorf("open of a missing disk: %v; want ErrNotFound", err)
	}
}

func read(t *testing.T, d disk.Disk, off int64, n int) []byte {
	t.Helper()
	p := make([]byte, n)
	if m, err := d.ReadAt(p, off); m != n || (err != nil && !errors.Is(err, io.EOF)) {
		t.Fatalf("read %d bytes at %d: %d, %v", n, off, m, err)
	}
	return p
}

func noise(p []byte, seed uint64) []byte {
	r := rand.New(rand.NewPCG(seed, seed))
	for i := range p {
		p[i] = byte(r.Uint32())
	}
	return p
}
