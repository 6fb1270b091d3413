package seeded

import (
	"encoding/binary"
	"hash/fnv"
	"sync"
	"time"
)

// dice are all chances of a run. A throw depends on the seed, on what it is thrown for, and on how often it was thrown for that before, so that hosts whose actions run at
// the same time do not change each other's luck.
type dice struct {
	seed uint64

	mu     sync.Mutex
	thrown map[string]uint64
}

func newDice(seed uint64) *dice { return &dice{seed: seed, thrown: map[string]uint64{}} }

// throw gives 64 bits.
func (d *dice) throw(what string) uint64 {
	d.mu.Lock()
	n := d.thrown[what]
	d.thrown[what] = n + 1
	d.mu.Unlock()
	h := fnv.New64a()
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:8], d.seed)
	binary.LittleEndian.PutUint64(b[8:], n)
	_, _ = h.Write(b[:])
	_, _ = h.Write([]byte(what))
	// FNV's last bytes are weak; this is the finalizer of SplitMix64.
	x := h.Sum64()
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// below gives a number from 0 to n-1.
func (d *dice) below(n int, what string) int { return int(d.throw(what) % uint64(n)) } // n is positive, and so is the result

// chance is true in so many of a thousand throws.
func (d *dice) chance(permille int, what string) bool {
	return permille > 0 && d.below(1000, what) < permille
}

// between gives a time from low to high, in milliseconds.
func (d *dice) between(low, high time.Duration, what string) time.Duration {
	return low + time.Duration(d.below(int((high-low)/time.Millisecond)+1, what))*time.Millisecond
}
