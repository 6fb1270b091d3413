package main

import (
	"runtime"
	"testing"
)

func TestLimitGivesWayToWhatIsLive(t *testing.T) {
	const mib = 1 << 20
	for name, c := range map[string]struct {
		h    heap
		want int64
	}{
		"nothing yet":                {heap{}, 800 * mib},
		"a small site":               {heap{200 * mib, 60 * mib}, 800 * mib},
		"just fits":                  {heap{300 * mib, 200 * mib}, 800 * mib},
		"no longer":                  {heap{301 * mib, 200 * mib}, 832 * mib},
		"live alone is at the limit": {heap{800 * mib, 100 * mib}, 1728 * mib},
	} {
		if got := limit(800*mib, c.h); got != c.want {
			t.Errorf("%s: %d MiB, want %d", name, got/mib, c.want/mib)
		}
	}
	for live := int64(0); live < 4<<30; live += 7 * mib {
		h := heap{live, live / 10}
		got := limit(800*mib, h)
		if got < 800*mib || float64(got-h.live-h.other) < headroom*float64(live)-1 || got > 800*mib && got-limitGrain >= h.live+int64(headroom*float64(live))+h.other {
			t.Fatalf("%d MiB live: limit %d MiB", live/mib, got/mib)
		}
	}
}

// What the runtime says adds up to the objects that were made.
func TestReadHeap(t *testing.T) {
	const size = 64 << 20
	runtime.GC()
	before := readHeap()
	held := make([]byte, size)
	runtime.GC()
	after := readHeap()
	if grown := after.live - before.live; grown < size-size/8 || grown > size+size/8 || after.other <= 0 || after.other > 2*size {
		t.Errorf("before %+v, after %+v", before, after)
	}
	runtime.KeepAlive(held)
}
