package diagram

import (
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// Options say which flows are drawn; zero draws all.
type Options struct {
	// Plane keeps the flows with an end on this plane.
	Plane matrix.Plane
	// Role keeps the flows with this role at an end.
	Role matrix.Role
}

// state is how an arrow is drawn.
type state int

const (
	holds state = iota
	excepted
	open
)

// node is a role in a zone, or a place at which a long arrow passes a column.
type node struct {
	// end of a passing place has the zone that the arrow stays in, if it stays in one.
	end     matrix.Endpoint
	outside bool
	// passing is the arrow that goes through here, -1 for a role.
	passing int
	// loops are the labels of flows from the role to itself.
	loops []string
	// titles are the tooltips of the loops.
	titles []string

	layer, band   int
	x, y, w, h    float64
	lefts, rights []int // segments that end at the left side and begin at the right side
}

// edge is all flows from one role to another. Backward ones are laid out the other way round.
type edge struct {
	from, to int
	rows     []matrix.Row
	state    state
	label    []string
	backward bool
	// path are the nodes from left to right, with the passing ones between.
	path []int
	// cuts are its segments from left to right.
	cuts []int
}

// segment is the part of an arrow between two columns.
type segment struct {
	edge, left, right int
	// first and last say which end of the arrow, seen from left to right, this is.
	first, last bool
	// leftY and rightY are where it ends.
	leftY, rightY float64
}

// graph is what is laid out.
type graph struct {
	matrix   matrix.Matrix
	nodes    []node
	edges    []edge
	segments []segment
	zones    []matrix.Zone
	columns  [][]int
	// bandCount counts the bands that have zones.
	bandCount int
	// labelSpans are the widths of the labels before each column.
	labelSpans []float64
}

// build gathers the roles and flows that the options ask for.
func build(m matrix.Matrix, o Options) *graph {
	g := &graph{matrix: m}
	index := map[matrix.Endpoint]int{}
	at := func(e matrix.Endpoint) int {
		i, ok := index[e]
		if !ok {
			i = len(g.nodes)
			index[e] = i
			g.nodes = append(g.nodes, node{end: e, outside: e.Role == matrix.AnyRole && e.Zone == matrix.AnyZone || e.Role != matrix.AnyRole && !m.Ours(e), passing: -1})
		}
		return i
	}
	pairs := map[[2]int]int{}
	for _, r := range m.Rows {
		if !wanted(m, r, o) {
			continue
		}
		from, to := at(r.From), at(r.To)
		if from == to {
			n := &g.nodes[from]
			if l := wire(r); !slices.Contains(n.loops, l) {
				n.loops = append(n.loops, l)
			}
			n.titles = append(n.titles, tooltip(r))
			continue
		}
		i, ok := pairs[[2]int{from, to}]
		if !ok {
			i = len(g.edges)
			pairs[[2]int{from, to}] = i
			g.edges = append(g.edges, edge{from: from, to: to})
		}
		g.edges[i].rows = append(g.edges[i].rows, r)
	}
	for i := range g.edges {
		g.edges[i].state = worst(g.edges[i].rows)
		g.edges[i].label = label(g.edges[i].rows)
	}
	for i := range g.nodes {
		if z := g.nodes[i].end.Zone; !slices.Contains(g.zones, z) {
			g.zones = append(g.zones, z)
		}
	}
	return g
}

func wanted(m matrix.Matrix, r matrix.Row, o Options) bool {
	on := func(z matrix.Zone) bool {
		d, ok := m.Zone(z)
		return ok && d.OnPlane() == o.Plane
	}
	return (o.Role == "" || r.From.Role == o.Role || r.To.Role == o.Role) && (o.Plane == "" || on(r.From.Zone) || on(r.To.Zone))
}

func worst(rows []matrix.Row) state {
	s := holds
	for _, r := range rows {
		for _, c := range r.Cells() {
			switch {
			case c.Gap():
				s = open
			case !c.Holds():
				s = max(s, excepted)
			}
		}
	}
	return s
}

// wire is a row's label: "443 HTTPS", "67 udp", "ip 112", "any tcp port".
func wire(r matrix.Row) string {
	name := string(r.Protocol)
	if strings.Trim(name, "0123456789") == "" {
		name = "ip " + name
	}
	switch {
	case len(r.Ports) > 0 && r.Application != "":
		return r.Ports.String() + " " + string(r.Application)
	case len(r.Ports) > 0:
		return r.Ports.String() + " " + name
	case r.Protocol.HasPorts() && r.Application != "" && !strings.EqualFold(name, string(r.Application)):
		return string(r.Application) + ", any port"
	case r.Protocol.HasPorts():
		return "any " + name + " port"
	case r.Application != "":
		return string(r.Application)
	default:
		return name
	}
}

// labelWidth is the most characters of a line of a label; a longer word stays whole.
const labelWidth = 24

// label is an arrow's text: the wires that its flows speak, and in one more line the properties that do not hold.
func label(rows []matrix.Row) []string {
	var words []string
	for _, r := range rows {
		if w := wire(r); !slices.Contains(words, w) {
			words = append(words, w)
		}
	}
	lines := pack(words, labelWidth)
	var not, unsure []string
	for i, c := range (matrix.Row{}).Cells() {
		excepted, gap := false, false
		for _, r := range rows {
			p := r.Cells()[i]
			excepted, gap = excepted || p.State == matrix.Excepted, gap || p.Gap()
		}
		switch {
		case excepted:
			not = append(not, c.Letter)
		case gap:
			unsure = append(unsure, c.Letter)
		}
	}
	if len(not) > 0 {
		lines = append(lines, "not "+strings.Join(not, " "))
	}
	if len(unsure) > 0 {
		lines = append(lines, strings.Join(unsure, " ")+" ?")
	}
	return lines
}

// pack joins words by commas into lines.
func pack(words []string, width int) []string {
	var lines []string
	for _, w := range words {
		if n := len(lines); n > 0 && len(lines[n-1])+2+len(w) <= width {
			lines[n-1] += ", " + w
			continue
		}
		if n := len(lines); n > 0 {
			lines[n-1] += ","
		}
		lines = append(lines, w)
	}
	return lines
}

func tooltip(r matrix.Row) string {
	t := r.ID + " " + string(r.Name) + ", " + wire(r)
	if r.Purpose != "" {
		t += ": " + r.Purpose
	}
	return t
}
