package pace_test

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/pace"
)

var wipe = pace.What{Stage: "preparing", Step: "wipe"}

func samples(what pace.What, class string, seconds ...int) []pace.Sample {
	var out []pace.Sample
	for _, s := range seconds {
		out = append(out, pace.Sample{What: what, Class: class, Took: time.Duration(s) * time.Second})
	}
	return out
}

func TestPaces(t *testing.T) {
	for name, c := range map[string]struct {
		samples      []pace.Sample
		median, slow int
		count        int
		own          bool
	}{
		"too few":                              {samples: samples(wipe, "a", 1, 2, 3, 4)},
		"just enough, of which one hung":       {samples(wipe, "a", 30, 10, 20, 3600, 20), 20, 3600, 5, true},
		"nine of ten":                          {samples(wipe, "a", 10, 9, 8, 7, 6, 5, 4, 3, 2, 1), 5, 9, 10, true},
		"of the class alone":                   {append(samples(wipe, "a", 1, 2, 3, 4, 5), samples(wipe, "b", 100, 100, 100, 100, 100)...), 3, 5, 5, true},
		"of all where the class has too few":   {append(samples(wipe, "a", 1, 2), samples(wipe, "b", 9, 9, 9)...), 9, 9, 5, false},
		"a clock that was put back is no pace": {samples(wipe, "a", 1, 2, 3, 4, -5), 0, 0, 0, false},
	} {
		t.Run(name, func(t *testing.T) {
			p, ok := pace.Find(pace.Of(c.samples, "a"), wipe)
			if ok != (c.count > 0) || p.Median != time.Duration(c.median)*time.Second || p.Slow != time.Duration(c.slow)*time.Second || p.Samples != c.count || p.Own != c.own {
				t.Errorf("%+v %t", p, ok)
			}
			if ok && (p.Longer(p.Slow) || !p.Longer(p.Slow+1)) {
				t.Error("the slow one itself is usual, and what is longer is not")
			}
		})
	}
}

func TestPacesAreOfWhatWasSeen(t *testing.T) {
	whats := []pace.What{wipe, {Stage: "preparing"}, {Stage: "inspecting", Step: "start-agent"}}
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) pace.Sample {
			return pace.Sample{
				What: rapid.SampledFrom(whats).Draw(t, "what"), Class: rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "class"),
				Took: time.Duration(rapid.IntRange(-2, 50).Draw(t, "took")) * time.Second,
			}
		}), 0, 60).Draw(t, "samples")
		paces := pace.Of(all, "a")
		for _, p := range paces {
			var seen []time.Duration
			for _, s := range all {
				if s.What == p.What && s.Took >= 0 && (!p.Own || s.Class == "a") {
					seen = append(seen, s.Took)
				}
			}
			within := func(d time.Duration) int {
				n := 0
				for _, s := range seen {
					if s <= d {
						n++
					}
				}
				return n
			}
			if p.Median > p.Slow || p.Samples < pace.Least || p.Samples != len(seen) || !slices.Contains(seen, p.Median) || !slices.Contains(seen, p.Slow) {
				t.Fatalf("%+v of %v", p, seen)
			}
			if within(p.Median)*2 < len(seen) || within(p.Slow)*10 < len(seen)*9 {
				t.Fatalf("%+v: %d and %d of %d end within", p, within(p.Median), within(p.Slow), len(seen))
			}
		}
		mixed := slices.Clone(all)
		slices.Reverse(mixed)
		if !slices.Equal(paces, pace.Of(mixed, "a")) {
			t.Fatal("the order matters")
		}
		more := append(slices.Clone(all), samples(pace.What{Stage: "another"}, "a", 1, 2, 3)...)
		if !slices.Equal(paces, pace.Of(more, "a")) {
			t.Fatal("another thing matters")
		}
	})
}
