// Package reach owns what rows open, indexed so that rows can be compared with each other: which numbers (ports, ICMP types) are open at an end, from or to another, and by
// which rows.
//
// It refuses single packets and addresses: ends contain each other by their names alone (role@zone is within *@zone and role@*, all are within *@*), which makes a question
// cost a few look-ups instead of a walk over classes. That two roles may be one host's, or that networks overlap, is package difference's business.
//
// Invariants: an Index is never changed once made; answers are sorted, and depend on the openings only.
package reach

import (
	"cmp"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// Range is a range of numbers, both ends included, that a row opens.
type Range struct {
	First, Last uint16
	Row         string
}

// Key is a place where numbers are open. Group is as in policy.Opening; with one, Peer is the zero Endpoint: whose group it is makes no difference in packets.
type Key struct {
	Direction calico.Direction
	At, Peer  matrix.Endpoint
	Group     string
	Protocol  matrix.Protocol
}

// KeyOf is where an opening counts.
func KeyOf(o policy.Opening) Key {
	k := Key{o.Direction, o.At, o.Peer, o.Group, o.Protocol}
	if k.Group != "" {
		k.Peer = matrix.Endpoint{}
	}
	return k
}

// Index finds ranges by key.
type Index struct{ ranges map[Key][]Range }

// Of indexes openings.
func Of(openings []policy.Opening) Index {
	x := Index{map[Key][]Range{}}
	for _, o := range openings {
		k := KeyOf(o)
		x.ranges[k] = append(x.ranges[k], Range{o.First, o.Last, o.Row})
	}
	return x
}

// At are the ranges at exactly this key, in the order of the rows. The result is not to be changed.
func (x Index) At(k Key) []Range { return x.ranges[k] }

// Keys are all keys, in no order.
func (x Index) Keys() []Key {
	all := make([]Key, 0, len(x.ranges))
	for k := range x.ranges {
		all = append(all, k)
	}
	return all
}

// Wider are the ends that contain an end, itself first.
func Wider(e matrix.Endpoint) []matrix.Endpoint {
	all := []matrix.Endpoint{e}
	for _, w := range []matrix.Endpoint{{Role: e.Role, Zone: matrix.AnyZone}, {Role: matrix.AnyRole, Zone: e.Zone}, matrix.Anybody} {
		if !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	return all
}

// Within says whether the first end is contained in the second.
func Within(e, wider matrix.Endpoint) bool {
	return (wider.Role == matrix.AnyRole || wider.Role == e.Role) && (wider.Zone == matrix.AnyZone || wider.Zone == e.Zone)
}

// Around are the ranges at a key and at all keys that contain it, for which keep says yes.
func (x Index) Around(k Key, keep func(at Key, r Range) bool) []Range {
	var all []Range
	peers := []matrix.Endpoint{k.Peer}
	groups := []string{k.Group}
	if k.Group == "" {
		peers = Wider(k.Peer)
	} else { // anybody is a group as well
		peers = append(peers, matrix.Anybody)
		groups = append(groups, "")
	}
	for _, at := range Wider(k.At) {
		for n, peer := range peers {
			wide := Key{k.Direction, at, peer, groups[min(n, len(groups)-1)], k.Protocol}
			for _, r := range x.ranges[wide] {
				if keep(wide, r) {
					all = append(all, r)
				}
			}
		}
	}
	return all
}

// Covered says whether ranges cover first to last together, and by which rows, each once, in the order of the numbers.
func Covered(first, last uint16, by []Range) (rows []string, ok bool) {
	by = slices.Clone(by)
	slices.SortStableFunc(by, func(a, b Range) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(b.Last, a.Last)) })
	next := int(first)
	for _, r := range by {
		if int(r.First) > next {
			break
		}
		if int(r.Last) >= next {
			next = int(r.Last) + 1
			if !slices.Contains(rows, r.Row) {
				rows = append(rows, r.Row)
			}
		}
		if next > int(last) {
			return rows, true
		}
	}
	return nil, false
}

// Join merges ranges that touch or overlap, whoever's they are; the rows are dropped.
func Join(ranges []Range) []Range {
	sorted := slices.Clone(ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	var all []Range
	for _, r := range sorted {
		if n := len(all); n > 0 && int(r.First) <= int(all[n-1].Last)+1 {
			all[n-1].Last = max(all[n-1].Last, r.Last)
			continue
		}
		all = append(all, Range{r.First, r.Last, ""})
	}
	return all
}

// Minus is what the first ranges have and the others have not; both are joined first.
func Minus(a, b []Range) []Range {
	var all []Range
	b = Join(b)
	for _, r := range Join(a) {
		first := int(r.First)
		for _, cut := range b {
			if int(cut.Last) < first || cut.First > r.Last {
				continue
			}
			if int(cut.First) > first {
				all = append(all, Range{uint16(first), cut.First - 1, ""})
			}
			first = int(cut.Last) + 1
		}
		if first <= int(r.Last) {
			all = append(all, Range{uint16(first), r.Last, ""})
		}
	}
	return all
}
