package main

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

const (
	idleEvery = time.Minute
	// quietBytes is what an API server at rest allocates in that time, with some room: watches, leases, its own controllers.
	quietBytes = 64 << 20
	// worthBytes is what must be gained for a collection outside of the ordinary ones.
	worthBytes = 64 << 20
)

// releaseWhenIdle gives memory back to the system once a burst of work is over. Collections are rare under load (--gc-percent), so that the heap of a burst would else stay resident.
func releaseWhenIdle(ctx context.Context) {
	t := time.NewTicker(idleEvery)
	defer t.Stop()
	var before runtime.MemStats
	runtime.ReadMemStats(&before)
	released := true
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		var now runtime.MemStats
		runtime.ReadMemStats(&now)
		if release(before, now, released) {
			debug.FreeOSMemory()
			released = true
		} else if busy(before, now) {
			released = false
		}
		before = now
	}
}

// busy says whether more was allocated between two looks than a server at rest does.
func busy(before, now runtime.MemStats) bool { return now.TotalAlloc-before.TotalAlloc > quietBytes }

// release says whether to give memory back now: once after each busy time, when there is something to gain.
func release(before, now runtime.MemStats, released bool) bool {
	return !released && !busy(before, now) && now.HeapSys-now.HeapReleased > worthBytes
}
