package ipam

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/ipam/span"
)

// Finding is a fact that stands against another, and what Build did with it.
type Finding struct {
	// Fact is a Network, Pool, Cursor, Lease, Rest or PrefixRest.
	Fact    any
	Refusal *Refusal
	// Held says that its address is given to nobody else all the same.
	Held bool
}

// Build makes the State of facts, the same one in whatever order they come. Each fact that can't stand beside the others is a Finding: of two leases of one address the one whose pool,
// then holder, comes first in the alphabet stands. A lease outside of its pool, of no pool, or of a holder that has another one is a finding and held.
func Build(f Facts) (*State, []Finding) {
	s, b := newState(), builder{}
	f = f.sorted()
	for _, child := range []bool{false, true} {
		for _, n := range f.Networks {
			if (n.Parent != "") == child {
				b.network(s, n)
			}
		}
	}
	for _, p := range f.Pools {
		if s.pools[p.Name] != nil {
			b.find(p, &Refusal{Reason: Taken, Subject: "pool name " + p.Name, By: "another pool"}, false)
		} else if refused := s.addPool(p.normal()); refused != nil {
			b.find(p, refused, false)
		}
	}
	for _, c := range f.Cursors {
		if p := s.pools[c.Pool]; p == nil || span.Check(c.Address) != nil {
			b.find(c, &Refusal{Reason: Unknown, Subject: "pool " + c.Pool}, false)
		} else {
			p.took(&cell{key: span.Of(c.Address), turn: c.Turn})
		}
	}
	expect(s, f.Leases)
	inOrder(f.Leases, func(l *Lease) netip.Addr { return l.Address }, (*Lease).compare, func(l *Lease) { b.lease(s, *l) })
	inOrder(f.Rests, func(r *Rest) netip.Addr { return r.Address }, (*Rest).compare, func(r *Rest) { b.rest(s, *r) })
	for _, r := range f.PrefixRests {
		b.prefixRest(s, r)
	}
	return s, b.findings
}

// expect makes room for all leases at once, by VRF and by pool.
func expect(s *State, leases []Lease) {
	counts, cells := map[string]int{}, map[string]int{}
	for i := range leases {
		counts[leases[i].Pool]++
		cells[leases[i].VRF]++
	}
	for name, n := range cells {
		s.vrf(name).spare = make([]cell, n)
	}
	for name, n := range counts {
		if p := s.pools[name]; p != nil {
			p.leases = make(map[string]*cell, n)
		}
	}
}

type builder struct{ findings []Finding }

func (b *builder) find(fact any, refused *Refusal, held bool) {
	b.findings = append(b.findings, Finding{fact, refused, held})
}

func (b *builder) network(s *State, n Network) {
	if s.networks[n.Name] != nil {
		b.find(n, &Refusal{Reason: Taken, Subject: "network name " + n.Name, By: "another network"}, false)
	} else if refused := s.addNetwork(n.normal()); refused != nil {
		b.find(n, refused, false)
	}
}

// home is the pool of a fact's name, or a stand-in for one that isn't there.
func (s *State) home(name, vrf string) *pool {
	p := s.pools[name]
	if p != nil && p.VRF != vrf {
		// A name that no pool can have, so that the address is held in its own VRF.
		name += "\x00" + vrf
		p = s.pools[name]
	}
	if p == nil {
		p = &pool{Pool: Pool{Name: name, VRF: vrf}, leases: map[string]*cell{}}
		p.Name, _, _ = strings.Cut(name, "\x00")
		s.pools[name] = p
	}
	return p
}

func (b *builder) lease(s *State, l Lease) {
	subject := "pool " + l.Pool
	if err := span.Check(l.Address); err != nil || l.Holder == "" {
		b.find(l, &Refusal{Reason: Invalid, Subject: subject, Detail: "a lease needs an address and a holder"}, false)
		return
	}
	p, v, k := s.home(l.Pool, l.VRF), s.vrf(l.VRF), span.Of(l.Address)
	if c := v.cells.Get(k); c != nil && c.held() {
		b.find(l, c.taken(p), false)
		return
	}
	refused := v.exact(p, l.Holder, k)
	first := p.leases[l.Holder]
	switch {
	case !p.known:
		refused = &Refusal{Reason: Unknown, Subject: subject, Address: l.Address}
	case refused == nil && first != nil:
		refused = &Refusal{Reason: Holding, Subject: subject, Address: l.Address, By: first.key.Addr().String()}
	}
	if refused != nil {
		b.find(l, refused, true)
	}
	c := v.hold(p, Request{Holder: l.Holder, Tags: l.Tags}, k, l.Turn)
	if first != nil {
		// Leases come in the order of addresses: the first stays the holder's, the others hang on it.
		last := first
		for last.more != nil {
			last = last.more
		}
		last.more = c
		p.leases[l.Holder] = first
	}
}

func (b *builder) rest(s *State, r Rest) {
	if span.Check(r.Address) != nil || r.Until.IsZero() || r.Holder == "" {
		b.find(r, &Refusal{Reason: Invalid, Subject: "pool " + r.Pool, Detail: "a rest needs an address, a holder and an end"}, false)
		return
	}
	v, p := s.vrf(r.VRF), s.home(r.Pool, r.VRF)
	if c := v.cells.Get(span.Of(r.Address)); c != nil && c.holder != "" {
		b.find(r, &Refusal{Reason: Taken, Subject: "pool " + r.Pool, Address: r.Address, By: c.holder}, false)
		return
	}
	c := v.cell(span.Of(r.Address))
	c.pool, c.holder, c.turn = p, r.Holder, r.Turn
	p.took(c)
	v.rest(c, r.Until)
}

func (b *builder) prefixRest(s *State, r PrefixRest) {
	parent := s.networks[r.Parent]
	if parent == nil || span.CheckPrefix(r.Prefix) != nil || r.Until.IsZero() {
		b.find(r, &Refusal{Reason: Unknown, Subject: "network " + r.Parent, Detail: "of a prefix that rests"}, false)
		return
	}
	at := span.BlockOf(r.Prefix)
	t := s.treeOf(Network{Parent: r.Parent}, at)
	if t == nil {
		b.find(r, &Refusal{Reason: OutsidePool, Subject: "network " + r.Parent, Prefix: r.Prefix}, false)
		return
	}
	made := &tract{block: at, owner: r.Holder}
	if by := t.Take(at, made); by != nil {
		b.find(r, by.refusal("network "+r.Parent, r.Prefix), false)
		return
	}
	s.vrf(parent.VRF).restTract(r.Parent, t, made, r.Until)
}

// rebuild changes the configuration by building everything anew; it is refused where that leads to a finding that was none before.
func (s *State) rebuild(change func(*Facts)) *Refusal {
	f := s.Facts()
	_, before := Build(f)
	was := map[string]bool{}
	for _, b := range before {
		was[b.Refusal.Error()] = true
	}
	change(&f)
	next, after := Build(f)
	for _, a := range after {
		// An address that stays held, though its pool would not give it any more, is no reason against the change.
		if !a.Held && !was[a.Refusal.Error()] {
			return a.Refusal
		}
	}
	*s = *next
	return nil
}

// Facts is the State as facts, sorted: Build makes the same State of them.
func (s *State) Facts() Facts {
	var f Facts
	for _, name := range slices.Sorted(maps.Keys(s.networks)) {
		f.Networks = append(f.Networks, s.networks[name].normal())
	}
	for _, name := range slices.Sorted(maps.Keys(s.pools)) {
		p := s.pools[name]
		if !p.known {
			continue
		}
		f.Pools = append(f.Pools, p.normal())
		for _, at := range p.cursors {
			if at.turn > 0 {
				f.Cursors = append(f.Cursors, Cursor{Pool: name, Address: at.key.Addr(), Turn: at.turn})
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.vrfs)) {
		s.vrfs[name].facts(&f)
	}
	slices.SortFunc(f.PrefixRests, PrefixRest.compare)
	return f
}

func (v *vrf) facts(f *Facts) {
	v.cells.Sorted(func(_ span.Key, c *cell) {
		switch {
		case c.held():
			f.Leases = append(f.Leases, v.lease(c))
		case c.resting():
			f.Rests = append(f.Rests, Rest{VRF: v.name, Pool: c.pool.Name, Address: c.key.Addr(), Holder: c.holder, Turn: c.turn, Until: c.until})
		}
	})
	for _, e := range v.rests {
		if e.tract != nil {
			f.PrefixRests = append(f.PrefixRests, PrefixRest{Parent: e.parent, Prefix: e.tract.block.Prefix(), Holder: e.tract.owner, Until: e.until})
		}
	}
}

// inOrder calls f for each, by address, and where that is the same by compare. It sorts small entries and not the facts: with 60,000 of them that is most of the time of Build.
func inOrder[T any](all []T, address func(*T) netip.Addr, compare func(a, b *T) int, f func(*T)) {
	type entry struct {
		key span.Key
		at  int
	}
	entries := make([]entry, len(all))
	for i := range all {
		entries[i].at = i
		if a := address(&all[i]); a.IsValid() {
			entries[i].key = span.Of(a)
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if c := a.key.Compare(b.key); c != 0 {
			return c
		}
		return compare(&all[a.at], &all[b.at])
	})
	for _, e := range entries {
		f(&all[e.at])
	}
}

func (l *Lease) compare(o *Lease) int {
	return cmp.Or(cmp.Compare(l.VRF, o.VRF), l.Address.Compare(o.Address), cmp.Compare(l.Pool, o.Pool), cmp.Compare(l.Holder, o.Holder), cmp.Compare(l.Turn, o.Turn))
}

func (r *Rest) compare(o *Rest) int {
	return cmp.Or(cmp.Compare(r.VRF, o.VRF), r.Address.Compare(o.Address), o.Until.Compare(r.Until), cmp.Compare(r.Pool, o.Pool), cmp.Compare(r.Holder, o.Holder))
}

// sorted is the facts with those sorted that are few.
func (f Facts) sorted() Facts {
	f.Networks = sorted(f.Networks, func(a, b Network) int { return cmp.Compare(a.Name, b.Name) })
	f.Pools = sorted(f.Pools, func(a, b Pool) int { return cmp.Compare(a.Name, b.Name) })
	f.PrefixRests = sorted(f.PrefixRests, PrefixRest.compare)
	return f
}

func (r PrefixRest) compare(o PrefixRest) int {
	return cmp.Or(cmp.Compare(r.Parent, o.Parent), r.Prefix.Compare(o.Prefix), o.Until.Compare(r.Until), cmp.Compare(r.Holder, o.Holder))
}

func sorted[T any](all []T, compare func(a, b T) int) []T {
	if slices.IsSortedFunc(all, compare) {
		return all
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, compare)
	return all
}
