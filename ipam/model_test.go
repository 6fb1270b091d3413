package ipam

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/ipam/span"
)

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// site is pools that share addresses in one VRF, and one with the same addresses in another.
func site() Facts {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	return Facts{
		Networks: []Network{
			{Name: "internet", Kind: External, VRF: "a", Prefixes: []netip.Prefix{prefix("10.0.0.0/28"), prefix("fd00::/125")}, Reserved: []span.Range{{From: addr("10.0.0.12"), To: addr("10.0.0.13")}}},
			{
				Name: "super", Kind: Super, VRF: "a", Prefixes: []netip.Prefix{prefix("10.1.0.0/26"), prefix("fd01::/60")}, ChildLength: Lengths{V4: 28, V6: 64},
				Reserved: []span.Range{{From: addr("10.1.0.17"), To: addr("10.1.0.17")}}, Rest: time.Minute,
			},
			{Name: "other", Kind: External, VRF: "b", Prefixes: []netip.Prefix{prefix("10.0.0.0/29")}},
		},
		Pools: []Pool{
			{Name: "all", VRF: "a", Network: "internet", Rest: time.Minute, PreAllocations: map[string]netip.Addr{"h1": addr("10.0.0.3")}},
			{
				Name: "half", VRF: "a", Network: "internet", Rest: 0,
				Ranges:   []PoolRange{{Start: addr("10.0.0.2"), End: addr("10.0.0.7"), Gateway: addr("10.0.0.5")}, {Start: addr("10.0.0.9"), End: addr("10.0.0.15")}},
				Excluded: []span.Range{{From: addr("10.0.0.4"), To: addr("10.0.0.4")}},
			},
			{Name: "any", VRF: "a", Network: "internet", Strategy: Random, Rest: 90 * time.Second, Ranges: []PoolRange{{Subnet: prefix("10.0.0.0/29")}, {Subnet: prefix("fd00::/125")}}},
			{Name: "ground", VRF: "a", Ranges: []PoolRange{{Subnet: prefix("192.168.0.0/30"), Gateway: addr("192.168.0.1")}, {Subnet: prefix("192.168.0.4/31")}}},
			{Name: "other", VRF: "b", Network: "other", Rest: time.Minute},
		},
	}
}

// gives is what each pool of site may give, worked out by hand.
var gives = map[string][]string{
	"all": {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6", "10.0.0.7", "10.0.0.8", "10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.14",
		"fd00::1", "fd00::2", "fd00::3", "fd00::4", "fd00::5", "fd00::6", "fd00::7"},
	"half":   {"10.0.0.2", "10.0.0.3", "10.0.0.6", "10.0.0.7", "10.0.0.9", "10.0.0.10", "10.0.0.11", "10.0.0.14"},
	"any":    {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.6", "fd00::1", "fd00::2", "fd00::3", "fd00::4", "fd00::5", "fd00::6", "fd00::7"},
	"ground": {"192.168.0.2", "192.168.0.4", "192.168.0.5"},
	"other":  {"10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5", "10.0.0.6"},
}

type place struct{ vrf, address string }

type entry struct {
	pool, holder string
	until        time.Time // of a rest
}

// naive is the same in a map.
type naive struct {
	entries map[place]entry
	last    map[string]netip.Addr // by pool and family
	now     time.Time
}

func vrfOf(pool string) string {
	if pool == "other" {
		return "b"
	}
	return "a"
}

func key(pool, holder string) string { return pool + "/" + holder }

func (n *naive) wake() {
	for at, e := range n.entries {
		if !e.until.IsZero() && !e.until.After(n.now) {
			delete(n.entries, at)
		}
	}
}

func (n *naive) free(pool, holder, address string) bool {
	if _, taken := n.entries[place{vrfOf(pool), address}]; taken {
		return false
	}
	return address != "10.0.0.3" || vrfOf(pool) == "b" || pool == "all" && holder == "h1"
}

func (n *naive) held(pool, holder string) (string, bool) {
	for at, e := range n.entries {
		if e.pool == pool && e.holder == holder && e.until.IsZero() {
			return at.address, true
		}
	}
	return "", false
}

// candidates is all that could be given, in the order of a sequence.
func (n *naive) candidates(r Request) []string {
	var all []string
	for _, is4 := range []bool{true, false} {
		var before, after []string
		for _, text := range gives[r.Pool] {
			a := netip.MustParseAddr(text)
			narrow := r.Within.From.IsValid() && (a.Less(r.Within.From) || r.Within.To.Less(a))
			if a.Is4() != is4 || narrow || r.Family != Any && (r.Family == V4) != is4 || !n.free(r.Pool, "", text) {
				continue
			}
			last, moved := n.last[key(r.Pool, fmt.Sprint(is4))]
			if moved && !r.Within.From.IsValid() && !last.Less(a) {
				before = append(before, text)
			} else {
				after = append(after, text)
			}
		}
		all = append(append(all, after...), before...)
	}
	return all
}

func (n *naive) acquire(t *rapid.T, s *State, r Request) {
	got, refused := s.Acquire(r, n.now)
	n.wake()
	want := ""
	if has, ok := n.held(r.Pool, r.Holder); ok {
		want = has
		a := netip.MustParseAddr(has)
		if r.Address.IsValid() && r.Address != a || !r.fits(span.Of(a)) {
			refusedAs(t, r, refused, Holding)
			return
		}
	} else if r.Address.IsValid() || r.Pool == "all" && r.Holder == "h1" {
		if want = "10.0.0.3"; r.Address.IsValid() {
			want = r.Address.String()
		}
		if !r.Address.IsValid() && !r.fits(span.Of(netip.MustParseAddr(want))) {
			refusedAs(t, r, refused, Taken)
			return
		}
		if !slices.Contains(gives[r.Pool], want) {
			refusedAs(t, r, refused, OutsidePool, Excluded)
			return
		}
		if !n.free(r.Pool, r.Holder, want) {
			refusedAs(t, r, refused, Taken, Quarantined)
			return
		}
	} else {
		can := n.candidates(r)
		if len(can) == 0 {
			refusedAs(t, r, refused, NoFree, OutsidePool)
			return
		}
		want = can[0]
		if r.Pool == "any" && refused == nil {
			if want = got.Address.String(); !slices.Contains(can, want) || netip.MustParseAddr(can[0]).Is4() != got.Address.Is4() {
				t.Fatalf("%+v: got %s, possible were %v", r, want, can)
			}
		} else if !r.Within.From.IsValid() {
			a := netip.MustParseAddr(want)
			n.last[key(r.Pool, fmt.Sprint(a.Is4()))] = a
		}
	}
	if refused != nil || got.Address.String() != want || got.Holder != r.Holder || got.Pool != r.Pool || got.VRF != vrfOf(r.Pool) {
		t.Fatalf("%+v: got %+v, %v, not %s", r, got, refused, want)
	}
	n.entries[place{vrfOf(r.Pool), want}] = entry{pool: r.Pool, holder: r.Holder}
}

func refusedAs(t *rapid.T, r Request, refused *Refusal, reasons ...Reason) {
	if refused == nil || !slices.Contains(reasons, refused.Reason) || refused.Permanent() || refused.Error() == "" {
		t.Fatalf("%+v: refused as %v, not as one of %v", r, refused, reasons)
	}
}

func (n *naive) release(t *rapid.T, s *State, pool, holder string) {
	got := s.Release(pool, holder, n.now)
	n.wake()
	has, ok := n.held(pool, holder)
	if !ok {
		if len(got) != 0 {
			t.Fatalf("%s released %v from %s and held nothing", holder, got, pool)
		}
		return
	}
	at, rests := place{vrfOf(pool), has}, map[string]time.Duration{"all": time.Minute, "any": 90 * time.Second, "other": time.Minute}[pool]
	if has == "10.0.0.3" && pool == "all" && holder == "h1" {
		rests = 0
	}
	delete(n.entries, at)
	var until time.Time
	if rests > 0 {
		until = n.now.Add(rests)
		n.entries[at] = entry{pool, holder, until}
	}
	if len(got) != 1 || got[0].Address.String() != has || !got[0].Until.Equal(until) {
		t.Fatalf("%s released %v from %s, not %s until %s", holder, got, pool, has, until)
	}
}

// check compares everything that can be seen.
func (n *naive) check(t *rapid.T, s *State) {
	f, seen := s.Facts(), map[place]entry{}
	for _, l := range f.Leases {
		at := place{l.VRF, l.Address.String()}
		if _, twice := seen[at]; twice {
			t.Fatalf("%v has two holders", at)
		}
		seen[at] = entry{pool: l.Pool, holder: l.Holder}
		if has, ok := s.Held(l.Pool, l.Holder); !ok || !reflect.DeepEqual(has, l) {
			t.Fatalf("%v is the holder's no more: %v", l, has)
		}
	}
	for _, r := range f.Rests {
		at := place{r.VRF, r.Address.String()}
		if _, twice := seen[at]; twice {
			t.Fatalf("%v rests and is held", at)
		}
		if r.Until.After(n.now) {
			seen[at] = entry{r.Pool, r.Holder, r.Until}
		}
	}
	n.wake()
	if !reflect.DeepEqual(seen, n.entries) {
		t.Fatalf("the state has %v, not %v", seen, n.entries)
	}
}

// counts compares the counters, after an operation in both VRFs ended the rests.
func (n *naive) counts(t *rapid.T, s *State) {
	for _, v := range s.vrfs {
		v.wake(n.now)
	}
	for pool, all := range gives {
		var want Usage
		for _, text := range all {
			c := &want.V4
			if !netip.MustParseAddr(text).Is4() {
				c = &want.V6
			}
			c.Size++
			if n.free(pool, "", text) {
				c.Free++
			}
		}
		want.V4.Size += map[string]uint64{"all": 1, "half": 1, "any": 1, "ground": 1}[pool] // a gateway counts as taken
		for _, e := range n.entries {
			if e.pool == pool && e.until.IsZero() {
				want.Held++
			}
		}
		if got, _ := s.Usage(pool); got != want {
			t.Fatalf("usage of %s is %+v, not %+v", pool, got, want)
		}
	}
}

// crash builds the state anew from its facts, shuffled, by way of JSON.
func crash(t *rapid.T, s *State, seed uint64) *State {
	f := s.Facts()
	text, err := json.Marshal(f)
	if err != nil {
		t.Fatal(err)
	}
	var again Facts
	if err := json.Unmarshal(text, &again); err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(seed, 0))
	r.Shuffle(len(again.Networks), reflect.Swapper(again.Networks))
	r.Shuffle(len(again.Pools), reflect.Swapper(again.Pools))
	r.Shuffle(len(again.Leases), reflect.Swapper(again.Leases))
	r.Shuffle(len(again.Rests), reflect.Swapper(again.Rests))
	r.Shuffle(len(again.PrefixRests), reflect.Swapper(again.PrefixRests))
	if r.IntN(2) == 0 && len(f.Rests)+len(f.Leases) > 0 {
		// The sequence is kept by leases and rests as far as they are there.
		again.Cursors = slices.DeleteFunc(again.Cursors, func(c Cursor) bool {
			return slices.ContainsFunc(f.Leases, func(l Lease) bool { return l.Pool == c.Pool && l.Turn == c.Turn }) ||
				slices.ContainsFunc(f.Rests, func(r Rest) bool { return r.Pool == c.Pool && r.Turn == c.Turn })
		})
	}
	next, findings := Build(again)
	if len(findings) > 0 {
		t.Fatalf("its own facts are refused: %v: %v", findings[0].Fact, findings[0].Refusal)
	}
	if after, err := json.Marshal(next.Facts()); err != nil || !bytes.Equal(text, after) {
		t.Fatalf("the state is another after it was built anew:\n%s\n%s", text, after)
	}
	for name := range gives {
		a, _ := s.Usage(name)
		if b, _ := next.Usage(name); a != b {
			t.Fatalf("usage of %s is %+v after, %+v before", name, b, a)
		}
	}
	return next
}

func TestAddressesAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, findings := Build(site())
		if len(findings) > 0 {
			t.Fatalf("%v", findings[0].Refusal)
		}
		n := &naive{entries: map[place]entry{}, last: map[string]netip.Addr{}, now: start}
		pools := []string{"all", "half", "any", "ground", "other"}
		for range rapid.IntRange(1, 80).Draw(t, "operations") {
			pool := rapid.SampledFrom(pools).Draw(t, "pool")
			holder := fmt.Sprintf("h%d", rapid.IntRange(1, 20).Draw(t, "holder"))
			r := Request{Pool: pool, Holder: holder, Seed: rapid.Uint64().Draw(t, "seed")}
			switch rapid.IntRange(0, 9).Draw(t, "operation") {
			case 0, 1, 2:
				r.Family = rapid.SampledFrom([]Family{Any, Any, V4, V6}).Draw(t, "family")
				n.acquire(t, s, r)
			case 3:
				low := rapid.IntRange(0, 15).Draw(t, "low")
				at := func(n int) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, byte(n)}) }
				r.Within = span.Range{From: at(low), To: at(low + rapid.IntRange(0, 6).Draw(t, "more"))}
				n.acquire(t, s, r)
			case 4, 5:
				r.Address = netip.AddrFrom4([4]byte{10, 0, 0, byte(rapid.IntRange(0, 17).Draw(t, "address"))})
				n.acquire(t, s, r)
			case 6, 7:
				n.release(t, s, pool, holder)
			case 8:
				n.now = n.now.Add(time.Duration(rapid.IntRange(1, 50).Draw(t, "seconds")) * time.Second)
			case 9:
				s = crash(t, s, r.Seed)
			}
			n.check(t, s)
		}
		n.counts(t, s)
	})
}
