package fake

import (
	"context"
	"slices"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// SetHealth changes how the machine is, and says so as an event where the rollup changed.
func (b *BMC) SetHealth(r health.Reading) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.health.Rollup != r.Rollup {
		b.emit(event.Event{Kind: event.Health, MessageID: "ResourceEvent.1.3.ResourceStatusChanged", Level: r.Rollup})
	}
	b.health = r
}

type healthPart struct{ s *session }

// Vitals implements bmc.Health.
func (h healthPart) Vitals(ctx context.Context) (out bmc.Vitals, err error) {
	b := h.s.b
	err = h.s.call(ctx, "read power state", func() error {
		out = bmc.Vitals{Power: b.shownState(), Rollup: b.health.Rollup}
		return nil
	})
	return out, err
}

// Sensors implements bmc.Health.
func (h healthPart) Sensors(ctx context.Context) (out []health.Sensor, err error) {
	err = h.s.call(ctx, "read sensors", func() error { out = slices.Clone(h.s.b.health.Sensors); return nil })
	return out, err
}

// Log implements bmc.Health.
func (h healthPart) Log(ctx context.Context, most int) (out []health.Entry, err error) {
	err = h.s.call(ctx, "read event log", func() error {
		out = slices.Clone(h.s.b.health.Log)
		out = out[:min(len(out), max(most, 0))]
		return nil
	})
	return out, err
}

// shownState is the power state of one reading. It is called with mu held.
func (b *BMC) shownState() bmc.PowerState {
	if b.stale > 0 {
		b.stale--
		return b.shown
	}
	return state(b.on)
}
