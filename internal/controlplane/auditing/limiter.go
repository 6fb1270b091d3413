package auditing

import (
	"strconv"
	"sync"
	"time"
)

// Requests that nobody authenticated are kept up to so many a second, and so many at once: whoever reaches the port could else push the older entries out by filling the disk.
const (
	unknownRate  = 5
	unknownBurst = 50
)

// limiter is a token bucket. The zero limiter is full at its first use.
type limiter struct {
	mu      sync.Mutex
	begun   bool
	tokens  float64
	at      time.Time
	dropped uint64
}

// take says whether one more is kept, and how many were not since the last one that was.
func (l *limiter) take(now time.Time) (dropped string, kept bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.begun {
		l.begun, l.tokens, l.at = true, unknownBurst, now
	}
	l.tokens = min(unknownBurst, l.tokens+now.Sub(l.at).Seconds()*unknownRate)
	l.at = now
	if l.tokens < 1 {
		l.dropped++
		return "", false
	}
	l.tokens--
	if l.dropped > 0 {
		dropped = strconv.FormatUint(l.dropped, 10) + " more were not kept"
		l.dropped = 0
	}
	return dropped, true
}
