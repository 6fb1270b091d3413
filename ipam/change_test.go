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
