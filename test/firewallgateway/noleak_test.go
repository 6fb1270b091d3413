package firewallgateway_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/test/await"
	"github.com/ingotmetal/ingot/test/traffic"
)

// replacements is how many times a generation takes the place of another under load.
const replacements = 100

// fromInside is the way of datagrams from inside to a visitor.
func fromInside() traffic.Route {
	return traffic.Route{From: client_, To: visitor, Allowed: allowedPort, Denied: deniedPort}
}

// start sends until the returned function is called.
func start(t *testing.T, w *world, l *traffic.Datagrams) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.tenant.Do(func() error { return l.Send(ctx, fromInside()) }) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// turn is the declaration with other rules around the ones that count, so that generations differ in size and shape.
func turn(n int) *gateway.Gateway {
	g := declared()
	for i := range n * 5 % 17 {
		port := uint16(6000 + 10*i)
		g.Egress = append(g.Egress, gateway.Rule{Name: fmt.Sprint("more", i), Protocol: gateway.UDP, Ports: []gateway.Ports{{First: port, Last: port + 5}}, To: prefixes("198.51.100.0/24", "2001:db8:1::/48")})
	}
	if n%3 == 0 {
		g.DropLog.Group, g.DropLog.PerSecond = 7, 10
	}
	if n%4 == 0 {
		g.Networks[1].Pairs = g.Networks[1].Pairs[:1]
	}
	if n%5 == 0 {
		g.Networks[0].Limit.PerSecond = 1_000_000
	}
	return g
}

// Under traffic that never pauses, in both families and with translated addresses, generations replace each other: no allowed packet is lost, no denied one leaks.
func TestReplacementsLoseAndLeakNothing(t *testing.T) {
	w, l := newWorld(t), &traffic.Datagrams{}
	compile := func(n int) *ruleset.Ruleset {
		return ruleset.CompileGateway(turn(n), ruleset.Options{Generation: uint32(n), Refused: true, ChainLines: 1 + n%8})
	}
	now := compile(1)
	w.apply(t, now.Install(nil))
	l.Listen(t, w.outside, fromInside())
	stop := start(t, w, l)
	await.True(t, "traffic", func() bool { return l.Arrived.Load() > 200 && l.Refused.Load() > 200 })
	// On a busy machine the sender has its turn less often than the replacements: they go on until it had enough.
	last := 1 + replacements
	for n := 2; n <= last; n++ {
		if n == last && l.Sent.Load() < 10*replacements {
			last++
		}
		next := compile(n)
		w.apply(t, next.Install(now))
		now = next
	}
	stop()
	await.True(t, "last datagram", func() bool { return l.Arrived.Load() == l.Sent.Load() })
	t.Logf("%d replacements at least; %d allowed datagrams sent, %d arrived; %d denied sent, %d leaked", replacements, l.Sent.Load(), l.Arrived.Load(), l.Refused.Load(), l.Leaked.Load())
	if l.Leaked.Load() != 0 {
		t.Error("denied packets got through")
	}
	if l.Sent.Load() < 10*replacements {
		t.Error("there was too little traffic to prove anything")
	}

	// The counts see what is wrong: a rule too many leaks, one too few loses.
	leaky := turn(last + 1)
	leaky.Egress = append(leaky.Egress, gateway.Rule{Name: "leak", Protocol: gateway.UDP, Ports: []gateway.Ports{{First: deniedPort, Last: deniedPort}}})
	w.apply(t, ruleset.CompileGateway(leaky, ruleset.Options{Generation: uint32(last + 1), Refused: true}).Install(now))
	again := start(t, w, l)
	await.True(t, "leak", func() bool { return l.Leaked.Load() > 0 })
	again()
}
