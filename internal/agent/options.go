package agent

import (
	"log/slog"
	"time"

	"github.com/ingotmetal/ingot/netboot/medium"
)

// Options are what an agent needs to live.
type Options struct {
	// Config is what the boot medium says.
	Config medium.Config
	// Hardware is the machine.
	Hardware Hardware
	// Dial opens the agent's connections.
	Dial Dial
	// Clock is the machine's clock; nil: the process's clock, which cannot be set.
	Clock Clock
	// Log takes the agent's lines and keeps those that are not yet shipped; nil: a new one that prints nowhere.
	Log *Log
	// Version names this build of the agent.
	Version string
	// Timing changes the intervals; the zero value is right for real machines.
	Timing Timing
}

// Timing holds the agent's intervals. A zero field takes the default that is named.
type Timing struct {
	// IdleWait is how long an exchange may be held by the server when nothing is under way: 30 s.
	IdleWait time.Duration
	// BackOffMin and BackOffMax bound the wait after a failed request: 500 ms and 30 s. A request is tried for as long as the agent lives.
	BackOffMin, BackOffMax time.Duration
	// RefusedFor is how long an agent whose enrolment is refused goes on asking before it turns the machine off: 15 min.
	RefusedFor time.Duration
}

// processClock is the process's own clock.
type processClock struct{}

func (processClock) Now() time.Time { return time.Now() }

// Set does nothing: a process that is not the machine's init has no business with its clock.
func (processClock) Set(time.Time) error { return nil }

// discardLog is where an agent without a console prints.
func discardLog() *Log { return NewLog(slog.DiscardHandler) }
