package event

import "time"

// Gate is the pace of readings that events cause: a few at once, one a minute in the long run, and some seconds between two. Its zero value is full.
type Gate struct {
	spent   float64
	counted time.Time
}

const (
	// burst is how many readings may come close together: a restart is three or four events over a minute.
	burst = 6
	// refill is how often one more may come: it is the rate of the polling that the events replace.
	refill = time.Minute
	// apart is the least time between two readings: the events of one change come together.
	apart = 3 * time.Second
)

// Next says how long a reading must wait for an event that came now, and what the gate is after it. A caller that waits already for an earlier event asks for nothing more.
func (g Gate) Next(now time.Time) (Gate, time.Duration) {
	since := now.Sub(g.counted)
	if since > 0 && !g.counted.IsZero() {
		g.spent = max(0, g.spent-float64(since)/float64(refill))
	}
	var wait time.Duration
	if !g.counted.IsZero() && since < apart {
		wait = apart - max(since, -apart)
	}
	if over := g.spent + 1 - burst; over > 0 {
		wait = max(wait, time.Duration(over*float64(refill)))
	}
	g.spent++
	g.counted = now.Add(wait)
	if wait > 0 {
		g.spent = max(0, g.spent-float64(wait)/float64(refill))
	}
	return g, wait
}

const (
	// steady is how long a stream must have lived to count as good.
	steady = 10 * time.Minute
	// The pauses before a stream is opened again. A stream that breaks every time costs more requests than it saves, so the pause grows to an hour.
	firstPause = time.Minute
	lastPause  = time.Hour
	// unsupported is how long a BMC that has no stream is left alone: its firmware may be updated.
	unsupported = 12 * time.Hour
)

// Reopen says how long to wait before a stream that ended is opened again, and how many bad ones there were in a row. lived is how long it was open, 0 where it could not be opened.
func Reopen(bad int, lived time.Duration) (pause time.Duration, nowBad int) {
	if lived >= steady {
		return firstPause, 0
	}
	pause = firstPause
	for range min(bad, 10) {
		pause = min(2*pause, lastPause)
	}
	return pause, bad + 1
}

// NoStream is the pause after a BMC said that it has none.
func NoStream() time.Duration { return unsupported }

// rests is how long a host must have been at rest before a stream is opened for it: a host on its way through its states is talked to all the time anyway, and a fleet that is created,
// provisioned and deleted within minutes opens none.
const rests = time.Minute

// Worthwhile says whether a stream is worth opening for a host that has been at rest since then.
func Worthwhile(restsSince, now time.Time) bool {
	return !restsSince.IsZero() && now.Sub(restsSince) >= rests
}
