package ipam

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/ipam/span"
)

// TestPrefixesAgainstModel cuts, makes, removes and rebuilds child networks of site's super network, with a list beside.
func TestPrefixesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, _ := Build(site())
		now := start
		type child struct {
			prefixes []netip.Prefix
			until    time.Time
		}
		var gone []child
		live := map[string]child{}
		reserved := netip.MustParsePrefix("10.1.0.17/32")
		free := func(p netip.Prefix) bool {
			gone = slices.DeleteFunc(gone, func(c child) bool { return !c.until.After(now) })
			for _, c := range append(slices.Collect(maps.Values(live)), gone...) {
				if slices.ContainsFunc(c.prefixes, p.Overlaps) {
					return false
				}
			}
			return !p.Overlaps(reserved)
		}
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			name := fmt.Sprintf("child%d", rapid.IntRange(1, 12).Draw(t, "name"))
			switch rapid.IntRange(0, 6).Draw(t, "operation") {
			case 0, 1, 2:
				length := rapid.SampledFrom([]int{0, 27, 29, 32}).Draw(t, "length")
				got, refused := s.Cut(Cut{Name: name, Parent: "super", Kind: Child, Lengths: Lengths{V4: length}}, now)
				if old, ok := live[name]; ok {
					if refused != nil || !slices.Equal(got.Prefixes, old.prefixes) {
						t.Fatalf("%s was %v and is %v, %v", name, old, got, refused)
					}
					break
				}
				if length == 0 {
					length = 28
				}
				want4, ok4 := lowest(netip.MustParsePrefix("10.1.0.0/26"), length, free)
				want6, ok6 := lowest(netip.MustParsePrefix("fd01::/60"), 64, free)
				if !ok4 || !ok6 {
					if refused == nil || refused.Reason != NoFree || refused.Permanent() {
						t.Fatalf("nothing is free for %s, and it got %v, %v", name, got, refused)
					}
					break
				}
				if refused != nil || !slices.Equal(got.Prefixes, []netip.Prefix{want4, want6}) {
					t.Fatalf("%s got %v, %v, not %s and %s", name, got, refused, want4, want6)
				}
				live[name] = child{prefixes: got.Prefixes}
			case 3:
				p := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 1, 0, byte(rapid.IntRange(0, 80).Draw(t, "at"))}), rapid.IntRange(26, 32).Draw(t, "bits")).Masked()
				if _, ok := live[name]; ok {
					break
				}
				refused := s.SetNetwork(Network{Name: name, Kind: Child, VRF: "a", Parent: "super", Prefixes: []netip.Prefix{p}}, now)
				inside := netip.MustParsePrefix("10.1.0.0/26").Overlaps(p)
				if want := inside && free(p); (refused == nil) != want {
					t.Fatalf("%s with %s: %v, free: %v", name, p, refused, want)
				}
				if refused == nil {
					live[name] = child{prefixes: []netip.Prefix{p}}
				}
			case 4:
				existed, refused := s.RemoveNetwork(name, now)
				old, ok := live[name]
				if existed != ok || refused != nil {
					t.Fatalf("%s existed: %v, %v; refused: %v", name, existed, ok, refused)
				}
				if ok {
					old.until = now.Add(time.Minute)
					gone = append(gone, old)
					delete(live, name)
				}
			case 5:
				now = now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "seconds")) * time.Second)
			case 6:
				s = crash(t, s, rapid.Uint64().Draw(t, "seed"))
			}
		}
	})
}

func lowest(root netip.Prefix, length int, free func(netip.Prefix) bool) (netip.Prefix, bool) {
	for p := netip.PrefixFrom(root.Addr(), length); root.Contains(p.Addr()); {
		if free(p) {
			return p, true
		}
		next, _ := span.OfPrefix(p).To.Next()
		p = netip.PrefixFrom(next.Addr(), length)
	}
	return netip.Prefix{}, false
}

// TestSmallPrefixes gives all that each small prefix has, in both strategies, and nothing more.
func TestSmallPrefixes(t *testing.T) {
	for _, root := range []string{"10.0.0.248/29", "255.255.255.0/24", "0.0.0.0/24", "fd00::ff00/120", "fd00::/120"} {
		whole := netip.MustParsePrefix(root)
		for length := whole.Bits(); length <= whole.Addr().BitLen(); length++ {
			for _, strategy := range []Strategy{Sequential, Random} {
				p := netip.PrefixFrom(whole.Addr(), length)
				s, findings := Build(Facts{Pools: []Pool{{Name: "p", Ranges: []PoolRange{{Subnet: p}}, Strategy: strategy}}})
				if len(findings) > 0 {
					t.Fatal(findings[0].Refusal)
				}
				want := 1 << (p.Addr().BitLen() - length)
				if want > 2 {
					want--
					if p.Addr().Is4() {
						want--
					}
				}
				drain(t, s, p, want)
			}
		}
	}
}

func drain(t *testing.T, s *State, p netip.Prefix, want int) {
	t.Helper()
	seen := map[netip.Addr]bool{}
	for n := range want {
		l, refused := s.Acquire(Request{Pool: "p", Holder: fmt.Sprint(n), Seed: uint64(n)}, start)
		if refused != nil || seen[l.Address] || !p.Contains(l.Address) {
			t.Fatalf("%s: number %d of %d is %v, %v", p, n, want, l.Address, refused)
		}
		seen[l.Address] = true
	}
	if l, refused := s.Acquire(Request{Pool: "p", Holder: "more"}, start); refused == nil || refused.Reason != NoFree || refused.Awaits() != Release {
		t.Fatalf("%s: one more than %d: %v, %v", p, want, l, refused)
	}
	s.Release("p", "0", start)
	if _, refused := s.Acquire(Request{Pool: "p", Holder: "more"}, start); refused != nil {
		t.Fatalf("%s: not after a release: %v", p, refused)
	}
	if u, _ := s.Usage("p"); u.V4.Free+u.V6.Free != 0 || u.Held != want || u.V4.Size+u.V6.Size != uint64(want) {
		t.Fatalf("%s: usage %+v, not %d", p, u, want)
	}
}

// TestWideIPv6 gives the next and a random one in a /64, of which nothing is laid out.
func TestWideIPv6(t *testing.T) {
	for _, strategy := range []Strategy{Sequential, Random} {
		s, _ := Build(Facts{Pools: []Pool{{Name: "p", Ranges: []PoolRange{{Subnet: netip.MustParsePrefix("2001:db8::/64")}}, Strategy: strategy}}})
		seen := map[netip.Addr]bool{}
		for n := range 5000 {
			l, refused := s.Acquire(Request{Pool: "p", Holder: fmt.Sprint(n), Seed: uint64(n)}, start)
			if refused != nil || seen[l.Address] {
				t.Fatalf("%v, %v", l, refused)
			}
			seen[l.Address] = true
		}
		if u, _ := s.Usage("p"); u.V6.Size != 1<<64-1 || u.V6.Free != u.V6.Size-5000 {
			t.Errorf("usage %+v", u)
		}
	}
}
