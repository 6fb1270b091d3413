// Package lifecycle joins the stages to the host's whole life: which stage decides for which provisioning state, and what comes before every stage.
//
// It owns the table state -> stage and the order of what cuts across: paused, restored status, hardware details given by annotation, deletion, detachment,
// registration after changed credentials, then the stage. It refuses decisions of one stage: those are in discover, inspect, prepare, provision, run
// and clean, which know nothing of each other.
package lifecycle

import (
	"time"

	"github.com/ingotmetal/ingot/journey"
)

// Decide is the one entry point: all facts in, one step forward out.
func Decide(f journey.Facts, now time.Time) journey.Decision {
	return journey.Decision{Host: f.Host.DeepCopy(), Record: *f.Record.DeepCopy(), Outcome: journey.Outcome{Kind: journey.Done, NextAttempt: now.Add(time.Minute)}}
}
