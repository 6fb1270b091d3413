package main

import (
	"runtime"
	"testing"
)

func TestRelease(t *testing.T) {
	before := runtime.MemStats{TotalAlloc: 1 << 40}
	for name, c := range map[string]struct {
		allocated, held uint64
		released        bool
		want            bool
	}{
		"under load":         {allocated: 1 << 30, held: 1 << 30},
		"after it":           {allocated: 1 << 20, held: 1 << 30, want: true},
		"done already":       {allocated: 1 << 20, held: 1 << 30, released: true},
		"nothing to gain":    {allocated: 1 << 20, held: 16 << 20},
		"given back already": {allocated: 1 << 20, held: 0},
	} {
		now := runtime.MemStats{TotalAlloc: before.TotalAlloc + c.allocated, HeapSys: 2 << 30, HeapReleased: 2<<30 - c.held}
		if got := release(before, now, c.released); got != c.want {
			t.Errorf("%s: release %v, want %v", name, got, c.want)
		}
	}
}
