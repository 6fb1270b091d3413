package reach_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
	"github.com/ingotmetal/ingot/matrix/reach"
)

func ranges() *rapid.Generator[[]reach.Range] {
	one := rapid.Custom(func(t *rapid.T) reach.Range {
		first := rapid.SampledFrom([]uint16{0, 1, 5, 9, 65530, 65535}).Draw(t, "first")
		return reach.Range{First: first, Last: first + rapid.Uint16Range(0, min(6, 65535-first)).Draw(t, "width"), Row: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "row")}
	})
	return rapid.SliceOfN(one, 0, 5)
}

func has(all []reach.Range, n int) bool {
	for _, r := range all {
		if int(r.First) <= n && n <= int(r.Last) {
			return true
		}
	}
	return false
}

// Each number by itself is the oracle of what is done with ranges.
func TestRangesAgreeWithTheirNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := ranges().Draw(t, "a"), ranges().Draw(t, "b")
		joined, rest := reach.Join(a), reach.Minus(a, b)
		first := rapid.SampledFrom([]uint16{0, 3, 65530}).Draw(t, "first")
		all := true
		for n := range 65536 {
			if has(joined, n) != has(a, n) {
				t.Fatalf("%d: joined to %v", n, joined)
			}
			if has(rest, n) != (has(a, n) && !has(b, n)) {
				t.Fatalf("%d: left is %v", n, rest)
			}
			if n >= int(first) && n <= int(first)+5 && !has(a, n) {
				all = false
			}
		}
		for n := 1; n < len(joined); n++ {
			if int(joined[n].First) <= int(joined[n-1].Last)+1 {
				t.Fatalf("joined ranges touch: %v", joined)
			}
		}
		if rows, ok := reach.Covered(first, first+5, a); ok != all || ok && len(rows) == 0 {
			t.Fatalf("covered: %t by %v, want %t", ok, rows, all)
		}
	})
}

func TestAroundAreAllEndsThatContainTheKey(t *testing.T) {
	at, peer := matrix.Endpoint{Role: "r", Zone: "z"}, matrix.Endpoint{Role: "p", Zone: "y"}
	open := func(row string, at, peer matrix.Endpoint, group string) policy.Opening {
		return policy.Opening{Row: row, Direction: calico.Ingress, At: at, Peer: peer, Group: group, Protocol: matrix.TCP, First: 1, Last: 2}
	}
	index := reach.Of([]policy.Opening{
		open("exact", at, peer, ""), open("zone", matrix.Endpoint{Role: matrix.AnyRole, Zone: "z"}, peer, ""), open("anybody", at, matrix.Anybody, ""),
		open("other", matrix.Endpoint{Role: "q", Zone: "z"}, peer, ""), open("group", at, peer, "224.0.0.18/32"),
	})
	rows := func(k reach.Key) []string {
		var all []string
		for _, r := range index.Around(k, func(reach.Key, reach.Range) bool { return true }) {
			all = append(all, r.Row)
		}
		return all
	}
	key := reach.Key{Direction: calico.Ingress, At: at, Peer: peer, Protocol: matrix.TCP}
	if diff := cmp.Diff([]string{"exact", "anybody", "zone"}, rows(key)); diff != "" {
		t.Error(diff)
	}
	key.Peer, key.Group = matrix.Endpoint{}, "224.0.0.18/32"
	if diff := cmp.Diff([]string{"group", "anybody"}, rows(key)); diff != "" {
		t.Error(diff)
	}
	if !reach.Within(at, matrix.Anybody) || reach.Within(matrix.Anybody, at) || reach.Within(at, peer) {
		t.Error("ends contain each other by their names")
	}
}
