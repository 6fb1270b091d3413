package ruleset

import (
	"cmp"
	"encoding/binary"
	"net/netip"
	"slices"
)

// Value is a number of up to 128 bits: a port, a protocol, or an address (an IPv4 address is its 32 bits).
type Value struct{ High, Low uint64 }

func number[T uint8 | uint16 | uint32](n T) Value { return Value{0, uint64(n)} }

func address(a netip.Addr) Value {
	if a.Is4() {
		b := a.As4()
		return Value{0, uint64(binary.BigEndian.Uint32(b[:]))}
	}
	b := a.As16()
	return Value{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// addr is the address that a value stands for in a family.
func (v Value) addr(ipv6 bool) netip.Addr {
	if !ipv6 {
		var b [4]byte
		binary.BigEndian.PutUint32(b[:], uint32(v.Low))
		return netip.AddrFrom4(b)
	}
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.High)
	binary.BigEndian.PutUint64(b[8:], v.Low)
	return netip.AddrFrom16(b)
}

func (v Value) compare(o Value) int {
	return cmp.Or(cmp.Compare(v.High, o.High), cmp.Compare(v.Low, o.Low))
}

// next and before wrap around; callers know that they are not at the end.
func (v Value) next() Value {
	v.Low++
	if v.Low == 0 {
		v.High++
	}
	return v
}

func (v Value) before() Value {
	if v.Low == 0 {
		v.High--
	}
	v.Low--
	return v
}

// Range is all values from Low to High, both included.
type Range struct{ From, To Value }

func single(v Value) Range { return Range{v, v} }

// Single says whether the range is one value.
func (r Range) Single() bool { return r.From == r.To }

// Ranges are sorted and disjoint.
type Ranges []Range

// Contains says whether a value is in one of the ranges.
func (rs Ranges) Contains(v Value) bool {
	i, exact := slices.BinarySearchFunc(rs, v, func(r Range, v Value) int { return r.From.compare(v) })
	return exact || i > 0 && rs[i-1].To.compare(v) >= 0
}

// union sorts and merges. Neighbours that touch are merged unless all are single values: a hash set holds those as they are.
func union(rs Ranges) Ranges {
	sorted := slices.Clone(rs)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Or(a.From.compare(b.From), a.To.compare(b.To)) })
	if !slices.ContainsFunc(sorted, func(r Range) bool { return !r.Single() }) {
		return slices.Compact(sorted)
	}
	var out Ranges
	for _, r := range sorted {
		last := len(out) - 1
		if last >= 0 && (r.From.compare(out[last].To) <= 0 || out[last].To.next() == r.From) {
			if r.To.compare(out[last].To) > 0 {
				out[last].To = r.To
			}
			continue
		}
		out = append(out, r)
	}
	return out
}

// intersect keeps what is in both.
func intersect(a, b Ranges) Ranges {
	var out Ranges
	for i, j := 0, 0; i < len(a) && j < len(b); {
		from, to := a[i].From, a[i].To
		if b[j].From.compare(from) > 0 {
			from = b[j].From
		}
		if b[j].To.compare(to) < 0 {
			to = b[j].To
		}
		if from.compare(to) <= 0 {
			out = append(out, Range{from, to})
		}
		if a[i].To.compare(b[j].To) < 0 {
			i++
		} else {
			j++
		}
	}
	return out
}

// complement is what is in the universe and not in the ranges, which must lie within it.
func complement(rs Ranges, universe Range) Ranges {
	var out Ranges
	from := universe.From
	for _, r := range rs {
		if r.From.compare(from) > 0 {
			out = append(out, Range{from, r.From.before()})
		}
		if r.To == universe.To {
			return out
		}
		from = r.To.next()
	}
	return append(out, Range{from, universe.To})
}

// universe is every value that a field can have.
func universe(f Field, ipv6 bool) Range {
	switch f {
	case Protocol, ICMPType:
		return Range{Value{}, Value{0, 0xff}}
	case SourcePort, DestinationPort, ICMPHead:
		return Range{Value{}, Value{0, 0xffff}}
	default: // an address; the others are no ranges
	}
	if ipv6 {
		return Range{Value{}, Value{^uint64(0), ^uint64(0)}}
	}
	return Range{Value{}, Value{0, 0xffffffff}}
}

// network is a prefix as a range.
func network(p netip.Prefix) Range {
	from := address(p.Masked().Addr())
	free := p.Addr().BitLen() - p.Bits()
	to := from
	if free >= 64 {
		to.Low = ^uint64(0)
		to.High |= ones(free - 64)
	} else {
		to.Low |= ones(free)
	}
	return Range{from, to}
}

func ones(n int) uint64 {
	if n == 64 {
		return ^uint64(0)
	}
	return 1<<n - 1
}

// networks are the prefixes of one family as ranges, merged. All single addresses stay single.
func networks(nets []netip.Prefix, ipv6 bool) Ranges {
	var rs Ranges
	for _, n := range nets {
		if n.Addr().Is6() == ipv6 {
			rs = append(rs, network(n))
		}
	}
	return union(rs)
}
