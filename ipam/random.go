package ipam

import (
	"math/bits"

	"github.com/ingotmetal/ingot/ipam/span"
)

// tries is how often a random address is drawn before the next free one behind the last is taken: in a pool that is half full one of 256 requests comes to that.
const tries = 8

// dice is splitmix64 (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014): enough to spread addresses, and nothing that a secret may rest on.
type dice uint64

func (d *dice) roll() uint64 {
	*d += 0x9e3779b97f4a7c15
	z := uint64(*d)
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}

// below is a number under n, each as likely as the others.
func (d *dice) below(n span.Key) span.Key {
	for {
		k := span.Key{Hi: d.roll(), Lo: d.roll()}
		if n.Hi == 0 {
			k.Hi, k.Lo = 0, k.Lo>>bits.LeadingZeros64(n.Lo)
		} else {
			k.Hi >>= bits.LeadingZeros64(n.Hi)
		}
		if k.Less(n) {
			return k
		}
	}
}

// random is a free key of the runs.
func (v *vrf) random(runs []run, seed uint64) (span.Key, bool) {
	var size total
	for _, r := range runs {
		size.add(r.Size())
	}
	if size.size == (span.Key{}) {
		return span.Key{}, false
	}
	d := dice(seed)
	var k span.Key
	for range tries {
		k = nth(runs, d.below(size.size))
		if v.cells.Get(k) == nil {
			return k, true
		}
	}
	return v.around(runs, k)
}

// nth is the key at a place among those of the runs, which must have as many.
func nth(runs []run, n span.Key) span.Key {
	for _, r := range runs {
		if size := r.Size(); !n.Less(size) {
			n = n.Sub(size)
			continue
		}
		k, _ := r.From.Add(n)
		return k
	}
	return runs[len(runs)-1].To
}
