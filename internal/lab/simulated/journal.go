package simulated

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// Journal is who had which disk open for writing, and when. Any number of machines share one.
type Journal struct {
	mu      sync.Mutex
	entries []Writing
}

// Writing is one disk open for writing.
type Writing struct {
	Machine, Disk string
	// Boot is the number of the machine's boot, from 1.
	Boot             int64
	OpenedAt, Closed time.Time
}

// Open says whether the disk was still open when the entry was read.
func (w Writing) Open() bool { return w.Closed.IsZero() }

// Writings are all entries, in the order in which the disks were opened.
func (j *Journal) Writings() []Writing {
	j.mu.Lock()
	defer j.mu.Unlock()
	return append([]Writing(nil), j.entries...)
}

// Overlaps lists, in words, every pair of entries in which one disk had two writers at one time. None is what has to hold.
func (j *Journal) Overlaps() []string {
	last := map[[2]string]Writing{}
	var found []string
	for _, w := range j.Writings() {
		key := [2]string{w.Machine, w.Disk}
		if before, ok := last[key]; ok && (before.Open() || before.Closed.After(w.OpenedAt)) {
			found = append(found, fmt.Sprintf("machine %s disk %s: boot %d opened it at %s, while boot %d had it open until %s",
				w.Machine, w.Disk, w.Boot, w.OpenedAt, before.Boot, before.Closed))
		}
		last[key] = w
	}
	return found
}

// observer writes one machine's part of the journal.
type observer struct {
	journal *Journal
	machine string
	boot    *atomic.Int64
}

// OpenedForWrite implements filebacked.Observer.
func (o observer) OpenedForWrite(name string) {
	o.journal.mu.Lock()
	defer o.journal.mu.Unlock()
	o.journal.entries = append(o.journal.entries, Writing{Machine: o.machine, Disk: name, Boot: o.boot.Load(), OpenedAt: time.Now()})
}

// Closed implements filebacked.Observer.
func (o observer) Closed(name string) {
	o.journal.mu.Lock()
	defer o.journal.mu.Unlock()
	for i := len(o.journal.entries) - 1; i >= 0; i-- {
		if w := &o.journal.entries[i]; w.Machine == o.machine && w.Disk == name && w.Open() {
			w.Closed = time.Now()
			return
		}
	}
}
