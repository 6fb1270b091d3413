package main

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	limitEvery = 5 * time.Second
	// limitGrain is what the limit moves by, so that it moves seldom: each move starts a collection.
	limitGrain = 64 << 20
	// headroom is what may be allocated between two collections whatever the limit, as a share of what is live: with the whole of it, one byte is marked for each one that is allocated. With a half a claim
	// of an address cost 1.4 times as much with 60,000 in use as with 100 (bench/addresses), with the whole 1.2 times; with less the collector soon costs more than all other work together.
	headroom = 1.0
)

// heap is what a collection left behind, and what else of the process counts against the limit, in bytes.
type heap struct{ live, other int64 }

// keepHeadroom raises the memory limit when what is live comes close to it, and lowers it again afterwards, but not below what was configured. A fixed limit under a live heap that
// grows with the site makes the collector run without end: the server then answers nothing in time, which is worse than to be larger.
func keepHeadroom(ctx context.Context, configured int64) {
	t := time.NewTicker(limitEvery)
	defer t.Stop()
	now := configured
	for {
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		if next := limit(configured, readHeap()); next != now {
			now = next
			debug.SetMemoryLimit(now)
		}
	}
}

// limit is the memory limit for a heap, in bytes.
func limit(configured int64, h heap) int64 {
	need := h.live + int64(headroom*float64(h.live)) + h.other
	if need <= configured {
		return configured
	}
	return (need + limitGrain - 1) / limitGrain * limitGrain
}

// readHeap reads what the runtime knows. What counts against the limit is all memory that was mapped and not given back; of that, what is neither an object nor free is other: stacks,
// the runtime's own, and the gaps between objects.
func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	at := func(i int) int64 { return int64(s[i].Value.Uint64()) } // bytes of one process
	return heap{live: at(0), other: at(1) - at(2) - at(3) - at(4)}
}
