// Package difference owns the difference between two matrices in packets: which become allowed, which become denied, where, and by which rows.
//
// It refuses lines: rows that are renamed, split or reordered make no difference here, and one port in a long list makes exactly its own. It looks at new packets, to and from
// hosts: established ones pass in both, and forwarded ones are no subject of a matrix.
//
// Both matrices are given hosts and addresses together (policy.Populate), so that a matrix without hosts can be compared, and the same role is at the same address in both.
// Addresses that no row can tell apart are one atom; numbers (ports, ICMP types) are ranges. Only the ends whose openings differ, and the atoms whose place differs, are looked at: the
// full product of classes is for tests.
//
// Invariants: Of is a pure function; for every new packet that goes to or from an interface of either matrix, Report.Says is the difference of the two verdicts.
package difference

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
	"github.com/ingotmetal/ingot/matrix/reach"
)

// Change is what happens to packets.
type Change string

// The changes.
const (
	Allowed Change = "allowed"
	Denied  Change = "denied"
)

// Report is the difference.
type Report struct {
	// Statements are sorted; together they are the whole difference, and none overlaps another.
	Statements []Statement
	// Allowed and Denied count the classes that changed: an atom of hosts, a direction, an atom of peers, a protocol, and a range of numbers between two bounds that any row
	// of either matrix has for that protocol.
	Allowed, Denied int

	world *world
}

// Statement is one sentence of the difference.
type Statement struct {
	Change    Change
	Direction calico.Direction
	// At and Peer are the hosts and who they speak with, in words: an end ("etcd@control"), an end without another ("*@* except *@control"), or a list of these.
	At, Peer string
	Protocol matrix.Protocol
	// Ports are destination ports or ICMP types; empty where the protocol has none or where all are meant.
	Ports matrix.Ports
	// Rows are those of the new matrix that allow it, or of the old one that did.
	Rows []string
	// Classes is how many classes the statement is about.
	Classes int

	at, peers []int
	ranges    []reach.Range
}

func (s Statement) String() string {
	way := "from"
	if s.Direction == calico.Egress {
		way = "to"
	}
	ports := ""
	if len(s.Ports) > 0 {
		ports = " " + s.Ports.String()
	}
	return fmt.Sprintf("now %s: %s at %s %s %s: %s%s", s.Change, s.Direction, s.At, way, s.Peer, s.Protocol, ports)
}

// Same says whether no packet is treated differently.
func (r Report) Same() bool { return len(r.Statements) == 0 }

// Of compares two matrices. The error is that of a matrix which does not compile.
func Of(old, new matrix.Matrix) (Report, error) {
	w, err := newWorld(old, new)
	if err != nil {
		return Report{}, err
	}
	return w.report(), nil
}

// side is one of the two matrices.
type side struct {
	m     matrix.Matrix
	index reach.Index
	sets  []set
}

// set is a network that a matrix gives a meaning: a zone's, or an outside party's.
type set struct {
	net  netip.Prefix
	ends []matrix.Endpoint
	name string
}

// world is both matrices in one space of addresses.
type world struct {
	old, new side
	where    []place
	placeOf  map[string]int
	atoms    []atom
	spans    []span
	// bounds are where ranges begin, by protocol, for counting.
	bounds map[matrix.Protocol][]int
}

func newWorld(old, new matrix.Matrix) (*world, error) {
	old, new = together(old, new)
	w := &world{bounds: map[matrix.Protocol][]int{}}
	var marks []mark
	for n, m := range []matrix.Matrix{old, new} {
		compiled, err := policy.Compile(m)
		if err != nil {
			return nil, fmt.Errorf("compare matrices: the %s one: %w", []string{"old", "new"}[n], err)
		}
		openings := policy.Openings(m)
		for _, o := range openings {
			w.bounds[o.Protocol] = append(w.bounds[o.Protocol], int(o.First), int(o.Last)+1)
			for net := range strings.FieldsSeq(o.Group) {
				marks = append(marks, mark{net: netip.MustParsePrefix(net), group: o.Group})
			}
		}
		s := side{m, reach.Of(openings), sets(compiled.Objects.NetworkSets)}
		marks = append(marks, s.marks(n)...)
		if n == 0 {
			w.old = s
		} else {
			w.new = s
		}
	}
	for p, b := range w.bounds {
		first, _ := policy.Bounds(p)
		b = append(b, int(first))
		slices.Sort(b)
		w.bounds[p] = slices.Compact(b)
	}
	w.where = w.places()
	w.sweep(marks)
	return w, nil
}

// sets reads the network sets of a compiled matrix: their labels are the ends that they are.
func sets(compiled []calico.NetworkSet) []set {
	var all []set
	for _, c := range compiled {
		e := policy.PartyOf(c)
		ends := []matrix.Endpoint{matrix.Anybody}
		if e.Zone != matrix.AnyZone {
			ends = append(ends, matrix.Endpoint{Role: matrix.AnyRole, Zone: e.Zone})
		}
		if e.Role != matrix.AnyRole {
			ends = append(ends, matrix.Endpoint{Role: e.Role, Zone: matrix.AnyZone}, e)
		}
		for _, n := range c.Nets {
			all = append(all, set{n, join(ends, nil), e.String()})
		}
	}
	return all
}

func (w *world) report() Report {
	type sameness struct {
		change       Change
		direction    calico.Direction
		protocol     matrix.Protocol
		ranges, rows string
	}
	groups, parts := map[sameness][]cell{}, map[sameness]part{}
	for c := range w.cells() {
		for _, p := range w.compare(c) {
			s := sameness{p.change, c.direction, c.protocol, fmt.Sprint(p.ranges), fmt.Sprint(p.rows)}
			groups[s] = append(groups[s], c)
			parts[s] = p
		}
	}
	merged := map[string]*Statement{}
	for s, cells := range groups {
		for _, b := range blocks(cells) {
			key := fmt.Sprint(s.change, s.direction, s.protocol, b.at, b.peers)
			if merged[key] == nil {
				merged[key] = &Statement{Change: s.change, Direction: s.direction, Protocol: s.protocol, at: b.at, peers: b.peers}
			}
			merged[key].ranges = append(merged[key].ranges, parts[s].ranges...)
			merged[key].Rows = append(merged[key].Rows, parts[s].rows...)
		}
	}
	report, catalog := Report{world: w}, w.catalog()
	for _, s := range merged {
		w.finish(s, catalog)
		if s.Change == Allowed {
			report.Allowed += s.Classes
		} else {
			report.Denied += s.Classes
		}
		report.Statements = append(report.Statements, *s)
	}
	slices.SortFunc(report.Statements, compareStatements)
	return report
}

// finish puts a statement into words.
func (w *world) finish(s *Statement, c catalog) {
	s.ranges = reach.Join(s.ranges)
	slices.Sort(s.Rows)
	s.Rows = slices.Compact(s.Rows)
	s.Ports = portsOf(s.Protocol, s.ranges)
	s.Classes = len(s.at) * len(s.peers) * w.classes(s.Protocol, s.ranges)
	m := w.new.m
	if s.Change == Denied {
		m = w.old.m
	}
	var at, peer []matrix.Endpoint // as the rows call them
	for _, id := range s.Rows {
		r, _ := m.Row(id)
		if s.Direction == calico.Ingress {
			at, peer = append(at, r.To), append(peer, r.From)
		} else {
			at, peer = append(at, r.From), append(peer, r.To)
		}
	}
	s.At = words(s.at, at, c.places, func(n int) []matrix.Endpoint { return join(w.where[n].ends[0], w.where[n].ends[1]) },
		func(n int) string { return strings.Join(w.where[n].names, ", ") })
	s.Peer = words(s.peers, peer, c.atoms, func(n int) []matrix.Endpoint { return join(w.atoms[n].ends[0], w.atoms[n].ends[1]) },
		func(n int) string { return w.atoms[n].name })
}

func compareStatements(a, b Statement) int {
	return cmp.Or(cmp.Compare(b.Direction, a.Direction), cmp.Compare(a.At, b.At), cmp.Compare(a.Change, b.Change), cmp.Compare(a.Protocol, b.Protocol),
		slices.CompareFunc(a.ranges, b.ranges, func(x, y reach.Range) int { return cmp.Or(cmp.Compare(x.First, y.First), cmp.Compare(x.Last, y.Last)) }),
		cmp.Compare(a.Peer, b.Peer), slices.Compare(a.Rows, b.Rows))
}

// Says is what happens to a new packet on an interface of a host, from or to an address; empty where both matrices decide alike. Number is the destination port or the ICMP type.
func (r Report) Says(host, iface string, d calico.Direction, peer netip.Addr, p matrix.Protocol, number uint16) Change {
	at, ok := r.world.placeOf[host+"/"+iface]
	if !ok {
		return ""
	}
	atom := r.world.atomAt(peer)
	for _, s := range r.Statements {
		if s.Direction == d && s.Protocol == p && slices.Contains(s.at, at) && slices.Contains(s.peers, atom) &&
			slices.ContainsFunc(s.ranges, func(x reach.Range) bool { return x.First <= number && number <= x.Last }) {
			return s.Change
		}
	}
	return ""
}

// part is a change of some numbers of a cell.
type part struct {
	change Change
	ranges []reach.Range
	rows   []string
}

func (w *world) compare(c cell) []part {
	before, after := w.ranges(&w.old, c, 0), w.ranges(&w.new, c, 1)
	return append(parts(Allowed, after, before), parts(Denied, before, after)...)
}

// parts divides what one side has and the other has not by the rows that it is opened by.
func parts(change Change, with, without []reach.Range) []part {
	var cuts []int
	for _, r := range with {
		cuts = append(cuts, int(r.First), int(r.Last)+1)
	}
	slices.Sort(cuts)
	var all []part
	index := map[string]int{}
	for _, r := range reach.Minus(with, without) {
		for first := int(r.First); first <= int(r.Last); {
			last := int(r.Last)
			if n, _ := slices.BinarySearch(cuts, first+1); n < len(cuts) {
				last = min(last, cuts[n]-1)
			}
			piece := reach.Range{First: uint16(first), Last: uint16(last)}
			rows := rowsOf(with, piece)
			key := fmt.Sprint(rows)
			n, ok := index[key]
			if !ok {
				n = len(all)
				index[key] = n
				all = append(all, part{change: change, rows: rows})
			}
			all[n].ranges = append(all[n].ranges, piece)
			first = last + 1
		}
	}
	for n := range all {
		all[n].ranges = reach.Join(all[n].ranges)
	}
	return all
}

// rowsOf are the rows that open a range, each once, sorted.
func rowsOf(by []reach.Range, x reach.Range) []string {
	var rows []string
	for _, r := range by {
		if x.First <= r.Last && r.First <= x.Last && !slices.Contains(rows, r.Row) {
			rows = append(rows, r.Row)
		}
	}
	slices.Sort(rows)
	return rows
}

// ranges are what one matrix opens in a cell.
func (w *world) ranges(s *side, c cell, which int) []reach.Range {
	var all []reach.Range
	for _, a := range w.where[c.at].ends[which] {
		for _, p := range w.atoms[c.peer].ends[which] {
			all = append(all, s.index.At(reach.Key{Direction: c.direction, At: a, Peer: p, Protocol: c.protocol})...)
		}
		for _, g := range w.atoms[c.peer].groups {
			all = append(all, s.index.At(reach.Key{Direction: c.direction, At: a, Group: g, Protocol: c.protocol})...)
		}
	}
	return all
}

// classes counts the ranges between bounds.
func (w *world) classes(p matrix.Protocol, ranges []reach.Range) int {
	n := 0
	for _, b := range w.bounds[p] {
		if slices.ContainsFunc(ranges, func(r reach.Range) bool { return int(r.First) <= b && b <= int(r.Last) }) {
			n++
		}
	}
	return n
}

func portsOf(p matrix.Protocol, ranges []reach.Range) matrix.Ports {
	first, last := policy.Bounds(p)
	if len(ranges) == 1 && ranges[0].First == first && ranges[0].Last == last {
		return nil
	}
	var ports matrix.Ports
	for _, r := range ranges {
		ports = append(ports, matrix.PortRange{First: r.First, Last: r.Last})
	}
	return ports
}
