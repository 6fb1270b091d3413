package host

import (
	"testing"
	"time"
)

// A second each for few, and never more than twenty writes a second for all.
func TestPace(t *testing.T) {
	for working, want := range map[int]time.Duration{0: time.Second, 20: time.Second, 21: 1050 * time.Millisecond, 1000: 50 * time.Second} {
		if got := pace(time.Second, working); got != want {
			t.Errorf("%d agents work: %s, want %s", working, got, want)
		}
	}
}
