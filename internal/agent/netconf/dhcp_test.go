package netconf

import (
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/step"
)

func ack(t testing.TB, modifiers ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	m, err := dhcpv4.New(append([]dhcpv4.Modifier{
		dhcpv4.WithMessageType(dhcpv4.MessageTypeAck), dhcpv4.WithYourIP(net.IPv4(10, 0, 0, 5)), dhcpv4.WithNetmask(net.CIDRMask(24, 32)), dhcpv4.WithLeaseTime(3600),
	}, modifiers...)...)
	if err != nil {
		t.Fatal(err)
	}
	// Through the wire, as a server's answer comes.
	m, err = dhcpv4.FromBytes(m.ToBytes())
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestParseLease(t *testing.T) {
	pfx, addr := netip.MustParsePrefix, netip.MustParseAddr
	classless := dhcpv4.WithOption(dhcpv4.OptClasslessStaticRoute(
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4(192, 168, 0, 0), Mask: net.CIDRMask(16, 32)}, Router: net.IPv4(10, 0, 0, 2)},
		&dhcpv4.Route{Dest: &net.IPNet{IP: net.IPv4(10, 9, 0, 0), Mask: net.CIDRMask(24, 32)}, Router: net.IPv4zero},
	))
	router := dhcpv4.WithRouter(net.IPv4(10, 0, 0, 1), net.IPv4(10, 0, 0, 9))
	for name, c := range map[string]struct {
		with []dhcpv4.Modifier
		want given
	}{
		"usual": {[]dhcpv4.Modifier{router, dhcpv4.WithDNS(net.IPv4(10, 0, 0, 53)), dhcpv4.WithOption(dhcpv4.OptHostName("node-1.example.org"))}, given{
			address: pfx("10.0.0.5/24"), routes: []route{{pfx("0.0.0.0/0"), addr("10.0.0.1")}}, dns: []netip.Addr{addr("10.0.0.53")}, hostname: "node-1.example.org", lifetime: time.Hour,
		}},
		"classless routes replace the router": {[]dhcpv4.Modifier{router, classless}, given{
			address: pfx("10.0.0.5/24"), routes: []route{{pfx("192.168.0.0/16"), addr("10.0.0.2")}, {pfx("10.9.0.0/24"), netip.Addr{}}}, lifetime: time.Hour,
		}},
		"a lease of a second, an odd name and a tiny MTU": {[]dhcpv4.Modifier{
			dhcpv4.WithLeaseTime(1), dhcpv4.WithOption(dhcpv4.OptHostName("a b;c")), dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0, 1}),
		}, given{address: pfx("10.0.0.5/24"), lifetime: minLease}},
		"no netmask": {[]dhcpv4.Modifier{dhcpv4.WithGeneric(dhcpv4.OptionSubnetMask, nil), dhcpv4.WithGeneric(dhcpv4.OptionInterfaceMTU, []byte{0x23, 0x28})}, given{
			address: pfx("10.0.0.5/8"), mtu: 9000, lifetime: time.Hour,
		}},
	} {
		got, err := parseLease(ack(t, c.with...))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if d := cmp.Diff(c.want, got, cmp.AllowUnexported(given{}, route{}), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
	for name, m := range map[string]*dhcpv4.DHCPv4{
		"no address": ack(t, dhcpv4.WithYourIP(net.IPv4zero)), "multicast": ack(t, dhcpv4.WithYourIP(net.IPv4(224, 0, 0, 1))),
		"netmask with a gap": ack(t, dhcpv4.WithNetmask(net.IPv4Mask(255, 0, 255, 0))),
	} {
		if got, err := parseLease(m); err == nil {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func FuzzParseLease(f *testing.F) {
	f.Add(ack(f, dhcpv4.WithRouter(net.IPv4(10, 0, 0, 1))).ToBytes())
	f.Add(ack(f, dhcpv4.WithGeneric(dhcpv4.OptionClasslessStaticRoute, []byte{24, 10, 0, 0, 10, 0, 0, 1}), dhcpv4.WithGeneric(dhcpv4.OptionSubnetMask, []byte{255})).ToBytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := dhcpv4.FromBytes(data)
		if err != nil {
			return
		}
		g, err := parseLease(m)
		if err != nil {
			return
		}
		if !g.address.IsValid() || g.lifetime < minLease || len(g.hostname) > 253 {
			t.Errorf("%+v", g)
		}
	})
}

func TestResolverFile(t *testing.T) {
	r := resolver{file: filepath.Join(t.TempDir(), "etc", "resolv.conf")}
	for _, server := range []string{"10.0.0.53", "10.0.0.54", "10.0.0.53"} {
		if err := r.add([]netip.Addr{netip.MustParseAddr(server)}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(r.file)
	if err != nil || string(got) != "nameserver 10.0.0.53\nnameserver 10.0.0.54\n" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestNeighboursAreWaitedForAndForgotten(t *testing.T) {
	h := newNeighbours()
	h.begin("eth0")
	h.begin("eth1")
	if heard, wait := h.missing([]string{"eth0", "eth1", "unknown"}); len(heard) != 0 || wait <= 0 {
		t.Errorf("at first: %v, wait %s", heard, wait)
	}
	h.set("eth0", step.LLDP{PortID: "p0"}, true)
	h.set("eth1", step.LLDP{PortID: "p1"}, true)
	if heard := h.gather(t.Context(), []string{"eth0", "eth1"}); heard["eth0"].PortID != "p0" || heard["eth1"].PortID != "p1" {
		t.Errorf("heard %v", heard)
	}
	h.set("eth0", step.LLDP{}, false)
	if heard, wait := h.missing([]string{"eth0", "eth1"}); len(heard) != 1 || wait <= 0 {
		t.Errorf("after one left: %v, wait %s", heard, wait)
	}
}
