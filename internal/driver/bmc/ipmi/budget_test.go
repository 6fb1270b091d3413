package ipmi_test

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/ipmi"
	"github.com/ingotmetal/ingot/step"
)

// counting is a socket that counts the datagrams that leave it.
type counting struct {
	net.Conn

	sent *atomic.Int64
}

func (c counting) Write(b []byte) (int, error) {
	c.sent.Add(1)
	return c.Conn.Write(b)
}

// saving are options with a budget that only what was saved up counts in: a call more comes after some days.
func saving(burst int, sent *atomic.Int64) ipmi.Options {
	return ipmi.Options{CallsPerSecond: 1e-5, Burst: burst, CallTimeout: 5 * time.Second, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := new(net.Dialer).DialContext(ctx, network, address)
		return counting{c, sent}, err
	}}
}

// TestOneBudgetPerBMC: two sessions and a console of one BMC spend one budget, and another BMC has its own.
func TestOneBudgetPerBMC(t *testing.T) {
	const burst = 40
	var sent atomic.Int64
	d := newDriver(t, saving(burst, &sent))
	s, other := newSim(t), newSim(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var sessions []bmc.Session
	for range 2 {
		session, err := d.Open(ctx, s.target)
		if err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, session)
	}
	if n := sent.Load(); n != 10 {
		t.Errorf("two logins and probes are %d datagrams, 5 each are expected", n)
	}
	watch, end := context.WithTimeout(ctx, 300*time.Millisecond)
	defer end()
	if err := sessions[0].Console().Watch(watch, io.Discard); err != nil {
		t.Fatal(err)
	}
	watched := sent.Load() - 10
	if watched < 6 {
		t.Errorf("a watch is %d datagrams: a login, the activation and a poll are expected at least", watched)
	}
	var refused [2]error
	for i := 0; refused[0] == nil || refused[1] == nil; i++ {
		if i > burst {
			t.Fatal("the budget has no end")
		}
		for n, session := range sessions {
			if _, err := session.Power().State(ctx); err != nil {
				refused[n] = err
			}
		}
	}
	for _, err := range refused {
		if bmc.KindOf(err) != step.Busy {
			t.Errorf("a spent budget is told as %v", err)
		}
	}
	if _, err := d.Open(ctx, s.target); bmc.KindOf(err) != step.Busy {
		t.Errorf("a third session has calls of its own: %v", err)
	}
	if n := sent.Load(); n > burst {
		t.Errorf("%d datagrams from a budget of %d", n, burst)
	}
	session, err := d.Open(ctx, other.target)
	if err != nil {
		t.Fatalf("another BMC pays for this one: %v", err)
	}
	for _, session := range append(sessions, session) {
		_ = session.Close(t.Context())
	}
}

// TestWatchWaitsForItsCalls: what a console sends by itself waits for the budget too, and a watch whose budget is spent ends in good order.
func TestWatchWaitsForItsCalls(t *testing.T) {
	const burst = 12
	var sent atomic.Int64
	s := newSim(t)
	session, err := newDriver(t, saving(burst, &sent)).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if err := session.Console().Watch(ctx, io.Discard); err != nil {
		t.Error(err)
	}
	// What ends the console and its session is owed.
	if n := sent.Load(); n > burst+2 {
		t.Errorf("%d datagrams from a budget of %d", n, burst)
	}
	_ = session.Close(t.Context())
}
