package agent

import (
	"time"

	"github.com/ingotmetal/ingot/step"
)

// meterWindow is how far back the rate looks.
const meterWindow = 10 * time.Second

// meter makes a rate and a time left of the byte counts that a step reports.
type meter struct {
	clock Clock
	last  *step.Progress
	// marks are earlier counts of the same phase, oldest first, about one a second.
	marks []mark
}

type mark struct {
	at   time.Time
	done int64
}

func newMeter(c Clock) meter { return meter{clock: c} }

// add takes a report. A step that works out its own rate says when; for others it is worked out here of Phase, DoneBytes and TotalBytes.
func (m *meter) add(p step.Progress) {
	if !p.UpdatedAt.IsZero() {
		m.last = &p
		return
	}
	now := time.Now()
	if m.last != nil && (m.last.Phase != p.Phase || p.DoneBytes < m.last.DoneBytes) {
		m.marks = m.marks[:0]
	}
	if n := len(m.marks); n == 0 || now.Sub(m.marks[n-1].at) >= time.Second {
		m.marks = append(m.marks, mark{now, p.DoneBytes})
	}
	for len(m.marks) > 2 && now.Sub(m.marks[1].at) >= meterWindow {
		m.marks = append(m.marks[:0], m.marks[1:]...)
	}
	p.BytesPerSecond, p.SecondsLeft = 0, 0
	if passed := now.Sub(m.marks[0].at).Seconds(); passed > 0 {
		p.BytesPerSecond = int64(float64(p.DoneBytes-m.marks[0].done) / passed)
	}
	if left := p.TotalBytes - p.DoneBytes; left > 0 && p.BytesPerSecond > 0 {
		p.SecondsLeft = (left + p.BytesPerSecond - 1) / p.BytesPerSecond
	}
	p.UpdatedAt = m.clock.Now().UTC()
	m.last = &p
}

// progress is the last report, nil before the first.
func (m *meter) progress() *step.Progress {
	if m.last == nil {
		return nil
	}
	p := *m.last
	return &p
}
