package ipmi

import (
	"context"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/ingotmetal/ingot/step"
)

// budgets holds one call budget per BMC. A BMC is a host and port: all sessions, logins and consoles share it, and a call is a datagram that is sent.
type budgets struct {
	mu sync.Mutex
	by map[string]*rate.Limiter
}

func (b *budgets) of(hostPort string, o Options) *rate.Limiter {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by = map[string]*rate.Limiter{}
	}
	got, ok := b.by[hostPort]
	if !ok {
		got = rate.NewLimiter(rate.Limit(o.CallsPerSecond), o.Burst)
		b.by[hostPort] = got
	}
	return got
}

// meter counts the datagrams of one login against the BMC's budget. A request waits for its call before the library is asked, since a request that is given up must not be sent later; what the library sends beyond
// that, again because no answer came, is owed, and later calls wait for it. While a console is watched the library sends by itself, and each datagram waits.
type meter struct {
	budget *rate.Limiter
	paid   atomic.Bool
	// watch is the console's watch, nil elsewhere.
	watch atomic.Pointer[context.Context]
}

// pay waits for one call.
func (m *meter) pay(ctx context.Context) error {
	if err := m.budget.Wait(ctx); err != nil {
		if end, has := ctx.Deadline(); has && !time.Now().Before(end) {
			<-ctx.Done() // the limiter saw the deadline a moment before the context did
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &fault{step.Busy, fmt.Sprintf("the call budget of this BMC (%.3g calls a second) has no call left before the deadline", float64(m.budget.Limit())), ""}
	}
	m.paid.Store(true)
	return nil
}

// sent is told of each datagram before it goes out.
func (m *meter) sent() error {
	if m.paid.Swap(false) {
		return nil
	}
	watch := m.watch.Load()
	if watch == nil {
		m.budget.ReserveN(time.Now(), 1)
		return nil
	}
	if err := m.budget.Wait(*watch); err != nil {
		// The next call would come after the end of the watch.
		<-(*watch).Done()
		return context.Cause(*watch)
	}
	return nil
}

// metered is a socket whose datagrams are counted. The library writes each at once.
type metered struct {
	net.Conn

	meter *meter
}

// Write implements net.Conn.
func (c metered) Write(b []byte) (int, error) {
	if err := c.meter.sent(); err != nil {
		return 0, err
	}
	return c.Conn.Write(b)
}
