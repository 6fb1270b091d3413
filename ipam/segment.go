package ipam

import (
	"slices"

	"github.com/ingotmetal/ingot/ipam/span"
)

// segment is a run of addresses that the same spans of pools cover.
type segment struct {
	span.Span
	refs []ref
}

type ref struct {
	pool *pool
	span int
}

// from is the index of the first segment that doesn't end before a key.
func (v *vrf) from(k span.Key) int {
	at, _ := slices.BinarySearchFunc(v.segments, k, func(g segment, k span.Key) int {
		if g.To.Less(k) {
			return -1
		}
		return 1
	})
	return at
}

// count tells the pools that cover a key that it was taken (1) or freed (-1, as two's complement).
func (v *vrf) count(k span.Key, by uint64) {
	at := v.from(k)
	if at == len(v.segments) || !v.segments[at].Has(k) {
		return
	}
	for _, r := range v.segments[at].refs {
		r.pool.spans[r.span].blocked += by
		r.pool.totals[family(k)].blocked += by
	}
}

// cover enters one span of a pool, and counts what is taken in it already.
func (v *vrf) cover(p *pool, index int) {
	s, mine := p.spans[index].Span, ref{p, index}
	v.cells.In(s, func(k span.Key, _ *cell) {
		p.spans[index].blocked++
		p.totals[family(k)].blocked++
	})
	at := v.from(s.From)
	end, left := at, true
	var out []segment
	for ; left && end < len(v.segments) && !s.To.Less(v.segments[end].From); end++ {
		g := v.segments[end]
		if g.From.Less(s.From) {
			out = append(out, segment{span.Span{From: g.From, To: before(s.From)}, g.refs})
			g.From = s.From
		}
		if s.From.Less(g.From) {
			out = append(out, segment{span.Span{From: s.From, To: before(g.From)}, []ref{mine}})
		}
		both := append(slices.Clone(g.refs), mine)
		if s.To.Less(g.To) {
			after, _ := s.To.Next()
			out = append(out, segment{span.Span{From: g.From, To: s.To}, both}, segment{span.Span{From: after, To: g.To}, g.refs})
			left = false
			continue
		}
		out = append(out, segment{g.Span, both})
		var over bool
		s.From, over = g.To.Next()
		left = !over && !s.To.Less(s.From)
	}
	if left {
		out = append(out, segment{s, []ref{mine}})
	}
	v.segments = slices.Replace(v.segments, at, end, out...)
}

// uncover takes the pool's spans out again.
func (v *vrf) uncover(p *pool) {
	for _, s := range p.spans {
		at := v.from(s.From)
		end := at
		var out []segment
		for ; end < len(v.segments) && !s.To.Less(v.segments[end].From); end++ {
			g := v.segments[end]
			g.refs = slices.DeleteFunc(slices.Clone(g.refs), func(r ref) bool { return r.pool == p })
			if len(g.refs) > 0 {
				out = append(out, g)
			}
		}
		v.segments = slices.Replace(v.segments, at, end, out...)
	}
}

func before(k span.Key) span.Key { return k.Sub(span.Key{Lo: 1}) }
