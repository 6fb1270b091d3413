package console

import (
	"slices"
	"time"
)

// Recording is what is known of a recording's file.
type Recording struct {
	ID    string
	Bytes int64
	// Ended is when it was written to last; Open while it still is.
	Ended time.Time
	Open  bool
}

// Keep is how much is kept. Zero is no bound.
type Keep struct {
	Count int
	Bytes int64
	Age   time.Duration
}

// Expired are the recordings to remove, the oldest first: those that are too old, and of the others the oldest that are too many or too large together. Those that are still written count
// and are never removed.
func Expired(all []Recording, k Keep, now time.Time) []string {
	var out []string
	count, bytes := 0, int64(0)
	newest := slices.Clone(all)
	slices.SortStableFunc(newest, func(a, b Recording) int {
		if a.Open != b.Open {
			if a.Open {
				return -1
			}
			return 1
		}
		return b.Ended.Compare(a.Ended)
	})
	for _, r := range newest {
		count++
		bytes += r.Bytes
		over := k.Count > 0 && count > k.Count || k.Bytes > 0 && bytes > k.Bytes || k.Age > 0 && now.Sub(r.Ended) > k.Age
		if over && !r.Open {
			out = append(out, r.ID)
			count--
			bytes -= r.Bytes
		}
	}
	slices.Reverse(out)
	return out
}
