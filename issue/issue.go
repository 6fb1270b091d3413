// Package issue finds what is wrong with hosts, machines, partitions and networks: metal-stack's "machine issues", and those that this field knows beside them.
//
// It owns the list of issues (what each means, how bad it is, what helps) and the conditions under which one is there. It refuses to read objects, which package evidence does, and to mend
// anything. An issue is a sentence about facts that stand in the API anyway: nothing is stored for it.
//
// Invariants: the same facts give the same issues in the same order; a subject has an issue of one ID at most once; a host that is well, and one that somebody took out of Ingot's hands (paused,
// detached), has no issue of liveliness.
package issue

import (
	"cmp"
	"slices"
	"time"
)

// Severity is how bad an issue is.
type Severity string

// The severities, metal-stack's.
const (
	// Minor: somebody should look when there is time.
	Minor Severity = "minor"
	// Major: the subject cannot be used as it should.
	Major Severity = "major"
	// Critical: data, a machine or its owner's work is at risk.
	Critical Severity = "critical"
)

// Severities are all of them, the least first.
func Severities() []Severity { return []Severity{Minor, Major, Critical} }

// AtLeast says whether a severity is as bad as another, or worse.
func (s Severity) AtLeast(o Severity) bool {
	return slices.Index(Severities(), s) >= slices.Index(Severities(), o)
}

// ID names a kind of issue: a stable word for programs.
type ID string

// Issue is one thing that is wrong.
type Issue struct {
	ID       ID       `json:"id"`
	Severity Severity `json:"severity"`
	// Kind is the subject's, Name its "namespace/name", or its name where it is in no namespace.
	Kind string `json:"kind"`
	Name string `json:"name"`
	// Cause is what was found here; Remedy what helps.
	Cause  string `json:"cause"`
	Remedy string `json:"remedy"`
	// Reference is where the evidence stands: a field of an object.
	Reference string `json:"reference"`
	// Since is when it began, as far as that is known; zero: it is not.
	Since time.Time `json:"since,omitzero"`
}

// Kind is what is known of an ID.
type Kind struct {
	ID        ID
	Severity  Severity
	Subject   string
	Meaning   string
	Remedy    string
	Reference string
}

// finding is an issue without what its kind says.
type finding struct {
	id    ID
	name  string
	cause string
	// remedy is a better one than the kind's; empty: the kind's.
	remedy string
	since  time.Time
}

// Find gives all issues: the worst first, then by ID and subject.
func Find(f Facts, now time.Time) []Issue {
	var all []finding
	for i := range f.Hosts {
		all = append(all, host(&f.Hosts[i], now)...)
	}
	all = append(all, shared(f.Hosts)...)
	all = append(all, firmware(f.Hosts)...)
	all = append(all, rest(f, now)...)
	kinds := map[ID]Kind{}
	for _, k := range Kinds() {
		kinds[k.ID] = k
	}
	issues := make([]Issue, len(all))
	for i, x := range all {
		k := kinds[x.id]
		issues[i] = Issue{
			ID: x.id, Severity: k.Severity, Kind: k.Subject, Name: x.name, Cause: x.cause, Remedy: cmp.Or(x.remedy, k.Remedy), Reference: k.Reference, Since: x.since,
		}
	}
	slices.SortStableFunc(issues, func(a, b Issue) int {
		return cmp.Or(cmp.Compare(slices.Index(Severities(), b.Severity), slices.Index(Severities(), a.Severity)), cmp.Compare(a.ID, b.ID), cmp.Compare(a.Name, b.Name))
	})
	return issues
}
