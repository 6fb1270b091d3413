package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"github.com/ingotmetal/ingot/ipam/span"
)

// plan is what a pool comes to: what it may give, and what its ranges are before anything is left out.
type plan struct {
	pool     Pool
	whole    []span.Span
	spans    []span.Span
	gateways []netip.Addr
}

// SetPool makes a pool, or changes one as if it had been so from the start: addresses that are held stay held, inside or not.
func (s *State) SetPool(p Pool) *Refusal {
	p = p.normal()
	if old := s.pools[p.Name]; old != nil {
		if old.known && reflect.DeepEqual(old.Pool, p) {
			return nil
		}
		return s.rebuild(func(f *Facts) {
			f.Pools = append(slices.DeleteFunc(f.Pools, func(o Pool) bool { return o.Name == p.Name }), p)
		})
	}
	return s.addPool(p)
}

// RemovePool takes a pool away from which nothing is held; existed is false where there was none.
func (s *State) RemovePool(name string) (existed bool, refused *Refusal) {
	p := s.pools[name]
	if p == nil || !p.known {
		return false, nil
	}
	if len(p.leases) > 0 {
		return true, &Refusal{Reason: InUse, Subject: "pool " + name, By: slices.Min(slices.Collect(maps.Keys(p.leases)))}
	}
	v := s.vrf(p.VRF)
	v.uncover(p)
	delete(v.ground, p)
	if n := s.networks[p.Network]; n != nil {
		delete(n.pools, name)
	}
	for _, a := range p.PreAllocations {
		c := v.cells.Get(span.Of(a))
		c.kept = nil
		v.keep(c)
	}
	for _, r := range p.Ranges {
		if r.Gateway.IsValid() {
			c := v.cells.Get(span.Of(r.Gateway))
			c.gateways--
			v.keep(c)
		}
	}
	if slices.ContainsFunc(v.rests, func(e ending) bool { return e.cell != nil && e.cell.pool == p }) {
		// Its rests say where its sequence stood, should it come back.
		s.pools[name] = &pool{Pool: Pool{Name: name, VRF: p.VRF}, leases: map[string]*cell{}}
		return true, nil
	}
	delete(s.pools, name)
	return true, nil
}

func (s *State) addPool(p Pool) *Refusal {
	plan, refused := s.plan(p)
	if refused != nil {
		return refused
	}
	v := s.vrf(p.VRF)
	made := &pool{Pool: p, known: true, whole: plan.whole, leases: map[string]*cell{}}
	for _, want4 := range []bool{true, false} {
		for _, r := range plan.spans {
			if r.From.Is4() == want4 {
				made.spans = append(made.spans, run{Span: r})
			}
		}
		if want4 {
			made.v4 = len(made.spans)
		}
	}
	for i := range made.spans {
		made.totals[family(made.spans[i].From)].add(made.spans[i].Size())
		v.cover(made, i)
	}
	for holder, a := range p.PreAllocations {
		v.cell(span.Of(a)).kept = &kept{made, holder}
	}
	for _, a := range plan.gateways {
		v.cell(span.Of(a)).gateways++
	}
	if p.Network == "" {
		v.ground[made] = true
	} else {
		s.networks[p.Network].pools[p.Name] = true
	}
	s.pools[p.Name] = made
	return nil
}

func (t *total) add(n span.Key) {
	sum, over := t.size.Add(n)
	if over {
		sum = span.Max
	}
	t.size = sum
}

// plan checks a pool against the networks and the other pools.
func (s *State) plan(p Pool) (plan, *Refusal) {
	subject := "pool " + p.Name
	if err := p.check(); err != nil {
		return plan{}, &Refusal{Reason: Invalid, Subject: subject, Detail: err.Error()}
	}
	out, cut, refused := plan{pool: p}, []span.Span(nil), (*Refusal)(nil)
	ranges := p.Ranges
	if p.Network != "" {
		n := s.networks[p.Network]
		if refused = homeOf(p, n); refused != nil {
			return plan{}, refused
		}
		for _, prefix := range n.Prefixes {
			cut = append(cut, Edges(prefix)...)
			if len(p.Ranges) == 0 {
				ranges = append(ranges, PoolRange{Subnet: prefix})
			}
		}
		cut = append(cut, spans(n.Reserved)...)
	}
	for _, r := range ranges {
		whole := r.span()
		if slices.ContainsFunc(out.whole, whole.Overlaps) {
			return plan{}, &Refusal{Reason: Overlap, Subject: subject, By: "another of its ranges", Detail: whole.Range().String()}
		}
		if refused := s.place(p, whole); refused != nil {
			return plan{}, refused
		}
		out.whole = append(out.whole, whole)
		if r.Subnet.IsValid() {
			cut = append(cut, Edges(r.Subnet)...)
		}
		if r.Gateway.IsValid() {
			out.gateways = append(out.gateways, r.Gateway)
		}
	}
	out.spans = span.Subtract(out.whole, append(cut, spans(p.Excluded)...))
	return out, s.checkKept(out)
}

func homeOf(p Pool, n *network) *Refusal {
	subject := "pool " + p.Name
	switch {
	case n == nil:
		return &Refusal{Reason: Unknown, Subject: "network " + p.Network, Detail: "named by " + subject}
	case n.Kind == Super:
		return &Refusal{Reason: Overlap, Subject: subject, By: "super network " + n.Name, Detail: "only its children give addresses"}
	case n.VRF != p.VRF:
		return &Refusal{Reason: Overlap, Subject: subject, By: "VRF " + n.VRF, Detail: "its network is not in VRF " + p.VRF}
	}
	return nil
}

// place says whether a range may lie where it does: in the pool's network, or clear of all.
func (s *State) place(p Pool, whole span.Span) *Refusal {
	if p.Network == "" {
		for _, b := range whole.Blocks() {
			if by := s.vrf(p.VRF).roots.Overlap(b); by != nil {
				return &Refusal{
					Reason: Overlap, Subject: "pool " + p.Name, By: "network " + by.owner, Prefix: by.block.Prefix(),
					Detail: "only pools of that network give its addresses",
				}
			}
		}
		return nil
	}
	for _, prefix := range s.networks[p.Network].Prefixes {
		if whole.Within(span.OfPrefix(prefix)) {
			return nil
		}
	}
	return &Refusal{Reason: OutsidePool, Subject: "pool " + p.Name, Detail: fmt.Sprintf("%s is in no prefix of network %s", whole.Range(), p.Network)}
}

// checkKept refuses to keep an address for two, and one that is a gateway.
func (s *State) checkKept(out plan) *Refusal {
	p, cells := out.pool, s.vrf(out.pool.VRF).cells
	seen := map[netip.Addr]string{}
	for _, holder := range slices.Sorted(maps.Keys(p.PreAllocations)) {
		a := p.PreAllocations[holder]
		r := &Refusal{Subject: "pool " + p.Name, Address: a, Detail: "pre-allocation for " + holder}
		c := cells.Get(span.Of(a))
		switch {
		case !has(out.whole, span.Of(a)):
			r.Reason = OutsidePool
		case !has(out.spans, span.Of(a)), slices.Contains(out.gateways, a), c != nil && c.gateways > 0:
			r.Reason = Excluded
		case seen[a] != "":
			r.Reason, r.By = Overlap, "the pre-allocation for "+seen[a]
		case c != nil && c.kept != nil:
			r.Reason, r.By = Overlap, c.kept.String()
		default:
			seen[a] = holder
			continue
		}
		return r
	}
	for _, a := range out.gateways {
		if c := cells.Get(span.Of(a)); c != nil && c.kept != nil {
			return &Refusal{Reason: Overlap, Subject: "pool " + p.Name, Address: a, By: c.kept.String(), Detail: "gateway"}
		}
	}
	return nil
}

func (k *kept) String() string {
	return fmt.Sprintf("the pre-allocation for %s in pool %s", k.holder, k.pool.Name)
}

func has(spans []span.Span, k span.Key) bool {
	return slices.ContainsFunc(spans, func(s span.Span) bool { return s.Has(k) })
}

func spans(ranges []span.Range) []span.Span {
	var all []span.Span
	for _, r := range ranges {
		all = append(all, r.Span())
	}
	return all
}

// Edges are the addresses of a prefix that nobody may have: see Pool.
func Edges(p netip.Prefix) []span.Span {
	if p.Bits() >= p.Addr().BitLen()-1 {
		return nil
	}
	s := span.OfPrefix(p)
	if p.Addr().Is4() {
		return []span.Span{{From: s.From, To: s.From}, {From: s.To, To: s.To}}
	}
	return []span.Span{{From: s.From, To: s.From}}
}

// check looks at the pool alone.
func (p Pool) check() error {
	switch {
	case p.Name == "":
		return fmt.Errorf("it has no name")
	case p.Strategy != Sequential && p.Strategy != Random:
		return fmt.Errorf("the strategy %q is none of %s, %s", p.Strategy, Sequential, Random)
	case p.Rest < 0:
		return fmt.Errorf("a rest of %s is not possible", p.Rest)
	case len(p.Ranges) == 0 && p.Network == "":
		return fmt.Errorf("it has neither ranges nor a network")
	}
	for i, r := range p.Ranges {
		if err := r.check(); err != nil {
			return fmt.Errorf("range %d: %w", i, err)
		}
	}
	for i, r := range p.Excluded {
		if err := r.Check(); err != nil {
			return fmt.Errorf("excluded range %d: %w", i, err)
		}
	}
	for holder, a := range p.PreAllocations {
		if err := span.Check(a); err != nil {
			return fmt.Errorf("pre-allocation for %q: %w", holder, err)
		}
		if holder == "" {
			return fmt.Errorf("pre-allocation of %s: name its holder", a)
		}
	}
	return nil
}

func (r PoolRange) check() error {
	if r.Subnet.IsValid() {
		if err := span.CheckPrefix(r.Subnet); err != nil {
			return fmt.Errorf("subnet: %w", err)
		}
	} else if !r.Start.IsValid() || !r.End.IsValid() {
		return fmt.Errorf("without a subnet both start and end are needed")
	}
	for _, a := range []netip.Addr{r.Start, r.End} {
		if a.IsValid() && r.Subnet.IsValid() && !r.Subnet.Contains(a) {
			return fmt.Errorf("%s is not in the subnet %s", a, r.Subnet)
		}
		if err := span.Check(a); a.IsValid() && err != nil {
			return err
		}
	}
	whole := r.span().Range()
	if err := whole.Check(); err != nil {
		return err
	}
	if r.Gateway.IsValid() {
		if err := span.Check(r.Gateway); err != nil {
			return fmt.Errorf("gateway: %w", err)
		}
		if r.Gateway.Is4() != whole.From.Is4() {
			return fmt.Errorf("the gateway %s is of the other family", r.Gateway)
		}
	}
	return nil
}

func (r PoolRange) span() span.Span {
	var s span.Span
	if r.Subnet.IsValid() {
		s = span.OfPrefix(r.Subnet)
	}
	if r.Start.IsValid() {
		s.From = span.Of(r.Start)
	}
	if r.End.IsValid() {
		s.To = span.Of(r.End)
	}
	return s
}

// RangeOf is the range that an address is in: its gateway and prefix are the address's too.
func (p Pool) RangeOf(a netip.Addr) (PoolRange, bool) {
	if span.Check(a) != nil {
		return PoolRange{}, false
	}
	for _, r := range p.Ranges {
		if r.check() == nil && r.span().Has(span.Of(a)) {
			return r, true
		}
	}
	return PoolRange{}, false
}

// normal is the pool with its defaults, and nothing in common with the caller's.
func (p Pool) normal() Pool {
	if p.Strategy == "" {
		p.Strategy = Sequential
	}
	p.Ranges, p.Excluded = clone(p.Ranges), clone(p.Excluded)
	if p.PreAllocations = maps.Clone(p.PreAllocations); len(p.PreAllocations) == 0 {
		p.PreAllocations = nil
	}
	return p
}

func clone[T any](s []T) []T { return append([]T(nil), s...) }
