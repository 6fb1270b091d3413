package span

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"10.0.0.1-10.0.0.9", "10.0.0.0/24", "10.0.0.1", "fd00::1-fd00::ffff", "2001:db8::/32", "::/0", "0.0.0.0/0", "::ffff:10.0.0.1", "10.0.0.5/24", "10.0.0.9-10.0.0.1",
		"fe80::1%eth0", "10.0.0.1-fd00::1", "-", "/", "", "10.0.0.1-10.0.0.2-10.0.0.3", " 10.0.0.1 - 10.0.0.2 ", "255.255.255.255-255.255.255.255", "::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		s := r.Span()
		if r.Check() != nil || s.To.Less(s.From) || s.Range() != r {
			t.Fatalf("%q was read as %v, which is not a range", text, r)
		}
		again, err := Parse(r.String())
		if err != nil || again != r {
			t.Fatalf("%q was read as %v, written as %q and read as %v, %v", text, r, r, again, err)
		}
		var size Key
		for _, b := range s.Blocks() {
			if p := b.Prefix(); CheckPrefix(p) != nil || OfPrefix(p) != b.Span() || BlockOf(p) != b || !b.Span().Within(s) {
				t.Fatalf("block %v of %v is not a prefix in it", p, r)
			}
			size, _ = size.Add(b.Span().Size())
		}
		if size != s.Size() {
			t.Fatalf("the blocks of %v have %v addresses, the range %v", r, size, s.Size())
		}
	})
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"", "-", "10.0.0.0/33", "10.0.0.5/24", "10.0.0.9-10.0.0.1", "10.0.0.1-fd00::1", "::ffff:10.0.0.1", "fe80::1%eth0", "::/0", "::-::ffff:ffff:ffff", "::ffff:0:0/96", "10.0.0.1-", "a-b",
	} {
		if r, err := Parse(text); err == nil {
			t.Errorf("%q was read as %v", text, r)
		}
	}
}

func TestSpansAgainstSets(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Around a carry from the low to the high half of a key, where arithmetic goes wrong.
		base := Key{7, ^uint64(0) - 20}
		if rapid.Bool().Draw(t, "v4") {
			base = Of(netip.MustParseAddr("10.0.0.240"))
		}
		at := func(n int) Key { k, _ := base.Add(Key{0, uint64(n)}); return k }
		draw := func(name string) (spans []Span, set map[Key]bool) {
			set = map[Key]bool{}
			for range rapid.IntRange(0, 6).Draw(t, name) {
				from := rapid.IntRange(0, 40).Draw(t, "from")
				to := from + rapid.IntRange(0, 12).Draw(t, "length")
				spans = append(spans, Span{at(from), at(to)})
				for i := from; i <= to; i++ {
					set[at(i)] = true
				}
			}
			return spans, set
		}
		a, inA := draw("a")
		b, inB := draw("b")
		check := func(name string, got []Span, want func(Key) bool) {
			for i, s := range got {
				if next, _ := s.To.Next(); s.To.Less(s.From) || i+1 < len(got) && !next.Less(got[i+1].From) {
					t.Fatalf("%s: %v is not sorted and apart", name, got)
				}
			}
			for i := range 60 {
				in := false
				for _, s := range got {
					in = in || s.Has(at(i))
				}
				if in != want(at(i)) {
					t.Fatalf("%s of %v and %v: %v has %v: %v", name, a, b, got, at(i), in)
				}
			}
		}
		check("union", Union(a), func(k Key) bool { return inA[k] })
		check("difference", Subtract(a, b), func(k Key) bool { return inA[k] && !inB[k] })
	})
}

func TestEveryLengthOfPrefix(t *testing.T) {
	for _, a := range []string{"0.0.0.0", "255.255.255.255", "10.1.2.3", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "8001:db8:1:2:3:4:5:6", "8000::"} {
		addr := netip.MustParseAddr(a)
		if Of(addr).Addr() != addr {
			t.Errorf("the key of %s is that of %s", addr, Of(addr).Addr())
		}
		// A prefix of IPv6 that begins with a bit that is 0 may hold the mapped block: these begin with 1.
		for length := addr.BitLen() / 128; length <= addr.BitLen(); length++ {
			p := netip.PrefixFrom(addr, length).Masked()
			if CheckPrefix(p) != nil {
				t.Errorf("%s is refused", p)
				continue
			}
			s := OfPrefix(p)
			if blocks := s.Blocks(); len(blocks) != 1 || blocks[0].Prefix() != p {
				t.Errorf("%s comes back as %v", p, blocks)
			}
			if after, over := s.To.Next(); !over && p.Contains(after.Addr()) || !p.Contains(s.To.Addr()) {
				t.Errorf("%s ends at %s", p, s.To.Addr())
			}
		}
	}
}
