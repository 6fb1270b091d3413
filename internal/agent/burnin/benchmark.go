package burnin

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/step"
)

const (
	// sequentialTime and randomTime bound each half of a benchmark, sequentialBytes and randomReads where the disk is quicker.
	sequentialTime, randomTime   = 5 * time.Second, 5 * time.Second
	sequentialBytes, randomReads = int64(2 << 30), 10_000
	// randomBytes is one random read.
	randomBytes = 4096
)

// Benchmark measures how fast a disk reads: from its beginning on in pieces of 1 MiB, then 4 KiB at places all over it, one read at a time. Nothing is written.
func Benchmark(ctx context.Context, d disk.Disk) (step.DiskBenchmark, error) {
	var out step.DiskBenchmark
	size := d.Geometry().SizeBytes
	b := disk.Buffer(chunkBytes)
	started := time.Now()
	for at := int64(0); at < min(size, sequentialBytes) && time.Since(started) < sequentialTime; at += chunkBytes {
		n := min(chunkBytes, size-at)
		if err := timed(ctx, d, b[:n], at, nil); err != nil {
			return out, err
		}
		out.SequentialBytes += n
	}
	if took := time.Since(started).Seconds(); took > 0 {
		out.SequentialBytesPerSecond = int64(float64(out.SequentialBytes) / took)
	}
	if size < randomBytes {
		return out, errors.New("measure random reads: the disk is smaller than one of them")
	}
	var each []time.Duration
	started = time.Now()
	for i := 0; i < randomReads && time.Since(started) < randomTime; i++ {
		at := int64(mix(uint64(i))%uint64(size/randomBytes)) * randomBytes
		if err := timed(ctx, d, b[:randomBytes], at, &each); err != nil {
			return out, err
		}
	}
	took := time.Since(started).Seconds()
	slices.Sort(each)
	out.RandomReads = int64(len(each))
	if took > 0 {
		out.RandomReadsPerSecond = int64(float64(len(each)) / took)
	}
	out.MedianMicroseconds = max(each[len(each)/2].Microseconds(), 1)
	out.SlowMicroseconds = max(each[len(each)*99/100].Microseconds(), 1)
	return out, nil
}

func timed(ctx context.Context, d disk.Disk, b []byte, at int64, each *[]time.Duration) error {
	if err := context.Cause(ctx); err != nil {
		return err
	}
	started := time.Now()
	if _, err := d.ReadAt(b, at); err != nil {
		return fmt.Errorf("measure how fast a disk reads: %d bytes at %d: %w", len(b), at, err)
	}
	if each != nil {
		*each = append(*each, time.Since(started))
	}
	return nil
}
