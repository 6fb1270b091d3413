// Package agentbook remembers what agents last said, and what is wanted of them.
//
// It owns the memory between two halves that never call each other: agents post what they are at (Heard), the controller reads it as facts (Facts) and asks for a
// step (Ask), and an agent's long poll looks for what is wanted (Wanted). It refuses objects, transport and decisions. Everything in it may be lost at any moment: an agent repeats all that it
// is at in its next exchange, and the controller asks again for the step that the host's record names. That is why it is memory and not a kind of the API.
//
// Invariants: one entry per boot; a step is asked of a boot under one ID until it is withdrawn; an outcome that was heard is kept until another step is asked for, so
// that a result cannot be lost between two looks of the controller; a boot that was ended stays ended.
package agentbook

import (
	"context"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Want is a step that is wanted of an agent.
type Want struct {
	ID       string
	Kind     step.Kind
	Deadline time.Time
	// Build makes the step at the moment it is handed out and checks once more that it may be.
	Build func(context.Context) (*protocol.Step, error)
}

// Book is safe for use by many goroutines.
type Book struct {
	mu    sync.Mutex
	boots map[string]*entry
}

type entry struct {
	facts journey.AgentFacts
	want  *Want
	ended bool
	// sequence is the newest request's; an older one that arrives later says nothing new.
	sequence int64
	// changed is closed and replaced when want or ended change.
	changed chan struct{}
	touched time.Time
}

// silence is longer than the time between two exchanges of an agent that is well (30 s), and shorter than decisions wait for one that is not.
const silence = time.Minute

// New gives an empty book.
func New() *Book { return &Book{boots: map[string]*entry{}} }

// Heard takes in what an agent says. It reports whether the controller should look at once: the agent is new, began or ended something.
func (b *Book) Heard(r protocol.ExchangeRequest, now time.Time) (news bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e, known := b.boots[r.BootID], false
	if e != nil {
		known = !e.facts.LastSeen.IsZero()
	} else {
		e = b.add(r.BootID, now)
	}
	if r.Sequence != 0 && r.Sequence < e.sequence {
		return false
	}
	e.sequence = r.Sequence
	// One that comes back after a silence may be waited for.
	known = known && now.Sub(e.facts.LastSeen) < silence
	news = !known || e.facts.StepID != r.StepID || e.facts.Phase != r.Phase || (r.Outcome != nil && e.facts.Outcome == nil)
	e.touched = now
	e.facts = journey.AgentFacts{BootID: r.BootID, LastSeen: now, StepID: r.StepID, Phase: r.Phase, Outcome: r.Outcome, Progress: r.Progress}
	return news
}

// Facts is what the boot's agent last said, nil for one that was not heard.
func (b *Book) Facts(bootID string) *journey.AgentFacts {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.boots[bootID]
	if e == nil || e.facts.LastSeen.IsZero() || e.ended {
		return nil
	}
	f := e.facts
	if e.want != nil {
		f.WantedID = e.want.ID
	}
	return &f
}

// Ask puts a step before the boot's agent, in place of any other.
func (b *Book) Ask(bootID string, w Want, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.boots[bootID]
	if e == nil {
		e = b.add(bootID, now)
	}
	e.touched = now
	if e.want != nil && e.want.ID == w.ID {
		// The controller asks for the same step at every look; an agent that waits already has been woken for it.
		e.want = &w
		return
	}
	e.want = &w
	e.wake()
}

// Withdraw takes back the wanted step unless it is the one named.
func (b *Book) Withdraw(bootID, except string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if e := b.boots[bootID]; e != nil && e.want != nil && e.want.ID != except {
		e.want = nil
	}
}

// End marks a boot as over: its agent is told so at its next exchange, and at once when it waits.
func (b *Book) End(bootID string, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.boots[bootID]
	if e == nil {
		e = b.add(bootID, now)
	}
	if !e.ended {
		e.ended, e.want, e.touched = true, nil, now
		e.wake()
	}
}

// Wanted is what stands in the book for a boot's agent.
type Wanted struct {
	// Ended: the boot is over.
	Ended bool
	// Want is nil for none. Has: the agent has it already, so there is nothing to hand out.
	Want *Want
	Has  bool
	// Changed is closed when this may have changed.
	Changed <-chan struct{}
}

// Wanted says what is wanted of the boot's agent now.
func (b *Book) Wanted(bootID string, now time.Time) Wanted {
	b.mu.Lock()
	defer b.mu.Unlock()
	e := b.boots[bootID]
	if e == nil {
		e = b.add(bootID, now)
	}
	return Wanted{Ended: e.ended, Want: e.want, Has: e.want != nil && e.facts.StepID == e.want.ID, Changed: e.changed}
}

// Working is how many agents have a step before them.
func (b *Book) Working() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	n := 0
	for _, e := range b.boots {
		if e.want != nil {
			n++
		}
	}
	return n
}

// Forget drops what was not touched since the given time. An agent that comes back is heard anew.
func (b *Book) Forget(before time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for id, e := range b.boots {
		if e.touched.Before(before) {
			delete(b.boots, id)
		}
	}
}

func (b *Book) add(bootID string, now time.Time) *entry {
	e := &entry{changed: make(chan struct{}), touched: now}
	b.boots[bootID] = e
	return e
}

func (e *entry) wake() {
	close(e.changed)
	e.changed = make(chan struct{})
}
