package journey

import (
	"hash/fnv"
	"time"
)

// maxBackoffExponent bounds the wait at 2^9 minutes, 8 h 32 min, as in Metal3.
const maxBackoffExponent = 9

// Backoff is the wait after the count-th failure in a row, count ≥ 1: 2^count minutes less up to half of it. What is taken off depends on the host and the count
// alone, so that a hundred hosts behind one dead switch don't come back together and a decision stays a function of its facts.
func Backoff(uid string, count int) time.Duration {
	n := min(max(count, 1), maxBackoffExponent)
	full := time.Minute << n
	h := fnv.New64a()
	_, _ = h.Write([]byte(uid))
	_, _ = h.Write([]byte{byte(count), byte(count >> 8)})
	return full - time.Duration(h.Sum64()%uint64(full/2))
}
