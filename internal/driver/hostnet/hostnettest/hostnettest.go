// Package hostnettest is the suite that every implementation of package hostnet passes.
//
// It owns what the contract promises, as tests; the implementation brings a Fixture, which makes packets, sockets and other managers of the packet filter.
// The rulesets are compiled ones, so that the suite also holds the implementations to what package ruleset writes.
package hostnettest

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/firewall/selector"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// Interface is the host's one, with Address; Peer is the first of the addresses behind it.
const Interface = "h0"

// The addresses of the suite's host and of its first peer, and the network that both are in.
var (
	Network = netip.MustParsePrefix("10.99.0.0/16")
	Address = netip.MustParseAddr("10.99.0.1")
	Peer    = netip.MustParseAddr("10.99.1.1")
)

// Port is the one that peers may reach, over UDP.
const Port = 5000

// Fixture is a host with a network behind Interface.
type Fixture interface {
	Host() hostnet.Host
	// Send sends one UDP packet from a peer to the host, whose ruleset decides as the outcome says: comment is that of the rule.
	Send(t *testing.T, p firewall.Packet, verdict firewall.Verdict, comment string)
	// Listen opens a TCP socket on a port of the host and gives the process's name.
	Listen(t *testing.T, port uint16) string
	// Firewalld puts a table of firewalld's, with a rule that drops, beside ours.
	Firewalld(t *testing.T)
}

// Run runs the suite. Each test gets a host of its own.
func Run(t *testing.T, fixture func(t *testing.T) Fixture) {
	tests := Writers()
	for name, test := range map[string]func(*testing.T, Fixture){"no table": noTable, "sockets": sockets, "links": links, "others": others} {
		tests[name] = test
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, fixture(t)) })
	}
}

// Writers are the tests of everything that writes. Each may find what another one left.
func Writers() map[string]func(*testing.T, Fixture) {
	return map[string]func(*testing.T, Fixture){
		"transactions": transactions, "trial expires": trialExpires, "trial is confirmed": trialIsConfirmed, "drift": drift, "members": members,
		"stale members": staleMembers, "counters and inventory": inventory, "flows": flows, "permanent parts": permanentParts,
	}
}

// Site is a host "n" that lets its first peers in at Port and refuses everybody else.
func Site(t testing.TB, peers int) (*firewall.Site, *firewall.Host) {
	t.Helper()
	of, err := selector.Parse("has(peer)")
	if err != nil {
		t.Fatal(err)
	}
	udp := calico.Protocol{Name: "UDP", Number: 17}
	o := calico.Objects{
		HostEndpoints: []calico.HostEndpoint{{Meta: calico.Meta{Name: "self"}, Node: "n", InterfaceName: Interface, ExpectedIPs: []netip.Addr{Address}}},
		Policies: []calico.Policy{{
			Meta: calico.Meta{Name: "p"}, Kind: calico.GlobalNetworkPolicy, Tier: calico.DefaultTier, Types: []calico.Direction{calico.Ingress},
			Ingress: []calico.Rule{{
				Action: calico.Allow, Protocol: &udp, Source: calico.Peer{Selector: &of}, Destination: calico.Peer{Ports: []calico.Port{{Min: Port, Max: Port}}},
				Annotations: map[string]string{calico.FlowAnnotation: "peers"},
			}},
		}},
	}
	for i := range peers {
		o.HostEndpoints = append(o.HostEndpoints, calico.HostEndpoint{
			Meta: calico.Meta{Name: fmt.Sprintf("peer%d", i), Labels: map[string]string{"peer": ""}}, Node: "other", InterfaceName: "eth0", ExpectedIPs: []netip.Addr{PeerAddress(i)},
		})
	}
	s, err := firewall.NewSite(o, firewall.NeighbourDiscovery())
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Host("n", nil)
}

// PeerAddress is that of a peer, from 0.
func PeerAddress(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 99, byte(1 + i>>8), byte(1 + i&0xff)})
}

func compiled(t *testing.T, peers int, generation uint32) *ruleset.Ruleset {
	t.Helper()
	s, h := Site(t, peers)
	return ruleset.Compile(s, h, ruleset.Options{Generation: generation, Refused: true, Seen: true})
}

// clean takes away what another test left.
func clean(t *testing.T, h hostnet.Host) {
	t.Helper()
	apply(t, h, compiled(t, 0, 1).Uninstall())
	if _, err := h.Cut(t.Context(), func(hostnet.Flow) bool { return true }); err != nil {
		t.Fatal(err)
	}
}

func apply(t *testing.T, h hostnet.Host, text string) {
	t.Helper()
	if err := h.Apply(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

func state(t *testing.T, h hostnet.Host) hostnet.Table {
	t.Helper()
	s, err := h.State(t.Context(), "ingot")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func expect(t *testing.T, h hostnet.Host, text string) hostnet.Table {
	t.Helper()
	s, err := h.Expect(t.Context(), "ingot", text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// same checks that the host has exactly what the text makes.
func same(t *testing.T, h hostnet.Host, text string) {
	t.Helper()
	for _, d := range hostnet.Compare(expect(t, h, text), state(t, h)) {
		t.Error(d)
	}
}

func generations(t *testing.T, h hostnet.Host, active, pending uint32) {
	t.Helper()
	s := state(t, h)
	a, p, _, ok := s.Generations()
	if a != active || p != pending || !ok {
		t.Errorf("generation %d rules and %d is on trial (consistent: %v), want %d and %d", a, p, ok, active, pending)
	}
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("in 30 s there was no %s", what)
		case <-tick.C:
		}
	}
}

func transactions(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	first, second := compiled(t, 1, 1), compiled(t, 5, 2)
	if err := h.Check(t.Context(), first.Install(nil)); err != nil {
		t.Fatal(err)
	}
	if _, err := h.State(t.Context(), "ingot"); !errors.Is(err, hostnet.ErrNoTable) {
		t.Fatalf("after a check the table is there: %v", err)
	}
	apply(t, h, first.Install(nil))
	same(t, h, first.Install(nil))
	generations(t, h, 1, 0)
	var rejected *hostnet.Rejected
	for name, text := range map[string]string{
		"syntax": second.Install(first) + "add nonsense\n", "a chain that is not there": second.Install(first) + "add rule inet ingot input goto nowhere\n",
	} {
		if err := h.Check(t.Context(), text); !errors.As(err, &rejected) {
			t.Errorf("%s: a check gives %v", name, err)
		}
		if err := h.Apply(t.Context(), text); !errors.As(err, &rejected) || rejected.Reason == "" {
			t.Errorf("%s: %v", name, err)
		}
		same(t, h, first.Install(nil))
	}
	apply(t, h, second.Install(first))
	same(t, h, second.Install(nil))
	generations(t, h, 2, 0)
	apply(t, h, second.Uninstall())
	if _, err := h.State(t.Context(), "ingot"); !errors.Is(err, hostnet.ErrNoTable) {
		t.Errorf("after the removal: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.Apply(ended, first.Install(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}

func noTable(t *testing.T, f Fixture) {
	h, ctx := f.Host(), t.Context()
	errs := map[string]error{}
	_, errs["state"] = h.State(ctx, "ingot")
	_, errs["counters"] = h.Counters(ctx, "ingot")
	_, errs["tuples"] = h.Tuples(ctx, "ingot", hostnet.Refused)
	_, errs["drain"] = h.Drain(ctx, "ingot", hostnet.Seen)
	d, _ := ruleset.Difference(compiled(t, 1, 1), compiled(t, 2, 1))
	errs["change"] = h.Change(ctx, d)
	for what, err := range errs {
		if !errors.Is(err, hostnet.ErrNoTable) {
			t.Errorf("%s: %v, want %v", what, err, hostnet.ErrNoTable)
		}
	}
}

func trialExpires(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	first, second := compiled(t, 1, 1), compiled(t, 2, 2)
	apply(t, h, first.Install(nil))
	apply(t, h, second.Try(2*time.Second))
	generations(t, h, 1, 2)
	s := state(t, h)
	if _, _, left, _ := s.Generations(); left <= 0 || left > 2*time.Second {
		t.Errorf("a trial of 2 s has %s left", left)
	}
	until(t, "end of the trial", func() bool {
		s := state(t, h)
		_, pending, _, _ := s.Generations()
		return pending == 0
	})
	generations(t, h, 1, 0)
	apply(t, h, second.Abandon())
	same(t, h, first.Install(nil))
}

func trialIsConfirmed(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	first, second := compiled(t, 1, 1), compiled(t, 2, 2)
	apply(t, h, first.Install(nil))
	apply(t, h, second.Try(time.Hour))
	same(t, h, first.Install(nil)+second.Try(time.Hour))
	apply(t, h, second.Confirm(first))
	generations(t, h, 2, 0)
	same(t, h, second.Install(nil))
	if err := h.Apply(t.Context(), second.Confirm(first)); err == nil {
		t.Error("the first generation could be deleted twice")
	}
}

// permanentParts: hooks and inventories that a generation does not need are gone with the one that did.
func permanentParts(t *testing.T, f Fixture) {
	h := f.Host()
	clean(t, h)
	s, host := Site(t, 1)
	first := ruleset.Compile(s, host, ruleset.Options{Generation: 1, Refused: true, Seen: true})
	second := ruleset.Compile(s, host, ruleset.Options{Generation: 2})
	third := ruleset.Compile(s, host, ruleset.Options{Generation: 3, Seen: true})
	apply(t, h, first.Install(nil))
	apply(t, h, second.Install(first))
	same(t, h, second.Install(nil))
	apply(t, h, third.Install(second))
	same(t, h, third.Install(nil))
	if all, err := h.Tuples(t.Context(), "ingot", hostnet.Refused); err != nil || len(all) != 0 {
		t.Errorf("refused tuples without an inventory: %v, %v", all, err)
	}
}

func links(t *testing.T, f Fixture) {
	all, err := f.Host().Interfaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(i firewall.Interface) bool { return i.Name == Interface })
	if i < 0 || !slices.Contains(all[i].Addresses, Address) {
		t.Errorf("the interfaces are %v, want %s with %s", all, Interface, Address)
	}
	if !slices.ContainsFunc(all, func(i firewall.Interface) bool { return i.Name == firewall.Loopback }) {
		t.Errorf("no loopback in %v", all)
	}
	if via, err := f.Host().Via(t.Context(), Peer); via != Interface || err != nil {
		t.Errorf("the route to %s goes by %q, %v", Peer, via, err)
	}
	if via, err := f.Host().Via(t.Context(), netip.MustParseAddr("192.0.2.1")); !errors.Is(err, hostnet.ErrNoRoute) {
		t.Errorf("a route to nowhere: %q, %v", via, err)
	}
}

func others(t *testing.T, f Fixture) {
	h := f.Host()
	apply(t, h, compiled(t, 1, 1).Install(nil))
	all, err := h.Others(t.Context(), "ingot")
	if err != nil || len(all) != 0 {
		t.Fatalf("alone, there are %v, %v", all, err)
	}
	f.Firewalld(t)
	all, err = h.Others(t.Context(), "ingot")
	if err != nil || len(all) != 1 {
		t.Fatalf("beside firewalld, there are %v, %v", all, err)
	}
	if o := all[0]; o.Name != "firewalld" || !slices.Contains(o.Hooks, "input") || !o.Drops || o.Evidence == "" || o.Advice == "" {
		t.Errorf("firewalld is %+v", o)
	}
}

func sockets(t *testing.T, f Fixture) {
	process := f.Listen(t, 4711)
	all, err := f.Host().Listening(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(all, func(s hostnet.Socket) bool { return s.Protocol == 6 && s.Port == 4711 })
	if i < 0 {
		t.Fatalf("nobody listens on 4711: %v", all)
	}
	if s := all[i]; s.Process != process || s.PID == 0 || s.Raw || s.Address != Address {
		t.Errorf("the socket is %+v, want one of process %s on %s", s, process, Address)
	}
}
