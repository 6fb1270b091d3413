// Package firewallgateway_test holds a firewall between networks to its word with real packets: a tenant's namespace, the firewall's, and the outside's.
package firewallgateway_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

func addr(text string) netip.Addr { return netip.MustParseAddr(text) }

func prefixes(texts ...string) []netip.Prefix {
	all := make([]netip.Prefix, len(texts))
	for i, t := range texts {
		all[i] = netip.MustParsePrefix(t)
	}
	return all
}

// The addresses: a client and a server of the tenant, the firewall's own and those that stand for the server, and somebody outside.
var (
	client_ = []netip.Addr{addr("10.77.1.2"), addr("fd77:1::2")}
	server  = []netip.Addr{addr("10.77.1.80"), addr("fd77:1::80")}
	own     = []netip.Addr{addr("192.0.2.1"), addr("2001:db8::1")}
	public  = []netip.Addr{addr("192.0.2.80"), addr("2001:db8::80")}
	visitor = []netip.Addr{addr("192.0.2.9"), addr("2001:db8::9")}
	// Somebody outside who says to be inside, and the other way around.
	outsideLiar = []netip.Addr{addr("10.77.1.66"), addr("fd77:1::66")}
	insideLiar  = []netip.Addr{addr("192.0.2.66"), addr("2001:db8::66")}
)

// world is three namespaces in a row.
type world struct {
	tenant, firewall, outside *netns.Namespace
	h                         *linux.Host
	table                     string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{table: ruleset.GatewayTable}
	for _, n := range []**netns.Namespace{&w.tenant, &w.firewall, &w.outside} {
		made, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = made.Close() })
		*n = made
	}
	on := func(bits4, bits6 int, addresses ...[]netip.Addr) []netip.Prefix {
		var all []netip.Prefix
		for _, pair := range addresses {
			all = append(all, netip.PrefixFrom(pair[0], bits4), netip.PrefixFrom(pair[1], bits6))
		}
		return all
	}
	inside := []netip.Addr{addr("10.77.1.1"), addr("fd77:1::1")}
	for _, ends := range [][2]netns.End{
		{{In: w.tenant, Interface: "eth0", Addresses: append(on(24, 64, client_, server), on(32, 128, insideLiar)...)}, {In: w.firewall, Interface: "inside0", Addresses: on(24, 64, inside)}},
		{{In: w.outside, Interface: "eth0", Addresses: append(on(24, 64, visitor), on(32, 128, outsideLiar)...)}, {In: w.firewall, Interface: "outside0", Addresses: on(24, 64, own, public)}},
	} {
		if err := netns.Join(ends[0], ends[1]); err != nil {
			t.Fatal(err)
		}
	}
	for _, route := range []struct {
		in      *netns.Namespace
		to, via string
	}{
		{w.tenant, "default", inside[0].String()}, {w.tenant, "default", inside[1].String()},
		// The outside knows the way to the tenant, so that only the firewall can stop it.
		{w.outside, "10.77.1.0/24", own[0].String()}, {w.outside, "fd77:1::/64", own[1].String()},
	} {
		if out, err := route.in.Run(t.Context(), "", "ip", "route", "add", route.to, "via", route.via); err != nil {
			t.Fatalf("%v: %s (install iproute2)", err, out)
		}
	}
	w.forward(t)
	h, err := linux.In(w.firewall.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	w.h = h
	return w
}

// forward lets the kernel forward, and leaves spoofed packets to the ruleset.
func (w *world) forward(t *testing.T) {
	t.Helper()
	err := w.firewall.Do(func() error {
		for file, value := range map[string]string{
			"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv4/conf/all/rp_filter": "0", "ipv4/conf/inside0/rp_filter": "0", "ipv4/conf/outside0/rp_filter": "0",
			"ipv4/conf/all/send_redirects": "0",
		} {
			if err := os.WriteFile("/proc/sys/net/"+file, []byte(value), 0); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// mac is the MAC address of a card of the firewall.
func (w *world) mac(t *testing.T, name string) string {
	t.Helper()
	cards, err := w.h.Interfaces(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cards {
		if c.Name == name && c.MAC != "" {
			return c.MAC
		}
	}
	t.Fatalf("%s has no MAC address: %+v", name, cards)
	return ""
}

// renamed gives the firewall's cards other names and their addresses again, as another boot does.
func (w *world) renamed(t *testing.T) {
	t.Helper()
	run := func(args ...string) {
		t.Helper()
		if out, err := w.firewall.Run(t.Context(), "", "ip", args...); err != nil {
			t.Fatalf("ip %v: %v: %s", args, err, out)
		}
	}
	for _, c := range []struct {
		old, now  string
		addresses []string
	}{
		{"inside0", "lan0", []string{"10.77.1.1/24", "fd77:1::1/64"}},
		{"outside0", "wan0", []string{own[0].String() + "/24", own[1].String() + "/64", public[0].String() + "/24", public[1].String() + "/64"}},
	} {
		run("link", "set", c.old, "down")
		run("address", "flush", "dev", c.old)
		run("link", "set", c.old, "name", c.now)
		run("link", "set", c.now, "up")
		for _, a := range c.addresses {
			args := []string{"address", "add", a, "dev", c.now}
			if strings.Contains(a, ":") {
				args = append(args, "nodad")
			}
			run(args...)
		}
	}
}

func (w *world) apply(t *testing.T, text string) {
	t.Helper()
	if err := w.h.Apply(t.Context(), text); err != nil {
		t.Fatal(err)
	}
}

// declared is the firewall of these tests.
func declared() *gateway.Gateway {
	udp := func(name string, port uint16, from, to []netip.Prefix) gateway.Rule {
		return gateway.Rule{Name: name, Protocol: gateway.UDP, Ports: []gateway.Ports{{First: port, Last: port}}, From: from, To: to}
	}
	return &gateway.Gateway{
		Owner: "acme/edge",
		Networks: []gateway.Network{
			{Name: "acme/web", Inside: true, Interface: "inside0", Prefixes: prefixes("10.77.1.0/24", "fd77:1::/64")},
			{Name: "site/internet", Interface: "outside0", Prefixes: prefixes("0.0.0.0/0", "::/0"), Own: own[:1],
				Pairs: []gateway.Pair{{Outside: public[0], Inside: server[0]}, {Outside: public[1], Inside: server[1]}}},
		},
		Egress: []gateway.Rule{
			udp("open", allowedPort, nil, nil), udp("v4", v4Port, nil, prefixes("192.0.2.0/24")), udp("client", clientPort, prefixes("10.77.1.2/32", "fd77:1::2/128"), nil),
			{Name: "ping", Protocol: gateway.ICMP},
		},
		Ingress: []gateway.Rule{udp("served", servedPort, nil, prefixes("10.77.1.80/32", "fd77:1::80/128")), udp("visitor", visitorPort, prefixes("192.0.2.9/32", "2001:db8::9/128"), nil)},
	}
}

// The ports. What no rule is for is deniedPort.
const (
	allowedPort = 5000 + iota
	deniedPort
	v4Port
	clientPort
	servedPort
	visitorPort
)

var ports = []uint16{allowedPort, deniedPort, v4Port, clientPort, servedPort, visitorPort}

// arrival is a datagram that came in.
type arrival struct {
	at      netip.Addr
	from    netip.AddrPort
	payload string
}

// listener hears all datagrams to some addresses at all ports.
type listener struct {
	mu       sync.Mutex
	arrivals map[string]arrival
}

func (l *listener) got(payload string) (arrival, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	a, ok := l.arrivals[payload]
	return a, ok
}

// listen hears what comes to addresses of a namespace, and answers it with its own words.
func listen(t *testing.T, l *listener, in *netns.Namespace, addresses ...netip.Addr) {
	t.Helper()
	for _, a := range addresses {
		for _, port := range ports {
			err := in.Do(func() error {
				c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, port)))
				if err != nil {
					return err
				}
				t.Cleanup(func() { _ = c.Close() })
				go l.hear(c, a)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func (l *listener) hear(c *net.UDPConn, at netip.Addr) {
	b := make([]byte, 128)
	for {
		n, from, err := c.ReadFromUDPAddrPort(b)
		if err != nil {
			return
		}
		l.mu.Lock()
		l.arrivals[string(b[:n])] = arrival{at, netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), string(b[:n])}
		l.mu.Unlock()
		_, _ = c.WriteToUDPAddrPort(append([]byte("re: "), b[:n]...), from)
	}
}

// send sends a datagram from an address, and gives the socket by which an answer comes.
func send(t *testing.T, in *netns.Namespace, from, to netip.Addr, port uint16, payload string) *net.UDPConn {
	t.Helper()
	var c *net.UDPConn
	err := in.Do(func() error {
		var err error
		c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(from, 0)))
		if err != nil {
			return err
		}
		_, err = c.WriteToUDPAddrPort([]byte(payload), netip.AddrPortFrom(to, port))
		return err
	})
	if err != nil {
		t.Fatalf("send from %s to %s: %v", from, to, err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func key(parts ...any) string { return fmt.Sprint(parts...) }
