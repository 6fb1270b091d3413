package firewallgateway_test

import (
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/test/await"
)

// probe is one packet that is sent.
type probe struct {
	in       *netns.Namespace
	from, to netip.Addr
	port     uint16
	// inside: it is sent in the tenant's network.
	inside bool
}

// probes are packets between everybody and everybody on the other side, in both families, at all ports.
func (w *world) probes() []probe {
	var all []probe
	for family := range 2 {
		for _, port := range ports {
			for _, from := range []netip.Addr{client_[family], server[family], insideLiar[family]} {
				all = append(all, probe{w.tenant, from, visitor[family], port, true})
			}
			for _, from := range []netip.Addr{visitor[family], outsideLiar[family]} {
				for _, to := range []netip.Addr{client_[family], server[family], public[family]} {
					all = append(all, probe{w.outside, from, to, port, false})
				}
			}
		}
	}
	return all
}

// Each packet between tenant and outside, in both families, does what the declaration says: it arrives or it does not, with the addresses that it should have, and what arrives is answered.
func TestPacketsDoAsDeclared(t *testing.T) {
	w := newWorld(t)
	heard := &listener{arrivals: map[string]arrival{}}
	listen(t, heard, w.tenant, client_[0], client_[1], server[0], server[1])
	listen(t, heard, w.outside, visitor[0], visitor[1])
	g := declared()
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	rules := ruleset.CompileGateway(g, ruleset.Options{Generation: 1, Refused: true})
	w.apply(t, rules.Prepare())
	send(t, w.tenant, client_[0], visitor[0], allowedPort, "before the rules")
	send(t, w.tenant, client_[1], visitor[1], allowedPort, "before the rules, v6")
	w.apply(t, rules.Install(nil))

	arrived, dropped := 0, map[string]string{"before the rules": "nothing", "before the rules, v6": "nothing"}
	for i, p := range w.probes() {
		payload := key(i, " ", p.from, " -> ", p.to, " port ", p.port)
		c := send(t, p.in, p.from, p.to, p.port, payload)
		in, out := "inside0", "outside0"
		if !p.inside {
			in, out = out, in
		}
		want := g.Decide(firewall.Packet{Hook: firewall.Forward, In: in, Out: out, Source: p.from, Destination: p.to, Protocol: 17, DestinationPort: p.port}, nil)
		if want.Verdict == firewall.Drop {
			dropped[payload] = want.By
			w.refused(t, p, payload, want.Destination)
			continue
		}
		arrived++
		await.True(t, payload, func() bool { _, ok := heard.got(payload); return ok })
		if a, _ := heard.got(payload); a.at != want.Destination || a.from.Addr() != want.Source {
			t.Errorf("%s: came from %s to %s, want from %s to %s", payload, a.from.Addr(), a.at, want.Source, want.Destination)
		}
		answer := make([]byte, 200)
		if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
			t.Fatal(err)
		}
		n, from, err := c.ReadFromUDPAddrPort(answer)
		if err != nil || string(answer[:n]) != "re: "+payload || from.Addr().Unmap() != p.to {
			t.Errorf("%s: the answer is %q from %s: %v", payload, answer[:n], from, err)
		}
	}
	for payload, by := range dropped { // all of them are older than the last answer
		if _, leaked := heard.got(payload); leaked {
			t.Errorf("%s: arrived, and should be dropped by %s", payload, by)
		}
	}
	t.Logf("%d probes arrived as declared, %d were dropped", arrived, len(dropped))
	if arrived < 15 || len(dropped) < 50 {
		t.Error("the probes say too little")
	}
}

// refused waits until the kernel has noted a dropped packet: then it is not on its way any more.
func (w *world) refused(t *testing.T, p probe, payload string, to netip.Addr) {
	t.Helper()
	await.True(t, "refusal of "+payload, func() bool {
		all, err := w.h.Tuples(t.Context(), w.table, hostnet.Refused)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(all, func(u hostnet.Tuple) bool { return u.Source == p.from && u.Destination == to && u.Port == p.port })
	})
}

// A network's and a rule's limit: of many new connections at once, about the limit's worth come through in the first moment, and not all.
func TestLimitsHold(t *testing.T) {
	const limit, sent = 20, 400
	for name, network := range map[string]bool{"of the network": true, "of the rule": false} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			heard := &listener{arrivals: map[string]arrival{}}
			listen(t, heard, w.outside, visitor[0])
			g := declared()
			if network {
				g.Networks[0].Limit.PerSecond = limit
			} else {
				g.Egress[0].Limit.PerSecond = limit
			}
			w.apply(t, ruleset.CompileGateway(g, ruleset.Options{Generation: 1, Refused: true}).Install(nil))
			began := time.Now()
			for i := range sent {
				send(t, w.tenant, client_[0], visitor[0], allowedPort, key(i))
			}
			await.True(t, "first arrival", func() bool { _, ok := heard.got(key(0)); return ok })
			// Each of the packets is dropped or arrives; who has been refused is counted by the kernel.
			count := func() (arrived, refused int) {
				heard.mu.Lock()
				arrived = len(heard.arrivals)
				heard.mu.Unlock()
				all, err := w.h.Tuples(t.Context(), w.table, hostnet.Refused)
				if err != nil {
					t.Fatal(err)
				}
				for _, u := range all {
					refused += int(u.Packets)
				}
				return arrived, refused
			}
			await.True(t, "account of all packets", func() bool { a, r := count(); return a+r >= sent })
			arrived, refused := count()
			most := limit + int(time.Since(began).Seconds()+1)*limit
			if arrived < limit || arrived > most || refused == 0 {
				t.Errorf("%d arrived and %d were refused; want from %d to %d", arrived, refused, limit, most)
			}
		})
	}
}

// The table is as it was compiled, for the comparison that finds drift too.
func TestTheKernelHasWhatWasCompiled(t *testing.T) {
	w := newWorld(t)
	g := declared()
	g.DropLog.Group, g.DropLog.PerSecond = 7, 10
	g.Networks[0].Limit.PerSecond, g.Egress[0].Limit.PerSecond = 100, 50
	first := ruleset.CompileGateway(g, ruleset.Options{Generation: 1, Refused: true})
	g.Egress = g.Egress[1:]
	second := ruleset.CompileGateway(g, ruleset.Options{Generation: 2, Refused: true})
	w.apply(t, first.Install(nil))
	w.apply(t, second.Install(first))
	want, err := w.h.Expect(t.Context(), w.table, second.Install(nil))
	if err != nil {
		t.Fatal(err)
	}
	got, err := w.h.State(t.Context(), w.table)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range hostnet.Compare(want, got) {
		t.Error(d)
	}
	if active, _, _, ok := got.Generations(); !ok || active != 2 {
		t.Errorf("generation %d rules", active)
	}
	listing, err := w.firewall.Run(t.Context(), "", "nft", "-s", "list", "ruleset")
	if err != nil || strings.Contains(listing, "g1_") {
		t.Errorf("%v: remains of the first generation:\n%s", err, listing)
	}
	for _, words := range []string{`log prefix "ingot acme/edge " group 7`, "rate over 100/second", "policy drop"} {
		if !strings.Contains(listing, words) {
			t.Errorf("%q is missing in\n%s", words, listing)
		}
	}
}
