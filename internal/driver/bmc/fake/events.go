package fake

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strconv"
	"sync"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/step"
)

// eventState is what a BMC knows of who hears its events. Guarded by BMC.mu.
type eventState struct {
	subscriptions []bmc.Subscription
	nextID        int
	streams       []*stream
	opened        int
}

// maxSubscriptions is how many a BMC takes.
const maxSubscriptions = 8

// Subscriptions are the receivers that the BMC has, with their headers.
func (b *BMC) Subscriptions() []bmc.Subscription {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.events.subscriptions)
}

// ForgetSubscriptions is what a reset of the BMC to its defaults does.
func (b *BMC) ForgetSubscriptions() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.events.subscriptions = nil
}

// Streams is how many streams are open, and how many were opened ever.
func (b *BMC) Streams() (open, ever int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.events.streams), b.events.opened
}

// BreakStreams ends all open streams, as a BMC does that restarts.
func (b *BMC) BreakStreams() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.events.streams {
		s.end()
	}
	b.events.streams = nil
}

// Emit sends an event to the open streams.
func (b *BMC) Emit(e event.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.emit(e)
}

// emit is called with mu held. A stream that is not read loses events, as everywhere.
func (b *BMC) emit(e event.Event) {
	for _, s := range b.events.streams {
		select {
		case s.queue <- e:
		default:
		}
	}
}

// setPower is called with mu held.
func (b *BMC) setPower(on bool) {
	if b.on != on {
		b.emit(event.Event{Kind: event.Power, MessageID: "ResourceEvent.1.3.ResourcePowered" + map[bool]string{true: "On", false: "Off"}[on], Origin: "/redfish/v1/Systems/1", Level: health.OK})
	}
	b.on = on
}

// stream implements bmc.EventStream.
type stream struct {
	b     *BMC
	queue chan event.Event
	ended chan struct{}
	end   func()
}

// Next implements bmc.EventStream.
func (s *stream) Next() (event.Event, error) {
	select {
	case e := <-s.queue:
		return e, nil
	case <-s.ended:
		return event.Event{}, s.b.failure("read event stream", step.Unreachable, "the stream ended", "")
	}
}

// Close implements bmc.EventStream.
func (s *stream) Close() error {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.events.streams = slices.DeleteFunc(s.b.events.streams, func(o *stream) bool { return o == s })
	s.end()
	return nil
}

type events struct{ s *session }

// Subscribe implements bmc.Events.
func (o events) Subscribe(ctx context.Context, sub bmc.Subscription) (id string, err error) {
	const op = "subscribe to events"
	b := o.s.b
	err = o.s.call(ctx, op, func() error {
		u, err := url.Parse(sub.Destination)
		switch {
		case err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https"):
			return b.failure(op, step.Invalid, "the destination must be an http or https URL", "")
		case len(b.events.subscriptions) >= maxSubscriptions:
			return b.failure(op, step.Busy, "the BMC has no place for another subscription", "")
		}
		b.events.nextID++
		sub.ID = strconv.Itoa(b.events.nextID)
		id = sub.ID
		b.events.subscriptions = append(b.events.subscriptions, sub)
		return nil
	})
	return id, err
}

// Find implements bmc.Events.
func (o events) Find(ctx context.Context, id string) (out bmc.Subscription, found bool, err error) {
	err = o.s.call(ctx, "read event subscription", func() error {
		for _, s := range o.s.b.events.subscriptions {
			if s.ID == id {
				out, found = s, true
			}
		}
		return nil
	})
	out.Headers = nil
	return out, found, err
}

// List implements bmc.Events.
func (o events) List(ctx context.Context) (out []bmc.Subscription, err error) {
	err = o.s.call(ctx, "list event subscriptions", func() error {
		for _, s := range o.s.b.events.subscriptions {
			s.Headers = nil
			out = append(out, s)
		}
		return nil
	})
	return out, err
}

// Unsubscribe implements bmc.Events.
func (o events) Unsubscribe(ctx context.Context, id string) error {
	return o.s.call(ctx, "unsubscribe from events", func() error {
		o.s.b.events.subscriptions = slices.DeleteFunc(o.s.b.events.subscriptions, func(s bmc.Subscription) bool { return s.ID == id })
		return nil
	})
}

// SubmitTest implements bmc.Events.
func (o events) SubmitTest(ctx context.Context, message string) error {
	return o.s.call(ctx, "submit test event", func() error {
		o.s.b.emit(event.Event{Kind: event.Test, MessageID: "Base.1.18.TestMessage", Message: message})
		return nil
	})
}

// Stream implements bmc.Events.
func (o events) Stream(ctx context.Context) (out bmc.EventStream, err error) {
	const op = "open event stream"
	b := o.s.b
	err = o.s.call(ctx, op, func() error {
		if b.config.NoEventStream {
			return b.failure(op, step.Unsupported, "the BMC has no event stream", "")
		}
		s := &stream{b: b, queue: make(chan event.Event, 64), ended: make(chan struct{})}
		s.end = sync.OnceFunc(func() { close(s.ended) })
		b.events.streams = append(b.events.streams, s)
		b.events.opened++
		out = s
		return nil
	})
	if err == nil && out == nil {
		return nil, errors.New("the fault on order took the stream")
	}
	return out, err
}

// Idle says whether no call is under way.
func (b *BMC) Idle() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.under == 0
}
