package buddy

import (
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/ipam/span"
)

func TestTreeAgainstList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		root := netip.MustParsePrefix(rapid.SampledFrom([]string{"10.0.0.0/26", "fd00::/120", "10.0.0.8/32", "fd00:0:0:ffc0::/58"}).Draw(t, "root"))
		depth := min(6, root.Addr().BitLen()-root.Bits())
		tree := New[span.Block](span.BlockOf(root))
		var model []span.Block
		for range rapid.IntRange(1, 60).Draw(t, "operations") {
			length := tree.At().Len + rapid.IntRange(0, depth).Draw(t, "length")
			b, ok := tree.First(length)
			if want, free := first(tree.At(), model, length); ok != free || ok && b != want {
				t.Fatalf("first /%d is %v, %v, not %v, %v, with %v", length, b, ok, want, free, model)
			}
			switch {
			case ok && rapid.Bool().Draw(t, "take"):
				if by := tree.Take(b, &b); by != nil {
					t.Fatalf("%v was free and is taken by %v", b, by)
				}
				model = append(model, b)
			case len(model) > 0:
				n := rapid.IntRange(0, len(model)-1).Draw(t, "which")
				gone := model[n]
				model = append(model[:n:n], model[n+1:]...)
				if !tree.Release(gone) || tree.Release(gone) {
					t.Fatalf("%v was not released once", gone)
				}
			}
			check(t, tree, model, length)
		}
		for _, b := range model {
			tree.Release(b)
		}
		if tree.root != nil || tree.Len() != 0 {
			t.Fatalf("an empty tree has nodes, or %d blocks", tree.Len())
		}
	})
}

// check asks about every block of a length.
func check(t *rapid.T, tree *Tree[span.Block], model []span.Block, length int) {
	if tree.Len() != len(model) {
		t.Fatalf("%d blocks, not %d", tree.Len(), len(model))
	}
	for _, b := range blocks(tree.At(), length) {
		by, want := tree.Overlap(b), overlap(b, model)
		if (by != nil) != want || by != nil && !by.Span().Overlaps(b.Span()) {
			t.Fatalf("%v overlaps %v: %v, with %v", b, by, want, model)
		}
		if want && tree.Take(b, &b) == nil {
			t.Fatalf("%v was taken over another", b)
		}
	}
}

func first(root span.Block, model []span.Block, length int) (span.Block, bool) {
	for _, b := range blocks(root, length) {
		if !overlap(b, model) {
			return b, true
		}
	}
	return span.Block{}, false
}

func overlap(b span.Block, model []span.Block) bool {
	for _, m := range model {
		if m.Span().Overlaps(b.Span()) {
			return true
		}
	}
	return false
}

func blocks(root span.Block, length int) []span.Block {
	var all []span.Block
	for k := root.Key; ; {
		b := span.Block{Key: k, Len: length}
		all = append(all, b)
		next, over := b.Span().To.Next()
		if over || root.Span().To.Less(next) {
			return all
		}
		k = next
	}
}

func TestDeepBlock(t *testing.T) {
	tree := New[int](span.BlockOf(netip.MustParsePrefix("2001:db8::/32")))
	one := 1
	for n := range 1000 {
		b, ok := tree.First(64)
		if !ok || tree.Take(b, &one) != nil {
			t.Fatalf("no /64 after %d of a /32", n)
		}
	}
	if b, _ := tree.First(48); b.Prefix().String() != "2001:db8:1::/48" {
		t.Errorf("the first free /48 is %s", b.Prefix())
	}
	if _, ok := tree.First(31); ok {
		t.Error("a /31 was found in a /32")
	}
}
