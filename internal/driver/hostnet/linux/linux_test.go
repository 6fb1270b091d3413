package linux_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/hostnettest"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

func TestTheKernelKeepsTheContract(t *testing.T) {
	hostnettest.Run(t, func(t *testing.T) hostnettest.Fixture { return newFixture(t) })
}

// fixture is a host and its peers, in two namespaces.
type fixture struct {
	host, peers *netns.Namespace
	h           *linux.Host
}

func namespace(t *testing.T) *netns.Namespace {
	t.Helper()
	n, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	return n
}

func newFixture(t *testing.T) *fixture {
	t.Helper()
	f := &fixture{host: namespace(t), peers: namespace(t)}
	peers := netns.End{In: f.peers, Interface: "p0"}
	for i := range 3 {
		peers.Addresses = append(peers.Addresses, netip.PrefixFrom(hostnettest.PeerAddress(i), hostnettest.Network.Bits()))
	}
	address := netip.PrefixFrom(hostnettest.Address, hostnettest.Network.Bits())
	if err := netns.Join(netns.End{In: f.host, Interface: hostnettest.Interface, Addresses: []netip.Prefix{address}}, peers); err != nil {
		t.Fatal(err)
	}
	h, err := linux.In(f.host.Path())
	if err != nil {
		t.Fatal(err)
	}
	f.h = h
	t.Cleanup(func() { _ = h.Close() })
	return f
}

func (f *fixture) Host() hostnet.Host { return f.h }

// Send sends for real: what happens is for the ruleset to say.
func (f *fixture) Send(t *testing.T, p firewall.Packet, _ firewall.Verdict, _ string) {
	t.Helper()
	err := f.peers.Do(func() error {
		from := net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Source, p.SourcePort))
		c, err := net.DialUDP("udp", from, net.UDPAddrFromAddrPort(netip.AddrPortFrom(p.Destination, p.DestinationPort)))
		if err != nil {
			return err
		}
		_, err = c.Write([]byte("hello"))
		return errors.Join(err, c.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (f *fixture) Listen(t *testing.T, port uint16) string {
	t.Helper()
	err := f.host.Do(func() error {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(hostnettest.Address, port)))
		if err == nil {
			t.Cleanup(func() { _ = l.Close() })
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	name, err := os.ReadFile("/proc/self/comm")
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(name))
}

func (f *fixture) Firewalld(t *testing.T) {
	t.Helper()
	f.nft(t, firewalld)
}

const firewalld = `table inet firewalld {
	chain filter_INPUT {
		type filter hook input priority filter + 10; policy accept;
		ct state established,related accept
		tcp dport 9 reject with icmpx admin-prohibited
	}
}
`

func (f *fixture) nft(t *testing.T, text string, args ...string) string {
	t.Helper()
	if len(args) == 0 {
		args = []string{"-f", "-"}
	}
	out, err := f.host.Run(t.Context(), text, "nft", args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// Tables that are not ours are the same, byte for byte, after all that we do.
func TestOtherTablesAreNotTouched(t *testing.T) {
	f := newFixture(t)
	f.nft(t, firewalld+`
		table ip nat { chain post { type nat hook postrouting priority srcnat; oifname "x" masquerade; }; }
		table ip6 ingot { set s { type ipv6_addr; elements = { fd00::1 }; }; }
		table inet other { map m { type inet_service : verdict; elements = { 22 : accept }; }; chain c { tcp dport vmap @m; }; }
	`)
	list := func() string {
		all := ""
		for _, table := range []string{"inet firewalld", "ip nat", "ip6 ingot", "inet other"} {
			all += f.nft(t, "", append([]string{"-a", "list", "table"}, strings.Fields(table)...)...)
		}
		return all
	}
	before := list()
	work(t, f)
	if after := list(); after != before {
		t.Errorf("before:\n%s\nafter:\n%s", before, after)
	}
	if left := f.nft(t, "", "list", "tables"); strings.Contains(left, "inet ingot") {
		t.Errorf("ours is left behind: %s", left)
	}
}

// work does everything that writes.
func work(t *testing.T, f *fixture) {
	t.Helper()
	for name, test := range hostnettest.Writers() {
		t.Run(name, func(t *testing.T) { test(t, f) })
	}
	if err := f.h.Apply(t.Context(), fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", "ingot")); err != nil {
		t.Fatal(err)
	}
}
