package diagram

import (
	"slices"

	"github.com/ingotmetal/ingot/matrix"
)

// layers gives every role a column, left of all that it dials, and every long arrow a place in the columns that it passes.
func (g *graph) layers() {
	g.untangle()
	g.longest()
	g.passages()
	deepest := 0
	for i := range g.nodes {
		deepest = max(deepest, g.nodes[i].layer)
	}
	g.columns = make([][]int, deepest+1)
	for i := range g.nodes {
		l := g.nodes[i].layer
		g.columns[l] = append(g.columns[l], i)
	}
}

// ends are an arrow's nodes in the order of the layout.
func (e edge) ends() (left, right int) {
	if e.backward {
		return e.to, e.from
	}
	return e.from, e.to
}

// untangle marks few arrows as backward, so that no circle is left: Eades, Lin and Smyth, "A fast and effective heuristic for the feedback arc set
// problem" (1993). Sinks go to the end of the order, sources to its beginning, and between them whoever dials more than it is dialed.
func (g *graph) untangle() {
	n := len(g.nodes)
	gone := make([]bool, n)
	position := make([]int, n)
	first, last := 0, n-1
	for first <= last {
		out, in := make([]int, n), make([]int, n)
		for _, e := range g.edges {
			if !gone[e.from] && !gone[e.to] {
				out[e.from]++
				in[e.to]++
			}
		}
		best, sink := -1, -1
		for i := range n {
			switch {
			case gone[i]:
			case out[i] == 0:
				sink = i
			case in[i] == 0 && (best < 0 || in[best] > 0):
				best = i
			case best < 0 || in[best] > 0 && out[i]-in[i] > out[best]-in[best]:
				best = i
			}
		}
		if sink >= 0 {
			gone[sink], position[sink] = true, last
			last--
			continue
		}
		gone[best], position[best] = true, first
		first++
	}
	for i := range g.edges {
		e := &g.edges[i]
		e.backward = position[e.from] > position[e.to]
	}
}

// longest puts each node right of all its left neighbours, and then those without any directly left of the first that they dial.
func (g *graph) longest() {
	for changed := true; changed; {
		changed = false
		for _, e := range g.edges {
			l, r := e.ends()
			if g.nodes[r].layer <= g.nodes[l].layer {
				g.nodes[r].layer = g.nodes[l].layer + 1
				changed = true
			}
		}
	}
	nearest := make([]int, len(g.nodes))
	hasLeft := make([]bool, len(g.nodes))
	for i := range nearest {
		nearest[i] = -1
	}
	for _, e := range g.edges {
		l, r := e.ends()
		hasLeft[r] = true
		if nearest[l] < 0 || g.nodes[r].layer < nearest[l] {
			nearest[l] = g.nodes[r].layer
		}
	}
	for i := range g.nodes {
		if !hasLeft[i] && nearest[i] > 0 {
			g.nodes[i].layer = nearest[i] - 1
		}
	}
}

// passages cuts the arrows into segments from column to column.
func (g *graph) passages() {
	for i := range g.edges {
		left, right := g.edges[i].ends()
		path := []int{left}
		for l := g.nodes[left].layer + 1; l < g.nodes[right].layer; l++ {
			path = append(path, len(g.nodes))
			n := node{passing: i, layer: l}
			if g.nodes[left].end.Zone == g.nodes[right].end.Zone {
				n.end.Zone = g.nodes[right].end.Zone
			}
			g.nodes = append(g.nodes, n)
		}
		path = append(path, right)
		g.edges[i].path = path
		for k := 0; k+1 < len(path); k++ {
			s := len(g.segments)
			g.segments = append(g.segments, segment{edge: i, left: path[k], right: path[k+1], first: k == 0, last: k+2 == len(path)})
			g.edges[i].cuts = append(g.edges[i].cuts, s)
			g.nodes[path[k]].rights = append(g.nodes[path[k]].rights, s)
			g.nodes[path[k+1]].lefts = append(g.nodes[path[k+1]].lefts, s)
		}
	}
}

// bands orders the zones, so that flows between them are short, and puts every node into a band: zones have the odd ones, the gutters around
// them the even.
func (g *graph) bands() {
	type pair struct{ a, b int }
	weight := map[pair]int{}
	for _, e := range g.edges {
		a, b := slices.Index(g.zones, g.nodes[e.from].end.Zone), slices.Index(g.zones, g.nodes[e.to].end.Zone)
		if a != b {
			weight[pair{min(a, b), max(a, b)}]++
		}
	}
	cost := func(order []int) int {
		at := make([]int, len(order))
		for i, z := range order {
			at[z] = i
		}
		sum := 0
		for p, w := range weight {
			d := at[p.a] - at[p.b]
			sum += w * d * d
		}
		return sum
	}
	order := make([]int, len(g.zones))
	for i := range order {
		order[i] = i
	}
	best := cost(order)
	for changed := true; changed; {
		changed = false
		// Move each zone to wherever it is best; a zone has few neighbours, so that this settles soon.
		for i := range order {
			for j := range order {
				try := slices.Clone(order)
				z := try[i]
				try = slices.Insert(slices.Delete(try, i, i+1), j, z)
				if c := cost(try); c < best {
					order, best, changed = try, c, true
				}
			}
		}
	}
	band := g.rows(order)
	for i := range g.nodes {
		if g.nodes[i].passing < 0 {
			g.nodes[i].band = band[g.nodes[i].end.Zone]
		}
	}
	for _, e := range g.edges {
		left, right := e.ends()
		for _, p := range e.path[1 : len(e.path)-1] {
			g.nodes[p].band = gutter(g.nodes[left].band, g.nodes[right].band)
		}
	}
}

// rows gives each zone its band. Zones that follow each other and have no column in common stand in one.
func (g *graph) rows(order []int) map[matrix.Zone]int {
	type span struct{ first, last int }
	spans := map[matrix.Zone]span{}
	for _, n := range g.nodes {
		if n.passing >= 0 {
			continue
		}
		s, ok := spans[n.end.Zone]
		if !ok {
			s = span{n.layer, n.layer}
		}
		spans[n.end.Zone] = span{min(s.first, n.layer), max(s.last, n.layer)}
	}
	band := map[matrix.Zone]int{}
	var taken []span
	for _, i := range order {
		s := spans[g.zones[i]]
		if len(taken) == 0 || slices.ContainsFunc(taken, func(t span) bool { return s.first <= t.last && t.first <= s.last }) {
			taken = nil
			g.bandCount++
		}
		taken = append(taken, s)
		band[g.zones[i]] = 2*g.bandCount - 1
	}
	return band
}

// gutter is where an arrow passes columns: in its own zone, or beside the zone that it goes to.
func gutter(from, to int) int {
	switch {
	case from < to:
		return to - 1
	case from > to:
		return to + 1
	default:
		return to
	}
}
