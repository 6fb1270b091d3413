package live

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/matrix"
)

// State is where a row stands.
type State string

// The states.
const (
	// Violated: a host says that something is other than the row says: nobody listens, or a flow that it refuses goes on.
	Violated State = "violated"
	// Seen: a new connection met it.
	Seen State = "seen"
	// Unseen: hosts have rules for it, and no connection has met them.
	Unseen State = "unseen"
	// NotEnforced: no host has rules for it.
	NotEnforced State = "not enforced"
)

// Row is what hosts say of a row of the matrix.
type Row struct {
	ID    string
	State State
	// Why is set where the row is violated or not enforced.
	Why string
	// Since is when the first host had rules for it, Last when it was met last anywhere; zero where that was never.
	Since, Last time.Time
	// Hosts are those that have an end of it, or rules for it, by name.
	Hosts []Host
}

// Host is one host's part in a row; the fields are as those of a Row.
type Host struct {
	Name        string
	State       State
	Why         string
	Since, Last time.Time
}

// Join says where each row of a matrix stands. Endpoints are all that there are: those of other matrices are left out.
func Join(m matrix.Matrix, endpoints []calico.HostEndpoint) []Row {
	nodes := gather(m.Name, endpoints)
	rows := make([]Row, 0, len(m.Rows))
	for _, r := range m.Rows {
		rows = append(rows, judge(m, r, nodes))
	}
	return rows
}

// told is what a host says of a matrix's rows.
type told struct {
	rules bool
	// stands is why it does not enforce what it is to; empty where it does.
	stands string
	rows   map[string]calico.RowTraffic
	drift  map[string]string
}

// gather sums the endpoints of each host up: all of them have the host's rows.
func gather(name string, endpoints []calico.HostEndpoint) map[string]*told {
	nodes := map[string]*told{}
	for i := range endpoints {
		e := &endpoints[i]
		if e.Labels[calico.MatrixLabel] != name {
			continue
		}
		n := nodes[e.Spec.Node]
		if n == nil {
			n = &told{rows: map[string]calico.RowTraffic{}, drift: map[string]string{}}
			nodes[e.Spec.Node] = n
		}
		if s := Stands(e); s.Wrong {
			n.stands = s.Words
		}
		if e.Status.Phase == "" || e.Status.Phase == calico.PhaseNone {
			continue
		}
		n.rules = true
		for _, r := range e.Status.Rows {
			if r.Matrix == name || r.Matrix == "" {
				n.rows[r.Row] = r
			}
		}
		for _, d := range e.Status.Drift {
			if d.Row != "" && Wrong(d) {
				n.drift[d.Row] = d.What
			}
		}
	}
	return nodes
}

func judge(m matrix.Matrix, r matrix.Row, nodes map[string]*told) Row {
	out := Row{ID: r.ID, State: NotEnforced}
	for _, name := range concerned(m, r, nodes) {
		h := part(name, nodes[name], r.ID)
		out.Hosts = append(out.Hosts, h)
		if rank(h.State) < rank(out.State) || out.Why == "" && h.State == out.State {
			out.State, out.Why = h.State, h.Why
		}
		if !h.Since.IsZero() && (out.Since.IsZero() || h.Since.Before(out.Since)) {
			out.Since = h.Since
		}
		if h.Last.After(out.Last) {
			out.Last = h.Last
		}
	}
	switch {
	case len(out.Hosts) > 0:
		if out.Why != "" {
			out.Why = only(out)
		}
	case len(m.Hosts) == 0 && len(nodes) == 0:
		out.Why = "no host enforces this matrix"
	default:
		out.Why = "neither end is a host of the matrix"
	}
	return out
}

// only says of which host a reason is.
func only(r Row) string {
	i := slices.IndexFunc(r.Hosts, func(h Host) bool { return h.State == r.State && h.Why == r.Why })
	return r.Hosts[i].Name + ": " + r.Why
}

func rank(s State) int { return slices.Index([]State{Violated, Seen, Unseen, NotEnforced}, s) }

// part is one host's.
func part(name string, n *told, row string) Host {
	h := Host{Name: name, State: NotEnforced}
	switch {
	case n == nil:
		h.Why = "has no HostEndpoint of this matrix"
		return h
	case !n.rules:
		h.Why = n.stands
		return h
	}
	met, there := n.rows[row]
	if there {
		h.State, h.Since = Unseen, met.Since.Time
		if met.Last != nil {
			h.State, h.Last = Seen, met.Last.Time
		}
	} else {
		h.Why = cmp.Or(n.stands, "has no rule for it")
	}
	if why := n.drift[row]; why != "" {
		h.State, h.Why = Violated, why
	}
	return h
}

// concerned are the hosts that a row opens something on, and those that say that they have rules for it.
func concerned(m matrix.Matrix, r matrix.Row, nodes map[string]*told) []string {
	names := map[string]bool{}
	for _, h := range m.Hosts {
		if r.Ingress() && has(m, h, r.To, r.Failsafe) || r.Egress() && has(m, h, r.From, r.Failsafe) {
			names[h.Name] = true
		}
	}
	for name, n := range nodes {
		if _, ok := n.rows[r.ID]; ok || n.drift[r.ID] != "" {
			names[name] = true
		}
	}
	all := make([]string, 0, len(names))
	for name := range names {
		all = append(all, name)
	}
	slices.Sort(all)
	return all
}

// has says whether a host has an end that is enforced; everybody's is so for failsafes only.
func has(m matrix.Matrix, h matrix.Host, e matrix.Endpoint, failsafe bool) bool {
	if e == matrix.Anybody {
		return failsafe
	}
	return m.Ours(e) && slices.ContainsFunc(h.Interfaces, func(i matrix.Interface) bool {
		return (e.Zone == matrix.AnyZone || e.Zone == i.Zone) && (e.Role == matrix.AnyRole || slices.Contains(i.Roles, e.Role))
	})
}

// unused is the kind of drift that is none: a row that met nothing for long.
const unused = "Unused"

// Wrong says whether a difference is one that has to be mended.
func Wrong(d calico.Drift) bool { return d.Kind != unused }

// Standing is how a host stands with the rules of an endpoint.
type Standing struct {
	Words string
	Wrong bool
}

// Stands judges an endpoint's phase and revision.
func Stands(h *calico.HostEndpoint) Standing {
	switch wanted := h.Annotations[calico.RevisionAnnotation]; h.Status.Phase {
	case calico.PhaseConfirmed:
		if wanted != "" && h.Status.Revision != wanted {
			return Standing{fmt.Sprintf("enforces an older revision: `kubectl describe hostendpoint %s` says what the host waits for", h.Name), true}
		}
		return Standing{"declared", false}
	case calico.PhaseTrial:
		return Standing{"on trial: look again when it is confirmed or has ended", true}
	case calico.PhaseReverted:
		return Standing{"reverted: the controller could not reach the host through the new rules", true}
	case calico.PhaseFailed:
		return Standing{"failed: what ruled before still does; `journalctl -u ingot-node` on the host says why", true}
	case calico.PhaseNone:
		return Standing{"open: no rules are there", true}
	default:
		return Standing{"unknown: ingot-node has not reported; is it running on the host?", true}
	}
}
