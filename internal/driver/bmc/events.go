package bmc

import (
	"context"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/internal/secret"
)

// The capabilities around events and health.
const (
	// CanEvents: the BMC sends events to receivers that it is told of. Whether it also sends them over a connection that we open shows when one is opened: to ask before would be one more
	// request to every BMC.
	CanEvents Capability = "events"
	CanHealth Capability = "health"
)

// Subscription is a receiver of a BMC's events.
type Subscription struct {
	// ID is the BMC's; empty before it is made.
	ID string
	// Destination is an http or https URL. Context comes back with every event.
	Destination, Context string
	// Headers are sent with every event. A BMC takes them and never shows them again.
	Headers map[string]secret.String
}

// Same says whether two subscriptions send to the same place with the same context.
func (s Subscription) Same(o Subscription) bool {
	return s.Destination == o.Destination && s.Context == o.Context
}

// Events tells a BMC where to send its events, and opens streams of them.
type Events interface {
	// Subscribe makes a subscription and returns its ID. It is not idempotent: List first, where an earlier call may have come through.
	Subscribe(ctx context.Context, s Subscription) (id string, err error)
	// Find reads one; found is false where the BMC has none of that ID.
	Find(ctx context.Context, id string) (s Subscription, found bool, err error)
	List(ctx context.Context) ([]Subscription, error)
	// Unsubscribe of one that is not there is no error.
	Unsubscribe(ctx context.Context, id string) error
	// SubmitTest has the BMC send a test event to everybody; Unsupported where it cannot.
	SubmitTest(ctx context.Context, message string) error
	// Stream opens a stream of the BMC's events; ctx bounds the opening. Unsupported where the BMC has none. The stream outlives the call, not the session: use Pool.Stream.
	Stream(ctx context.Context) (EventStream, error)
}

// EventStream is an open stream. An event may be lost at any time, and none is a fact: it is a reason to read.
type EventStream interface {
	// Next waits for an event. After an error the stream is over; nothing else tells that the BMC is gone, and that may take the network minutes.
	Next() (event.Event, error)
	// Close ends the stream and a Next that waits.
	Close() error
}
