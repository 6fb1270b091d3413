package ipam

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/ipam/span"
)

// TestPoolsThatComeAndGo makes, changes and removes pools over one another while addresses are given: the counters of a living state are those of one built anew.
func TestPoolsThatComeAndGo(t *testing.T) {
	at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, byte(n >> 8), byte(n)}) }
	rapid.Check(t, func(t *rapid.T) {
		s, _ := Build(Facts{})
		now := start
		draw := func(name string, low, high int) int { return rapid.IntRange(low, high).Draw(t, name) }
		pool := func(name string) Pool {
			p := Pool{Name: name, Rest: time.Duration(draw("rest", 0, 1)) * time.Minute}
			for range draw("ranges", 1, 3) {
				from := draw("from", 240, 280)
				r := PoolRange{Start: at(from), End: at(from + draw("more", 0, 20))}
				if draw("with a gateway", 0, 1) == 1 {
					r.Gateway = at(draw("gateway", 240, 300))
				}
				p.Ranges = append(p.Ranges, r)
			}
			if from := draw("excluded", 230, 300); from > 240 {
				p.Excluded = []span.Range{{From: at(from), To: at(from + 3)}}
			}
			if draw("kept", 0, 1) == 1 {
				p.PreAllocations = map[string]netip.Addr{"h1": at(draw("address", 240, 300))}
			}
			return p
		}
		for range draw("operations", 1, 40) {
			name, holder := fmt.Sprintf("pool%d", draw("pool", 1, 4)), fmt.Sprintf("h%d", draw("holder", 1, 12))
			before := len(s.Facts().Leases)
			change := 0
			switch draw("operation", 0, 6) {
			case 0, 1:
				_ = s.SetPool(pool(name))
			case 2:
				_, _ = s.RemovePool(name)
			case 3, 4:
				_, had := s.Held(name, holder)
				if _, refused := s.Acquire(Request{Pool: name, Holder: holder}, now); refused == nil && !had {
					change = 1
				}
			case 5:
				change = -len(s.Release(name, holder, now))
			case 6:
				now = now.Add(time.Duration(draw("seconds", 1, 40)) * time.Second)
			}
			if after := len(s.Facts().Leases); after != before+change {
				t.Fatalf("%d leases became %d, not %d", before, after, before+change)
			}
			same(t, s)
		}
	})
}

// same builds the state anew and compares what is counted, name by name, with a count by hand.
func same(t *rapid.T, s *State) {
	next, _ := Build(s.Facts())
	for _, p := range s.Facts().Pools {
		was, _ := s.Usage(p.Name)
		if is, _ := next.Usage(p.Name); was != is {
			t.Fatalf("usage of %s is %+v, and %+v when built anew", p.Name, was, is)
		}
		var count Count
		mine, v := s.pools[p.Name], s.vrfs[p.VRF]
		for _, r := range mine.spans {
			for k := r.From; !r.To.Less(k); k, _ = k.Next() {
				if count.Size++; v.cells.Get(k) == nil {
					count.Free++
				}
			}
		}
		if count != was.V4 {
			t.Fatalf("usage of %s is %+v, by hand %+v", p.Name, was.V4, count)
		}
	}
	for _, v := range s.vrfs {
		v.cells.Sorted(func(k span.Key, c *cell) {
			if c.idle() || c.key != k {
				t.Fatalf("%s is taken for no reason: %+v", k.Addr(), c)
			}
		})
	}
}

// TestGroundIsFreeAgain: where a pool stood, or a super network whose child's prefix rests, a network may be made, and a pool under its old name goes on where it was.
func TestGroundIsFreeAgain(t *testing.T) {
	s, _ := Build(site())
	if existed, refused := s.RemovePool("ground"); !existed || refused != nil {
		t.Fatalf("existed: %v; %v", existed, refused)
	}
	if refused := s.SetNetwork(Network{Name: "n", Kind: External, VRF: "a", Prefixes: prefixes("192.168.0.0/24")}, start); refused != nil {
		t.Error(refused)
	}
	if _, refused := s.Cut(Cut{Name: "child", Parent: "super", Kind: Child}, start); refused != nil {
		t.Fatal(refused)
	}
	for _, name := range []string{"child", "super"} {
		if existed, refused := s.RemoveNetwork(name, start); !existed || refused != nil {
			t.Fatalf("%s existed: %v; %v", name, existed, refused)
		}
	}
	if f := s.Facts(); len(f.PrefixRests) != 0 {
		t.Errorf("prefixes of no network rest: %v", f.PrefixRests)
	}
	if refused := s.SetNetwork(Network{Name: "m", Kind: Underlay, VRF: "a", Prefixes: prefixes("10.1.0.0/16")}, start); refused != nil {
		t.Error(refused)
	}
	first, _ := s.Acquire(Request{Pool: "other", Holder: "h"}, start)
	s.Release("other", "h", start)
	p, _ := s.Pool("other")
	if _, refused := s.RemovePool("other"); refused != nil {
		t.Fatal(refused)
	}
	if refused := s.SetPool(p); refused != nil {
		t.Fatal(refused)
	}
	if l, refused := s.Acquire(Request{Pool: "other", Holder: "h"}, start.Add(time.Hour)); refused != nil || l.Address != first.Address.Next() {
		t.Errorf("after %s comes %v, %v", first.Address, l.Address, refused)
	}
}
