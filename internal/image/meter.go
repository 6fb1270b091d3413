package image

import (
	"time"

	"github.com/ingotmetal/ingot/internal/image/qcow2"
	"github.com/ingotmetal/ingot/step"
)

const (
	reportEvery = 300 * time.Millisecond
	// rateOver is the time over which the rate is taken.
	rateOver = 5 * time.Second
)

// meter turns counts of bytes into progress.
type meter struct {
	now     func() time.Time
	report  func(step.Progress)
	last    step.Progress
	samples []sample
}

type sample struct {
	at    time.Time
	bytes int64
}

func newMeter(now func() time.Time, report func(step.Progress)) *meter {
	if now == nil {
		now = time.Now
	}
	if report == nil {
		report = func(step.Progress) {}
	}
	return &meter{now: now, report: report}
}

// phase begins a phase; total is 0 while unknown.
func (m *meter) phase(name string, total int64) {
	m.last.Phase, m.last.UpdatedAt, m.last.SecondsLeft = name, m.now(), 0
	if total > 0 {
		m.last.TotalBytes = total
	}
	m.report(m.last)
}

// done says how far the phase is, and reports it when the last report is old enough.
func (m *meter) done(bytes int64) {
	now := m.now()
	if now.Sub(m.last.UpdatedAt) < reportEvery {
		return
	}
	m.samples = append(m.samples, sample{now, bytes})
	for len(m.samples) > 2 && now.Sub(m.samples[1].at) >= rateOver {
		m.samples = m.samples[1:]
	}
	m.last.DoneBytes, m.last.UpdatedAt = bytes, now
	first := m.samples[0]
	if d := now.Sub(first.at); d > 0 {
		m.last.BytesPerSecond = max(0, int64(float64(bytes-first.bytes)/d.Seconds()))
	}
	m.last.SecondsLeft = 0
	if left := m.last.TotalBytes - bytes; left > 0 && m.last.BytesPerSecond > 0 {
		m.last.SecondsLeft = left/m.last.BytesPerSecond + 1
	}
	m.report(m.last)
}

// metered is the sink of a qcow2 pass, with progress.
type metered struct {
	*sink
	meter *meter
	pass  *pass
}

// Commit implements qcow2.Output.
func (m metered) Commit(n int) error {
	m.meter.done(m.pass.consumed())
	return m.sink.Commit(n)
}

var _ qcow2.Output = metered{}
