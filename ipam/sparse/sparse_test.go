package sparse

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/ipam/span"
)

func TestSetAgainstMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := rapid.SampledFrom([]span.Key{{Hi: 0, Lo: 0}, {Hi: 0, Lo: 0xffff0a00ff00}, {Hi: 3, Lo: ^uint64(0) - 700}, {Hi: ^uint64(0), Lo: ^uint64(0) - 1100}}).Draw(t, "base")
		at := func(n int) span.Key { k, _ := base.Add(span.Key{Lo: uint64(n)}); return k }
		s, model, value := New[int](), map[span.Key]*int{}, 0
		for range rapid.IntRange(1, 40).Draw(t, "operations") {
			from := rapid.IntRange(0, 1000).Draw(t, "from")
			to := min(1000, from+rapid.SampledFrom([]int{0, 1, 63, 255, 256, 600}).Draw(t, "more"))
			put := rapid.Bool().Draw(t, "put")
			for n := from; n <= to; n++ {
				if put {
					v := value
					value++
					s.Put(at(n), &v)
					model[at(n)] = &v
				} else {
					s.Delete(at(n))
					delete(model, at(n))
				}
			}
			compare(t, s, model, at)
		}
	})
}

func compare(t *rapid.T, s *Set[int], model map[span.Key]*int, at func(int) span.Key) {
	if s.Len() != len(model) {
		t.Fatalf("%d keys, not %d", s.Len(), len(model))
	}
	free, found := span.Key{}, false
	for n := 1000; n >= 0; n-- {
		if s.Get(at(n)) != model[at(n)] {
			t.Fatalf("key %v has another value", at(n))
		}
		if model[at(n)] == nil {
			free, found = at(n), true
		}
		if k, ok := s.Next(span.Span{From: at(n), To: at(1000)}); ok != found || ok && k != free {
			t.Fatalf("from %v the next free one is %v, %v, not %v, %v", at(n), k, ok, free, found)
		}
	}
	from, to := at(100), at(800)
	seen, want := 0, 0
	s.In(span.Span{From: from, To: to}, func(k span.Key, v *int) {
		seen++
		if model[k] != v {
			t.Fatalf("%v is not in the set", k)
		}
	})
	for k := range model {
		if !k.Less(from) && !to.Less(k) {
			want++
		}
	}
	if seen != want {
		t.Fatalf("%d keys in a span, not %d", seen, want)
	}
	last, all := span.Key{}, 0
	s.Sorted(func(k span.Key, _ *int) {
		if all > 0 && !last.Less(k) {
			t.Fatalf("%v comes after %v", k, last)
		}
		last, all = k, all+1
	})
	if all != len(model) {
		t.Fatalf("%d keys in order, not %d", all, len(model))
	}
}

// TestMarksOfThreeLevels fills over 65,536 keys, so that a full page of full pages is climbed over, and empties them again.
func TestMarksOfThreeLevels(t *testing.T) {
	s, one := New[int](), 1
	base := span.Key{Lo: 0xffff0a000000}
	key := func(n int) span.Key { return span.Key{Lo: base.Lo + uint64(n)} }
	const all = 3 * 65536
	for n := range all {
		s.Put(key(n), &one)
	}
	whole := span.Span{From: base, To: key(1 << 24)}
	if k, ok := s.Next(whole); !ok || k != key(all) {
		t.Fatalf("the next free one is %v, not %v", k, key(all))
	}
	if _, ok := s.Next(span.Span{From: base, To: key(all - 1)}); ok {
		t.Fatal("something is free in what is full")
	}
	for _, n := range []int{all - 1, 65536, 65535, 256, 0} {
		s.Delete(key(n))
		if k, ok := s.Next(whole); !ok || k != key(n) {
			t.Fatalf("the next free one is %v, not %v", k, key(n))
		}
	}
	for n := range all {
		s.Delete(key(n))
	}
	if len(s.pages) != 0 || s.Len() != 0 {
		t.Fatalf("%d pages are left, %d keys", len(s.pages), s.Len())
	}
	for l, m := range s.marks {
		if len(m) != 0 {
			t.Fatalf("%d marks are left at level %d", len(m), l)
		}
	}
}
