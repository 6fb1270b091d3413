// Package pace says how long things usually take, by how long they took before.
//
// It owns what "usually" means: of the durations that were seen, the middle one, and the one within which nine of ten ended. It refuses to guess: of what was seen fewer than Least times nothing is said. And it
// refuses averages: one host whose BMC hung for an hour would make every wipe look quick.
//
// Machines of one class are alike, so their own durations count where there are enough of them, and everybody's where there are not.
//
// Invariants: Median <= Slow, both are durations that were seen; the order of the samples does not matter; a sample more of another thing changes nothing.
package pace

import (
	"cmp"
	"slices"
	"time"
)

// Least is how many samples make a pace.
const Least = 5

// What is a thing that takes time: a stage, or a step of it.
type What struct {
	Stage string `json:"stage"`
	Step  string `json:"step,omitempty"`
}

// Sample is a thing that ended well, on a machine of a class; the empty class is one, too.
type Sample struct {
	What  What
	Class string
	Took  time.Duration
}

// Pace is how long a thing usually takes.
type Pace struct {
	What
	// Median is the middle one; Slow is the duration within which nine of ten ended.
	Median, Slow time.Duration
	// Samples is how many there were, at least Least. Own says that they are of the class that was asked for alone.
	Samples int
	Own     bool
}

// Longer says whether a thing takes, or took, longer than nine of ten.
func (p Pace) Longer(took time.Duration) bool { return took > p.Slow }

// Of are the paces for machines of a class, by stage and step.
func Of(samples []Sample, class string) []Pace {
	own, all := map[What][]time.Duration{}, map[What][]time.Duration{}
	for _, s := range samples {
		if s.Took < 0 { // a clock was put back
			continue
		}
		all[s.What] = append(all[s.What], s.Took)
		if s.Class == class {
			own[s.What] = append(own[s.What], s.Took)
		}
	}
	var out []Pace
	for what, took := range all {
		mine := own[what]
		enough := len(mine) >= Least
		if enough {
			took = mine
		}
		if len(took) < Least {
			continue
		}
		slices.Sort(took)
		out = append(out, Pace{What: what, Median: rank(took, 50), Slow: rank(took, 90), Samples: len(took), Own: enough})
	}
	slices.SortFunc(out, func(a, b Pace) int {
		return cmp.Or(cmp.Compare(a.Stage, b.Stage), cmp.Compare(a.Step, b.Step))
	})
	return out
}

// Find gives the pace of a thing.
func Find(paces []Pace, what What) (Pace, bool) {
	n := slices.IndexFunc(paces, func(p Pace) bool { return p.What == what })
	if n < 0 {
		return Pace{}, false
	}
	return paces[n], true
}

// rank is the smallest of the sorted durations that the percentage of them does not exceed.
func rank(sorted []time.Duration, percent int) time.Duration {
	return sorted[(len(sorted)*percent+99)/100-1]
}
