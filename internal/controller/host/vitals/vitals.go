// Package vitals reads a machine's power and health in one look at its BMC.
//
// It owns when the details of its health (sensors, event log) are read beside: package health decides by the rollup and by when that was last done, which is remembered here. It refuses what
// the readings mean: package journey takes them up.
//
// Invariant: a healthy machine costs one request a look.
package vitals

import (
	"context"
	"slices"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
)

// Reader remembers when it read what. It is safe for concurrent use.
type Reader struct {
	mu   sync.Mutex
	last map[types.UID]detailed
}

// detailed is the last look at the details.
type detailed struct {
	rollup health.Level
	at     time.Time
}

// New makes a reader that has read nothing.
func New() *Reader { return &Reader{last: map[types.UID]detailed{}} }

// maxEntries is how much of an event log may explain a machine's state.
const maxEntries = 10

// Read fills in the power and the health. Details that cannot be read are no failure of the look: the power is what it is for.
func (r *Reader) Read(ctx context.Context, s bmc.Session, host types.UID, now func() time.Time, out *journey.ActionResult) error {
	h := s.Health()
	if h == nil {
		state, err := s.Power().State(ctx)
		if err != nil {
			return err
		}
		out.Power = &journey.PowerReading{State: Power(state), ReadAt: now()}
		return nil
	}
	v, err := h.Vitals(ctx)
	if err != nil {
		return err
	}
	at := now()
	out.Power = &journey.PowerReading{State: Power(v.Power), ReadAt: at}
	out.Health = &health.Reading{Rollup: v.Rollup, ReadAt: at}
	if !r.due(host, v.Rollup, at) {
		return nil
	}
	sensors, sensorErr := h.Sensors(ctx)
	log, logErr := h.Log(ctx, maxEntries)
	if sensorErr == nil || logErr == nil {
		out.Health.Sensors, out.Health.Log, out.Health.Detailed = sensors, log, true
	}
	return nil
}

// due says whether the details are worth reading now, and notes that they are read.
func (r *Reader) due(host types.UID, rollup health.Level, at time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := r.last[host]
	if rollup == health.OK {
		delete(r.last, host)
		return false
	}
	if !health.DetailDue(last.rollup, rollup, last.at, at) {
		return false
	}
	r.last[host] = detailed{rollup, at}
	return true
}

// Forget drops a host that is gone.
func (r *Reader) Forget(host types.UID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, host)
}

// Power puts a BMC's word into the decisions': a machine on its way is neither on nor off; the next reading tells.
func Power(s bmc.PowerState) journey.PowerState {
	switch s {
	case bmc.On:
		return journey.PowerOn
	case bmc.Off:
		return journey.PowerOff
	default:
		return journey.PowerUnknown
	}
}

// Tells says whether a BMC is known to send events.
func Tells(b *ingot.BMCStatus) bool {
	return b != nil && slices.Contains(b.Capabilities, journey.CapabilityEvents)
}
