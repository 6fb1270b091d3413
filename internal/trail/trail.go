// Package trail keeps the audit trail in files: one writer, any number of readers, of one process or several.
//
// It owns a folder of files of whole lines (package audit), named by the number of their first record; the head, which says where the trail ended at the last checkpoint; the lock that keeps
// a second writer away; the repair of an end that a killed process left; and retention. It refuses to know what the entries are about.
//
// Why plain files: they outlive the store whose changes they tell of, are read without the server, and are the queue of every sink, so that a sink that is away costs nothing but disk.
//
// Invariants: a record that Append returned for is in the file, and with NeedDurable on the disk; numbers go on over files, restarts and repairs; nothing is ever rewritten but a last
// line without an end, which is kept beside and told of; what could not be written is counted and told of as soon as something can.
package trail

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ingotmetal/ingot/audit"
)

// checkpointEvery is how much of the end can be cut off unseen: what was written since the last checkpoint.
const checkpointEvery = 10 * time.Second

// File is what is written to.
type File interface {
	Write(p []byte) (int, error)
	Sync() error
	Truncate(size int64) error
	Close() error
}

// Options open a trail.
type Options struct {
	// Dir is made if it is not there.
	Dir       string
	Key       ed25519.PrivateKey
	Retention audit.Retention
	// Writer names this process, Version its program.
	Writer, Version string
	Now             func() time.Time
	Log             *slog.Logger
	// Open opens a file for appending and makes it where it is not there; nil: the system's.
	Open func(name string) (File, error)
}

// Trail is the open trail of the one writer.
type Trail struct {
	o    Options
	lock *os.File

	// mu guards all that follows but synced.
	mu      sync.Mutex
	file    File
	name    string
	size    int64
	begun   time.Time
	seq     uint64
	last    audit.Hash
	partial bool // what follows size in the file is a part of a line
	renew   bool // the file is not trusted any more: the next record begins another
	fresh   int  // records since the last checkpoint
	lost    uint64
	since   time.Time
	failed  uint64    // entries that were not written, or not flushed, since Open
	at      time.Time // when the last record was written
	closed  bool

	syncing sync.Mutex
	synced  atomic.Uint64

	stop, stopped chan struct{}
}

// ErrClosed is Append's after Close.
var ErrClosed = errors.New("the audit trail is closed")

// Open takes the trail over: it finds the end, repairs it, says so, and begins to write checkpoints. An error is for whoever starts the server: without a trail it must not start.
func Open(o Options) (*Trail, error) {
	if o.Open == nil {
		o.Open = openFile
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the folder of the audit trail: %w", err)
	}
	lock, err := takeLock(o.Dir)
	if err != nil {
		return nil, err
	}
	t := &Trail{o: o, lock: lock, stop: make(chan struct{}), stopped: make(chan struct{})}
	if err := t.resume(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the audit trail in %s: %w", o.Dir, err), t.closeFile(), lock.Close())
	}
	// From here on there is a head: files without one were tampered with.
	if err := t.Checkpoint(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the audit trail in %s: %w", o.Dir, err), t.closeFile(), lock.Close())
	}
	go t.keepCheckpoints()
	return t, nil
}

func openFile(name string) (File, error) {
	return os.OpenFile(name, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

func takeLock(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of the audit trail: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("the audit trail in %s is written by another process: two writers would make two chains of it: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// Append writes the entry of a request. With NeedDurable it returns once the entry is on the disk; requests that come meanwhile share one flush. With NeedNothing an entry that cannot be
// written is counted, and told of later.
func (t *Trail) Append(r *audit.Request, need audit.Need) error {
	t.mu.Lock()
	now := t.o.Now()
	err := t.write(audit.Record{Time: now, Kind: audit.KindRequest, Request: r})
	if err != nil && need == audit.NeedNothing {
		t.count(now, err)
	}
	seq := t.seq
	t.mu.Unlock()
	if err == nil && need == audit.NeedDurable {
		err = t.flush(seq)
	}
	if err != nil {
		t.mu.Lock()
		t.failed++
		t.mu.Unlock()
		return fmt.Errorf("write to the audit trail in %s: %w", t.o.Dir, err)
	}
	return nil
}

// count notes an entry that is lost. The log hears of the first one.
func (t *Trail) count(now time.Time, err error) {
	if t.lost == 0 {
		t.since = now
		t.o.Log.Error("audit entries cannot be written; what is lost is counted, and told in the trail once it can be", "err", err)
	}
	t.lost++
}

// State is how the trail's files are.
type State struct {
	// Seq is the last record's number, and At when it was written: zero where this process has written none.
	Seq uint64
	At  time.Time
	// Flushed is the last record that is known to be on the disk.
	Flushed uint64
	// Failed is how many entries could not be written, or not be brought to the disk, since the trail was opened.
	Failed uint64
}

// State is how the trail's files are now.
func (t *Trail) State() State {
	t.mu.Lock()
	defer t.mu.Unlock()
	return State{Seq: t.seq, At: t.at, Flushed: t.synced.Load(), Failed: t.failed}
}

// Lost is how many entries could not be written and were not told of yet.
func (t *Trail) Lost() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.lost
}

// write puts a record at the end, after what has to be said before it. mu is held.
func (t *Trail) write(r audit.Record) error {
	if t.closed {
		return ErrClosed
	}
	if t.partial {
		if err := t.file.Truncate(t.size); err != nil {
			return fmt.Errorf("take away the part of a line that a failed write left in %s: %w", t.name, err)
		}
		t.partial = false
	}
	if t.due(r.Time) {
		if err := t.rotate(r.Time); err != nil {
			return err
		}
	}
	if t.lost > 0 {
		since := t.since.UTC()
		n := audit.Notice{Message: "entries could not be written", Count: t.lost, Since: &since}
		if err := t.put(audit.Record{Time: r.Time, Kind: audit.KindLost, Notice: &n}); err != nil {
			return err
		}
		t.o.Log.Warn("audit entries can be written again", "lost", t.lost)
		t.lost = 0
	}
	return t.put(r)
}

// put seals a record and writes its line, whole or not at all.
func (t *Trail) put(r audit.Record) error {
	r.Seq, r.Prev = t.seq+1, t.last.String()
	if r.Checkpoint != nil {
		r.Checkpoint = audit.NewCheckpoint(t.o.Key, r.Seq, t.last, r.Time)
	}
	line, h, err := audit.Seal(r)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if n, err := t.file.Write(line); err != nil || n < len(line) {
		if err == nil {
			err = fmt.Errorf("%d of %d bytes were written", n, len(line))
		}
		if cut := t.file.Truncate(t.size); cut != nil {
			t.partial = true
		}
		return fmt.Errorf("write record %d to %s: %w", r.Seq, t.name, err)
	}
	t.size += int64(len(line))
	t.seq, t.last, t.at = r.Seq, h, r.Time
	if r.Checkpoint == nil {
		t.fresh++
	}
	return nil
}

// flush waits until a record is on the disk. Who comes while another one flushes finds it done, or does it for all that came since.
func (t *Trail) flush(seq uint64) error {
	t.syncing.Lock()
	defer t.syncing.Unlock()
	if t.synced.Load() >= seq {
		return nil
	}
	t.mu.Lock()
	file, upTo, name := t.file, t.seq, t.name
	t.mu.Unlock()
	err := file.Sync()
	if err != nil && t.synced.Load() >= seq {
		return nil // the file was full meanwhile: it was flushed and closed
	}
	if err != nil {
		// What the system did with the pages is not known, and a second try would say nothing of them.
		t.mu.Lock()
		t.renew = true
		t.mu.Unlock()
		return fmt.Errorf("flush %s: %w", name, err)
	}
	t.raise(upTo)
	return nil
}

func (t *Trail) raise(seq uint64) {
	for {
		was := t.synced.Load()
		if was >= seq || t.synced.CompareAndSwap(was, seq) {
			return
		}
	}
}

// Checkpoint signs what was written since the last one, flushes it, and renews the head. Without anything new it does nothing.
func (t *Trail) Checkpoint() error {
	t.mu.Lock()
	if t.fresh == 0 && t.lost == 0 || t.closed {
		t.mu.Unlock()
		return nil
	}
	seq, last, err := t.sign(t.o.Now())
	t.mu.Unlock()
	if err != nil {
		return err
	}
	if err := t.flush(seq); err != nil {
		return err
	}
	return t.writeHead(seq, last)
}

// sign writes a checkpoint. mu is held.
func (t *Trail) sign(now time.Time) (uint64, audit.Hash, error) {
	if err := t.write(audit.Record{Time: now, Kind: audit.KindCheckpoint, Checkpoint: &audit.Checkpoint{}}); err != nil {
		return 0, audit.Hash{}, fmt.Errorf("write a checkpoint: %w", err)
	}
	t.fresh = 0
	return t.seq, t.last, nil
}

func (t *Trail) keepCheckpoints() {
	defer close(t.stopped)
	tick := time.NewTicker(checkpointEvery)
	defer tick.Stop()
	for {
		select {
		case <-t.stop:
			return
		case <-tick.C:
		}
		if err := t.Checkpoint(); err != nil {
			t.o.Log.Error("the audit trail could not be signed; it is tried again", "err", err)
		}
	}
}

// Close says that this process ends, signs, and gives the trail free. Entries that come later are refused.
func (t *Trail) Close() error {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return nil
	}
	t.mu.Unlock()
	close(t.stop)
	<-t.stopped
	t.mu.Lock()
	err := t.write(audit.Record{Time: t.o.Now(), Kind: audit.KindStop, Notice: &audit.Notice{Message: "stopped", Writer: t.o.Writer}})
	t.mu.Unlock()
	if err == nil {
		err = t.Checkpoint()
	}
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	return errors.Join(err, t.closeFile(), t.lock.Close())
}

func (t *Trail) closeFile() error {
	if t.file == nil {
		return nil
	}
	return t.file.Close()
}
