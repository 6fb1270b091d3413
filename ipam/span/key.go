// Package span is the arithmetic of addresses: keys of 128 bits, ranges, prefixes as keys, and sets of spans.
//
// It owns the one order in which both families stand: an IPv4 address is the key of its IPv4-mapped form (::ffff:a.b.c.d, RFC 4291 section 2.5.5.2), so that one structure
// holds both. It refuses what would break that: an IPv4-mapped address written as IPv6, a prefix or range that runs through the mapped block, zones, mixed families.
//
// Invariants: Of and Key.Addr are inverse for every address that Check accepts; a list of spans that this package returns is sorted, disjoint, and has no two that touch.
package span

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"
	"net/netip"
)

// Bits is the length of a key.
const Bits = 128

// mappedLen is the length of the block that holds IPv4 among the keys.
const mappedLen = 96

// Key is an address as a number of 128 bits.
type Key struct{ Hi, Lo uint64 }

// Max is the highest key.
var Max = Key{math.MaxUint64, math.MaxUint64}

// mapped is the block of the keys of IPv4.
var mapped = Span{Key{0, 0xffff << 32}, Key{0, 0xffff<<32 | math.MaxUint32}}

// Check says why an address can't be a key: it is invalid, has a zone, or is IPv4 written as IPv6.
func Check(a netip.Addr) error {
	switch {
	case !a.IsValid():
		return fmt.Errorf("not an address")
	case a.Zone() != "":
		return fmt.Errorf("%s has a zone: leave it out", a)
	case a.Is4In6():
		return fmt.Errorf("%s is IPv4 written as IPv6: write %s", a, a.Unmap())
	}
	return nil
}

// Of is the key of an address that Check accepts.
func Of(a netip.Addr) Key {
	b := a.As16()
	return Key{binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])}
}

// Addr is the address of a key.
func (k Key) Addr() netip.Addr {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], k.Hi)
	binary.BigEndian.PutUint64(b[8:], k.Lo)
	return netip.AddrFrom16(b).Unmap()
}

// Is4 says whether the key is an IPv4 address.
func (k Key) Is4() bool { return k.Hi == 0 && k.Lo>>32 == 0xffff }

// Compare is -1, 0 or 1.
func (k Key) Compare(o Key) int {
	switch {
	case k == o:
		return 0
	case k.Less(o):
		return -1
	}
	return 1
}

// Less says whether k stands before o.
func (k Key) Less(o Key) bool { return k.Hi < o.Hi || k.Hi == o.Hi && k.Lo < o.Lo }

// Add is k+o; over says that it went past the highest key, and the sum has begun again at zero.
func (k Key) Add(o Key) (sum Key, over bool) {
	lo, c := bits.Add64(k.Lo, o.Lo, 0)
	hi, c := bits.Add64(k.Hi, o.Hi, c)
	return Key{hi, lo}, c != 0
}

// Sub is k-o, for an o that is not above k.
func (k Key) Sub(o Key) Key {
	lo, b := bits.Sub64(k.Lo, o.Lo, 0)
	hi, _ := bits.Sub64(k.Hi, o.Hi, b)
	return Key{hi, lo}
}

// Next is k+1; over as with Add.
func (k Key) Next() (next Key, over bool) { return k.Add(Key{0, 1}) }

// Right is k without its n lowest bits, shifted down.
func (k Key) Right(n int) Key {
	switch {
	case n == 0:
		return k
	case n < 64:
		return Key{k.Hi >> n, k.Hi<<(64-n) | k.Lo>>n}
	}
	return Key{0, k.Hi >> (n - 64)}
}

// Left is k shifted up by n bits.
func (k Key) Left(n int) Key {
	switch {
	case n == 0:
		return k
	case n < 64:
		return Key{k.Hi<<n | k.Lo>>(64-n), k.Lo << n}
	}
	return Key{k.Lo << (n - 64), 0}
}

// Bit is the bit at a depth: 0 is the highest.
func (k Key) Bit(depth int) int {
	if depth < 64 {
		return int(k.Hi >> (63 - depth) & 1)
	}
	return int(k.Lo >> (127 - depth) & 1)
}

// Saturate is the key as a number, or the highest uint64 where it is larger.
func (k Key) Saturate() uint64 {
	if k.Hi != 0 {
		return math.MaxUint64
	}
	return k.Lo
}
