package difference

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/reach"
)

// cell is a part of the space that may differ: hosts, a direction, peers and a protocol.
type cell struct {
	direction calico.Direction
	at, peer  int
	protocol  matrix.Protocol
}

// catalog finds places and atoms by what they are in either matrix.
type catalog struct {
	places, atoms map[matrix.Endpoint][]int
	groups        map[string][]int
}

func (w *world) catalog() catalog {
	c := catalog{map[matrix.Endpoint][]int{}, map[matrix.Endpoint][]int{}, map[string][]int{}}
	for n, p := range w.where {
		for _, e := range join(p.ends[0], p.ends[1]) {
			c.places[e] = append(c.places[e], n)
		}
	}
	for n, a := range w.atoms {
		for _, e := range join(a.ends[0], a.ends[1]) {
			c.atoms[e] = append(c.atoms[e], n)
		}
		for _, g := range a.groups {
			c.groups[g] = append(c.groups[g], n)
		}
	}
	return c
}

// peers are the atoms that a key is about.
func (c catalog) peers(k reach.Key) []int {
	if k.Group != "" {
		return c.groups[k.Group]
	}
	return c.atoms[k.Peer]
}

// cells are all that may differ: where the openings of a key differ, and where a host or an address is something else than it was.
func (w *world) cells() map[cell]bool {
	cells := map[cell]bool{}
	c := w.catalog()
	add := func(k reach.Key, at, peer int) {
		if w.atoms[peer].speaks(k.Protocol) {
			cells[cell{k.Direction, at, peer, k.Protocol}] = true
		}
	}
	movedPlace := func(n int) bool { return !slices.Equal(w.where[n].ends[0], w.where[n].ends[1]) }
	movedAtom := func(n int) bool { return !slices.Equal(w.atoms[n].ends[0], w.atoms[n].ends[1]) }
	for k, changed := range w.keys() {
		for _, at := range c.places[k.At] {
			for _, peer := range c.peers(k) {
				if changed || movedPlace(at) || movedAtom(peer) {
					add(k, at, peer)
				}
			}
		}
	}
	return cells
}

// keys are those of both matrices, and whether their openings differ.
func (w *world) keys() map[reach.Key]bool {
	all := map[reach.Key]bool{}
	for _, k := range slices.Concat(w.old.index.Keys(), w.new.index.Keys()) {
		if _, done := all[k]; !done {
			all[k] = !slices.Equal(reach.Join(w.old.index.At(k)), reach.Join(w.new.index.At(k)))
		}
	}
	return all
}

// block is a set of cells: these places with these atoms.
type block struct{ at, peers []int }

// blocks gathers cells of one direction and protocol: places with the same peers are one.
func blocks(cells []cell) []block {
	peers := map[int][]int{}
	for _, c := range cells {
		peers[c.at] = append(peers[c.at], c.peer)
	}
	index := map[string]int{}
	var all []block
	places := make([]int, 0, len(peers))
	for at := range peers {
		places = append(places, at)
	}
	slices.Sort(places)
	for _, at := range places {
		slices.Sort(peers[at])
		key := fmt.Sprint(peers[at])
		n, ok := index[key]
		if !ok {
			n = len(all)
			index[key] = n
			all = append(all, block{peers: peers[at]})
		}
		all[n].at = append(all[n].at, at)
	}
	return all
}

// words names a set of things by the ends that they are: one end, one without another, or a list. Of several names the preferred ones are taken, then the narrowest.
func words(set []int, preferred []matrix.Endpoint, by map[matrix.Endpoint][]int, endsOf func(int) []matrix.Endpoint, name func(int) string) string {
	candidates := slices.Clone(endsOf(set[0]))
	slices.SortFunc(candidates, func(a, b matrix.Endpoint) int { return cmp.Or(len(by[a])-len(by[b]), wildcards(a)-wildcards(b)) })
	candidates = append(slices.Clone(preferred), candidates...)
	for _, e := range candidates {
		if slices.Equal(by[e], set) {
			return e.String()
		}
	}
	for _, e := range candidates {
		rest := without(by[e], set)
		if len(rest) == 0 || len(by[e]) != len(set)+len(rest) {
			continue
		}
		for _, f := range endsOf(rest[0]) {
			if slices.Equal(without(by[e], by[f]), set) {
				return e.String() + " except " + f.String()
			}
		}
	}
	var names []string
	for _, n := range set {
		if s := name(n); !slices.Contains(names, s) {
			names = append(names, s)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// wildcards: of two names of one set, the one that says more is better.
func wildcards(e matrix.Endpoint) int {
	n := 0
	if e.Role == matrix.AnyRole {
		n++
	}
	if e.Zone == matrix.AnyZone {
		n++
	}
	return n
}

func without(all, some []int) []int {
	return slices.DeleteFunc(slices.Clone(all), func(n int) bool { _, ok := slices.BinarySearch(some, n); return ok })
}
