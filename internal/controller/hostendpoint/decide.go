package hostendpoint

import (
	"fmt"
	"time"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
)

// step is what is done next about an endpoint.
type step int

const (
	// leave: nothing is on trial, or it is decided.
	leave step = iota
	// dial: a generation is on trial and not confirmed.
	dial
	// confirm: a generation is on trial, and was reached through.
	confirm
)

// attempt is one dial that came to be.
type attempt struct {
	generation     int64
	deadline       time.Time
	began, reached time.Time
}

// decide says what an endpoint's status asks for. Done is the last dial that came to be, nil before there was one.
func decide(s api.HostEndpointStatus, done *attempt, now time.Time) (step, string) {
	switch t := s.Trial; {
	case t == nil:
		return leave, "nothing is on trial"
	case s.Phase != api.PhaseTrial:
		return leave, fmt.Sprintf("the host says %q of generation %d", s.Phase, t.Generation)
	case s.Confirmed == t.Generation:
		return leave, fmt.Sprintf("generation %d is confirmed", t.Generation)
	case !now.Before(t.Deadline.Time):
		return leave, fmt.Sprintf("the trial of generation %d is over", t.Generation)
	case done == nil:
		return dial, ""
	case done.generation != t.Generation || !done.deadline.Equal(t.Deadline.Time):
		return dial, fmt.Sprintf("generation %d was reached through, and generation %d is on trial by now", done.generation, t.Generation)
	case done.reached.Before(done.began) || !done.reached.Before(t.Deadline.Time):
		return leave, fmt.Sprintf("the host was reached after the trial of generation %d was over", t.Generation)
	default:
		return confirm, ""
	}
}
