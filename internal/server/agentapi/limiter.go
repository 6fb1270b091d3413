package agentapi

import (
	"net"
	"net/http"
	"sync"
	"time"
)

// maxSources bounds the memory of a limiter; the sequences of boots have the same bound.
const maxSources = 4096

// limiter counts refusals by key: a bucket that each refusal fills by one and time empties.
type limiter struct {
	// burst refusals are free, then one per every.
	burst float64
	every time.Duration

	mu      sync.Mutex
	buckets map[string]bucket
}

type bucket struct {
	fill float64
	at   time.Time
}

// newSourceLimiter counts by source address. It is wide, since all machines behind a relay or in a lab may share an address; it keeps a flood from
// costing more than a look into a map.
func newSourceLimiter() *limiter {
	return &limiter{burst: 200, every: 100 * time.Millisecond, buckets: map[string]bucket{}}
}

// newBootLimiter counts by source and boot: enough for a machine that lost its boot, too few to guess at one.
func newBootLimiter() *limiter {
	return &limiter{burst: 10, every: 6 * time.Second, buckets: map[string]bucket{}}
}

// allows says whether a key may try.
func (l *limiter) allows(key string, now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.drained(l.buckets[key], now).fill <= l.burst-1
}

// note counts a refusal.
func (l *limiter) note(key string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b := l.drained(l.buckets[key], now)
	b.fill++
	l.buckets[key] = b
	if len(l.buckets) <= maxSources {
		return
	}
	// Empty ones go first; if none is, all go: many keys at once are an attack that counting does not stop.
	for k, b := range l.buckets {
		if l.drained(b, now).fill == 0 {
			delete(l.buckets, k)
		}
	}
	if len(l.buckets) > maxSources {
		clear(l.buckets)
	}
}

func (l *limiter) drained(b bucket, now time.Time) bucket {
	if passed := now.Sub(b.at); passed > 0 {
		b.fill = max(0, b.fill-passed.Seconds()/l.every.Seconds())
	}
	b.at = now
	return b
}

// sourceOf is the address that a request came from.
func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// sequences remembers the newest exchange of each boot.
type sequences struct {
	mu    sync.Mutex
	boots map[string]sequence
}

type sequence struct {
	number int64
	at     time.Time
}

// sequenceAge is when a boot that said nothing is forgotten.
const sequenceAge = 24 * time.Hour

func newSequences() *sequences { return &sequences{boots: map[string]sequence{}} }

// accept says whether a request is the newest of its boot so far. Requests without a number are accepted.
func (q *sequences) accept(bootID string, number int64, now time.Time) bool {
	if number == 0 {
		return true
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if number <= q.boots[bootID].number {
		return false
	}
	q.boots[bootID] = sequence{number, now}
	if len(q.boots) > maxSources {
		for id, s := range q.boots {
			if now.Sub(s.at) > sequenceAge {
				delete(q.boots, id)
			}
		}
	}
	return true
}
