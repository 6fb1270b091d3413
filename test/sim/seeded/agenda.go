package seeded

import (
	"container/heap"
	"sync"
	"time"
)

// agenda is what will happen, in order of time; of events at the same time, in order of whom they befall and of how they were put there. Actions beside the loop put events there, too.
type agenda struct {
	mu     sync.Mutex
	events eventHeap
	made   map[string]int
}

type event struct {
	at  time.Time
	who string
	n   int
	do  func()
}

func newAgenda() *agenda { return &agenda{made: map[string]int{}} }

func (a *agenda) add(at time.Time, who string, do func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.made[who]++
	heap.Push(&a.events, &event{at: at, who: who, n: a.made[who], do: do})
}

// next is the time of the next event, false for none.
func (a *agenda) next() (time.Time, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) == 0 {
		return time.Time{}, false
	}
	return a.events[0].at, true
}

// take removes the next event if it is due.
func (a *agenda) take(now time.Time) *event {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.events) == 0 || a.events[0].at.After(now) {
		return nil
	}
	e, _ := heap.Pop(&a.events).(*event)
	return e
}

type eventHeap []*event

func (h eventHeap) Len() int { return len(h) }

func (h eventHeap) Less(i, j int) bool {
	a, b := h[i], h[j]
	if !a.at.Equal(b.at) {
		return a.at.Before(b.at)
	}
	if a.who != b.who {
		return a.who < b.who
	}
	return a.n < b.n
}

func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }

func (h *eventHeap) Push(x any) {
	if e, ok := x.(*event); ok {
		*h = append(*h, e)
	}
}

func (h *eventHeap) Pop() any {
	old := *h
	last := old[len(old)-1]
	*h = old[:len(old)-1]
	return last
}
