// Package sparse is a set of keys of 128 bits with a value at each, made to find the next key that is not in it at a cost that does not grow with the keys that are.
//
// Keys lie in pages of 256, found by hash; a page is a bitmap and the values of the keys that are in it, in order. A page that is full is marked in a bitmap of its 256 neighbours,
// a full one of those in the next higher, so that a search climbs over what is full, 256 times as far with each step, and meets nothing at all where nothing is taken: an IPv6 /64
// costs as much as an IPv4 /24. An interval tree would do it in the logarithm of its pieces, and a page in the cache is cheaper than ten nodes that are not.
//
// Invariant: a mark is set if and only if everything under it is taken.
package sparse

import (
	"math/bits"
	"slices"

	"github.com/ingotmetal/ingot/ipam/span"
)

// levels of 8 bits make a key.
const levels = span.Bits / 8

type bitmap [4]uint64

func (b *bitmap) has(i uint8) bool { return b[i>>6]>>(i&63)&1 != 0 }
func (b *bitmap) set(i uint8)      { b[i>>6] |= 1 << (i & 63) }
func (b *bitmap) clear(i uint8)    { b[i>>6] &^= 1 << (i & 63) }
func (b *bitmap) full() bool       { return b[0]&b[1]&b[2]&b[3] == ^uint64(0) }
func (b *bitmap) empty() bool      { return b[0]|b[1]|b[2]|b[3] == 0 }

// rank is how many before i are set.
func (b *bitmap) rank(i uint8) int {
	n := 0
	for w := range int(i >> 6) {
		n += bits.OnesCount64(b[w])
	}
	return n + bits.OnesCount64(b[i>>6]&(1<<(i&63)-1))
}

// clearFrom is the first at i or behind it that is not set.
func (b *bitmap) clearFrom(i uint8) (uint8, bool) {
	w := int(i >> 6)
	free := ^b[w] &^ (1<<(i&63) - 1)
	for free == 0 {
		if w++; w == len(b) {
			return 0, false
		}
		free = ^b[w]
	}
	return uint8(w<<6 + bits.TrailingZeros64(free)), true
}

type page[T any] struct {
	bits   bitmap
	values []*T
}

// Set is the keys with their values. The zero Set is not ready: use New.
type Set[T any] struct {
	pages map[span.Key]*page[T]
	// marks of full pages: at level 1 by the key of 256 pages, at level 2 of 65,536, and so on.
	marks [levels]map[span.Key]*bitmap
	count int
}

// New is an empty set.
func New[T any]() *Set[T] { return &Set[T]{pages: map[span.Key]*page[T]{}} }

// Len is the number of keys.
func (s *Set[T]) Len() int { return s.count }

// Get is the value at a key, or nil.
func (s *Set[T]) Get(k span.Key) *T {
	p, i := s.pages[k.Right(8)], uint8(k.Lo)
	if p == nil || !p.bits.has(i) {
		return nil
	}
	return p.values[p.bits.rank(i)]
}

// Put sets the value at a key; it must not be nil.
func (s *Set[T]) Put(k span.Key, v *T) {
	at, i := k.Right(8), uint8(k.Lo)
	p := s.pages[at]
	if p == nil {
		p = &page[T]{}
		s.pages[at] = p
	}
	n := p.bits.rank(i)
	if p.bits.has(i) {
		p.values[n] = v
		return
	}
	p.values = slices.Insert(p.values, n, v)
	p.bits.set(i)
	s.count++
	if p.bits.full() {
		s.mark(k)
	}
}

// Delete takes a key out; one that is not in the set is no matter.
func (s *Set[T]) Delete(k span.Key) {
	at, i := k.Right(8), uint8(k.Lo)
	p := s.pages[at]
	if p == nil || !p.bits.has(i) {
		return
	}
	if p.bits.full() {
		s.unmark(k)
	}
	n := p.bits.rank(i)
	p.values = slices.Delete(p.values, n, n+1)
	p.bits.clear(i)
	s.count--
	if len(p.values) == 0 {
		delete(s.pages, at)
	}
}

func (s *Set[T]) mark(k span.Key) {
	for l := 1; l < levels; l++ {
		if s.marks[l] == nil {
			s.marks[l] = map[span.Key]*bitmap{}
		}
		at := k.Right(8 * (l + 1))
		m := s.marks[l][at]
		if m == nil {
			m = &bitmap{}
			s.marks[l][at] = m
		}
		m.set(digit(k, l))
		if !m.full() {
			return
		}
	}
}

func (s *Set[T]) unmark(k span.Key) {
	for l := 1; l < levels; l++ {
		at := k.Right(8 * (l + 1))
		m := s.marks[l][at]
		whole := m.full()
		if m.clear(digit(k, l)); m.empty() {
			delete(s.marks[l], at)
		}
		if !whole {
			return
		}
	}
}

// digit is the byte of the key at a level: 0 is the lowest.
func digit(k span.Key, level int) uint8 { return uint8(k.Right(8 * level).Lo) }

// Next is the first key of the span that is not in the set.
func (s *Set[T]) Next(in span.Span) (span.Key, bool) {
	k, level := in.From, 0
	for !in.To.Less(k) {
		i := digit(k, level)
		j, ok := i, true
		if b := s.bitmapAt(k, level); b != nil {
			j, ok = b.clearFrom(i)
		}
		if !ok {
			// All is taken up to the end of this bitmap: go on behind it, one level up.
			up := k.Right(8 * (level + 1))
			next, over := up.Next()
			if level++; over || level == levels || next.Right(span.Bits-8*level) != (span.Key{}) {
				return span.Key{}, false // past the highest key
			}
			k = next.Left(8 * level)
			continue
		}
		if j != i {
			base := k.Right(8 * level)
			k = span.Key{Hi: base.Hi, Lo: base.Lo - uint64(i) + uint64(j)}.Left(8 * level)
		}
		if level == 0 {
			return k, !in.To.Less(k)
		}
		level--
	}
	return span.Key{}, false
}

func (s *Set[T]) bitmapAt(k span.Key, level int) *bitmap {
	if level > 0 {
		return s.marks[level][k.Right(8*(level+1))]
	}
	if p := s.pages[k.Right(8)]; p != nil {
		return &p.bits
	}
	return nil
}

// In calls f for each key of the span that is in the set, in no order. It costs the pages that the span could have, or those that there are, whichever is less.
func (s *Set[T]) In(in span.Span, f func(span.Key, *T)) {
	first, last := in.From.Right(8), in.To.Right(8)
	if n := last.Sub(first); n.Hi == 0 && n.Lo < uint64(len(s.pages)) {
		for k := first; ; k, _ = k.Next() {
			if p := s.pages[k]; p != nil {
				p.in(k, in, f)
			}
			if k == last {
				return
			}
		}
	}
	for k, p := range s.pages {
		if !k.Less(first) && !last.Less(k) {
			p.in(k, in, f)
		}
	}
}

func (p *page[T]) in(at span.Key, in span.Span, f func(span.Key, *T)) {
	n := 0
	base := at.Left(8)
	for w, word := range p.bits {
		for ; word != 0; word &= word - 1 {
			k := span.Key{Hi: base.Hi, Lo: base.Lo | uint64(w<<6+bits.TrailingZeros64(word))}
			if in.Has(k) {
				f(k, p.values[n])
			}
			n++
		}
	}
}

// Sorted calls f for each key, in order.
func (s *Set[T]) Sorted(f func(span.Key, *T)) {
	all := make([]span.Key, 0, len(s.pages))
	for k := range s.pages {
		all = append(all, k)
	}
	slices.SortFunc(all, span.Key.Compare)
	for _, k := range all {
		s.pages[k].in(k, span.Span{To: span.Max}, f)
	}
}
