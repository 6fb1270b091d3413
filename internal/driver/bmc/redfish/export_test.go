package redfish

import (
	"context"
	"io"
	"time"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish/sse"
)

// SetSettle replaces the wait of a quirk, so that tests see it asked for and do not wait.
func (d *Driver) SetSettle(f func(ctx context.Context, d time.Duration) error) { d.settle = f }

// WithoutQuirks makes the driver treat every make as one by the book.
func (d *Driver) WithoutQuirks() { d.quirks = nil }

// ReadStream reads a stream of server-sent events to its end, as a stream does, and gives the events that it held.
func ReadStream(r io.Reader) (out []event.Event, err error) {
	stream := sse.New(r)
	for {
		data, err := stream.Next()
		if err != nil {
			return out, err
		}
		out = append(out, parseEvents(data)...)
	}
}
