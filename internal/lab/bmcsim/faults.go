package bmcsim

import (
	"math/rand/v2"
)

// faultSource draws faults. Every request takes the same number of draws, and a reset one more, whichever faults are switched on: a seed and an order of requests
// give the same faults.
type faultSource struct {
	set Faults
	rng *rand.Rand
}

func newFaultSource(f Faults, number uint64) *faultSource {
	return &faultSource{set: f, rng: rand.New(rand.NewPCG(f.Seed, number))}
}

// drawn is what happens to one request.
type drawn struct {
	fail, busy, hang, cut, dropSession bool
}

func (s *faultSource) draw() drawn {
	hit := func(chance float64) bool { return s.rng.Float64() < chance }
	return drawn{
		fail: hit(s.set.ErrorChance), busy: hit(s.set.BusyChance), hang: hit(s.set.HangChance), cut: hit(s.set.DropConnectionChance),
		dropSession: hit(s.set.DropSessionChance),
	}
}

func (s *faultSource) loses() bool { return s.rng.Float64() < s.set.LostPowerChance }
