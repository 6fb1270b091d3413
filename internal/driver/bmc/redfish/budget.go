package redfish

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/ingotmetal/ingot/step"
)

// Stats counts what one BMC was asked.
type Stats struct {
	// Requests counts HTTP requests, Logins those among them that made a session, Failures those without a 2xx or 3xx answer.
	Requests, Logins, Failures int64
	// Waited is the time spent waiting for the budget.
	Waited time.Duration
}

// budgets holds one budget per BMC. A BMC is a host and port: several systems behind one BMC, and several logins, share it.
type budgets struct {
	mu sync.Mutex
	by map[string]*budget
}

func (b *budgets) of(hostPort string, o Options) *budget {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by == nil {
		b.by = map[string]*budget{}
	}
	got, ok := b.by[hostPort]
	if !ok {
		got = &budget{
			limiter: rate.NewLimiter(rate.Limit(o.CallsPerSecond), o.Burst),
			slots:   make(chan struct{}, o.Concurrency),
		}
		b.by[hostPort] = got
	}
	return got
}

func (b *budgets) stats(hostPort string) Stats {
	b.mu.Lock()
	got := b.by[hostPort]
	b.mu.Unlock()
	if got == nil {
		return Stats{}
	}
	return Stats{
		Requests: got.requests.Load(), Logins: got.logins.Load(), Failures: got.failures.Load(), Waited: time.Duration(got.waited.Load()),
	}
}

func (b *budgets) forget(hostPort string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.by, hostPort)
}

// budget is the token bucket and the concurrency limit of one BMC.
type budget struct {
	limiter *rate.Limiter
	slots   chan struct{}

	requests, logins, failures, waited atomic.Int64
}

// take waits for one call of the budget.
func (b *budget) take(ctx context.Context) error {
	start := time.Now()
	defer func() { b.waited.Add(int64(time.Since(start))) }()
	if err := b.limiter.Wait(ctx); err != nil {
		if end, has := ctx.Deadline(); has && !time.Now().Before(end) {
			<-ctx.Done() // the limiter saw the deadline a moment before the context did
		}
		if ctx.Err() != nil {
			return gaveUp(ctx)
		}
		return faultf(step.Busy, "the call budget of this BMC (%.3g calls a second) has no call left before the deadline", float64(b.limiter.Limit()))
	}
	b.requests.Add(1)
	return nil
}

// enter waits for one of the slots; leave gives it back.
func (b *budget) enter(ctx context.Context) error {
	select {
	case b.slots <- struct{}{}:
		return nil
	case <-ctx.Done():
		return gaveUp(ctx)
	}
}

func (b *budget) leave() { <-b.slots }
