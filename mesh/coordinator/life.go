package coordinator

import (
	"sync"
	"testing"
)

// life is how long headscale's workers run. Headscale starts them by itself only in Serve, which opens sockets and takes over the process's signals; without it they are reached through two functions that ask for a
// testing.TB, of which they use Helper and Cleanup. The embedded interface is nil: any other method of it would panic, in the first second of the process.
type life struct {
	testing.TB
	mu   sync.Mutex
	ends []func()
}

// Helper does nothing.
func (*life) Helper() {}

// Cleanup keeps what ends a worker.
func (l *life) Cleanup(end func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, end)
}

func (l *life) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := len(l.ends) - 1; i >= 0; i-- {
		l.ends[i]()
	}
	l.ends = nil
}
