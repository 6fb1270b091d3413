// Package power brings a machine's power to where it should be, and says why when it does not get there.
//
// It owns one change of power: asked for once, watched, a soft one turned into a hard one after its grace, a hard one that does nothing counted as a failure. It
// refuses to know why: the stages say what they want (spec.online, a reboot annotation, an end of the agent, a deletion).
//
// Invariants: what was asked for and when is in the record before the BMC is asked (Record.PowerChange), so that a restart neither asks again at once nor
// starts the grace anew; nothing is changed on a reading older than maxAge.
package power

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const (
	// PollEvery is how often the power of a machine at rest is read, as in Metal3.
	PollEvery = time.Minute
	// ListenEvery is the same while the BMC's events are heard: a stream may die without a word, and an event may be lost.
	ListenEvery = 10 * time.Minute
	// watchEvery is how often it is read while it changes.
	watchEvery = 5 * time.Second
	// unclearEvery is how often it is read while the BMC does not say, as in the seconds of a change.
	unclearEvery = 2 * time.Second
	// softGrace is what an operating system gets to shut down.
	softGrace = 3 * time.Minute
	// hardGrace is what a BMC gets to do what it accepted.
	hardGrace = 2 * time.Minute
	// settles is how long after a moment a reading must be to speak of the time after it: objects hold whole seconds, and a BMC may answer from what it knew a second ago.
	settles = 2 * time.Second
	// maxAge is the age beyond which a reading is too old to act on.
	maxAge = PollEvery
)

// Want is what the power should be.
type Want struct {
	State journey.PowerState
	// Soft: ask the operating system first; for off only.
	Soft bool
	// Why is for people: "online is false".
	Why string
	// Drive is brought into order by a turn on.
	Drive journey.Drive
	// Since is when the power was asked to go there. A reading that agrees, without a change that was asked for, counts only from settles after it: an older one speaks of another time, and
	// what it would save is what was asked for. Zero: any fresh reading will do.
	Since time.Time
}

// Next is when the power of a machine at rest is read again.
func Next(d *journey.Draft) time.Time {
	if d.Facts.Listening {
		return d.Now.Add(ListenEvery)
	}
	return d.Now.Add(PollEvery)
}

// Align does the next thing on the way to w. aligned is true when a fresh reading agrees; then the decision is empty and an earlier power
// management error is over.
func Align(d *journey.Draft, w Want) (dec journey.Decision, aligned bool) {
	change := d.Record.PowerChange
	if dec, failed := changeFailed(d, w); failed {
		return dec, false
	}
	r := d.Power()
	limit := maxAge
	if change != nil {
		limit = watchEvery
	}
	if change == nil && r.State == w.State && d.Facts.Listening {
		// Nothing is to be changed, and a change would have been heard of.
		limit = ListenEvery
	}
	if stale(r, d.Now, limit) {
		return read(d)
	}
	if r.State == w.State && change == nil && !w.Since.IsZero() && r.ReadAt.Before(w.Since.Add(settles)) {
		return readAgain(d, r.State), false
	}
	if r.State == w.State {
		d.Record.PowerChange = nil
		d.Overcome(metal3.PowerManagementError)
		return journey.Decision{}, true
	}
	if change == nil || change.Want != string(w.State) {
		return ask(d, w), false
	}
	return watch(d, w), false
}

// read asks for a reading; one that said nothing is repeated after a while.
func read(d *journey.Draft) (journey.Decision, bool) {
	if d.Succeeded(journey.ReadPower{}) {
		return d.Wait(journey.ReasonReadingPower, "the BMC does not say whether the machine is on", d.Now.Add(unclearEvery), time.Time{}), false
	}
	return d.Act(journey.ReadPower{}, journey.ReasonReadingPower, "reading the power state"), false
}

// readAgain asks once more for a reading that may be from before it mattered.
func readAgain(d *journey.Draft, s journey.PowerState) journey.Decision {
	if d.Succeeded(journey.ReadPower{}) {
		return d.Wait(journey.ReasonReadingPower, fmt.Sprintf("the BMC says that the machine is %s; it is asked again, since that may be old", s), d.Now.Add(unclearEvery), time.Time{})
	}
	return d.Act(journey.ReadPower{}, journey.ReasonReadingPower, "reading the power state")
}

func stale(r journey.PowerReading, now time.Time, limit time.Duration) bool {
	return r.State == journey.PowerUnknown || now.Sub(r.ReadAt) >= limit
}

func ask(d *journey.Draft, w Want) journey.Decision {
	d.Record.PowerChange = &ingot.PowerChange{Want: string(w.State), Soft: w.Soft, RequestedAt: *d.Stamp()}
	d.WantDrive(w.Drive)
	return d.Act(journey.SetPower{Want: w.State, Soft: w.Soft, Drive: w.Drive}, journey.ReasonPowerChanging, fmt.Sprintf("turning the machine %s: %s", w.State, w.Why))
}

// watch waits for a change that was asked for.
func watch(d *journey.Draft, w Want) journey.Decision {
	change := d.Record.PowerChange
	grace := hardGrace
	if change.Soft {
		grace = softGrace
	}
	deadline := change.RequestedAt.Add(grace)
	switch {
	case d.Now.Before(deadline) && !change.Confirmed:
		// This process does not know whether the BMC was asked; asking twice does no harm, and the grace runs from the first time.
		d.WantDrive(w.Drive)
		return d.Act(journey.SetPower{Want: w.State, Soft: change.Soft, Drive: w.Drive}, journey.ReasonPowerChanging, fmt.Sprintf("turning the machine %s: %s", w.State, w.Why))
	case d.Now.Before(deadline):
		return d.Wait(journey.ReasonPowerChanging, fmt.Sprintf("the machine is turned %s: %s", w.State, w.Why), d.Now.Add(watchEvery), deadline)
	}
	if change.Soft {
		w.Soft = false
		w.Why += "; it did not shut down by itself"
		return ask(d, w)
	}
	d.Record.PowerChange = nil
	return d.Fail(metal3.PowerManagementError, step.Failure{Kind: step.Timeout,
		Message: fmt.Sprintf("the machine is still not %s %s after its BMC accepted the change", w.State, hardGrace),
		Fix:     "look at the machine: its BMC may hang (reset it), or someone holds its power"})
}

// changeFailed turns a soft change that the BMC refused into a hard one. Other failures are the stage's.
func changeFailed(d *journey.Draft, w Want) (journey.Decision, bool) {
	r, change := d.Facts.Result, d.Record.PowerChange
	if r == nil || r.Failure == nil || r.Action != (journey.SetPower{}).Name() || change == nil || !change.Soft ||
		change.Want != string(w.State) {
		return journey.Decision{}, false
	}
	w.Soft = false
	w.Why += "; the soft way failed: " + r.Failure.Message
	return ask(d, w), true
}
