package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"sort"
	"time"

	"github.com/ingotmetal/ingot/ipam/span"
)

// Family is a choice of address family.
type Family uint8

// The families. Any is that of the pool's first range, and the other one when that has nothing free.
const (
	Any Family = 0
	V4  Family = 4
	V6  Family = 6
)

// Request asks for one address of a pool for a holder.
type Request struct {
	Pool   string
	Holder string // what the caller makes unique, such as "IPClaim/namespace/name"
	Family Family
	// Address is the one and only, where it is valid.
	Address netip.Addr
	// Within narrows the choice, where it is valid; of an address chosen so the lowest free one is given, and the pool's sequence stays where it is.
	Within span.Range
	// Seed is for Random: the same seed and state give the same address. Take it from a random source.
	Seed uint64
	Tags map[string]string
}

// Acquire gives the holder an address. What the holder has of this pool already is returned again, so that a request may be repeated after a crash.
func (s *State) Acquire(r Request, now time.Time) (Lease, *Refusal) {
	p := s.pools[r.Pool]
	if p == nil || !p.known {
		return Lease{}, &Refusal{Reason: Unknown, Subject: "pool " + r.Pool}
	}
	if refused := r.check(); refused != nil {
		return Lease{}, refused
	}
	v := s.vrfs[p.VRF]
	v.wake(now)
	if c := p.leases[r.Holder]; c != nil {
		if !r.fits(c.key) {
			return Lease{}, &Refusal{Reason: Holding, Subject: "pool " + p.Name, By: c.key.Addr().String()}
		}
		return v.lease(c), nil
	}
	want := r.Address
	if kept, ok := p.PreAllocations[r.Holder]; ok && !want.IsValid() {
		if !r.fits(span.Of(kept)) {
			return Lease{}, &Refusal{Reason: Taken, Subject: "pool " + p.Name, By: "the holder's own pre-allocation " + kept.String()}
		}
		want = kept
	}
	if want.IsValid() {
		k := span.Of(want)
		if refused := v.exact(p, r.Holder, k); refused != nil {
			return Lease{}, refused
		}
		return v.lease(v.hold(p, r, k, 0)), nil
	}
	k, turn, ok := v.choose(p, r)
	if !ok {
		return Lease{}, v.nothing(p, r)
	}
	return v.lease(v.hold(p, r, k, turn)), nil
}

func (r Request) check() *Refusal {
	refuse := func(format string, args ...any) *Refusal {
		return &Refusal{Reason: Invalid, Subject: "request to pool " + r.Pool, Detail: fmt.Sprintf(format, args...)}
	}
	if r.Holder == "" {
		return refuse("it names no holder")
	}
	if r.Family != Any && r.Family != V4 && r.Family != V6 {
		return refuse("family %d is none of 4, 6", r.Family)
	}
	if r.Within != (span.Range{}) {
		if err := r.Within.Check(); err != nil {
			return refuse("range: %v", err)
		}
	}
	if !r.Address.IsValid() {
		return nil
	}
	if err := span.Check(r.Address); err != nil {
		return refuse("address: %v", err)
	}
	asked := r
	if asked.Address = (netip.Addr{}); !asked.fits(span.Of(r.Address)) {
		return refuse("%s is not of the family or range that it asks for", r.Address)
	}
	return nil
}

// fits says whether an address is what is asked for.
func (r Request) fits(k span.Key) bool {
	return (!r.Address.IsValid() || span.Of(r.Address) == k) &&
		(r.Family == Any || (r.Family == V4) == k.Is4()) &&
		(!r.Within.From.IsValid() || r.Within.Span().Has(k))
}

// exact says why an address can't be the holder's.
func (v *vrf) exact(p *pool, holder string, k span.Key) *Refusal {
	c := v.cells.Get(k)
	inside := p.gives(k)
	if inside && c == nil {
		return nil
	}
	r := &Refusal{Subject: "pool " + p.Name, Address: k.Addr()}
	switch {
	case !has(p.whole, k):
		r.Reason = OutsidePool
	case !inside:
		r.Reason = Excluded
	case c.held():
		return c.taken(p)
	case c.resting():
		r.Reason, r.By, r.Until = Quarantined, fmt.Sprintf("%s (pool %s)", c.holder, c.pool.Name), c.until
	case c.gateways > 0:
		r.Reason, r.Detail = Excluded, "a gateway"
	case c.kept != nil && (c.kept.pool != p || c.kept.holder != holder):
		r.Reason, r.By = Taken, c.kept.String()
	default:
		return nil
	}
	return r
}

// gives says whether the key is in one of the pool's spans.
func (p *pool) gives(k span.Key) bool {
	runs := p.spans[:p.v4]
	if !k.Is4() {
		runs = p.spans[p.v4:]
	}
	at := sort.Search(len(runs), func(i int) bool { return !runs[i].To.Less(k) })
	return at < len(runs) && runs[at].Has(k)
}

// taken is the refusal of an address that is held.
func (c *cell) taken(asked *pool) *Refusal {
	return &Refusal{Reason: Taken, Subject: "pool " + asked.Name, Address: c.key.Addr(), By: fmt.Sprintf("%s (pool %s)", c.holder, c.pool.Name)}
}

// hold enters a lease; the key must be free for the holder.
func (v *vrf) hold(p *pool, r Request, k span.Key, turn uint64) *cell {
	c := v.cell(k)
	c.pool, c.holder, c.turn, c.tags = p, r.Holder, turn, maps.Clone(r.Tags)
	p.leases[r.Holder] = c
	p.took(c)
	return c
}

// took moves the pool's sequence on to an address that has a later turn.
func (p *pool) took(c *cell) {
	at := &p.cursors[family(c.key)]
	if c.turn > at.turn {
		at.key, at.turn = c.key, c.turn
	}
}

func (v *vrf) lease(c *cell) Lease {
	return Lease{VRF: v.name, Pool: c.pool.Name, Address: c.key.Addr(), Holder: c.holder, Turn: c.turn, Tags: maps.Clone(c.tags)}
}

// choose finds a free address by the pool's strategy.
func (v *vrf) choose(p *pool, r Request) (k span.Key, turn uint64, ok bool) {
	for _, f := range p.families(r.Family) {
		if p.totals[f].full() {
			continue
		}
		runs := p.runs(f, r.Within)
		if p.Strategy == Random {
			k, ok = v.random(runs, r.Seed)
		} else {
			var start span.Key
			if at := p.cursors[f]; at.turn > 0 && !r.Within.From.IsValid() {
				start, _ = at.key.Next()
			}
			k, ok = v.around(runs, start)
			if !r.Within.From.IsValid() {
				turn = max(p.cursors[0].turn, p.cursors[1].turn) + 1
			}
		}
		if ok {
			return k, turn, true
		}
	}
	return span.Key{}, 0, false
}

func (t total) full() bool { return t.size == span.Key{Lo: t.blocked} }

// families is the order in which to look: 0 is IPv4, 1 is IPv6.
func (p *pool) families(f Family) []int {
	switch {
	case f == V4:
		return []int{0}
	case f == V6:
		return []int{1}
	case len(p.whole) > 0 && p.whole[0].From.Is4():
		return []int{0, 1}
	}
	return []int{1, 0}
}

// runs is what the pool may give of a family within a range.
func (p *pool) runs(f int, within span.Range) []run {
	all := p.spans[:p.v4]
	if f == 1 {
		all = p.spans[p.v4:]
	}
	if !within.From.IsValid() {
		return all
	}
	var some []run
	for _, r := range all {
		if both, ok := r.Clip(within.Span()); ok {
			some = append(some, run{Span: both})
		}
	}
	return some
}

// around is the first free key at start or behind it, or else the first of all.
func (v *vrf) around(runs []run, start span.Key) (span.Key, bool) {
	first := sort.Search(len(runs), func(i int) bool { return !runs[i].To.Less(start) })
	for i := range len(runs) + 1 {
		r := runs[:0]
		if n := first + i; n < len(runs) {
			r = runs[n : n+1]
		} else if n -= len(runs); n >= 0 && n < len(runs) {
			r = runs[n : n+1]
		}
		if len(r) == 0 || r[0].Size() == (span.Key{Lo: r[0].blocked}) {
			continue
		}
		in := r[0].Span
		if i == 0 && in.Has(start) {
			in.From = start
		}
		if k, ok := v.cells.Next(in); ok {
			return k, true
		}
	}
	return span.Key{}, false
}

// nothing is the refusal when the pool has no free address for the request.
func (v *vrf) nothing(p *pool, r Request) *Refusal {
	refused := &Refusal{Reason: NoFree, Subject: "pool " + p.Name}
	reach := false
	for _, f := range p.families(r.Family) {
		runs := p.runs(f, r.Within)
		reach = reach || len(runs) > 0
		for _, e := range v.rests {
			inside := e.cell != nil && e.cell.kept == nil && e.cell.gateways == 0 && slices.ContainsFunc(runs, func(r run) bool { return r.Has(e.cell.key) })
			if inside && (refused.Until.IsZero() || e.until.Before(refused.Until)) {
				refused.Until = e.until
			}
		}
	}
	if !reach {
		refused.Reason, refused.Detail = OutsidePool, "it gives no address of the family or range that was asked for"
	}
	return refused
}
