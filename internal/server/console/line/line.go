// Package line is one machine's serial console with those who sit before it.
//
// It owns the way to the machine, which is opened with the first seat, opened again when it breaks, and closed with the last; who of several types; and what each one has not read yet. It
// refuses to know who may sit there (package gate), what carries the bytes on either side, and files.
//
// A console has one watcher as far as BMCs go, so that all seats share one way. Each has a queue of its own: who is slow loses bytes and is told how many, and nobody else waits.
//
// Invariants: what a seat has not read is bounded by QueueBytes; after End a seat gives no byte of the machine's, whatever was queued; one seat at most types; seats of two allocations never
// share a line, since lines are found by both.
package line

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// QueueBytes bounds what a seat has not read.
const QueueBytes = 256 << 10

// The pauses between two tries to reach the machine.
const (
	firstPause = time.Second
	mostPause  = 30 * time.Second
)

// Way is an open console.
type Way interface {
	io.ReadWriteCloser
}

// Final is an error after which trying again is of no use.
type Final struct{ Err error }

func (f *Final) Error() string { return f.Err.Error() }
func (f *Final) Unwrap() error { return f.Err }

// Open reaches the machine.
type Open func(ctx context.Context) (Way, error)

// Book finds lines by their keys, so that two who ask for one console share it.
type Book[K comparable] struct {
	// Ctx ends all lines.
	Ctx context.Context // the role's life, not a call's
	Log *slog.Logger

	mu    sync.Mutex
	lines map[K]*Line
}

// Line is one console.
type Line struct {
	open Open
	log  *slog.Logger
	gone func()

	typed chan []byte
	end   context.CancelFunc
	ended chan struct{}

	mu     sync.Mutex
	seats  map[*Seat]bool
	writer *Seat
	// closed: no seat is taken any more.
	closed bool
}

// Wish is what a seat is asked for as.
type Wish struct {
	// Type: to type, if nobody else does; TakeOver: in any case.
	Type, TakeOver bool
	// Who is shown to the others.
	Who string
	// Record gets each byte before it is queued; an error ends the seat. Nil: nothing is recorded.
	Record func(p []byte) error
}

// Join takes a seat at a line, which is opened if nobody sits there.
func (b *Book[K]) Join(key K, open Open, w Wish) *Seat {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.lines == nil {
		b.lines = map[K]*Line{}
	}
	l := b.lines[key]
	if l != nil {
		if s := l.join(w); s != nil {
			return s
		}
	}
	ctx, cancel := context.WithCancel(b.Ctx)
	l = &Line{open: open, log: b.Log, typed: make(chan []byte, 16), end: cancel, ended: make(chan struct{}), seats: map[*Seat]bool{}}
	l.gone = func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.lines[key] == l {
			delete(b.lines, key)
		}
	}
	b.lines[key] = l
	s := l.join(w)
	go l.run(ctx)
	return s
}

// Len is how many lines are open.
func (b *Book[K]) Len() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.lines)
}

func (l *Line) join(w Wish) *Seat {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	s := &Seat{line: l, wish: w, wake: make(chan struct{}, 1)}
	l.seats[s] = true
	if w.TakeOver || w.Type && l.writer == nil {
		l.hand(s)
	} else if w.Type {
		s.notice(fmt.Sprintf("%s types at this console; you look on (take over with ~t, or begin with --takeover)", l.writer.wish.Who))
	}
	return s
}

// hand lets a seat type. It is called with mu held.
func (l *Line) hand(s *Seat) {
	if before := l.writer; before != nil && before != s {
		before.say(Item{Kind: WriterItem, Text: s.wish.Who + " types at this console now; you look on"})
	}
	l.writer = s
	s.say(Item{Kind: WriterItem, Writer: true})
}

func (l *Line) leave(s *Seat) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seats, s)
	if l.writer == s {
		l.writer = nil
		for other := range l.seats {
			if other.wish.Type || other.wish.TakeOver {
				other.notice(s.wish.Who + " has left: nobody types; take over with ~t")
			}
		}
	}
	if len(l.seats) == 0 && !l.closed {
		l.closed = true
		l.end()
	}
}

// run reaches the machine until the last seat is left.
func (l *Line) run(ctx context.Context) {
	defer close(l.ended)
	defer l.gone()
	pause := firstPause
	for {
		began := time.Now()
		reached, err := l.once(ctx)
		if ctx.Err() != nil {
			l.endAll(Item{Kind: EndItem, Reason: "RoleStopped", Text: "the console role stops: connect again"})
			return
		}
		if final, is := errors.AsType[*Final](err); is {
			l.endAll(Item{Kind: EndItem, Reason: "ConsoleRefused", Text: final.Error()})
			return
		}
		if reached && time.Since(began) > mostPause {
			pause = firstPause
		}
		l.all(func(s *Seat) {
			s.notice(fmt.Sprintf("the serial console is gone: %s; trying again in %s", reason(err), pause))
		})
		l.log.Info("serial console lost", "err", err)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
		}
		pause = min(2*pause, mostPause)
	}
}

func reason(err error) string {
	if err == nil || errors.Is(err, io.EOF) {
		return "the BMC ended it"
	}
	return err.Error()
}

// once carries bytes until the way breaks.
func (l *Line) once(ctx context.Context) (reached bool, err error) {
	way, err := l.open(ctx)
	if err != nil {
		return false, err
	}
	stop := context.AfterFunc(ctx, func() { _ = way.Close() })
	broken := make(chan struct{})
	typing := make(chan struct{})
	defer func() {
		stop()
		close(broken)
		_ = way.Close()
		<-typing
	}()
	l.all(func(s *Seat) { s.notice("the serial console is open") })
	go func() {
		defer close(typing)
		for {
			select {
			case p := <-l.typed:
				if _, err := way.Write(p); err != nil {
					return // the read fails too
				}
			case <-broken:
				return
			}
		}
	}()
	buffer := make([]byte, 4096)
	for {
		n, err := way.Read(buffer)
		if n > 0 {
			l.all(func(s *Seat) { s.give(buffer[:n]) })
		}
		if err != nil {
			return true, err
		}
	}
}

// all does something for each seat.
func (l *Line) all(do func(*Seat)) {
	l.mu.Lock()
	seats := make([]*Seat, 0, len(l.seats))
	for s := range l.seats {
		seats = append(seats, s)
	}
	l.mu.Unlock()
	for _, s := range seats {
		do(s)
	}
}

// endAll ends each seat; none is taken afterwards.
func (l *Line) endAll(i Item) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.all(func(s *Seat) { s.End(i.Reason, i.Text) })
	l.end()
}
