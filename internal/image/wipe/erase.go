package wipe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/step"
)

const (
	// maxSamples bounds the blocks that are marked and read back: 256 find a disk that skipped a tenth of its blocks with a certainty of 1 - 0.9^256.
	maxSamples = 256
	// sampleBytes is one of them; sampleEvery the least that lies between two.
	sampleBytes, sampleEvery = 4096, 64 << 10
	// overwriteStep bounds one overwrite, so that progress is said and a cancelled context is noticed.
	overwriteStep = 64 << 20
)

// errStays: what was marked before an erasure reads as it did.
var errStays = errors.New("the data are still there")

// Erase erases a disk by the first of several methods that is proved to have worked, and gives the evidence. What did not work, and why, is in the evidence's message. Like Disk
// it returns no error beside it. After each method but metadata, which is Disk, the places of metadata are wiped and proved as well.
//
// The proof of an erasure: blocks spread over the whole disk were marked with a pattern before it, and none reads as marked after it; after an overwrite all of them are zero.
func Erase(ctx context.Context, target disk.Disk, is step.Disk, methods []step.Method, now func() time.Time, progress func(step.Progress)) step.Wipe {
	if now == nil {
		now = time.Now
	}
	if progress == nil {
		progress = func(step.Progress) {}
	}
	started := now()
	e := eraser{wiper: wiper{ctx: ctx, target: target, size: target.Geometry().SizeBytes, progress: progress, now: now}, is: is, started: started}
	joined, failure := e.join()
	var failed []string
	var w step.Wipe
	for _, m := range methods {
		if failure != nil {
			break
		}
		w = e.try(m, joined)
		if w.Clean {
			break
		}
		failed = append(failed, fmt.Sprintf("%s: %s", m, w.Message))
		if ctx.Err() != nil {
			break
		}
	}
	w.Disk, w.Asked, w.StartedAt, w.FinishedAt = is, methods, started, now()
	switch {
	case failure != nil:
		w.Method, w.Message = string(methods[0]), "an erasure that was under way before: "+failure.Error()
	case w.Clean && len(failed) > 0:
		w.Message = "after " + strings.Join(failed, "; ") + ". " + w.Message
	case !w.Clean:
		w.Message = strings.Join(failed, "; ")
	}
	return w
}

// eraser is at one disk.
type eraser struct {
	wiper
	is      step.Disk
	started time.Time
}

// join waits for an erasure that the disk is at by itself, before which nothing can be read. It counts as a secure erasure: while it ran, nothing could be written.
func (e *eraser) join() (did *step.Wipe, err error) {
	d, ok := e.target.(disk.Eraser)
	if !ok {
		return nil, nil
	}
	ability, err := d.Ability(e.ctx)
	if err != nil || ability.Running == "" {
		return nil, nil //nolint:nilerr // a disk that does not answer this may be erased all the same; secure erase asks again
	}
	answer, err := d.EraseAll(e.ctx, ability.Running, e.share)
	if err != nil {
		return nil, err
	}
	return &step.Wipe{Method: string(ability.Running), Answer: answer, Bytes: e.size}, nil
}

// share says how far the disk is.
func (e *eraser) share(f float64) {
	e.progress(step.Progress{Phase: PhaseErasing, DoneBytes: int64(f * float64(e.size)), TotalBytes: e.size})
}

// PhaseErasing is the phase in which DoneBytes counts the whole disk.
const PhaseErasing = "erasing"

// try does one method. The result is Clean, or its Message says why not.
func (e *eraser) try(m step.Method, joined *step.Wipe) step.Wipe {
	if m == step.EraseMetadata {
		return Disk(e.ctx, e.target, e.is, e.now, e.progress)
	}
	w := step.Wipe{Method: string(m), Bytes: e.size}
	if err := e.erase(m, joined, &w); err != nil {
		w.Bytes, w.Message = 0, err.Error()
		return w
	}
	rest := Disk(e.ctx, e.target, e.is, e.now, e.progress)
	w.Clean, w.Message = rest.Clean, "then "+rest.Message
	w.Verification = strings.TrimPrefix(w.Verification+"; "+rest.Verification, "; ")
	return w
}

// erase erases and proves, but for the metadata.
func (e *eraser) erase(m step.Method, joined *step.Wipe, w *step.Wipe) error {
	if m == step.EraseSecurely && joined != nil {
		w.Method, w.Answer, w.Verification = joined.Method, joined.Answer, "none marked, since it was under way before"
		return nil
	}
	if m == step.EraseSecurely {
		return e.securely(w)
	}
	if err := e.mark(); err != nil {
		return err
	}
	if m == step.EraseDiscard {
		w.Method = step.DidDiscard
		discarded, err := e.discard()
		if err == nil && !discarded {
			err = &disk.Error{Op: "discard", Disk: e.is.Name, Kind: disk.ErrUnsupported}
		}
		if err != nil {
			return err
		}
	} else {
		w.Method = step.DidOverwrite
		if err := e.overwriteAll(); err != nil {
			return err
		}
	}
	return e.prove(w, m == step.EraseOverwrite)
}

// securely tries what the disk's firmware has, the best first.
func (e *eraser) securely(w *step.Wipe) error {
	d, ok := e.target.(disk.Eraser)
	if !ok {
		return &disk.Error{Op: "secure-erase", Disk: e.is.Name, Kind: disk.ErrUnsupported}
	}
	ability, err := d.Ability(e.ctx)
	if err != nil {
		return err
	}
	if len(ability.Means) == 0 {
		return &disk.Error{Op: "secure-erase", Disk: e.is.Name, Kind: disk.ErrUnsupported, Err: errors.New(ability.Why)}
	}
	var tried []error
	for _, how := range ability.Means {
		w.Method = string(how)
		err := e.mark()
		if err == nil {
			w.Answer, err = d.EraseAll(e.ctx, how, e.share)
		}
		if err == nil {
			err = e.prove(w, false)
		}
		if err == nil {
			if len(tried) > 0 {
				w.Answer += " (before it: " + errors.Join(tried...).Error() + ")"
			}
			return nil
		}
		tried = append(tried, fmt.Errorf("%s: %w", how, err))
		if e.ctx.Err() != nil {
			break
		}
	}
	return errors.Join(tried...)
}

func (e *eraser) overwriteAll() error {
	for off := int64(0); off < e.size; off += overwriteStep {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		n := min(overwriteStep, e.size-off)
		if err := e.target.Erase(disk.Overwrite, off, n); err != nil {
			return err
		}
		e.progress(step.Progress{Phase: PhaseErasing, DoneBytes: off + n, TotalBytes: e.size})
	}
	return e.target.Flush()
}

// samples are the places that are marked: spread evenly, each one shifted within its part by a number that the disk cannot know, the first and the last block among them.
func (e *eraser) samples() []int64 {
	n := min(maxSamples, e.size/sampleEvery)
	if n < 2 {
		return []int64{0}
	}
	out := make([]int64, 0, n)
	part := (e.size - sampleBytes) / (n - 1) / sampleBytes * sampleBytes
	for i := range n - 1 {
		shift := int64(0)
		if i > 0 && part > sampleBytes {
			p := e.pattern(i)
			shift = int64(binary.LittleEndian.Uint64(p)>>1) % (part / sampleBytes) * sampleBytes
		}
		out = append(out, i*part+shift)
	}
	return append(out, (e.size-sampleBytes)/sampleBytes*sampleBytes)
}

// pattern marks one place. It is of this disk and this moment, so that it is never there by chance.
func (e *eraser) pattern(at int64) []byte {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %d %d", e.is.Name, e.is.SerialNumber, e.is.WWN, e.started.UnixNano(), at))
	return sum[:]
}

func (e *eraser) mark() error {
	block := disk.Buffer(sampleBytes)
	for _, at := range e.samples() {
		copy(block, bytes.Repeat(e.pattern(at), sampleBytes/sha256.Size))
		if _, err := e.target.WriteAt(block, at); err != nil {
			return fmt.Errorf("mark the blocks that are to be read back: %w", err)
		}
	}
	if err := e.target.Flush(); err != nil {
		return err
	}
	// Not before the disk has them can they prove anything.
	return e.each4k(func(at int64, got []byte) error {
		if !bytes.Equal(got[:sha256.Size], e.pattern(at)) {
			return fmt.Errorf("byte %d does not read as it was marked: the disk does not keep what is written", at)
		}
		return nil
	})
}

func (e *eraser) each4k(do func(at int64, got []byte) error) error {
	block := disk.Buffer(sampleBytes)
	for _, at := range e.samples() {
		if err := e.ctx.Err(); err != nil {
			return err
		}
		if _, err := e.target.ReadAt(block, at); err != nil {
			return err
		}
		if err := do(at, block); err != nil {
			return err
		}
	}
	return nil
}

// prove reads the marked blocks back.
func (e *eraser) prove(w *step.Wipe, mustBeZero bool) error {
	total, zero := 0, 0
	err := e.each4k(func(at int64, got []byte) error {
		total++
		isZero := len(bytes.Trim(got, "\x00")) == 0
		if isZero {
			zero++
		}
		pattern := e.pattern(at)
		if mustBeZero && !isZero || bytes.Contains(got, pattern) {
			return fmt.Errorf("%s at byte %d: %w", w.Method, at, errStays)
		}
		return nil
	})
	w.Verification = fmt.Sprintf("%d blocks of %d bytes, marked before: none reads as marked, %d read as zero", total, sampleBytes, zero)
	return err
}

// metadataProof is the verification of the places of metadata.
func metadataProof(bytes int64, volumes int) string {
	return fmt.Sprintf("%d bytes where metadata can be read as zero, and no signature is found on the disk or in %d former partitions", bytes, volumes-1)
}
