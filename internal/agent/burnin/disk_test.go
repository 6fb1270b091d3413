package burnin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/disktest"
	"github.com/ingotmetal/ingot/internal/driver/disk/linux"
	"github.com/ingotmetal/ingot/step"
)

// medium is a disk in memory with places that are broken.
type medium struct {
	disk.Disk
	data []byte
	// unreadable and stuck are bytes: one cannot be read, one is always 0. refuse is a byte that cannot be written.
	unreadable, stuck, refuse int64
	written                   int64
	flush                     error
}

func newMedium(size int) *medium {
	return &medium{data: make([]byte, size), unreadable: -1, stuck: -1, refuse: -1}
}

func (m *medium) Geometry() disk.Geometry {
	return disk.Geometry{SizeBytes: int64(len(m.data)), SectorBytes: 512}
}

func hits(at, off int64, n int) bool { return at >= off && at < off+int64(n) }

func (m *medium) ReadAt(b []byte, off int64) (int, error) {
	if hits(m.unreadable, off, len(b)) {
		return 0, fmt.Errorf("medium error")
	}
	return copy(b, m.data[off:]), nil
}

func (m *medium) WriteAt(b []byte, off int64) (int, error) {
	if hits(m.refuse, off, len(b)) {
		return 0, fmt.Errorf("write fault")
	}
	m.written += int64(len(b))
	copy(m.data[off:], b)
	if hits(m.stuck, off, len(b)) {
		m.data[m.stuck] = 0
	}
	return len(b), nil
}

func (m *medium) Flush() error { return m.flush }

const mediumSize = 5<<20 + 4096

func TestDiskTests(t *testing.T) {
	bad := int64(3<<20 + 9000)
	for name, c := range map[string]struct {
		how    step.DiskTest
		spoil  func(m *medium)
		result step.TestOutcome
		// bytes is what goes over the wire; message a part of it.
		bytes, written int64
		message        string
	}{
		"a sound one, sampled":             {step.DiskSample, nil, step.TestPassed, 6 << 20, 0, "places all over"},
		"a sound one, read":                {step.DiskRead, nil, step.TestPassed, mediumSize, 0, "every block was read"},
		"a sound one, written":             {step.DiskWrite, nil, step.TestPassed, 2 * mediumSize, mediumSize, "read back"},
		"unreadable, read":                 {step.DiskRead, func(m *medium) { m.unreadable = bad }, step.TestFailed, mediumSize, 0, "byte 3153920 (sector 6160) cannot be read: medium error"},
		"unreadable at the end, sampled":   {step.DiskSample, func(m *medium) { m.unreadable = mediumSize - 1 }, step.TestFailed, 6 << 20, 0, "cannot be read"},
		"unreadable at the start, sampled": {step.DiskSample, func(m *medium) { m.unreadable = 0 }, step.TestFailed, 6 << 20, 0, "byte 0 (sector 0) cannot"},
		"stuck, read":                      {step.DiskRead, func(m *medium) { m.stuck = bad }, step.TestPassed, mediumSize, 0, ""},
		"stuck, written":                   {step.DiskWrite, func(m *medium) { m.stuck = bad }, step.TestFailed, 2 * mediumSize, mediumSize, "byte 3154728 (sector 6161) holds 0x00 where"},
		"cannot be written":                {step.DiskWrite, func(m *medium) { m.refuse = bad }, step.TestFailed, 2 * mediumSize, mediumSize - 1<<20, "could not be written: write fault"},
		"loses its cache":                  {step.DiskWrite, func(m *medium) { m.flush = errors.New("no power") }, step.TestFailed, 2 * mediumSize, mediumSize, "brought to the medium: no power"},
	} {
		m := newMedium(mediumSize)
		if c.spoil != nil {
			c.spoil(m)
		}
		before := bytes.Clone(m.data)
		r, err := Disk(t.Context(), m, c.how, noBytes)
		if err != nil || r.Result != c.result || r.Bytes != c.bytes || m.written != c.written || !strings.Contains(r.Message, c.message) || (r.Fix != "") != (r.Result == step.TestFailed) {
			t.Errorf("%s: %+v, %v, %d bytes written", name, r, err, m.written)
		}
		if c.how != step.DiskWrite && !bytes.Equal(before, m.data) {
			t.Errorf("%s: the disk was changed", name)
		}
	}
}

func TestDiskTestEndsEarly(t *testing.T) {
	m := newMedium(200 << 20)
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("withdrawn")
	r, err := Disk(ctx, m, step.DiskWrite, func(done, _ int64) {
		if done >= 2<<20 {
			cancel(why)
		}
	})
	if !errors.Is(err, why) || r.Result != "" || m.written > 3<<20 {
		t.Errorf("%+v, %v, %d bytes written", r, err, m.written)
	}
	dead := dead{m}
	if r, err = Disk(t.Context(), dead, step.DiskRead, noBytes); err != nil || r.Result != step.TestFailed || r.Errors != maxDiskFaults || r.Bytes != maxDiskFaults<<20 {
		t.Errorf("a dead disk is asked for more than it must: %+v, %v", r, err)
	}
	if _, err := Disk(t.Context(), m, "erase", noBytes); err == nil {
		t.Error("a test that is not known was done")
	}
}

// dead answers nothing.
type dead struct{ *medium }

func (dead) ReadAt([]byte, int64) (int, error) { return 0, errors.New("no answer") }

// TestOnALoopDevice runs every test through the kernel, with direct I/O as on a machine's disks.
func TestOnALoopDevice(t *testing.T) {
	const size = 8 << 20
	file := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(file, bytes.Repeat([]byte("data"), size/4), 0o600); err != nil {
		t.Fatal(err)
	}
	name := disktest.Loop(t, file)
	content := func() []byte {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	before := content()
	d, err := linux.Opener{Patience: time.Second}.Open(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	for _, how := range step.DiskTests() {
		r, err := Disk(t.Context(), d, how, noBytes)
		if err != nil || r.Result != step.TestPassed || r.Bytes < size || r.BytesPerSecond == 0 || r.SlowestMicroseconds == 0 {
			t.Errorf("%s: %+v, %v", how, r, err)
		}
		if changed := !bytes.Equal(before, content()); changed != (how == step.DiskWrite) {
			t.Errorf("%s: the disk was changed: %v", how, changed)
		}
	}
	b, err := Benchmark(t.Context(), d)
	if err != nil || b.SequentialBytesPerSecond == 0 || b.RandomReadsPerSecond == 0 || b.MedianMicroseconds == 0 || b.SlowMicroseconds < b.MedianMicroseconds {
		t.Errorf("benchmark: %+v, %v", b, err)
	}
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}
