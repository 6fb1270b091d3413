package burnin

import (
	"context"
	"fmt"
	"io/fs"
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ingotmetal/ingot/step"
)

// Area is memory that is held for a test.
type Area struct {
	// Parts are the pieces of it.
	Parts [][]uint64
	// Name is where a word of a part is, for people.
	Name func(part, word int) string
	// Settle is called after a pattern was written, before it is read; nil: nothing. Where memory is made to be wrong, it is here.
	Settle func()
	// Release gives the memory back.
	Release func() error
}

// Memory is the test of a machine's memory.
type Memory struct {
	// Hold takes the memory that is free. It ends soon after its context does.
	Hold func(ctx context.Context) (Area, error)
	// Sys is the machine's root, with sys below it, where the memory controllers' counters are.
	Sys fs.FS
	// Workers is how many processors work at it; 0: all.
	Workers int
}

// patterns are what is written in each pass: every word's own number and its opposite, which find address lines that are stuck; alternating bits, all and none, which find cells that hold on
// to a value or take over their neighbour's; and numbers without a rule.
func patterns(pass int) []func(at uint64) uint64 {
	fixed := func(v uint64) func(uint64) uint64 { return func(uint64) uint64 { return v } }
	seed := mix(uint64(pass))
	return []func(uint64) uint64{
		func(at uint64) uint64 { return at }, func(at uint64) uint64 { return ^at },
		fixed(0x5555555555555555), fixed(0xAAAAAAAAAAAAAAAA), fixed(0), fixed(^uint64(0)),
		func(at uint64) uint64 { return mix(at ^ seed) },
	}
}

// Run writes every pattern to all of the free memory and reads it back, as often as passes says.
func (m Memory) Run(ctx context.Context, passes int, report func(done, total int64)) (step.TestResult, error) {
	area, err := m.Hold(ctx)
	if err != nil {
		return step.TestResult{}, fmt.Errorf("hold memory for its test: %w", err)
	}
	corrected, uncorrected := corrections(m.Sys)
	t := &memoryRun{area: area, workers: m.Workers, report: report}
	for _, p := range area.Parts {
		t.bytes += int64(len(p)) * 8
	}
	t.total = t.bytes * int64(passes*len(patterns(0))*2)
	if t.workers == 0 {
		t.workers = runtime.NumCPU()
	}
	started := time.Now()
	for pass := range passes {
		for _, pattern := range patterns(pass) {
			t.each(ctx, func(part int, at uint64) { t.write(part, at, pattern) })
			if area.Settle != nil {
				area.Settle()
			}
			t.each(ctx, func(part int, at uint64) { t.check(part, at, pattern) })
		}
	}
	took := time.Since(started)
	err = area.Release()
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	if err != nil {
		return step.TestResult{}, fmt.Errorf("test the memory: %w", err)
	}
	after, lost := corrections(m.Sys)
	return t.judge(passes, took, max(after-corrected, 0), max(lost-uncorrected, 0)), nil
}

// memoryRun is one test under way.
type memoryRun struct {
	area         Area
	workers      int
	report       func(done, total int64)
	bytes, total int64
	done         atomic.Int64

	mu    sync.Mutex
	wrong faults
}

// each does something with every part, several at a time. at is the number of the part's first word in the whole.
func (t *memoryRun) each(ctx context.Context, do func(part int, at uint64)) {
	var running sync.WaitGroup
	var next atomic.Int64
	first := make([]uint64, len(t.area.Parts))
	for i := 1; i < len(first); i++ {
		first[i] = first[i-1] + uint64(len(t.area.Parts[i-1]))
	}
	for range t.workers {
		running.Go(func() {
			for ctx.Err() == nil {
				part := int(next.Add(1)) - 1
				if part >= len(t.area.Parts) {
					return
				}
				do(part, first[part])
				t.report(t.done.Add(int64(len(t.area.Parts[part]))*8), t.total)
			}
		})
	}
	running.Wait()
}

func (t *memoryRun) write(part int, at uint64, pattern func(uint64) uint64) {
	words := t.area.Parts[part]
	for i := range words {
		words[i] = pattern(at + uint64(i))
	}
}

func (t *memoryRun) check(part int, at uint64, pattern func(uint64) uint64) {
	words := t.area.Parts[part]
	for i := range words {
		want := pattern(at + uint64(i))
		// A second look tells what only came over wrongly from what is stored wrongly.
		if got := words[i]; got != want {
			t.fault(part, i, want, got, words[i])
		}
	}
}

func (t *memoryRun) fault(part, word int, want, got, again uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	how := "the same when read again"
	if again == want {
		how = "right when read again"
	}
	t.wrong.add("%s: %#016x was written and %#016x read (%d bits differ, %#016x), %s", t.area.Name(part, word), want, got, bits.OnesCount64(want^got), want^got, how)
}

func (t *memoryRun) judge(passes int, took time.Duration, corrected, uncorrected int64) step.TestResult {
	r := step.TestResult{Test: step.TestMemory, Subject: fmt.Sprintf("%d MiB", t.bytes>>20), Result: step.TestPassed, Bytes: t.bytes, Errors: t.wrong.count + uncorrected}
	if s := took.Seconds(); s > 0 {
		r.BytesPerSecond = int64(float64(t.total) / s)
	}
	r.Message = fmt.Sprintf("%d passes of %d patterns over the free memory", passes, len(patterns(0)))
	switch {
	case t.wrong.count > 0:
		r.Result, r.Message = step.TestFailed, t.wrong.String()
		r.Fix = "replace the memory module that holds the address; the BMC's event log may name its slot"
	case uncorrected > 0:
		r.Result, r.Message = step.TestFailed, fmt.Sprintf("every pattern was read back, and the memory controller saw %d errors that it could not correct", uncorrected)
		r.Fix = "replace the memory module that the BMC's event log names"
	}
	if corrected > 0 {
		r.Message += fmt.Sprintf("; the memory controller corrected %d errors meanwhile", corrected)
	}
	return r
}
