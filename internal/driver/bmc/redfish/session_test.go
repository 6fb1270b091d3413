package redfish_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/redfish"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

func open(t testing.TB, d *redfish.Driver, target bmc.Target) bmc.Session {
	t.Helper()
	s, err := d.Open(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOneSession: a session is made once, shared by all calls, made again when the BMC forgot it, once for all who found it gone, and given back.
func TestOneSession(t *testing.T) {
	b := newSim(t, bmcsim.Personality{})
	d := newDriver(t, fast())
	s := open(t, d, b.target)
	read := func() {
		t.Helper()
		if _, err := s.Power().State(t.Context()); err != nil {
			t.Error(err)
		}
	}
	for range 5 {
		read()
	}
	if st, n := d.Stats(b.bmc.HostPort()), b.bmc.SessionCount(); st.Logins != 1 || n != 1 {
		t.Errorf("%d logins and %d sessions at the BMC, want 1 and 1", st.Logins, n)
	}
	b.bmc.DropSessions()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(read)
	}
	wg.Wait()
	if st, n := d.Stats(b.bmc.HostPort()), b.bmc.SessionCount(); st.Logins != 2 || n != 1 {
		t.Errorf("after the BMC forgot the session: %d logins and %d sessions, want 2 and 1", st.Logins, n)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := b.bmc.SessionCount(); n != 0 {
		t.Errorf("%d sessions stay behind", n)
	}
}

// TestNoSessionLeftBehind: a failed Open gives its session back.
func TestNoSessionLeftBehind(t *testing.T) {
	b := newSim(t, bmcsim.Personality{})
	b.target.Address = strings.Replace(b.target.Address, "/Systems/1", "/Systems/7", 1)
	_, err := newDriver(t, fast()).Open(t.Context(), b.target)
	if bmc.KindOf(err) != step.Invalid {
		t.Fatalf("a system that is not there: %v", err)
	}
	if n := b.bmc.SessionCount(); n != 0 {
		t.Errorf("%d sessions stay behind", n)
	}
}

// TestSessionLimit: with all sessions of the BMC taken, basic authentication still works.
func TestSessionLimit(t *testing.T) {
	b := newSim(t, bmcsim.Personality{})
	d := newDriver(t, fast())
	for i := range 18 {
		s := open(t, d, b.target)
		has := slices.Contains(s.Identity().Capabilities, bmc.CanSessions)
		if has != (i < 16) {
			t.Errorf("login %d has a session: %v", i+1, has)
		}
		if _, err := s.Power().State(t.Context()); err != nil {
			t.Fatalf("login %d: %v", i+1, err)
		}
	}
}

// TestFaults: under every misbehaviour calls fail with the right kind or succeed, never with another.
func TestFaults(t *testing.T) {
	for name, tt := range map[string]struct {
		faults bmcsim.Faults
		kinds  []step.FailureKind
	}{
		"errors":              {bmcsim.Faults{Seed: 1, ErrorChance: 0.5}, []step.FailureKind{"", step.Internal}},
		"busy":                {bmcsim.Faults{Seed: 2, BusyChance: 0.5}, []step.FailureKind{"", step.Busy}},
		"cut connections":     {bmcsim.Faults{Seed: 3, DropConnectionChance: 0.5}, []step.FailureKind{"", step.Unreachable}},
		"dropped sessions":    {bmcsim.Faults{Seed: 4, DropSessionChance: 0.7}, []step.FailureKind{"", step.Denied}},
		"hanging":             {bmcsim.Faults{Seed: 5, HangChance: 0.3}, []step.FailureKind{"", step.Unreachable}},
		"slow":                {bmcsim.Faults{SlowMilliseconds: 5}, []step.FailureKind{""}},
		"slower than allowed": {bmcsim.Faults{SlowMilliseconds: 60_000}, []step.FailureKind{step.Unreachable}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newSim(t, bmcsim.Personality{})
			o := fast()
			if strings.HasPrefix(name, "hang") || strings.HasPrefix(name, "slower") {
				o.CallTimeout = 100 * time.Millisecond
			}
			s := open(t, newDriver(t, o), b.target)
			b.bmc.SetFaults(tt.faults)
			seen := map[step.FailureKind]bool{}
			for range 20 {
				_, err := s.Power().State(t.Context())
				kind := bmc.KindOf(err)
				if !slices.Contains(tt.kinds, kind) {
					t.Errorf("kind %q, want one of %q: %v", kind, tt.kinds, err)
				}
				seen[kind] = true
			}
			if !seen[tt.kinds[len(tt.kinds)-1]] {
				t.Errorf("20 calls under faults never failed: %v", seen)
			}
		})
	}
}

// TestStaleAndLostPower: what the driver says is what the BMC says; an order that was lost is seen by reading, not hidden.
func TestStaleAndLostPower(t *testing.T) {
	b := newSim(t, bmcsim.Personality{})
	s := open(t, newDriver(t, fast()), b.target)
	b.bmc.SetFaults(bmcsim.Faults{StalePowerReads: 2})
	states := func(n int) (out []bmc.PowerState) {
		for range n {
			state, err := s.Power().State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, state)
		}
		return out
	}
	if err := s.Power().Do(t.Context(), bmc.PowerOn); err != nil {
		t.Fatal(err)
	}
	if got := states(3); !slices.Equal(got, []bmc.PowerState{bmc.Off, bmc.Off, bmc.On}) {
		t.Errorf("states %v, want two stale ones", got)
	}
	b.bmc.SetFaults(bmcsim.Faults{LostPowerChance: 1})
	if err := s.Power().Do(t.Context(), bmc.ForceOff); err != nil {
		t.Fatal(err)
	}
	if got := states(1); got[0] != bmc.On || !b.machine.Powered() {
		t.Errorf("a lost order shows as %v", got)
	}
}

// TestPoweringStates: what a BMC says in the time of a change is passed on, and the change is not asked for again.
func TestPoweringStates(t *testing.T) {
	b := newSim(t, bmcsim.Personality{}, func(c *bmcsim.Config) { c.PowerDelay = time.Hour })
	s := open(t, newDriver(t, fast()), b.target)
	for _, step := range []struct {
		action bmc.PowerAction
		want   bmc.PowerState
	}{{bmc.PowerOn, bmc.PoweringOn}, {bmc.PowerOn, bmc.PoweringOn}, {bmc.ForceOff, bmc.PoweringOff}, {bmc.GracefulOff, bmc.PoweringOff}} {
		if err := s.Power().Do(t.Context(), step.action); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Power().State(t.Context()); err != nil || got != step.want {
			t.Errorf("after %s: %s, %v, want %s", step.action, got, err, step.want)
		}
	}
	if n := len(b.machine.Boots()); n != 1 {
		t.Errorf("%d boots, want 1", n)
	}
}

// TestBudget runs in a bubble: 24 calls at once, then four a second, whoever asks.
func TestBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := redfish.Options{Transport: fuzzed{good: goodBMC(), path: "none"}}
		d, err := redfish.New(o)
		if err != nil {
			t.Fatal(err)
		}
		target := bmc.Target{Address: "redfish://10.0.0.5", Username: "admin", Password: secret.New("x")}
		s := open(t, d, target)
		probe := d.Stats("10.0.0.5:443").Requests
		if probe > 12 {
			t.Errorf("a probe takes %d calls", probe)
		}
		start := time.Now()
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 25 {
					if _, err := s.Power().State(t.Context()); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		// 100 reads after the probe, of which the burst had some left.
		want := time.Duration(100+probe-24) * 250 * time.Millisecond
		if took := time.Since(start); took < want-time.Second || took > want+time.Second {
			t.Errorf("100 calls took %s, want %s by the budget", took, want)
		}
		if st := d.Stats("10.0.0.5:443"); st.Requests != probe+100 || st.Waited == 0 {
			t.Errorf("stats %+v, want %d requests and a wait", st, probe+100)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := s.Power().State(ctx); bmc.KindOf(err) != step.Busy {
			t.Errorf("a call that the budget cannot serve in time: %v, want Busy", err)
		}
	})
}

// TestQuirkTable: every row matches something, says why, and has an effect.
func TestQuirkTable(t *testing.T) {
	seen := map[string]bool{}
	for _, q := range redfish.Quirks() {
		if q.Name == "" || seen[q.Name] || len(q.Reason) < 30 || q.Vendor == "" {
			t.Errorf("row %+v lacks a name of its own, a vendor or a reason", q)
		}
		seen[q.Name] = true
	}
	used := map[string]bool{}
	for _, p := range bmcsim.Personalities() {
		s := open(t, newDriver(t, fast()), newSim(t, p).target)
		for _, name := range s.Identity().Quirks {
			used[name] = true
		}
	}
	for name := range seen {
		if !used[name] {
			t.Errorf("no personality of the simulator has the quirk %s, so the suite never runs it", name)
		}
	}
}
