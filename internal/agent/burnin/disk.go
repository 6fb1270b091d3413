package burnin

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/step"
)

const (
	// chunkBytes is one read or write.
	chunkBytes = 1 << 20
	// samples is how many places of a disk are read by step.DiskSample.
	samples = 512
	// narrowBytes is the unit in which a chunk that cannot be read is looked through for the places that cannot.
	narrowBytes = 4096
	// maxDiskFaults ends a test: a disk with so many has nothing more to prove, and each may take it half a minute.
	maxDiskFaults = 64
)

// Disk tests an open disk. Only step.DiskWrite changes what is on it. The result lacks the disk's name and the times.
func Disk(ctx context.Context, d disk.Disk, how step.DiskTest, report func(done, total int64)) (step.TestResult, error) {
	size := d.Geometry().SizeBytes
	t := &diskRun{ctx: ctx, d: d, buffer: disk.Buffer(chunkBytes), report: report, total: size}
	var err error
	switch how {
	case step.DiskSample:
		places := min(samples, (size+chunkBytes-1)/chunkBytes)
		t.total = min(size, places*chunkBytes)
		for i := range places {
			// The last place ends with the disk; the others are spread evenly, on whole sectors of any size.
			at := int64(0)
			if places > 1 {
				at = max(size-chunkBytes, 0) / (places - 1) * i / narrowBytes * narrowBytes
			}
			if i == places-1 {
				at = max(size-chunkBytes, 0)
			}
			if err = t.read(at, nil); err != nil {
				break
			}
		}
	case step.DiskRead:
		err = t.all(func(at int64) error { return t.read(at, nil) })
	case step.DiskWrite:
		t.total = 2 * size
		if err = t.all(t.write); err == nil {
			t.took(d.Flush(), "written data could not be brought to the medium")
			err = t.all(func(at int64) error { return t.read(at, pattern) })
		}
	default:
		return step.TestResult{}, fmt.Errorf("there is no disk test %q", how)
	}
	if err != nil && !errors.Is(err, errEnough) {
		return step.TestResult{}, fmt.Errorf("test a disk: %w", err)
	}
	return t.judge(how), nil
}

// errEnough ends a test whose end is known.
var errEnough = errors.New("too many faults")

// diskRun is one test under way.
type diskRun struct {
	ctx          context.Context // the run is one call's
	d            disk.Disk
	buffer, want []byte
	report       func(done, total int64)
	done, total  int64
	// busy is the time in which the disk worked; slowest the longest read, at slowestAt.
	busy, slowest time.Duration
	slowestAt     int64
	wrong         faults
}

func (t *diskRun) all(do func(at int64) error) error {
	for at := int64(0); at < t.d.Geometry().SizeBytes; at += chunkBytes {
		if err := do(at); err != nil {
			return err
		}
	}
	return nil
}

// read reads a chunk and, where there is something that it must hold, compares.
func (t *diskRun) read(at int64, want func(b []byte, at int64)) error {
	if err := t.next(); err != nil {
		return err
	}
	b := t.buffer[:min(chunkBytes, t.d.Geometry().SizeBytes-at)]
	started := time.Now()
	_, err := t.d.ReadAt(b, at)
	took := time.Since(started)
	t.busy += took
	if took > t.slowest {
		t.slowest, t.slowestAt = took, at
	}
	t.done += int64(len(b))
	if err != nil {
		t.narrow(b, at, err)
		return nil
	}
	if want == nil {
		return nil
	}
	if t.want == nil {
		t.want = make([]byte, chunkBytes)
	}
	expected := t.want[:len(b)]
	if want(expected, at); !bytes.Equal(b, expected) {
		i := 0
		for b[i] == expected[i] {
			i++
		}
		t.wrong.add("byte %d (sector %d) holds %#02x where %#02x was written", at+int64(i), (at+int64(i))/int64(t.sector()), b[i], expected[i])
	}
	return nil
}

func (t *diskRun) write(at int64) error {
	if err := t.next(); err != nil {
		return err
	}
	b := t.buffer[:min(chunkBytes, t.d.Geometry().SizeBytes-at)]
	pattern(b, at)
	started := time.Now()
	_, err := t.d.WriteAt(b, at)
	t.busy += time.Since(started)
	t.done += int64(len(b))
	t.took(err, fmt.Sprintf("%d bytes at %d could not be written", len(b), at))
	return nil
}

func (t *diskRun) took(err error, what string) {
	if err != nil {
		t.wrong.add("%s: %v", what, err)
	}
}

// next says whether to go on.
func (t *diskRun) next() error {
	if err := context.Cause(t.ctx); err != nil {
		return err
	}
	t.report(t.done, t.total)
	if t.wrong.count >= maxDiskFaults {
		return errEnough
	}
	return nil
}

// narrow finds the first place in a chunk that cannot be read.
func (t *diskRun) narrow(b []byte, at int64, whole error) {
	unit := max(narrowBytes, t.sector())
	for i := 0; i < len(b) && context.Cause(t.ctx) == nil; i += unit {
		if _, err := t.d.ReadAt(b[i:min(i+unit, len(b))], at+int64(i)); err != nil {
			t.wrong.add("byte %d (sector %d) cannot be read: %v", at+int64(i), (at+int64(i))/int64(t.sector()), err)
			return
		}
	}
	t.wrong.add("%d bytes at %d could not be read at once, and each part of them could: %v", len(b), at, whole)
}

func (t *diskRun) sector() int { return cmp.Or(t.d.Geometry().SectorBytes, 512) }

// pattern is what a write test writes: numbers that are different at every place of the disk.
func pattern(b []byte, at int64) {
	for i := 0; i+8 <= len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], mix(uint64(at)+uint64(i)))
	}
}

func (t *diskRun) judge(how step.DiskTest) step.TestResult {
	r := step.TestResult{Test: step.TestDisk, Result: step.TestPassed, Bytes: t.done, SlowestMicroseconds: t.slowest.Microseconds(), Errors: t.wrong.count}
	if s := t.busy.Seconds(); s > 0 {
		r.BytesPerSecond = int64(float64(t.done) / s)
	}
	r.Message = map[step.DiskTest]string{step.DiskSample: "places all over the disk were read", step.DiskRead: "every block was read",
		step.DiskWrite: "every block was written and read back"}[how] + fmt.Sprintf("; the slowest read was at byte %d", t.slowestAt)
	if t.wrong.count > 0 {
		r.Result, r.Message = step.TestFailed, t.wrong.String()
		r.Fix = "replace the disk; if several of one controller fail, see its cables and its firmware first"
	}
	return r
}
