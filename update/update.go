// Package update brings the firmware of a machine's components to what its HostFirmwareComponents ask for.
//
// It owns one run of updates: which is next, that its BMC was asked for it once, how far it is, and that the component has another version afterwards. It refuses when that may be done and how the
// machine is started for it: prepare does it on the way to being offered and boots the agent, run at a start of a provisioned machine that its owner allows; lifecycle follows an
// update that is being written before anything else is decided of its host.
//
// An update is written down before the BMC is asked. When the answer was lost (a crash, a connection that broke) the BMC is not asked again: what it runs is looked for first, and then the
// version tells. All updates of one run share one start of the machine; those of the BMC itself need none, and are verified before the next begins.
//
// Invariants: at most one update is being written; an update whose end is not known is never begun anew before the version was read after it; nothing here changes a machine's power.
package update

import (
	"fmt"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const (
	// followEvery is how often a BMC is asked how far an update is, in its first minute after a tenth of its age and at least followFirst; unansweredRetry how soon again where it did not answer: it may be restarting itself.
	followEvery     = 10 * time.Second
	followFirst     = time.Second
	unansweredRetry = 15 * time.Second
	// Limit is how long an update may take in all; silence how long its BMC may tell nothing of it. Then its end counts as not known.
	Limit   = 2 * time.Hour
	silence = 30 * time.Minute
	// blind is how long an update is left alone whose BMC gives nothing to ask by.
	blind = 15 * time.Minute
	// staging is how long an update may wait at its BMC before it counts as one that begins with the machine's next start.
	staging = time.Minute
	// stagedWithin is how long it may take after that start.
	stagedWithin = 30 * time.Minute
	// inForceWithin is how long the BMC may still show the old version, and be gone for its own restart; readAgain is how often it is asked meanwhile.
	inForceWithin = 10 * time.Minute
	readAgain     = 30 * time.Second
	// percentStep bounds how often progress is written down.
	percentStep = 10
)

// Seen is what the last action told of an update, for the same pass.
type Seen string

// What was seen: Looked, an answer; Unanswered, none; Postponed, the BMC was not asked.
const (
	Nothing    Seen = ""
	Looked     Seen = "looked"
	Unanswered Seen = "unanswered"
	Postponed  Seen = "postponed"
)

// Way is how a stage goes on.
type Way struct {
	// Begin: updates may be begun. Without it those that were begun are brought to their end.
	Begin bool
	// Restarted says whether the machine was started after a time, and when it was up.
	Restarted func(since time.Time) (time.Time, bool)
}

// Next is what comes next; its zero value says that nothing is left to do.
type Next struct {
	// Decision is the stage's.
	Decision *journey.Decision
	// Failure is what went wrong with one update, or with what is asked for.
	Failure *step.Failure
	// Restart, where not zero: the machine has to be started after this time.
	Restart time.Time
}

func act(dec journey.Decision) Next { return Next{Decision: &dec} }

// Able says whether the host's BMC has a service for updates.
func Able(r *ingot.HostLifecycleStatus) bool {
	return r.BMC != nil && slices.Contains(r.BMC.Capabilities, journey.CapabilityComponents)
}

// Follow decides for a host whose BMC is at an update (journey.Writing), whatever else is asked of the host.
func Follow(f journey.Facts, now time.Time) journey.Decision {
	d := journey.Begin(f, now)
	seen := Take(d)
	u := journey.Writing(&d.Record)
	if u == nil {
		return d.Again(journey.ReasonObjectsChanged, "the update of firmware has ended")
	}
	return follow(d, u, seen)
}

// Advance does the next thing on the way.
func Advance(d *journey.Draft, seen Seen, way Way) Next {
	if n, over := settle(d, seen, way); !over {
		return n
	}
	if way.Begin {
		if n, begins := begin(d, seen); begins {
			return n
		}
	}
	return conclude(d, seen, way)
}

// settle follows what is being written, gives failures back, and verifies the BMC's own updates. over: nothing of these is left.
func settle(d *journey.Draft, seen Seen, way Way) (Next, bool) {
	if u := journey.Writing(&d.Record); u != nil {
		return act(follow(d, u, seen)), false
	}
	s := d.Record.Components
	if s == nil {
		return Next{}, true
	}
	for _, u := range s.Updates {
		if u.Failure != "" {
			drop(s, u)
			return Next{Failure: &step.Failure{Kind: step.FailureKind(u.FailureKind), Message: fmt.Sprintf("update of %s: %s", u.Component, u.Failure),
				Fix: "see what the BMC says of it, and correct spec.updates of the HostFirmwareComponents"}}, false
		}
	}
	for _, u := range s.Updates {
		if u.Component == firmware.BMC && u.EndedAt != nil {
			if n, verified := verify(d, u, u.EndedAt.Time, seen); !verified {
				return n, false
			}
		}
	}
	return Next{}, true
}

// begin asks for the next update, after the versions were read and the spec was judged.
func begin(d *journey.Draft, seen Seen) (n Next, begins bool) {
	f := d.Facts.Components
	if !Able(&d.Record) {
		if len(f.Wanted) == 0 {
			return Next{}, false
		}
		return Next{Failure: &step.Failure{Kind: step.Unsupported, Message: "HostFirmwareComponents ask for updates, and this BMC has no service for them",
			Fix: "empty spec.updates of the HostFirmwareComponents, or use the BMC's Redfish address if it has one"}}, true
	}
	s := d.Record.Components
	outstanding := slices.DeleteFunc(f.Outstanding(&d.Record), func(u firmware.Update) bool {
		return slices.ContainsFunc(s.Updates, func(has ingot.UpdateStatus) bool { return has.Component == u.Component })
	})
	if len(outstanding) == 0 && slices.ContainsFunc(s.Updates, func(u ingot.UpdateStatus) bool { return !u.Lost }) {
		return Next{}, false
	}
	switch {
	case s.ReadAt == nil, readBefore(d), !f.Read && len(f.Wanted) > 0 && !d.Succeeded(journey.ReadComponents{}):
		if seen == Unanswered {
			return act(d.Wait(journey.ReasonUpdatingFirmware, "the BMC does not answer after an update; it may be restarting", d.Now.Add(unansweredRetry), time.Time{})), true
		}
		return act(read(d)), true
	}
	if len(outstanding) == 0 {
		return Next{}, false
	}
	if !f.Read {
		return Next{Failure: &step.Failure{Kind: step.Unsupported, Message: "HostFirmwareComponents ask for updates, and this BMC shows no component's version",
			Fix: "empty spec.updates of the HostFirmwareComponents, and update the BMC's own firmware by its pages"}}, true
	}
	if wrong := f.Problems(); len(wrong) > 0 {
		return Next{Failure: &step.Failure{Kind: step.Invalid, Message: "HostFirmwareComponents ask for what cannot be: " + firmware.Listed(wrong),
			Fix: "correct spec.updates of the HostFirmwareComponents"}}, true
	}
	u := outstanding[0]
	if seen == Postponed {
		return act(d.Wait(journey.ReasonUpdatingFirmware, fmt.Sprintf("the image for %s is fetched when those for other machines are", u.Component), d.Now.Add(readAgain), time.Time{})), true
	}
	s.Updates = append(s.Updates, ingot.UpdateStatus{Component: u.Component, URL: u.URL, From: f.Version(u.Component), AskedAt: *d.Stamp()})
	return act(d.Act(journey.StartUpdate{Component: u.Component, URL: u.URL}, journey.ReasonUpdatingFirmware,
		fmt.Sprintf("asking the BMC to update %s, which has version %s", u.Component, f.Version(u.Component)))), true
}

// readBefore: the machine was inspected since, and may be another one inside.
func readBefore(d *journey.Draft) bool {
	end := d.Host.Status.OperationHistory.Inspect.End
	return d.State() == metal3.StatePreparing && !end.IsZero() && d.Record.Components.ReadAt.Before(&end)
}

func read(d *journey.Draft) journey.Decision {
	return d.Act(journey.ReadComponents{}, journey.ReasonUpdatingFirmware, "reading the versions of the machine's firmware")
}

// conclude has the machine started for what was written, and verifies it.
func conclude(d *journey.Draft, seen Seen, way Way) Next {
	s := d.Record.Components
	if s == nil || len(s.Updates) == 0 {
		return Next{}
	}
	for _, u := range slices.Clone(s.Updates) {
		// One whose end is not known may be in force already.
		if v := d.Facts.Components.Version(u.Component); u.Lost && v != "" && v != u.From && s.ReadAt != nil && !s.ReadAt.Time.Before(u.EndedAt.Time) {
			finish(d, u, v)
		}
	}
	if len(s.Updates) == 0 {
		return Next{}
	}
	var since time.Time
	for _, u := range s.Updates {
		if t := needsStartAfter(u); t.After(since) {
			since = t
		}
	}
	up, restarted := way.Restarted(since)
	if !restarted {
		return Next{Restart: since}
	}
	for i := range s.Updates {
		u := &s.Updates[i]
		switch {
		case u.EndedAt != nil:
		case d.Now.Before(up.Add(stagedWithin)):
			return act(follow(d, u, seen))
		default:
			late := *u
			drop(s, late)
			return Next{Failure: &step.Failure{Kind: step.Timeout, Message: fmt.Sprintf("update of %s: the machine was started for it, and %s later the BMC has not done it", late.Component, stagedWithin),
				Fix: "see the BMC's own queue of jobs"}}
		}
	}
	for _, u := range slices.Clone(s.Updates) {
		if n, verified := verify(d, u, up, seen); !verified {
			return n
		}
	}
	return Next{}
}

// needsStartAfter is when the machine has to be started at the earliest: a version comes into force with the start after it was written; one that is staged is written by that start.
func needsStartAfter(u ingot.UpdateStatus) time.Time {
	switch {
	case u.Staged && u.WaitsAt != nil:
		return u.WaitsAt.Time
	case u.EndedAt != nil:
		return u.EndedAt.Time
	}
	return u.AskedAt.Time
}

// drop takes an update out of those under way.
func drop(s *ingot.ComponentsStatus, u ingot.UpdateStatus) {
	s.Updates = slices.DeleteFunc(slices.Clone(s.Updates), func(o ingot.UpdateStatus) bool { return o.Component == u.Component })
}
