package agent

import (
	"net/http"
	"time"
)

const (
	// mediumTrust is how long after its window opened a boot can be under way; a clock that is later is wrong.
	mediumTrust = 24 * time.Hour
	// mediumSlack is how far a right clock may be behind the clock of the role that opened the window.
	mediumSlack = time.Minute
	// clockSlack is how far the clock may be off before it is set; the Date header counts seconds.
	clockSlack = 3 * time.Second
)

// setClockFromMedium takes the time of the boot medium where the machine's own is far from it. The medium is as trusted as the CA that it pins.
func (a *agent) setClockFromMedium() {
	issued := a.config.IssuedAt
	if issued.IsZero() {
		return
	}
	now := a.clock.Now()
	if now.Before(issued.Add(-mediumSlack)) || now.After(issued.Add(mediumTrust)) {
		a.setClock(issued, "boot medium")
	}
}

// adoptTimeOf moves the clock forward to the time that a refused handshake proves, and says whether it did.
func (a *agent) adoptTimeOf(err error) bool {
	at := a.trust.provenTime(err)
	if at.IsZero() || !at.After(a.clock.Now()) {
		return false
	}
	a.setClock(at, "server certificate")
	// A clock that cannot be set must not make the caller try again at once.
	return !a.clock.Now().Before(at)
}

// setClockFromAnswer takes the partition role's time, which came over an authenticated connection.
func (a *agent) setClockFromAnswer(h http.Header) {
	date, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return
	}
	if off := a.clock.Now().Sub(date); off > clockSlack || off < -clockSlack {
		a.setClock(date, "partition role")
	}
}

func (a *agent) setClock(to time.Time, source string) {
	was := a.clock.Now()
	if err := a.clock.Set(to); err != nil {
		a.logger.Warn("Clock is wrong and cannot be set", "before", was, "source", source, "after", to, "err", err)
		return
	}
	a.logger.Info("Clock set", "before", was.UTC().Format(time.RFC3339), "after", to.UTC().Format(time.RFC3339), "source", source)
}
