package chart_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/ipam/chart"
	"github.com/ingotmetal/ingot/ipam/span"
)

func piece(t *testing.T, state chart.State, text, holder string) chart.Piece {
	t.Helper()
	r, err := span.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return chart.Piece{Span: r.Span(), State: state, Holder: holder}
}

// words is what is drawn, a line for each block that is not free.
func words(c chart.Chart) (all []string) {
	for _, b := range c.Blocks {
		if b.Count.Free == b.Count.Size {
			continue
		}
		n := b.Count
		all = append(all, fmt.Sprintf("%s %g+%g+%g of %g by %d", b.Span.Range(), n.Held, n.Resting, n.Kept, n.Size, b.Number))
	}
	return all
}

func TestWhatABlockShows(t *testing.T) {
	many := func(n int) (all []chart.Piece) {
		for i := range n {
			all = append(all, piece(t, chart.Held, fmt.Sprintf("2001:db8::%x", i*16), fmt.Sprint(i)))
		}
		return all
	}
	for name, c := range map[string]struct {
		within string
		pieces []chart.Piece
		grid   bool
		blocks int
		want   []string
	}{
		"an address each": {"10.0.0.0/29", []chart.Piece{piece(t, chart.Held, "10.0.0.2", "a"), piece(t, chart.Resting, "10.0.0.3", "b"), piece(t, chart.Kept, "10.0.0.0", "own"), piece(t, chart.Held, "10.0.1.2", "elsewhere")}, true, 8,
			[]string{"10.0.0.0 0+0+1 of 1 by 1", "10.0.0.2 1+0+0 of 1 by 1", "10.0.0.3 0+1+0 of 1 by 1"}},
		"one address": {"10.0.0.9/32", []chart.Piece{piece(t, chart.Held, "10.0.0.9", "a")}, true, 1, []string{"10.0.0.9 1+0+0 of 1 by 1"}},
		// What is excluded and held is held: it was given before.
		"blocks, and what counts first": {"10.0.0.0/22", []chart.Piece{piece(t, chart.Kept, "10.0.0.4-10.0.0.9", "excluded"), piece(t, chart.Held, "10.0.0.5", "a"), piece(t, chart.Resting, "10.0.0.6", "b"), piece(t, chart.Held, "10.0.0.6", "c")}, true, 256,
			[]string{"10.0.0.4-10.0.0.7 2+0+2 of 4 by 4", "10.0.0.8-10.0.0.11 0+0+2 of 4 by 1"}},
		"children": {"10.0.0.0/14", []chart.Piece{piece(t, chart.Held, "10.0.0.0/22", "a"), piece(t, chart.Held, "10.1.0.0/21", "b")}, true, 256,
			[]string{"10.0.0.0-10.0.3.255 1024+0+0 of 1024 by 1", "10.1.0.0-10.1.3.255 1024+0+0 of 1024 by 1", "10.1.4.0-10.1.7.255 1024+0+0 of 1024 by 1"}},
		"IPv6 that is small": {"2001:db8::/120", []chart.Piece{piece(t, chart.Held, "2001:db8::7", "a")}, true, 256, []string{"2001:db8::7 1+0+0 of 1 by 1"}},
		"IPv6 that is huge": {"2001:db8::/48", []chart.Piece{piece(t, chart.Held, "2001:db8:0:1::/64", "a"), piece(t, chart.Resting, "2001:db8:0:2::/64", "b")}, false, 4,
			[]string{"2001:db8:0:1::-2001:db8:0:1:ffff:ffff:ffff:ffff 1.8446744073709552e+19+0+0 of 1.8446744073709552e+19 by 1", "2001:db8:0:2::-2001:db8:0:2:ffff:ffff:ffff:ffff 0+1.8446744073709552e+19+0 of 1.8446744073709552e+19 by 1"}},
		"an unaligned range stays one": {"2001:db8::/64", []chart.Piece{piece(t, chart.Kept, "2001:db8::1-2001:db8::ff", "excluded")}, false, 3, []string{"2001:db8::1-2001:db8::ff 0+0+255 of 255 by 1"}},
		"nothing":                      {"2001:db8::/64", nil, false, 1, nil},
		"up to as many as one reads":   {"2001:db8::/64", many(128), false, 256, words(chart.Draw(netip.MustParsePrefix("2001:db8::/64"), many(128)))},
		// 129 entries are too many; of 16 addresses each they are as many, of 256 they are a list of 9.
		"too many for a list": {"2001:db8::/64", many(129), false, 10, words(chart.Draw(netip.MustParsePrefix("2001:db8::/64"), many(129)))},
		"all of IPv4":         {"0.0.0.0/0", []chart.Piece{piece(t, chart.Held, "10.0.0.1", "a")}, false, 3, []string{"10.0.0.1 1+0+0 of 1 by 1"}},
		"all of IPv6":         {"::/0", []chart.Piece{piece(t, chart.Held, "2001:db8::/32", "a")}, false, 3, []string{"2001:db8::-2001:db8:ffff:ffff:ffff:ffff:ffff:ffff 7.922816251426434e+28+0+0 of 7.922816251426434e+28 by 1"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := chart.Draw(netip.MustParsePrefix(c.within), c.pieces)
			if got.Grid != c.grid || len(got.Blocks) != c.blocks {
				t.Errorf("grid %v of %d blocks", got.Grid, len(got.Blocks))
			}
			if d := cmp.Diff(c.want, words(got)); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestThePartsAreTheWhole, also where numbers are beyond 2^64: a prefix of 2^80 addresses with one child of 2^64 is not full.
func TestThePartsAreTheWhole(t *testing.T) {
	n := chart.Total(chart.Draw(netip.MustParsePrefix("2001:db8::/48"), []chart.Piece{piece(t, chart.Held, "2001:db8::/64", "a")}))
	if n.Size != 1<<80 || n.Held != 1<<64 || n.Free != 1<<80-1<<64 {
		t.Errorf("%+v", n)
	}
}

func TestTheWayFromThePrefixToABlock(t *testing.T) {
	for within, want := range map[string][]string{
		"10.0.0.0/8": {"10.0.0.0/8"}, "10.7.0.0/16": {"10.0.0.0/8", "10.7.0.0/16"}, "10.7.9.0/24": {"10.0.0.0/8", "10.7.0.0/16", "10.7.9.0/24"}, "10.7.9.128/25": {"10.0.0.0/8", "10.7.0.0/16", "10.7.9.0/24", "10.7.9.128/25"},
	} {
		if d := cmp.Diff(want, chart.Path(netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix(within))); d != "" {
			t.Error(d)
		}
	}
	if d := cmp.Diff([]string{"2001:db8::/48", "2001:db8:0:7::/64"}, chart.Path(netip.MustParsePrefix("2001:db8::/48"), netip.MustParsePrefix("2001:db8:0:7::/64"))); d != "" {
		t.Error(d)
	}
}

// TestWhatIsWorthALook: a block that is all one holder's, or nobody's, shows nothing more from near.
func TestWhatIsWorthALook(t *testing.T) {
	drawn := chart.Draw(netip.MustParsePrefix("10.0.0.0/22"), []chart.Piece{piece(t, chart.Held, "10.0.0.0/30", "a"), piece(t, chart.Held, "10.0.0.5", "b"), piece(t, chart.Held, "10.0.0.8", "c"), piece(t, chart.Held, "10.0.0.9", "d")})
	for i, want := range []bool{false, true, true, false} {
		if got := drawn.Blocks[i].Worth(); got != want {
			t.Errorf("block %d: %v", i, got)
		}
	}
}

func TestWhereToLookNext(t *testing.T) {
	for text, want := range map[string]string{"10.0.0.0-10.0.0.255": "10.0.0.0/24", "10.0.0.1-10.0.0.2": "10.0.0.0/30", "10.0.0.5": "10.0.0.5/32", "2001:db8::1-2001:db8::ff": "2001:db8::/120"} {
		r, err := span.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if got := (chart.Block{Span: r.Span()}).Look().String(); got != want {
			t.Errorf("%s: %s, want %s", text, got, want)
		}
	}
}

// TestInvariants holds any drawing to what the package promises.
func TestInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		within := netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.0/22", "10.0.0.0/28", "10.0.0.0/31", "0.0.0.0/0", "2001:db8::/64", "2001:db8::/118", "2001:db8::/32", "::/0"}).Draw(t, "within"))
		whole := span.OfPrefix(within)
		var pieces []chart.Piece
		for i := range rapid.IntRange(0, 200).Draw(t, "pieces") {
			from, _ := whole.From.Add(span.Key{Lo: uint64(rapid.IntRange(0, 5000).Draw(t, "from"))})
			to, _ := from.Add(span.Key{Lo: uint64(rapid.SampledFrom([]int{0, 0, 0, 1, 15, 300}).Draw(t, "length"))})
			pieces = append(pieces, chart.Piece{Span: span.Span{From: from, To: to}, State: chart.State(rapid.IntRange(0, 2).Draw(t, "state")), Holder: fmt.Sprint(i)})
		}
		drawn := chart.Draw(within, pieces)
		if len(drawn.Blocks) > 257 || drawn.Grid && len(drawn.Blocks) > 256 {
			t.Fatalf("%d blocks", len(drawn.Blocks))
		}
		next := whole.From
		for i, b := range drawn.Blocks {
			if b.Span.From != next || b.Span.To.Less(b.Span.From) {
				t.Fatalf("block %d begins at %s, the one before ends before %s", i, b.Span.From.Addr(), next.Addr())
			}
			next, _ = b.Span.To.Next()
			if n := b.Count; n.Size < 1<<40 && n.Held+n.Resting+n.Kept+n.Free != n.Size {
				t.Fatalf("block %d: %+v", i, n)
			}
			if free := b.Count.Free == b.Count.Size && b.Count.Size < 1<<40; free != (b.Number == 0) && b.Count.Size < 1<<40 {
				t.Fatalf("block %d: %d pieces and %+v", i, b.Number, b.Count)
			}
			if !within.Contains(b.Look().Addr()) || b.Look().Bits() < within.Bits() {
				t.Fatalf("block %d: looking at %s leads out of %s", i, b.Look(), within)
			}
		}
		if last := drawn.Blocks[len(drawn.Blocks)-1].Span.To; last != whole.To {
			t.Fatalf("it ends at %s", last.Addr())
		}
		rand.New(rand.NewPCG(1, 2)).Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		if d := cmp.Diff(drawn, chart.Draw(within, pieces)); d != "" {
			t.Fatalf("the order counts: %s", d)
		}
	})
}
