package replace_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall/replace"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

const generation, term = 4, 7

// serving is a machine that answers, standby one that could, both at the present term.
func serving(at time.Time) replace.Machine {
	return replace.Machine{Exists: true, Ready: true, Own: true, Host: "rack/a", Report: replace.Report{Seen: at, Term: term, Holds: true, Generation: generation}}
}

func standby(at time.Time) replace.Machine {
	m := serving(at)
	m.Host, m.Report.Holds = "rack/b", false
	return m
}

// at are facts of a phase that began some time ago.
func at(p replace.Phase, h replace.Holder, ago time.Duration, change func(*replace.Facts)) replace.Facts {
	f := replace.Facts{State: replace.State{Phase: p, Since: noon.Add(-ago), Term: term, Holder: h}, Due: true, Generation: generation, Resolved: true, Old: serving(noon), New: standby(noon)}
	if h == replace.New {
		f.Old.Report.Holds = false
	}
	if change != nil {
		change(&f)
	}
	return f
}

// step is what is expected of a decision: an empty phase means that it stays.
type step struct {
	facts   replace.Facts
	phase   replace.Phase
	holder  replace.Holder
	terms   int64
	do      replace.Action
	outcome replace.Outcome
	says    string
}

func check(t *testing.T, cases map[string]step) {
	t.Helper()
	for name, c := range cases {
		d := replace.Decide(c.facts, noon)
		if d.Next.Phase != c.phase || d.Next.Holder != c.holder || d.Next.Term != term+c.terms || d.Do != c.do || d.Outcome != c.outcome || !strings.Contains(d.Message, c.says) {
			t.Errorf("%s: %+v", name, d)
		}
		if moved := d.Next.Phase != c.facts.Phase; moved != d.Next.Since.Equal(noon) && !c.facts.Since.Equal(noon) {
			t.Errorf("%s: it is of %s", name, d.Next.Since)
		}
	}
}

func TestIdleAndPreparing(t *testing.T) {
	const p = replace.Preparing
	old := func(ago time.Duration, change func(*replace.Facts)) replace.Facts {
		return at(p, replace.Old, ago, change)
	}
	check(t, map[string]step{
		"nothing is asked":  {at(replace.Idle, replace.Old, 0, func(f *replace.Facts) { f.Due = false }), replace.Idle, replace.Old, 0, "", replace.NotAsked, ""},
		"asked":             {at(replace.Idle, replace.Old, 1, nil), p, replace.Old, 0, "", replace.Begun, ""},
		"cancelled before":  {at(replace.Idle, replace.Old, 0, func(f *replace.Facts) { f.Cancelled = true }), replace.Idle, replace.Old, 0, "", replace.NotAsked, ""},
		"made":              {old(1, func(f *replace.Facts) { f.New = replace.Machine{} }), p, replace.Old, 0, replace.Claim, replace.Claiming, "serves on"},
		"installed":         {old(1, func(f *replace.Facts) { f.New.Ready, f.New.NotReady = false, "no host" }), p, replace.Old, 0, "", replace.Installing, "no host"},
		"stuck":             {old(replace.Install+1, func(f *replace.Facts) { f.New.Ready, f.New.NotReady = false, "no host" }), p, replace.Old, 0, "", replace.NotInstalled, "--cancel"},
		"not joined":        {old(1, func(f *replace.Facts) { f.New.Report = replace.Report{} }), p, replace.Old, 0, "", replace.Joining, "not joined"},
		"silent":            {old(1, func(f *replace.Facts) { f.New.Report.Seen = noon.Add(-replace.Fresh - 1) }), p, replace.Old, 0, "", replace.Unhealthy, "silent since"},
		"a problem":         {old(1, func(f *replace.Facts) { f.New.Report.Problem = "no card" }), p, replace.Old, 0, "", replace.Unhealthy, "no card"},
		"earlier rules":     {old(1, func(f *replace.Facts) { f.New.Report.Generation-- }), p, replace.Old, 0, "", replace.Unhealthy, "generation 3, and this is 4"},
		"unresolved":        {old(1, func(f *replace.Facts) { f.Resolved = false }), p, replace.Old, 0, "", replace.Unhealthy, "Resolved"},
		"an earlier term":   {old(1, func(f *replace.Facts) { f.New.Report.Term-- }), p, replace.Old, 0, "", replace.Joining, "lately"},
		"cancelled":         {old(1, func(f *replace.Facts) { f.Cancelled = true }), replace.Abandoning, replace.Old, 0, "", replace.Cancelled, "given back"},
		"deleted by hand":   {old(1, func(f *replace.Facts) { f.New.Leaving = true }), replace.Abandoning, replace.Old, 0, "", replace.Lost, "somebody deleted"},
		"healthy":           {old(1, nil), replace.Fencing, replace.Nobody, 1, "", replace.Yielding, "told to stop"},
		"healthy and alone": {at(p, replace.Nobody, 1, func(f *replace.Facts) { f.Old = replace.Machine{} }), replace.Fencing, replace.Nobody, 0, "", replace.Yielding, ""},
	})
}

func TestFencing(t *testing.T) {
	const p = replace.Fencing
	with := func(ago time.Duration, change func(*replace.Facts)) replace.Facts {
		return at(p, replace.Nobody, ago, change)
	}
	yielded := func(f *replace.Facts) { f.Old.Report.Holds = false }
	off := func(f *replace.Facts) { f.Old.PowerOff, f.Old.Off, f.Old.Ready = true, true, false }
	check(t, map[string]step{
		"it answers still":           {with(1, nil), p, replace.Nobody, 0, "", replace.Yielding, ""},
		"its word is of before":      {with(1, func(f *replace.Facts) { yielded(f); f.Old.Report.Term-- }), p, replace.Nobody, 0, "", replace.Yielding, ""},
		"it stopped":                 {with(1, yielded), replace.TakingOver, replace.New, 1, "", replace.Handing, ""},
		"it is gone":                 {with(1, func(f *replace.Facts) { f.Old = replace.Machine{} }), replace.TakingOver, replace.New, 1, "", replace.Handing, ""},
		"silent for too long":        {with(replace.Yield+1, nil), p, replace.Nobody, 0, replace.PowerOffOld, replace.PoweringOff, "BMC"},
		"about to be off":            {with(1, func(f *replace.Facts) { f.Old.PowerOff = true }), p, replace.Nobody, 0, replace.PowerOffOld, replace.PoweringOff, "BMC"},
		"off":                        {with(replace.Yield+1, off), replace.TakingOver, replace.New, 1, "", replace.Handing, ""},
		"its BMC is dead too":        {with(replace.Yield+replace.PowerOff+1, nil), p, replace.Nobody, 0, replace.PowerOffOld, replace.FenceFailed, "by hand (host rack/a)"},
		"cancelled":                  {with(1, func(f *replace.Facts) { f.Cancelled = true }), replace.Abandoning, replace.Old, 1, "", replace.Cancelled, "answers again"},
		"cancelled, and off":         {with(replace.Yield+1, func(f *replace.Facts) { off(f); f.Cancelled = true }), replace.TakingOver, replace.New, 1, "", replace.Handing, ""},
		"cancelled, and about to be": {with(replace.Yield+1, func(f *replace.Facts) { f.Old.PowerOff, f.Cancelled = true, true }), p, replace.Nobody, 0, replace.PowerOffOld, replace.PoweringOff, ""},
		"the new one fell ill":       {with(1, func(f *replace.Facts) { yielded(f); f.New.Report.Problem = "no card" }), replace.Abandoning, replace.Old, 1, "", replace.Lost, "no card"},
		"the new one fell silent":    {with(1, func(f *replace.Facts) { yielded(f); f.New.Report.Seen = noon.Add(-replace.Fresh - 1) }), replace.Abandoning, replace.Old, 1, "", replace.Lost, "silent"},
		"the new one has not read":   {with(1, func(f *replace.Facts) { yielded(f); f.New.Report.Term-- }), replace.TakingOver, replace.New, 1, "", replace.Handing, ""},
		"the new one is gone":        {with(1, func(f *replace.Facts) { f.New = replace.Machine{} }), replace.Abandoning, replace.Old, 1, "", replace.Lost, ""},
		"gone, and the old one off":  {with(1, func(f *replace.Facts) { off(f); f.New = replace.Machine{} }), replace.Abandoning, replace.Old, 1, "", replace.Lost, "turned on"},
		"both are gone":              {with(1, func(f *replace.Facts) { f.Old, f.New = replace.Machine{}, replace.Machine{} }), replace.Preparing, replace.Nobody, 0, "", replace.Lost, "both"},
	})
}

func TestTakingOverAndAfterwards(t *testing.T) {
	with := func(ago time.Duration, change func(*replace.Facts)) replace.Facts {
		return at(replace.TakingOver, replace.New, ago, change)
	}
	serves := func(f *replace.Facts) { f.New.Report.Holds = true }
	off := func(f *replace.Facts) { f.Old.PowerOff, f.Old.Off, f.Old.Ready = true, true, false }
	check(t, map[string]step{
		"not yet":                 {with(1, nil), replace.TakingOver, replace.New, 0, "", replace.Handing, ""},
		"it answers":              {with(1, serves), replace.Releasing, replace.New, 0, "", replace.Served, ""},
		"late, but it answers":    {with(replace.Serve+1, serves), replace.Releasing, replace.New, 0, "", replace.Served, ""},
		"it said so before":       {with(1, func(f *replace.Facts) { serves(f); f.New.Report.Term-- }), replace.TakingOver, replace.New, 0, "", replace.Handing, ""},
		"with a problem":          {with(1, func(f *replace.Facts) { serves(f); f.New.Report.Problem = "x" }), replace.TakingOver, replace.New, 0, "", replace.Handing, ""},
		"too late":                {with(replace.Serve+1, nil), replace.Returning, replace.Nobody, 1, "", replace.GoingBack, "go back"},
		"cancelled":               {with(1, func(f *replace.Facts) { f.Cancelled = true }), replace.Returning, replace.Nobody, 1, "", replace.GoingBack, "cancelled"},
		"gone":                    {with(1, func(f *replace.Facts) { f.New = replace.Machine{} }), replace.Returning, replace.Nobody, 1, "", replace.GoingBack, ""},
		"too late, the other off": {with(replace.Serve+1, off), replace.TakingOver, replace.New, 0, "", replace.NotServing, "look at both"},
		"too late, the first":     {with(replace.Serve+1, func(f *replace.Facts) { f.Old.Own = false }), replace.TakingOver, replace.New, 0, "", replace.NotServing, "delete the new Machine"},
		"gone, the first":         {with(1, func(f *replace.Facts) { f.Old.Own, f.New = false, replace.Machine{} }), replace.Preparing, replace.Nobody, 1, "", replace.Lost, "another one"},
		"gone, the other off":     {with(1, func(f *replace.Facts) { off(f); f.New = replace.Machine{} }), replace.Abandoning, replace.Old, 1, "", replace.Lost, ""},
		"both gone":               {with(1, func(f *replace.Facts) { f.Old, f.New = replace.Machine{}, replace.Machine{} }), replace.Preparing, replace.Nobody, 1, "", replace.Lost, ""},

		"back, it answers still":   {at(replace.Returning, replace.Nobody, 1, serves), replace.Returning, replace.Nobody, 0, "", replace.Yielding, "the new machine"},
		"back, it is silent":       {at(replace.Returning, replace.Nobody, replace.Yield+1, serves), replace.Returning, replace.Nobody, 0, replace.PowerOffNew, replace.PoweringOff, ""},
		"back, it stopped":         {at(replace.Returning, replace.Nobody, 1, nil), replace.Abandoning, replace.Old, 1, "", replace.GivingUp, ""},
		"given up":                 {at(replace.Abandoning, replace.Old, 1, nil), replace.Abandoning, replace.Old, 0, replace.ReleaseNew, replace.GivingUp, ""},
		"given up, turned on":      {at(replace.Abandoning, replace.Old, 1, off), replace.Abandoning, replace.Old, 0, replace.PowerOnOld, replace.GivingUp, ""},
		"given up, and gone":       {at(replace.Abandoning, replace.Old, 1, func(f *replace.Facts) { f.New = replace.Machine{} }), replace.Idle, replace.Old, 0, "", replace.GivenUp, ""},
		"given up, nobody is left": {at(replace.Abandoning, replace.Nobody, 1, func(f *replace.Facts) { f.Old, f.New = replace.Machine{}, replace.Machine{} }), replace.Idle, replace.Old, 1, "", replace.GivenUp, ""},
		"released":                 {at(replace.Releasing, replace.New, 1, serves), replace.Releasing, replace.New, 0, replace.ReleaseOld, replace.Wiping, ""},
		"cancelled too late":       {at(replace.Releasing, replace.New, 1, func(f *replace.Facts) { serves(f); f.Cancelled = true }), replace.Releasing, replace.New, 0, replace.ReleaseOld, replace.Wiping, ""},
		"done":                     {at(replace.Releasing, replace.New, 1, func(f *replace.Facts) { serves(f); f.Old = replace.Machine{} }), replace.Idle, replace.New, 0, "", replace.Replaced, ""},
	})
}
