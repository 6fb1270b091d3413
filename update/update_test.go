package update

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

func before(d time.Duration) *metav1.Time { return &metav1.Time{Time: noon.Add(-d)} }

// wanted is a preparing host whose versions were read an hour ago and whose BIOS is to be updated.
func wanted() journey.Facts {
	h := &metal3.BareMetalHost{}
	h.Finalizers = []string{metal3.BareMetalHostFinalizer}
	h.Status.Provisioning.State = metal3.StatePreparing
	f := journey.Facts{Host: h}
	f.Record.BMC = &ingot.BMCStatus{Capabilities: []string{journey.CapabilityComponents}, FirmwareVersion: "7"}
	f.Record.Components = &ingot.ComponentsStatus{ReadAt: before(time.Hour), Generation: 2}
	f.Components = journey.ComponentsFacts{
		Generation: 2, Wanted: []firmware.Update{{Component: "bios", URL: "https://files/bios.bin"}}, Read: true,
		Current: []firmware.Component{{Name: "bios", Version: "1.0"}, {Name: "bmc", Version: "7"}, {Name: "nic:NIC1", Version: "3"}},
	}
	return f
}

// under puts an update into the record.
func under(f *journey.Facts, edit func(*ingot.UpdateStatus)) {
	u := ingot.UpdateStatus{Component: f.Components.Wanted[0].Component, URL: f.Components.Wanted[0].URL, From: f.Components.Version(f.Components.Wanted[0].Component), AskedAt: *before(5 * time.Minute)}
	edit(&u)
	f.Record.Components.Updates = append(f.Record.Components.Updates, u)
}

func accepted(u *ingot.UpdateStatus) {
	u.AcceptedAt, u.HeardAt, u.Ticket = before(5*time.Minute), before(time.Minute), "t1"
}

func ended(u *ingot.UpdateStatus) { accepted(u); u.EndedAt = before(3 * time.Minute) }

func lost(u *ingot.UpdateStatus) { ended(u); u.Lost = true }

func result(a journey.Action, kind step.FailureKind, r *journey.UpdateReading) *journey.ActionResult {
	out := &journey.ActionResult{Action: a.Name(), Update: r}
	if kind != "" {
		out.Failure = &step.Failure{Kind: kind, Message: "no"}
	}
	return out
}

// TestAdvance: what comes next for each state of a run. The machine counts as started whenever that is asked with booted.
func TestAdvance(t *testing.T) {
	start, follow := journey.StartUpdate{}, journey.FollowUpdate{}
	for name, c := range map[string]struct {
		edit   func(*journey.Facts)
		booted bool
		// want is an action's name, "wait", "again", "restart", "done", or "failed"; says is a part of its message.
		want, says string
	}{
		"nothing wanted":         {func(f *journey.Facts) { f.Components.Wanted = nil }, false, "done", ""},
		"never read":             {func(f *journey.Facts) { f.Record.Components = nil }, false, "read firmware versions", ""},
		"read before inspection": {func(f *journey.Facts) { f.Host.Status.OperationHistory.Inspect.End = *before(time.Minute) }, false, "read firmware versions", ""},
		"the object was lost":    {func(f *journey.Facts) { f.Components.Read = false }, false, "read firmware versions", ""},
		"nothing is shown": {func(f *journey.Facts) {
			f.Components.Read = false
			f.Result = result(journey.ReadComponents{}, "", nil)
		}, false, "failed", "shows no component"},
		"no service":              {func(f *journey.Facts) { f.Record.BMC.Capabilities = nil }, false, "failed", "has no service"},
		"no service, not wanted":  {func(f *journey.Facts) { f.Record.BMC.Capabilities, f.Components.Wanted = nil, nil }, false, "done", ""},
		"no such component":       {func(f *journey.Facts) { f.Components.Wanted[0].Component = "nic:x" }, false, "failed", "nic:x is not a component"},
		"to be done":              {func(*journey.Facts) {}, false, "update firmware", "which has version 1.0"},
		"done, by the record":     {func(f *journey.Facts) { done(f) }, false, "done", ""},
		"done, by the object":     {func(f *journey.Facts) { f.Components.Applied = f.Components.Wanted }, false, "done", ""},
		"done, asked differently": {func(f *journey.Facts) { done(f); f.Components.Wanted[0].URL += "2" }, false, "update firmware", ""},
		"taken": {func(f *journey.Facts) {
			under(f, func(*ingot.UpdateStatus) {})
			f.Result = result(start, "", &journey.UpdateReading{Ticket: "t1"})
		}, false, "wait", "the BMC updates bios"},
		"postponed": {func(f *journey.Facts) {
			under(f, func(*ingot.UpdateStatus) {})
			f.Result = result(start, "", &journey.UpdateReading{State: journey.UpdatePostponed})
		}, false, "wait", "is fetched when those for other machines are"},
		"refused": {func(f *journey.Facts) {
			under(f, func(*ingot.UpdateStatus) {})
			f.Result = result(start, step.Invalid, nil)
		}, false, "failed", "update of bios: no"},
		"its answer was lost": {func(f *journey.Facts) {
			under(f, func(*ingot.UpdateStatus) {})
			f.Result = result(start, step.Timeout, nil)
		}, false, "wait", "does not answer"},
		"a crash after it": {func(f *journey.Facts) { under(f, func(*ingot.UpdateStatus) {}) }, false, "follow firmware update", "it is asked what it does"},
		"looked for and not found": {func(f *journey.Facts) {
			under(f, func(*ingot.UpdateStatus) {})
			f.Result = result(follow, "", &journey.UpdateReading{State: journey.UpdateUnknown})
		}, false, "read firmware versions", ""},
		"its end is not known, the version is new": {func(f *journey.Facts) { under(f, lost); shows(f, time.Second, "2.0") }, false, "done", ""},
		"its end is not known, the version is old": {func(f *journey.Facts) { under(f, lost); shows(f, time.Second, "1.0") }, false, "restart", ""},
		"runs": {func(f *journey.Facts) {
			under(f, accepted)
			f.Result = result(follow, "", &journey.UpdateReading{State: journey.UpdateRuns, Percent: 47})
		}, false, "wait", "40 % are done"},
		"does not answer":         {func(f *journey.Facts) { under(f, accepted); f.Result = result(follow, step.Unreachable, nil) }, false, "wait", "may be restarting"},
		"denied while it does it": {func(f *journey.Facts) { under(f, accepted); f.Result = result(follow, step.Denied, nil) }, false, "wait", "does not answer"},
		"silent for too long": {func(f *journey.Facts) {
			under(f, func(u *ingot.UpdateStatus) { accepted(u); u.HeardAt = before(silence) })
		}, false, "again", "tells nothing"},
		"takes too long": {func(f *journey.Facts) {
			under(f, func(u *ingot.UpdateStatus) { accepted(u); u.AskedAt = *before(Limit) })
		}, false, "again", "tells nothing"},
		"no ticket": {func(f *journey.Facts) { under(f, func(u *ingot.UpdateStatus) { accepted(u); u.Ticket = "" }) }, false, "wait", "left alone"},
		"fails": {func(f *journey.Facts) {
			under(f, accepted)
			f.Result = result(follow, "", &journey.UpdateReading{State: journey.UpdateFailed, Message: "bad image"})
		}, false, "failed", "update of bios: bad image"},
		"waits a moment": {func(f *journey.Facts) {
			under(f, accepted)
			f.Result = result(follow, "", &journey.UpdateReading{State: journey.UpdateWaits})
		}, false, "wait", "has not begun"},
		"is staged": {func(f *journey.Facts) {
			under(f, func(u *ingot.UpdateStatus) { accepted(u); u.WaitsAt = before(staging) })
			f.Result = result(follow, "", &journey.UpdateReading{State: journey.UpdateWaits})
		}, false, "restart", ""},
		"staged, and started":    {func(f *journey.Facts) { staged(f, 2*time.Minute) }, true, "follow firmware update", ""},
		"staged, started, runs":  {func(f *journey.Facts) { staged(f, 2*time.Minute); f.Record.Components.Updates[0].Runs = true }, false, "follow firmware update", ""},
		"ended":                  {func(f *journey.Facts) { under(f, ended) }, false, "restart", ""},
		"ended, and started":     {func(f *journey.Facts) { under(f, ended) }, true, "read firmware versions", ""},
		"another version":        {func(f *journey.Facts) { under(f, ended); shows(f, 10*time.Second, "2.0") }, true, "done", ""},
		"the old version":        {func(f *journey.Facts) { under(f, ended); shows(f, 10*time.Second, "1.0") }, true, "wait", "still shows version 1.0"},
		"the old version, later": {func(f *journey.Facts) { under(f, ended); shows(f, readAgain, "1.0") }, true, "read firmware versions", ""},
		"the version of its file": {func(f *journey.Facts) {
			f.Components.Wanted[0].URL = "https://files/bios-1.0.bin"
			under(f, ended)
			shows(f, 10*time.Second, "1.0")
		}, true, "done", ""},
		"the reading fails after it": {func(f *journey.Facts) {
			under(f, ended)
			f.Record.Components.ReadAt = nil
			f.Result = result(journey.ReadComponents{}, step.Unreachable, nil)
		}, true, "wait", "may be restarting"},
	} {
		t.Run(name, func(t *testing.T) {
			f := wanted()
			c.edit(&f)
			d := journey.Begin(f, noon)
			seen := Take(d)
			n := Advance(d, seen, Way{Begin: true, Restarted: func(time.Time) (time.Time, bool) { return noon.Add(-time.Minute), c.booted }})
			got, message := outcome(n)
			if got != c.want || !strings.Contains(message, c.says) {
				t.Errorf("%s (%s), want %s (%s)", got, message, c.want, c.says)
			}
			if n.Decision != nil {
				dec := *n.Decision
				if broken := journey.Check(f, dec); len(broken) > 0 {
					t.Errorf("the decision breaks %v", broken)
				}
			}
		})
	}
}

func done(f *journey.Facts) {
	f.Record.Components.Done = []ingot.UpdateDone{{Component: "bios", URL: f.Components.Wanted[0].URL, Version: "1.0"}}
}

func staged(f *journey.Facts, ago time.Duration) {
	under(f, func(u *ingot.UpdateStatus) { accepted(u); u.WaitsAt, u.Staged = before(ago), true })
}

func shows(f *journey.Facts, ago time.Duration, version string) {
	f.Record.Components.ReadAt = before(ago)
	f.Components.Current[0].Version = version
}

func outcome(n Next) (what, message string) {
	switch {
	case n.Failure != nil:
		return "failed", n.Failure.Message
	case !n.Restart.IsZero():
		return "restart", ""
	case n.Decision == nil:
		return "done", ""
	case n.Decision.Action != nil:
		return n.Decision.Action.Name(), n.Decision.Outcome.Message
	case n.Decision.Outcome.NextAttempt.IsZero():
		return "again", n.Decision.Outcome.Message
	}
	return "wait", n.Decision.Outcome.Message
}

// TestVersionDecides: ten minutes after the start the old version is a failure; where the end was not known, the update is begun anew after the back-off.
func TestVersionDecides(t *testing.T) {
	for lost, says := range map[bool]string{false: "says that the update of bios is done", true: "it is begun again"} {
		f := wanted()
		under(&f, func(u *ingot.UpdateStatus) { ended(u); u.Lost = lost; u.EndedAt = before(time.Hour) })
		shows(&f, time.Second, "1.0")
		d := journey.Begin(f, noon)
		n := Advance(d, Take(d), Way{Begin: true, Restarted: func(time.Time) (time.Time, bool) { return noon.Add(-inForceWithin), true }})
		if n.Failure == nil || !strings.Contains(n.Failure.Message, says) || len(d.Record.Components.Updates) != 0 {
			t.Errorf("lost %v: %+v, %+v", lost, n.Failure, d.Record.Components)
		}
	}
}

// TestBMCOwnUpdate needs no start of the machine, and the record knows its version.
func TestBMCOwnUpdate(t *testing.T) {
	f := wanted()
	f.Components.Wanted = []firmware.Update{{Component: "bmc", URL: "https://files/bmc.bin"}, {Component: "bios", URL: "https://files/bios.bin"}}
	under(&f, ended)
	f.Record.Components.ReadAt, f.Components.Current[1].Version = before(time.Second), "8"
	d := journey.Begin(f, noon)
	n := Advance(d, Take(d), Way{Begin: true, Restarted: func(time.Time) (time.Time, bool) { t.Error("a start is asked for"); return time.Time{}, false }})
	if a, begins := n.Decision.Action.(journey.StartUpdate); !begins || a.Component != "bios" || d.Record.BMC.FirmwareVersion != "8" {
		t.Errorf("%+v, BMC %s", n.Decision.Action, d.Record.BMC.FirmwareVersion)
	}
	if s := d.Record.Components; len(s.Done) != 1 || s.Done[0].Version != "8" || len(s.Updates) != 1 {
		t.Errorf("%+v", s)
	}
}

// TestRespecified: what is not asked for any more is forgotten, and done again when it is asked for again; what the BMC is at goes on.
func TestRespecified(t *testing.T) {
	f := wanted()
	done(&f)
	f.Record.Failure = &ingot.FailureStatus{Stage: "preparing"}
	f.Components.Generation, f.Components.Wanted = 3, []firmware.Update{{Component: "bios", URL: "https://files/other.bin"}}
	under(&f, accepted)
	under(&f, func(u *ingot.UpdateStatus) { ended(u); u.Component = "nic:NIC1" })
	d := journey.Begin(f, noon)
	Take(d)
	if s := d.Record.Components; len(s.Done) != 0 || len(s.Updates) != 1 || s.Updates[0].Component != "bios" || s.Generation != 3 || d.Record.Failure != nil {
		t.Errorf("%+v, failure %+v", s, d.Record.Failure)
	}
}

// TestFollowedWhateverElse: a deleted host's update goes on to its end.
func TestFollowedWhateverElse(t *testing.T) {
	f := wanted()
	under(&f, accepted)
	f.Host.DeletionTimestamp = before(time.Second)
	if dec := Follow(f, noon); dec.Action != (journey.FollowUpdate{Component: "bios", URL: "https://files/bios.bin", Ticket: "t1"}) {
		t.Errorf("%+v", dec.Action)
	}
	f.Result = result(journey.FollowUpdate{}, "", &journey.UpdateReading{State: journey.UpdateDone})
	if dec := Follow(f, noon); dec.Action != nil || journey.Writing(&dec.Record) != nil {
		t.Errorf("%+v", dec)
	}
}
