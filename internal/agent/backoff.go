package agent

import (
	"context"
	"math/rand/v2"
	"time"
)

// backOff doubles from min to max. A wait is between half and the whole of the step, so that a thousand agents that lost their endpoint at the same moment come
// back spread out.
type backOff struct {
	min, max time.Duration
	step     time.Duration
}

func (b *backOff) reset() { b.step = 0 }

func (b *backOff) next() time.Duration {
	b.step = min(max(b.step*2, b.min), b.max)
	return b.step/2 + rand.N(b.step/2+1)
}

// pause waits for d, the context's end or a wake-up, which may be nil.
func pause(ctx context.Context, d time.Duration, wake <-chan struct{}) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-wake:
	case <-t.C:
	}
}
