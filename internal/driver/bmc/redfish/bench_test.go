package redfish_test

import (
	"testing"

	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
)

// BenchmarkState is one power state read over TLS against the simulator in the same process, without a budget.
func BenchmarkState(b *testing.B) {
	s := open(b, newDriver(b, fast()), newSim(b, bmcsim.Personality{}).target)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := s.Power().State(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen is a login with a full probe and a logout; every round is a new TLS connection.
func BenchmarkOpen(b *testing.B) {
	sim := newSim(b, bmcsim.Personality{})
	d := newDriver(b, fast())
	b.ReportAllocs()
	for b.Loop() {
		if err := open(b, d, sim.target).Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	st := d.Stats(sim.bmc.HostPort())
	b.ReportMetric(float64(st.Requests)/float64(st.Logins), "calls/open")
}
