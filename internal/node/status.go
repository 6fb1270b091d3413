package node

import (
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/guard"
)

// Status is everything that the daemon knows of itself. Values are shared: nobody changes them.
type Status struct {
	Node string `json:"node"`
	At   time.Time
	// Decision is the latest, Since when it has been the same.
	Decision guard.Decision
	Since    time.Time
	// Generation is what packets of new connections meet: the one on trial, or the confirmed one; 0 is none.
	Generation uint32
	Confirmed  guard.Confirmed
	Attempt    guard.Attempt
	Source     guard.Source
	// Failure is the last step's that failed; empty where none did.
	Failure string
	// Endpoints are this host's, by interface; Inactive those of the node that have none.
	Endpoints []Endpoint
	Inactive  []string
	// Management says how each management row stands under what is wanted.
	Management []ManagementRow
	// Failsafes are the rows that hold whatever the policies say.
	Failsafes []string
	Drift     []Drift
	// Drops are the latest that were refused, at most maxDrops; a Client of the control socket gets all.
	Drops []Drop
	// Refused and Accepted count packets of new connections since the generation that rules was installed.
	Refused, Accepted uint64
	Rules             []RuleCount
	// Rows are those that what rules now has rules for, by matrix and number.
	Rows []RowTraffic
	// Repairs says what had to be written again.
	Repairs Repairs
}

// Repairs count how often the kernel had something else than what was confirmed, since the daemon started.
type Repairs struct {
	Total uint64
	// Last is when it was mended last, and Why what was other then.
	Last time.Time
	Why  string
}

// Endpoint is an active HostEndpoint.
type Endpoint struct {
	// Interface is "*" for all others.
	Name, Interface string
	// Revision is of its rules, where the API gave one.
	Revision string
}

// ManagementRow is a management row and whether anybody gets in by it.
type ManagementRow struct {
	Row  string
	Open bool
}

// RuleCount is what one rule met.
type RuleCount struct {
	// Rule is what decides, as package firewall names it; Row the matrix's, or empty.
	Rule, Row string
	Verdict   string
	Packets   uint64
	Bytes     uint64
}

// RowTraffic is what a row of a matrix has met here.
type RowTraffic struct {
	// Matrix is its name, or empty where the policies do not say it; Row the row's number.
	Matrix, Row string
	// Since is when there first was a rule for it, Last when a packet met it; zero: none did.
	Since, Last time.Time
}

// DriftKind is a word of the HostEndpoint's status.
type DriftKind string

// The kinds of drift.
const (
	DriftKernel   DriftKind = "Kernel"
	DriftListener DriftKind = "Listener"
	DriftFlow     DriftKind = "Flow"
	DriftManager  DriftKind = "Manager"
	DriftUnused   DriftKind = "Unused"
)

// Drift is one thing that is other than the policies say.
type Drift struct {
	Kind DriftKind
	What string
	// Row is the matrix's, where there is one.
	Row string
}

// publish makes what is known the status, and has it reported where it changed.
func (n *Node) publish(k guard.Kernel) {
	s := Status{
		Node: n.o.Name, At: time.Now(), Decision: n.decision, Since: n.since, Confirmed: n.disk.Confirmed, Attempt: n.disk.Attempt, Source: n.source,
		Failure: n.observed.failure, Drift: n.observed.drift, Drops: n.observed.drops, Refused: n.observed.refused, Accepted: n.observed.accepted, Rules: n.observed.rules, Rows: n.observed.rows,
		Generation: k.Active, Repairs: n.repairs,
	}
	if k.Pending != 0 {
		s.Generation = k.Pending
	}
	if w := n.wanted; w != nil {
		s.Endpoints, s.Inactive = endpointsOf(w), w.scene.Host.Inactive
		ways := guard.Management(w.scene, w.rows)
		for _, row := range w.rows {
			open := slices.ContainsFunc(ways, func(way guard.Way) bool { return way.Open && way.Row.String() == row.String() })
			s.Management = append(s.Management, ManagementRow{row.String(), open})
		}
		for _, f := range w.scene.Site.Failsafes() {
			s.Failsafes = append(s.Failsafes, strings.TrimPrefix(f.By(), "failsafe/"))
		}
	}
	n.status.Store(&s)
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

func endpointsOf(w *wanted) []Endpoint {
	h := w.scene.Host
	all := make([]Endpoint, 0, len(h.Endpoints)+1)
	add := func(e *firewall.Endpoint, name string) {
		all = append(all, Endpoint{Name: e.Name, Interface: name, Revision: w.policies.Revisions[e.Name]})
	}
	for name, e := range h.Endpoints {
		add(e, name)
	}
	if h.Any != nil {
		add(h.Any, "*")
	}
	slices.SortFunc(all, func(a, b Endpoint) int { return strings.Compare(a.Interface, b.Interface) })
	return all
}
