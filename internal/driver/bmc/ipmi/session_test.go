package ipmi_test

import (
	"context"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/ipmi"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/step"
)

// A BMC drops a session that rests: the next call must open one of its own, and find the BMC where it was left.
func TestRestedSessionIsOpenedAnew(t *testing.T) {
	s := newSim(t)
	var dials atomic.Int32
	o := fast()
	o.IdleTimeout = time.Nanosecond
	o.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		dials.Add(1)
		return new(net.Dialer).DialContext(ctx, network, address)
	}
	session, err := newDriver(t, o).Open(t.Context(), s.target)
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close(t.Context()) //nolint:errcheck // the test is over
	if err := session.Power().Do(t.Context(), bmc.PowerOn); err != nil {
		t.Fatal(err)
	}
	if state, err := session.Power().State(t.Context()); err != nil || state != bmc.On {
		t.Errorf("state %s, %v", state, err)
	}
	if n := dials.Load(); n < 4 {
		t.Errorf("%d logins for one probe, two reads and a change, with sessions that end at once: want 4", n)
	}
}

// Nothing waits for minutes where nobody answers.
func TestSilentBMC(t *testing.T) {
	silent, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close() //nolint:errcheck // the test is over
	o := fast()
	o.CallTimeout, o.Retries = 5*time.Millisecond, 1
	_, err = newDriver(t, o).Open(t.Context(), bmc.Target{Address: "ipmi://" + silent.LocalAddr().String(), Username: "admin", Password: secret.New("x")})
	if bmc.KindOf(err) != step.Unreachable || bmc.FailureOf(err).Fix == "" {
		t.Errorf("a silent BMC: %v", err)
	}
}

func TestRefusedTargets(t *testing.T) {
	s := newSim(t)
	for name, c := range map[string]struct {
		change func(*bmc.Target)
		kind   step.FailureKind
		says   string
	}{
		"unknown user":      {func(t *bmc.Target) { t.Username = "nobody" }, step.Denied, ""},
		"user too long":     {func(t *bmc.Target) { t.Username = strings.Repeat("u", 17) }, step.Invalid, "17 bytes"},
		"password too long": {func(t *bmc.Target) { t.Password = secret.New(strings.Repeat("p", 21)) }, step.Invalid, "21 bytes"},
		"Redfish address":   {func(t *bmc.Target) { t.Address = "redfish://127.0.0.1" }, step.Unsupported, "no IPMI address"},
		"no address":        {func(t *bmc.Target) { t.Address = "gopher://x" }, step.Invalid, "unknown scheme"},
	} {
		t.Run(name, func(t *testing.T) {
			target := s.target
			c.change(&target)
			_, err := newDriver(t, fast()).Open(t.Context(), target)
			if bmc.KindOf(err) != c.kind || !strings.Contains(err.Error(), c.says) || strings.Contains(err.Error(), "ppppp") {
				t.Errorf("want %s with %q: %v", c.kind, c.says, err)
			}
		})
	}
	if _, err := ipmi.New(ipmi.Options{}); err == nil {
		t.Error("a driver without a dialer")
	}
}
