package firewallgateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	node "github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/test/await"
)

// silent is an API server that never answers.
type silent struct{}

func (silent) Run(ctx context.Context, _ func(*ingot.Firewall)) error {
	<-ctx.Done()
	return nil
}

func (silent) Report(context.Context, node.Report) error { return nil }

var dropped = regexp.MustCompile(`counter packets (\d+) bytes \d+ drop`)

// knocks is how many packets to the machine itself were dropped; -1 where it is not closed.
func (w *world) knocks(t *testing.T) int {
	t.Helper()
	text, err := w.firewall.Run(t.Context(), "", "nft", "list", "ruleset")
	if err != nil {
		t.Fatal(err)
	}
	m := dropped.FindStringSubmatch(text)
	if m == nil {
		return -1
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// From before its network is up, and for as long as the daemon runs, a firewall's machine answers nobody in any family on any network; what it asks is answered, and what comes over its own loopback is heard. It stays
// so when somebody opens it, and without an API server.
func TestTheMachineItselfIsClosed(t *testing.T) {
	w := newWorld(t)
	file := node.File(filepath.Join(t.TempDir(), "gateway.json"))
	generation, err := node.Load(t.Context(), w.h, file, ruleset.GatewayTable, w.forwarding)
	if err != nil || generation != 0 {
		t.Fatalf("generation %d: %v", generation, err)
	}
	if w.forwards(t) {
		t.Error("the kernel forwards before there are rules")
	}
	heard := &listener{arrivals: map[string]arrival{}}
	inside := []netip.Addr{addr("10.77.1.1"), addr("fd77:1::1")}
	listen(t, heard, w.firewall, inside[0], inside[1], own[0], own[1], addr("127.0.0.1"))
	outside := &listener{arrivals: map[string]arrival{}}
	listen(t, outside, w.outside, visitor[0], visitor[1])

	all := []probe{}
	for family := range 2 {
		all = append(all, probe{w.tenant, client_[family], inside[family], allowedPort, true}, probe{w.tenant, client_[family], own[family], servedPort, true},
			probe{w.outside, visitor[family], own[family], allowedPort, false})
	}
	refused := func(when string) {
		t.Helper()
		for _, p := range all {
			before := w.knocks(t)
			payload := key(when, p.from, p.to)
			send(t, p.in, p.from, p.to, p.port, payload)
			await.True(t, "the packet is dropped: "+payload, func() bool { return w.knocks(t) > before })
			if _, ok := heard.got(payload); ok {
				t.Errorf("%s reached the machine", payload)
			}
		}
	}
	refused("after load ")
	send(t, w.firewall, addr("127.0.0.1"), addr("127.0.0.1"), allowedPort, "over loopback")
	await.True(t, "loopback", func() bool { _, ok := heard.got("over loopback"); return ok })
	for family := range 2 {
		asked(t, w, own[family], visitor[family])
	}

	daemon, err := node.New(node.Options{Source: silent{}, Host: w.h, Forwarding: w.forwarding, File: file, Look: 100 * time.Millisecond, Report: time.Second, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	for what, command := range map[string][]string{
		"the table is gone":   {"delete", "table", "inet", node.ClosedTable},
		"a port is opened":    {"insert", "rule", "inet", node.ClosedTable, "input", "udp", "dport", fmt.Sprint(allowedPort), "accept"},
		"the policy is other": {"chain", "inet", node.ClosedTable, "input", "{ policy accept; }"},
	} {
		if out, err := w.firewall.Run(t.Context(), "", "nft", command...); err != nil {
			t.Fatalf("%s: %v %s", what, err, out)
		}
		await.True(t, what+", and is mended", func() bool {
			text, err := w.firewall.Run(t.Context(), "", "nft", "-s", "list", "ruleset")
			return err == nil && closedAgain.MatchString(text)
		})
	}
	refused("under the daemon ")
	leases(t, w)
}

// leases: a DHCPv6 server on the link is heard, which answers from an address of its own what was asked by multicast; nobody else is at a client's port: no other port, and no address from beyond the link.
func leases(t *testing.T, w *world) {
	t.Helper()
	const clients, servers = 546, 547
	client, own6, _ := onLink(t, w.firewall, "outside0", clients)
	server, _, link := onLink(t, w.outside, "eth0", servers)
	stranger, _, _ := onLink(t, w.outside, "eth0", allowedPort)
	to := netip.AddrPortFrom(own6.WithZone(link), clients)
	say := func(c *net.UDPConn, to netip.AddrPort, what string) {
		t.Helper()
		if err := w.outside.Do(func() error { _, err := c.WriteToUDPAddrPort([]byte(what), to); return err }); err != nil {
			t.Fatal(err)
		}
	}
	before := w.knocks(t)
	say(stranger, to, "from a port that is not a server's")
	await.True(t, "what comes from a port that is not a server's is dropped", func() bool { return w.knocks(t) > before })
	before = w.knocks(t)
	say(server, netip.AddrPortFrom(own[1], clients), "to an address that is not of the link")
	await.True(t, "what is sent to an address that is not of the link is dropped", func() bool { return w.knocks(t) > before })
	say(server, to, "a lease")
	if err := client.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 200)
	n, _, err := client.ReadFromUDPAddrPort(answer)
	if err != nil || string(answer[:n]) != "a lease" {
		t.Errorf("a client of DHCPv6 hears %q: %v", answer[:n], err)
	}
}

// onLink opens a socket at the link-local address of an interface, once the kernel has made sure that nobody else has that address. The link is the interface's number: Go remembers names for all namespaces together.
func onLink(t *testing.T, in *netns.Namespace, name string, port uint16) (c *net.UDPConn, at netip.Addr, link string) {
	t.Helper()
	await.True(t, "a socket at the link-local address of "+name, func() bool {
		err := in.Do(func() error {
			i, err := net.InterfaceByName(name)
			if err != nil {
				return err
			}
			all, err := i.Addrs()
			if err != nil {
				return err
			}
			for _, one := range all {
				prefix, err := netip.ParsePrefix(one.String())
				if err != nil || !prefix.Addr().Is6() || !prefix.Addr().IsLinkLocalUnicast() {
					continue
				}
				at, link = prefix.Addr(), strconv.Itoa(i.Index)
				c, err = net.ListenUDP("udp6", net.UDPAddrFromAddrPort(netip.AddrPortFrom(at.WithZone(link), port)))
				return err
			}
			return errors.New("there is none yet")
		})
		return err == nil
	})
	t.Cleanup(func() { _ = c.Close() })
	return c, at, link
}

// closedAgain is the chain as it has to be.
var closedAgain = regexp.MustCompile(`(?s)table inet ingot_closed \{\s+chain input \{\s+type filter hook input priority filter; policy drop;\s+iifname "lo" accept\s+ct state established,related accept\s+icmpv6 type [^\n]+ ip6 hoplimit 255 accept\s+ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 547 udp dport 546 accept\s+counter drop\s+\}\s+\}`)

// asked sends a question of the machine's own, and waits for the answer.
func asked(t *testing.T, w *world, from, to netip.Addr) {
	t.Helper()
	c := send(t, w.firewall, from, to, allowedPort, key("question from ", from))
	answer := make([]byte, 200)
	if err := c.SetReadDeadline(time.Now().Add(2 * time.Minute)); err != nil {
		t.Fatal(err)
	}
	n, _, err := c.ReadFromUDPAddrPort(answer)
	if err != nil || string(answer[:n]) != "re: "+key("question from ", from) {
		t.Errorf("the answer is %q: %v", answer[:n], err)
	}
}
