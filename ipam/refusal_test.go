package ipam

import (
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/ipam/span"
)

func prefixes(all ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, p := range all {
		out = append(out, netip.MustParsePrefix(p))
	}
	return out
}

func TestRefusals(t *testing.T) {
	a := netip.MustParseAddr
	network := func(n Network) func(*State) *Refusal {
		return func(s *State) *Refusal { return s.SetNetwork(n, start) }
	}
	pool := func(p Pool) func(*State) *Refusal { return func(s *State) *Refusal { return s.SetPool(p) } }
	acquire := func(r Request) func(*State) *Refusal {
		return func(s *State) *Refusal { _, refused := s.Acquire(r, start); return refused }
	}
	cut := func(c Cut) func(*State) *Refusal {
		return func(s *State) *Refusal { _, refused := s.Cut(c, start); return refused }
	}
	cases := []struct {
		name   string
		do     func(*State) *Refusal
		reason Reason
		awaits Change
	}{
		{"a request without a holder", acquire(Request{Pool: "all"}), Invalid, Nothing},
		{"IPv4 written as IPv6", acquire(Request{Pool: "all", Holder: "h", Address: a("::ffff:10.0.0.1")}), Invalid, Nothing},
		{"an address of the other family", acquire(Request{Pool: "all", Holder: "h", Address: a("10.0.0.1"), Family: V6}), Invalid, Nothing},
		{"a range that ends before it begins", acquire(Request{Pool: "all", Holder: "h", Within: span.Range{From: a("10.0.0.9"), To: a("10.0.0.1")}}), Invalid, Nothing},
		{"a pool that isn't there", acquire(Request{Pool: "none", Holder: "h"}), Unknown, Configuration},
		{"an address outside", acquire(Request{Pool: "all", Holder: "h", Address: a("10.0.1.1")}), OutsidePool, Configuration},
		{"a range outside", acquire(Request{Pool: "all", Holder: "h", Within: span.Range{From: a("10.0.1.1"), To: a("10.0.1.9")}}), OutsidePool, Configuration},
		{"the network's own", acquire(Request{Pool: "all", Holder: "h", Address: a("10.0.0.0")}), Excluded, Configuration},
		{"the broadcast", acquire(Request{Pool: "all", Holder: "h", Address: a("10.0.0.15")}), Excluded, Configuration},
		{"reserved", acquire(Request{Pool: "all", Holder: "h", Address: a("10.0.0.12")}), Excluded, Configuration},
		{"another pool's gateway", acquire(Request{Pool: "all", Holder: "h", Address: a("10.0.0.5")}), Excluded, Configuration},
		{"kept for another", acquire(Request{Pool: "half", Holder: "h1", Address: a("10.0.0.3")}), Taken, Release},
		{"held through another pool", acquire(Request{Pool: "half", Holder: "h", Address: a("10.0.0.2")}), Taken, Release},
		{"the holder has another", acquire(Request{Pool: "all", Holder: "holder", Address: a("10.0.0.9")}), Holding, Release},
		{"a network over a network", network(Network{Name: "n", Kind: External, VRF: "a", Prefixes: prefixes("10.0.0.0/8")}), Overlap, Configuration},
		{"a network over a pool", network(Network{Name: "n", Kind: Underlay, VRF: "a", Prefixes: prefixes("192.168.0.0/16")}), Overlap, Configuration},
		{"prefixes over themselves", network(Network{Name: "n", Kind: External, VRF: "c", Prefixes: prefixes("10.0.0.0/8", "10.1.0.0/16")}), Overlap, Configuration},
		{"a child outside", network(Network{Name: "n", Kind: Child, VRF: "a", Parent: "super", Prefixes: prefixes("10.9.0.0/28")}), OutsidePool, Configuration},
		{"a child over what is reserved", network(Network{Name: "n", Kind: Child, VRF: "a", Parent: "super", Prefixes: prefixes("10.1.0.16/28")}), Excluded, Configuration},
		{"a child in another VRF", network(Network{Name: "n", Kind: Child, VRF: "b", Parent: "super", Prefixes: prefixes("10.1.0.0/28")}), OutsidePool, Configuration},
		{"a child of no super", network(Network{Name: "n", Kind: Child, VRF: "a", Parent: "internet", Prefixes: prefixes("10.0.0.0/29")}), OutsidePool, Configuration},
		{"a child without a parent", network(Network{Name: "n", Kind: Child, VRF: "a", Prefixes: prefixes("10.9.0.0/28")}), Invalid, Nothing},
		{"bits behind the length", network(Network{Name: "n", Kind: External, VRF: "c", Prefixes: prefixes("10.0.0.1/8")}), Invalid, Nothing},
		{"a kind that isn't one", network(Network{Name: "n", Kind: "Odd", VRF: "c", Prefixes: prefixes("10.0.0.0/8")}), Invalid, Nothing},
		{"a super that can't be cut so", network(Network{Name: "n", Kind: Super, VRF: "c", Prefixes: prefixes("10.0.0.0/8"), ChildLength: Lengths{V4: 7}}), Invalid, Nothing},
		{"a cut of no IPv4 length", cut(Cut{Name: "n", Parent: "super", Kind: Child, Lengths: Lengths{V4: 33}}), Invalid, Nothing},
		{"a cut larger than the parent", cut(Cut{Name: "n", Parent: "super", Kind: Child, Lengths: Lengths{V4: 25}}), OutsidePool, Configuration},
		{"a cut of all, and some is reserved", cut(Cut{Name: "n", Parent: "super", Kind: Child, Lengths: Lengths{V4: 26}}), NoFree, Release},
		{"a cut of no parent", cut(Cut{Name: "n", Parent: "none", Kind: Child}), Unknown, Configuration},
		{"a cut of neither family", cut(Cut{Name: "n", Parent: "super", Kind: Child, Lengths: Lengths{V4: -1, V6: -1}}), Invalid, Nothing},
		{"a cut by a name in use", cut(Cut{Name: "internet", Parent: "super", Kind: Child}), Taken, Release},
		{"a pool in a super network", pool(Pool{Name: "p", VRF: "a", Network: "super"}), Overlap, Configuration},
		{"a pool over a network that it doesn't name", pool(Pool{Name: "p", VRF: "a", Ranges: []PoolRange{{Subnet: netip.MustParsePrefix("10.0.0.0/29")}}}), Overlap, Configuration},
		{"a pool outside of its network", pool(Pool{Name: "p", VRF: "a", Network: "internet", Ranges: []PoolRange{{Subnet: netip.MustParsePrefix("10.5.0.0/29")}}}), OutsidePool, Configuration},
		{"a pool of no network", pool(Pool{Name: "p", VRF: "a", Network: "none"}), Unknown, Configuration},
		{"a pool of nothing", pool(Pool{Name: "p", VRF: "a"}), Invalid, Nothing},
		{"a range without an end", pool(Pool{Name: "p", VRF: "c", Ranges: []PoolRange{{Start: a("10.0.0.1")}}}), Invalid, Nothing},
		{"ranges over themselves", pool(Pool{Name: "p", VRF: "c", Ranges: []PoolRange{{Subnet: prefixes("10.0.0.0/24")[0]}, {Subnet: prefixes("10.0.0.0/25")[0]}}}), Overlap, Configuration},
		{"a strategy that isn't one", pool(Pool{Name: "p", VRF: "a", Network: "internet", Strategy: "Odd"}), Invalid, Nothing},
		{"one address kept for two", pool(Pool{Name: "p", VRF: "b", Network: "other", PreAllocations: map[string]netip.Addr{"x": a("10.0.0.1"), "y": a("10.0.0.1")}}), Overlap, Configuration},
		{"kept by another pool", pool(Pool{Name: "p", VRF: "a", Network: "internet", PreAllocations: map[string]netip.Addr{"x": a("10.0.0.3")}}), Overlap, Configuration},
		{"a gateway kept", pool(Pool{Name: "p", VRF: "a", Network: "internet", PreAllocations: map[string]netip.Addr{"x": a("10.0.0.5")}}), Excluded, Configuration},
		{"a gateway that is kept", pool(Pool{Name: "p", VRF: "a", Network: "internet", Ranges: []PoolRange{{Subnet: prefixes("10.0.0.0/30")[0], Gateway: a("10.0.0.3")}}}), Overlap, Configuration},
		{"a change that takes a pool's ground", network(Network{Name: "internet", Kind: External, VRF: "a", Prefixes: prefixes("10.0.0.0/29")}), OutsidePool, Configuration},
		{"removal of a network with pools", func(s *State) *Refusal { _, r := s.RemoveNetwork("internet", start); return r }, InUse, Release},
		{"removal of a pool with holders", func(s *State) *Refusal { _, r := s.RemovePool("all"); return r }, InUse, Release},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, _ := Build(site())
			if _, refused := s.Acquire(Request{Pool: "all", Holder: "holder", Address: a("10.0.0.2")}, start); refused != nil {
				t.Fatal(refused)
			}
			before := s.Facts()
			got := c.do(s)
			if got == nil {
				t.Fatal("it was not refused")
			}
			if got.Reason != c.reason || got.Awaits() != c.awaits || got.Permanent() != (c.awaits == Nothing) {
				t.Errorf("refused as %s, awaiting %s: %v", got.Reason, got.Awaits(), got)
			}
			if !reflect.DeepEqual(before, s.Facts()) {
				t.Error("what was refused changed something")
			}
		})
	}
}

func TestQuarantine(t *testing.T) {
	s, _ := Build(Facts{Pools: []Pool{{Name: "p", Rest: time.Minute, Ranges: []PoolRange{{Subnet: netip.MustParsePrefix("10.0.0.0/31")}}}}})
	first, _ := s.Acquire(Request{Pool: "p", Holder: "a"}, start)
	_, _ = s.Acquire(Request{Pool: "p", Holder: "b"}, start)
	s.Release("p", "a", start)
	end := start.Add(time.Minute)
	_, asked := s.Acquire(Request{Pool: "p", Holder: "a", Address: first.Address}, end.Add(-1))
	_, any := s.Acquire(Request{Pool: "p", Holder: "c"}, end.Add(-1))
	if asked == nil || asked.Reason != Quarantined || !asked.Until.Equal(end) || any == nil || any.Reason != NoFree || any.Awaits() != Time || !any.Until.Equal(end) {
		t.Fatalf("before its end: %v; %v", asked, any)
	}
	if l, refused := s.Acquire(Request{Pool: "p", Holder: "c"}, end); refused != nil || l.Address != first.Address {
		t.Fatalf("at its end: %v, %v", l, refused)
	}
}

// TestFactsThatStandAgainstEachOther: what other programs wrote is held, reported, and given to no third.
func TestFactsThatStandAgainstEachOther(t *testing.T) {
	a := netip.MustParseAddr
	pool := Pool{Name: "p", Ranges: []PoolRange{{Subnet: netip.MustParsePrefix("10.0.0.0/29")}}}
	s, findings := Build(Facts{Pools: []Pool{pool}, Leases: []Lease{
		{Pool: "p", Address: a("10.0.0.1"), Holder: "y"}, {Pool: "p", Address: a("10.0.0.1"), Holder: "x"}, // two of one
		{Pool: "p", Address: a("10.0.0.2"), Holder: "x"},    // another of one holder
		{Pool: "gone", Address: a("10.0.0.3"), Holder: "z"}, // of no pool
		{Pool: "p", Address: a("10.9.9.9"), Holder: "w"},    // outside
		{Pool: "p", Holder: "nothing"},
	}})
	held := map[string]bool{}
	for _, f := range findings {
		held[f.Fact.(Lease).Holder+" "+string(f.Refusal.Reason)] = f.Held
	}
	want := map[string]bool{"y Taken": false, "x Holding": true, "z Unknown": true, "w OutsideOfPool": true, "nothing Invalid": false}
	if !reflect.DeepEqual(held, want) {
		t.Errorf("found %v, not %v", held, want)
	}
	if l, _ := s.Acquire(Request{Pool: "p", Holder: "new"}, start); l.Address != a("10.0.0.4") {
		t.Errorf("the first free one is %v", l.Address)
	}
	if got := s.Release("p", "x", start); len(got) != 2 {
		t.Errorf("x released %v", got)
	}
	if len(s.Release("gone", "z", start)) != 1 || len(s.Release("p", "w", start)) != 1 {
		t.Error("what is held without a pool can't be released")
	}
	// The pool comes to be, and is narrowed under what it gave.
	pool.Ranges[0].Subnet = netip.MustParsePrefix("10.0.0.0/30")
	if refused := s.SetPool(pool); refused != nil {
		t.Errorf("narrow the pool: %v", refused)
	}
	if l, ok := s.Held("p", "new"); !ok || l.Address != a("10.0.0.4") {
		t.Errorf("an address outside of the narrowed pool was lost: %v", l)
	}
	if _, refused := s.RemovePool("p"); refused == nil {
		t.Error("a pool with a holder was removed")
	}
}
