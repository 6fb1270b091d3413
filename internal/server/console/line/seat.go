package line

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// ItemKind is what a seat is given.
type ItemKind int

// The kinds.
const (
	// BytesItem is what the machine wrote.
	BytesItem ItemKind = iota
	// NoticeItem is a line for the person, WriterItem says whether they type now, and EndItem is the last.
	NoticeItem
	WriterItem
	EndItem
)

// Item is one thing that a seat is given.
type Item struct {
	Kind         ItemKind
	Bytes        []byte
	Text, Reason string
	Writer       bool
}

// Seat is one person at a line. Next is called by one goroutine, the others by any.
type Seat struct {
	line *Line
	wish Wish
	wake chan struct{}

	mu    sync.Mutex
	queue []Item
	held  int
	lost  int
	ended bool
	// done: the end was given.
	done bool
}

// Next gives the next item, and waits for it. After EndItem, and when ctx ends, it fails.
func (s *Seat) Next(ctx context.Context) (Item, error) {
	for {
		if i, ok := s.take(); ok {
			return i, nil
		}
		s.mu.Lock()
		done := s.done
		s.mu.Unlock()
		if done {
			return Item{}, context.Canceled
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return Item{}, ctx.Err()
		}
	}
}

func (s *Seat) take() (Item, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost > 0 && !s.ended {
		lost := s.lost
		s.lost = 0
		return Item{Kind: NoticeItem, Text: fmt.Sprintf("%d bytes are lost: your connection is slower than the console", lost)}, true
	}
	if len(s.queue) == 0 {
		return Item{}, false
	}
	i := s.queue[0]
	s.queue = s.queue[1:]
	s.held -= len(i.Bytes)
	s.done = i.Kind == EndItem
	return i, true
}

// give queues what the machine wrote.
func (s *Seat) give(p []byte) {
	s.mu.Lock()
	if s.ended {
		s.mu.Unlock()
		return
	}
	if s.wish.Record != nil {
		if err := s.wish.Record(p); err != nil {
			s.mu.Unlock()
			s.End("NotRecorded", "the session cannot be recorded, and is not shown: "+err.Error())
			return
		}
	}
	defer s.mu.Unlock()
	if s.held+len(p) > QueueBytes {
		s.lost += len(p)
		return
	}
	s.held += len(p)
	if last := len(s.queue) - 1; last >= 0 && s.queue[last].Kind == BytesItem && len(s.queue[last].Bytes)+len(p) <= 32<<10 {
		s.queue[last].Bytes = append(s.queue[last].Bytes, p...)
	} else {
		s.queue = append(s.queue, Item{Kind: BytesItem, Bytes: bytes.Clone(p)})
	}
	s.poke()
}

// Held is how many bytes wait to be read.
func (s *Seat) Held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.held
}

// maxNotices bounds what else is queued for one who does not read.
const maxNotices = 64

func (s *Seat) say(i Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended || len(s.queue) > maxNotices+QueueBytes/1024 {
		return
	}
	s.queue = append(s.queue, i)
	s.poke()
}

func (s *Seat) notice(text string) { s.say(Item{Kind: NoticeItem, Text: text}) }

// poke is called with mu held.
func (s *Seat) poke() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

// End ends the seat: what was queued is thrown away, and the reason is all that is still given.
func (s *Seat) End(reason, text string) {
	s.mu.Lock()
	if !s.ended {
		s.ended = true
		s.queue, s.held, s.lost = []Item{{Kind: EndItem, Reason: reason, Text: text}}, 0, 0
		s.poke()
	}
	s.mu.Unlock()
	s.line.leave(s)
}

// Close leaves the seat.
func (s *Seat) Close() { s.End("Left", "you left the console") }

// Type sends what a person typed, if it is theirs to type; it waits while the console is slow.
func (s *Seat) Type(ctx context.Context, p []byte) (heard bool) {
	s.line.mu.Lock()
	writer := s.line.writer == s && !s.line.closed
	s.line.mu.Unlock()
	if !writer {
		return false
	}
	select {
	case s.line.typed <- bytes.Clone(p):
		return true
	case <-ctx.Done():
	case <-s.line.ended:
	}
	return false
}

// TakeOver makes this seat the one that types. It is the caller's to know that it may.
func (s *Seat) TakeOver() {
	s.line.mu.Lock()
	defer s.line.mu.Unlock()
	if s.line.seats[s] {
		s.line.hand(s)
	}
}
