// Package wipe takes the metadata off a disk, or all that is on it, and proves it.
//
// It owns the order: find what is there, tell the device that nothing is needed any more, overwrite every place at which metadata can be, read those places back (Disk); before that
// erase the whole disk in the way that is asked for, with blocks marked before and read back after it (Erase). It refuses to promise more than was done: a disk whose wipe
// cannot be proved is not clean, whatever the reason.
//
// What is overwritten with zeros: the first 8 MiB and the last 2 MiB of the disk and of each partition that any table on it names (GPT or its backup, MBR, logical
// partitions), and the mirrors of btrfs superblocks in each. The proof is that all of these read back as zero, past the cache, and that the prober of
// package signature finds nothing in the disk or where its partitions were.
package wipe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/internal/image/signature"
	"github.com/ingotmetal/ingot/step"
)

// The methods in the evidence.
const (
	// Metadata: places of metadata were overwritten.
	Metadata = step.DidMetadata
	// DiscardAndMetadata: before that the whole disk was discarded.
	DiscardAndMetadata = step.DidDiscardAndMetadata
)

// discardStep bounds one discard, so that a cancelled context is noticed.
const discardStep = 64 << 30

// Disk wipes a disk and gives the evidence. It never returns an error beside it: what went wrong is in the evidence, which then is not Clean.
func Disk(ctx context.Context, target disk.Disk, is step.Disk, now func() time.Time, progress func(step.Progress)) step.Wipe {
	if now == nil {
		now = time.Now
	}
	if progress == nil {
		progress = func(step.Progress) {}
	}
	w := wiper{ctx: ctx, target: target, size: target.Geometry().SizeBytes, progress: progress, now: now}
	e := step.Wipe{Disk: is, Method: Metadata, StartedAt: now()}
	err := w.run(&e)
	e.FinishedAt = now()
	e.Clean = err == nil
	if err != nil {
		e.Message = strings.TrimSpace(e.Message + " " + err.Error())
	}
	return e
}

type wiper struct {
	ctx      context.Context
	target   disk.Disk
	size     int64
	volumes  []partition.Span
	progress func(step.Progress)
	now      func() time.Time
}

func (w *wiper) run(e *step.Wipe) error {
	w.volumes = append([]partition.Span{{Off: 0, Length: w.size}}, w.partitions()...)
	before, err := w.probe()
	if err != nil {
		return fmt.Errorf("look for metadata: %w", err)
	}
	e.Message = "found " + list(before) + "."
	discarded, err := w.discard()
	if err != nil {
		return err
	}
	if discarded {
		e.Method = DiscardAndMetadata
	}
	places := w.places()
	for _, p := range places {
		e.Bytes += p.Length
	}
	if err := w.each("wiping", places, w.overwrite); err != nil {
		return err
	}
	if err := w.target.Flush(); err != nil {
		return err
	}
	if err := w.target.RereadPartitions(); err != nil && !errors.Is(err, disk.ErrBusy) {
		return err
	}
	if err := w.each("checking", places, w.check); err != nil {
		return err
	}
	after, err := w.probe()
	if err != nil {
		return fmt.Errorf("look for what is left: %w", err)
	}
	if len(after) > 0 {
		return fmt.Errorf("still there: %s", list(after))
	}
	e.Verification = metadataProof(e.Bytes, len(w.volumes))
	return nil
}

// partitions are those of every table that can be read. A damaged table names none; what it named cannot be told.
func (w *wiper) partitions() []partition.Span {
	var out []partition.Span
	add := func(s partition.Span) {
		if s.Off >= 0 && s.Length > 0 && s.Off < w.size {
			out = append(out, partition.Span{Off: s.Off, Length: min(s.Length, w.size-s.Off)})
		}
	}
	for _, sector := range []int{512, 4096} {
		if g, err := partition.ReadGPT(w.target, w.size, sector); err == nil {
			for _, p := range g.Partitions() {
				add(p.Span)
			}
		}
		if m, err := partition.ReadMBR(w.target, w.size, sector); err == nil {
			for _, s := range append(m.Spans(), m.Logical(w.target)...) {
				add(s)
			}
		}
	}
	return out
}

func (w *wiper) probe() ([]signature.Found, error) {
	var out []signature.Found
	for _, v := range w.volumes {
		if err := w.ctx.Err(); err != nil {
			return nil, err
		}
		found, err := signature.Probe(w.target, v.Off, v.Length)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	slices.SortFunc(out, func(a, b signature.Found) int { return cmp.Or(cmp.Compare(a.Off, b.Off), cmp.Compare(a.Kind, b.Kind)) })
	return slices.Compact(out), nil
}

// discard discards the whole disk where that is possible.
func (w *wiper) discard() (bool, error) {
	for off := int64(0); off < w.size; off += discardStep {
		if err := w.ctx.Err(); err != nil {
			return false, err
		}
		err := w.target.Erase(disk.Discard, off, min(discardStep, w.size-off))
		if errors.Is(err, disk.ErrUnsupported) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}

// places are the ranges to overwrite, whole sectors, sorted and merged.
func (w *wiper) places() []partition.Span {
	sector := int64(max(w.target.Geometry().SectorBytes, disk.BufferAlignment))
	var out []partition.Span
	add := func(from, to int64) {
		from, to = max(from/sector*sector, 0), min((to+sector-1)/sector*sector, w.size)
		if from < to {
			out = append(out, partition.Span{Off: from, Length: to - from})
		}
	}
	for _, v := range w.volumes {
		add(v.Off, v.Off+min(v.Length, signature.HeadBytes))
		add(v.End()-min(v.Length, signature.TailBytes), v.End())
		for _, m := range signature.Mirrors() {
			if m+4096 <= v.Length {
				add(v.Off+m, v.Off+m+4096)
			}
		}
	}
	slices.SortFunc(out, func(a, b partition.Span) int { return cmp.Compare(a.Off, b.Off) })
	merged := out[:1]
	for _, s := range out[1:] {
		last := &merged[len(merged)-1]
		if s.Off <= last.End() {
			last.Length = max(last.End(), s.End()) - last.Off
		} else {
			merged = append(merged, s)
		}
	}
	return merged
}

// each does something with all places, 8 MiB at a time.
func (w *wiper) each(phase string, places []partition.Span, do func(off, length int64) error) error {
	total, done := int64(0), int64(0)
	for _, p := range places {
		total += p.Length
	}
	for _, p := range places {
		for at := p.Off; at < p.End(); at += signature.HeadBytes {
			if err := w.ctx.Err(); err != nil {
				return err
			}
			n := min(p.End()-at, signature.HeadBytes)
			if err := do(at, n); err != nil {
				return err
			}
			done += n
			w.progress(step.Progress{Phase: phase, DoneBytes: done, TotalBytes: total, UpdatedAt: w.now()})
		}
	}
	return nil
}

func (w *wiper) overwrite(off, length int64) error { return w.target.Erase(disk.Zero, off, length) }

func (w *wiper) check(off, length int64) error {
	zero, at, err := signature.Zeros(w.target, off, length)
	if err == nil && !zero {
		err = fmt.Errorf("byte %d is not zero after it was overwritten", at)
	}
	return err
}

// list is for people: each kind once, in the order of the disk.
func list(found []signature.Found) string {
	if len(found) == 0 {
		return "no metadata"
	}
	var kinds []string
	for _, f := range found {
		if !slices.Contains(kinds, f.Kind) {
			kinds = append(kinds, f.Kind)
		}
	}
	return strings.Join(kinds, ", ")
}
