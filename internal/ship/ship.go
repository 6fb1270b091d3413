// Package ship sends the audit trail to where it is kept apart.
//
// It owns the loop: it reads the trail's files, which are the queue, gives a sink one batch after another, and remembers in the trail's folder how far the sink has confirmed, which retention
// heeds. It refuses to know a sink's protocol (packages web and postgres), and runs in a process of its own: an archive that is slow or away costs the API server nothing.
//
// Invariants: a batch is behind only once the sink said that it has it for good, so that each record arrives at least once, in order; a sink takes one twice without harm, by its number. A
// trail whose record at the remembered place is another one than was sent is not sent on: it was replaced, and that is for a person to look at.
package ship

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"syscall"
	"time"

	"github.com/ingotmetal/ingot/audit"
	"github.com/ingotmetal/ingot/internal/trail"
)

// Item is one record and its line as it stands in the trail, without a newline.
type Item struct {
	Record audit.Record
	Line   []byte
}

// Sink keeps records.
type Sink interface {
	// Send returns nil once the sink has all of them for good. It may be called again with some of the same, after an error or a restart. ErrTooLarge asks for fewer at once.
	Send(ctx context.Context, installation string, batch []Item) error
}

// ErrTooLarge is a sink's that takes less at once.
var ErrTooLarge = errors.New("too many records at once")

// The most that is sent at once.
const (
	maxItems = 500
	maxBytes = 1 << 20
)

// Options of a run.
type Options struct {
	// Dir is the trail's folder.
	Dir string
	// Name is the sink's, in the file that remembers how far it is.
	Name string
	Sink Sink
	Log  *slog.Logger
	// Pause is between two looks for more; First and Most bound the pause before an attempt after a failed one, which doubles.
	Pause, First, Most time.Duration
	Now                func() time.Time
}

var goodName = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,40}$`)

// Run sends until ctx ends, which is no error.
func Run(ctx context.Context, o Options) error {
	if !goodName.MatchString(o.Name) {
		return fmt.Errorf("the sink's name %q: write small letters, digits and hyphens, at most 41", o.Name)
	}
	lock, err := takeLock(o)
	if err != nil {
		return err
	}
	defer lock.Close()
	s := &shipper{o: o}
	if s.at, err = trail.ReadPosition(o.Dir, o.Name); err != nil {
		return err
	}
	// From now on retention waits for this sink.
	if err := trail.WritePosition(o.Dir, o.Name, s.at); err != nil {
		return err
	}
	if err := s.run(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

func takeLock(o Options) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(o.Dir, "ship-"+o.Name+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the lock of sink %s beside the trail: %w", o.Name, err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("sink %s is sent to by another process already: give another --name, or stop it: %w", o.Name, err), lock.Close())
	}
	return lock, nil
}

type shipper struct {
	o  Options
	at trail.Position
	// checked: the record at the remembered place was seen, and is the one that was sent.
	checked bool
	batch   []Item
	bytes   int
}

func (s *shipper) run(ctx context.Context) error {
	r := trail.NewReader(s.o.Dir, max(s.at.Seq, 1))
	defer func() { _ = r.Close() }() // it was only read
	for ctx.Err() == nil {
		line, err := r.Next()
		switch {
		case err == nil:
			if err := s.take(line); err != nil {
				return err
			}
			if len(s.batch) < maxItems && s.bytes < maxBytes {
				continue
			}
		case !errors.Is(err, io.EOF):
			return err
		}
		if len(s.batch) > 0 {
			if sendErr := s.send(ctx); sendErr != nil {
				return sendErr
			}
		}
		if err != nil && !wait(ctx, s.o.Pause) {
			break
		}
	}
	return ctx.Err()
}

func wait(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// take adds a line to the batch. What was sent already is held against what is remembered.
func (s *shipper) take(line trail.Line) error {
	record, h, err := audit.Parse(line.Text)
	if err != nil {
		// The gap in the numbers shows at the sink, too.
		s.o.Log.Error("a line of the audit trail is not as it was written, and is not sent: ingot audit verify", "file", filepath.Base(line.File), "line", line.Number)
		return nil //nolint:nilerr // it is told of, and what comes after it matters
	}
	if record.Seq <= s.at.Seq {
		if record.Seq == s.at.Seq {
			if h.String() != s.at.Hash {
				return fmt.Errorf("record %d of the trail in %s is another one than was sent to %s: it was replaced; look at it with ingot audit verify --expect %d:%s, and give another --name to send it as a new one",
					record.Seq, s.o.Dir, s.o.Name, s.at.Seq, s.at.Hash)
			}
			s.checked = true
		}
		return nil
	}
	if s.at.Seq > 0 && !s.checked {
		s.o.Log.Error("the last record that was sent is not in the audit trail any more: what follows it may be missing at the sink", "record", s.at.Seq, "next", record.Seq)
		s.checked = true
	}
	s.batch = append(s.batch, Item{Record: record, Line: append([]byte(nil), line.Text...)})
	s.bytes += len(line.Text)
	return nil
}

// send gives the batch to the sink, however long that takes, and remembers it.
func (s *shipper) send(ctx context.Context) error {
	pause, parts := s.o.First, 1
	for len(s.batch) > 0 {
		n := max(1, len(s.batch)/parts)
		err := s.o.Sink.Send(ctx, s.installation(), s.batch[:n])
		switch {
		case err == nil:
			if err := s.remember(n); err != nil {
				return err
			}
			pause = s.o.First
			continue
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, ErrTooLarge) && n > 1:
			parts *= 2
			continue
		}
		s.at.Failures++
		if err := trail.WritePosition(s.o.Dir, s.o.Name, s.at); err != nil {
			return err
		}
		s.o.Log.Warn("the audit trail's sink does not take records; it is tried again", "sink", s.o.Name, "err", err, "pause", pause.String())
		if !wait(ctx, pause) {
			return ctx.Err()
		}
		pause = min(2*pause, s.o.Most)
	}
	s.batch, s.bytes = s.batch[:0], 0
	return nil
}

func (s *shipper) remember(n int) error {
	last := s.batch[n-1].Record
	s.at, s.checked = trail.Position{Seq: last.Seq, Hash: last.Hash, Time: s.o.Now().UTC(), Failures: s.at.Failures}, true
	s.batch = s.batch[n:]
	return trail.WritePosition(s.o.Dir, s.o.Name, s.at)
}

// installation tells trails of several installations apart at one sink: the ID of the key that signs.
func (s *shipper) installation() string {
	head, found, err := trail.ReadHead(s.o.Dir)
	if err != nil || !found {
		return "unknown"
	}
	return head.Key
}
