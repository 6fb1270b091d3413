package seeded

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
)

// number reads one of the variables by which more or other seeds are asked for.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s is %q: give a number", name, text)
	}
	return n
}

// TestSeeds runs seeds INGOT_SIM_FIRST (1) and following, INGOT_SIM_SEEDS (200) of them.
func TestSeeds(t *testing.T) {
	first, n := number(t, "INGOT_SIM_FIRST", 1), number(t, "INGOT_SIM_SEEDS", 200)
	const lanes = 4
	var next, passes atomic.Int64
	next.Store(int64(first) - 1)
	t.Run("lanes", func(t *testing.T) {
		for lane := range lanes {
			t.Run(strconv.Itoa(lane), func(t *testing.T) {
				t.Parallel()
				for {
					seed := next.Add(1)
					if seed >= int64(first+n) || t.Failed() {
						return
					}
					if done := seed - int64(first); done > 0 && done%1000 == 0 {
						t.Logf("%d seeds", done)
					}
					passes.Add(int64(runSeed(t, uint64(seed), nil))) // seeds are positive
				}
			})
		}
	})
	t.Logf("%d seeds, %d looks at hosts", n, passes.Load())
}

// runSeed runs one seed. alter changes the world before it lives.
func runSeed(t *testing.T, seed uint64, alter func(*world)) (passes int) {
	t.Helper()
	w := live(t, seed, alter)
	if wrong := w.wrongs(); len(wrong) > 0 {
		t.Errorf("seed %d: %s\n%s\nagain: INGOT_SIM_FIRST=%d INGOT_SIM_SEEDS=1 go test -run TestSeeds ./test/sim/seeded", seed, wrong[0], w.story(), seed)
	}
	return w.passes
}

// live lets the world of a seed run from its beginning to its end.
func live(t *testing.T, seed uint64, alter func(*world)) (w *world) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		dice := newDice(seed)
		made, err := newWorld(seed, 2+dice.below(3, "machines"))
		if err != nil {
			t.Fatal(err)
		}
		w = made
		if alter != nil {
			alter(w)
		}
		w.life()
		w.end()
	})
	return w
}

// story is the end of the trace; with INGOT_SIM_STORY set, all of it.
func (w *world) story() string {
	lines := w.trace
	const most = 120
	if len(lines) > most && os.Getenv("INGOT_SIM_STORY") == "" {
		lines = append([]string{fmt.Sprintf("... %d lines before: INGOT_SIM_STORY=1 shows them", len(lines)-most)}, lines[len(lines)-most:]...)
	}
	return strings.Join(lines, "\n")
}

// A seed means one story, whatever else the machine does.
func TestSeedsAreRepeatable(t *testing.T) {
	for seed := uint64(1); seed <= 5; seed++ {
		a, b := live(t, seed, nil), live(t, seed, nil)
		if x, y := strings.Join(a.trace, "\n"), strings.Join(b.trace, "\n"); x != y {
			t.Errorf("seed %d has two stories:\n%s", seed, firstDifference(a.trace, b.trace))
		}
	}
}

func firstDifference(a, b []string) string {
	for i := range min(len(a), len(b)) {
		if a[i] != b[i] {
			return strings.Join(a[max(0, i-10):i], "\n") + "\n< " + a[i] + "\n> " + b[i]
		}
	}
	return fmt.Sprintf("one is longer: %d, %d", len(a), len(b))
}
