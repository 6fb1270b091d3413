package update

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Take takes up the last action on components, and a change of what is asked for, which ends the wait after a failure. A failed look at an update under way is no failure of the stage: the draft has no result any
// more then.
func Take(d *journey.Draft) Seen {
	f := d.Facts.Components
	if d.Record.Components == nil && len(f.Wanted) == 0 && !Able(&d.Record) {
		return Nothing
	}
	if d.Record.Components == nil {
		d.Record.Components = &ingot.ComponentsStatus{Generation: f.Generation}
	}
	s := d.Record.Components
	if s.Generation != f.Generation {
		s.Generation = f.Generation
		respecified(d, s)
	}
	r := d.Facts.Result
	if r == nil {
		return Nothing
	}
	switch r.Action {
	case journey.ReadComponents{}.Name():
		return takeReading(d, s)
	case journey.StartUpdate{}.Name():
		return takeStart(d, s)
	case journey.FollowUpdate{}.Name():
		return takeLook(d, s)
	}
	return Nothing
}

// respecified: what is not asked for any more is forgotten, so that it is done when it is asked for again; what is being written, or staged, stays.
func respecified(d *journey.Draft, s *ingot.ComponentsStatus) {
	wanted := func(component, url string) bool {
		return slices.Contains(d.Facts.Components.Wanted, firmware.Update{Component: component, URL: url})
	}
	s.Done = slices.DeleteFunc(slices.Clone(s.Done), func(u ingot.UpdateDone) bool { return !wanted(u.Component, u.URL) })
	s.Updates = slices.DeleteFunc(slices.Clone(s.Updates), func(u ingot.UpdateStatus) bool { return u.EndedAt != nil && !wanted(u.Component, u.URL) })
	if f := d.Record.Failure; f != nil && f.Stage == string(metal3.StatePreparing) {
		d.Record.Failure = nil
	}
	d.Overcome(metal3.ServicingError)
}

func takeReading(d *journey.Draft, s *ingot.ComponentsStatus) Seen {
	failure := d.Facts.Result.Failure
	if failure == nil {
		s.ReadAt = d.Stamp()
		return Nothing
	}
	lately := slices.ContainsFunc(s.Updates, func(u ingot.UpdateStatus) bool { return u.EndedAt != nil && d.Now.Before(u.EndedAt.Add(inForceWithin)) })
	if !lately || !noAnswer(failure) {
		return Nothing
	}
	d.Facts.Result = nil
	return Unanswered
}

// noAnswer: nothing is known of what the BMC did.
func noAnswer(f *step.Failure) bool {
	return f.Kind == step.Unreachable || f.Kind == step.Timeout || f.Kind == step.Busy
}

func takeStart(d *journey.Draft, s *ingot.ComponentsStatus) Seen {
	r, u := d.Facts.Result, journey.Writing(&d.Record)
	if u == nil || u.AcceptedAt != nil {
		return Nothing
	}
	d.Facts.Result = nil
	switch f := r.Failure; {
	case f == nil && r.Update != nil && r.Update.State == journey.UpdatePostponed:
		drop(s, *u)
		d.EndUpdate("it was postponed")
		return Postponed
	case f == nil:
		u.AcceptedAt, u.HeardAt = d.Stamp(), d.Stamp()
		if r.Update != nil {
			u.Ticket = r.Update.Ticket
		}
		return Looked
	case f.Kind == step.Unreachable || f.Kind == step.Timeout:
		// It may have taken the order.
		return Unanswered
	default:
		fail(d, u, *f)
		return Nothing
	}
}

func fail(d *journey.Draft, u *ingot.UpdateStatus, f step.Failure) {
	u.EndedAt, u.Failure, u.FailureKind, u.Runs = d.Stamp(), f.Message, string(f.Kind), false
	if u.Failure == "" {
		u.Failure = "the BMC gives no reason"
	}
	d.EndUpdate(u.Failure)
}

// lose ends an update of which the BMC tells nothing any more.
func lose(d *journey.Draft, u *ingot.UpdateStatus) {
	u.EndedAt, u.Lost, u.Runs = d.Stamp(), true, false
	d.EndUpdate("how it ended is not known")
}

// takeLook takes up what the BMC says of an update.
func takeLook(d *journey.Draft, s *ingot.ComponentsStatus) Seen {
	r := d.Facts.Result
	i := slices.IndexFunc(s.Updates, func(u ingot.UpdateStatus) bool { return u.EndedAt == nil })
	if w := journey.Writing(&d.Record); w != nil {
		i = slices.IndexFunc(s.Updates, func(u ingot.UpdateStatus) bool { return u.Component == w.Component })
	}
	d.Facts.Result = nil
	if i < 0 {
		return Nothing
	}
	if r.Failure != nil || r.Update == nil {
		return Unanswered
	}
	u := &s.Updates[i]
	if u.Ticket == "" {
		u.Ticket = r.Update.Ticket
	}
	if u.AcceptedAt == nil && r.Update.State != journey.UpdateUnknown {
		u.AcceptedAt = d.Stamp()
	}
	if u.HeardAt == nil || !d.Now.Before(u.HeardAt.Add(time.Minute)) {
		u.HeardAt = d.Stamp()
	}
	u.Percent = int32(max(0, min(r.Update.Percent, 100)) / percentStep * percentStep) // from 0 to 100
	judge(d, u, r.Update)
	return Looked
}

func judge(d *journey.Draft, u *ingot.UpdateStatus, now *journey.UpdateReading) {
	u.Runs = now.State == journey.UpdateRuns
	switch now.State {
	case journey.UpdateRuns:
	case journey.UpdateWaits:
		if u.WaitsAt == nil {
			u.WaitsAt = d.Stamp()
		}
		if u.Component != firmware.BMC && !d.Now.Before(u.WaitsAt.Add(staging)) {
			u.Staged = true
			d.EndUpdate("")
		}
	case journey.UpdateDone:
		u.EndedAt = d.Stamp()
		d.EndUpdate("")
	case journey.UpdateFailed:
		fail(d, u, step.Failure{Kind: step.Internal, Message: now.Message})
	default:
		lose(d, u)
	}
	if u.EndedAt != nil && d.Record.Components != nil {
		d.Record.Components.ReadAt = nil
	}
}

// follow looks at an update, or gives it up: then its end is not known, and the version will tell.
func follow(d *journey.Draft, u *ingot.UpdateStatus, seen Seen) journey.Decision {
	heard := first(u.HeardAt, u.AcceptedAt, &u.AskedAt)
	mute := u.AcceptedAt != nil && u.Ticket == ""
	end := u.AskedAt.Add(Limit)
	if mute {
		end = u.AcceptedAt.Add(blind)
	} else if quiet := heard.Add(silence); quiet.Before(end) {
		end = quiet
	}
	switch {
	case !d.Now.Before(end):
		lose(d, u)
		d.Record.Components.ReadAt = nil
		return d.Again(journey.ReasonUpdatingFirmware, fmt.Sprintf("the BMC tells nothing of the update of %s any more", u.Component))
	case mute:
		return d.Wait(journey.ReasonUpdatingFirmware, fmt.Sprintf("the BMC updates %s and gives nothing to ask by; it is left alone until %s", u.Component, end.UTC().Format(time.RFC3339)), end, time.Time{})
	case seen == Unanswered:
		return d.Wait(journey.ReasonUpdatingFirmware, fmt.Sprintf("the BMC does not answer while %s is updated; it may be restarting", u.Component), d.Now.Add(unansweredRetry), end)
	case seen == Looked:
		return d.Wait(journey.ReasonUpdatingFirmware, told(u), d.Now.Add(min(followEvery, max(followFirst, d.Now.Sub(u.AskedAt.Time)/10))), end)
	}
	return d.ActUntil(journey.FollowUpdate{Component: u.Component, URL: u.URL, Ticket: u.Ticket}, journey.Outcome{Reason: journey.ReasonUpdatingFirmware, Message: told(u), Deadline: end})
}

// told is how far an update is, for people.
func told(u *ingot.UpdateStatus) string {
	var b strings.Builder
	fmt.Fprintf(&b, "the BMC updates %s", u.Component)
	switch {
	case u.AcceptedAt == nil:
		b.WriteString(", or was about to be asked to: it is asked what it does")
	case u.Staged && !u.Runs:
		b.WriteString(": it begins with the machine's start")
	case u.WaitsAt != nil && !u.Runs:
		b.WriteString(": it has the image and has not begun")
	case u.Percent > 0:
		fmt.Fprintf(&b, ": %d %% are done", u.Percent)
	}
	return b.String()
}

func first(times ...*metav1.Time) *metav1.Time {
	for _, t := range times {
		if t != nil {
			return t
		}
	}
	return nil
}
