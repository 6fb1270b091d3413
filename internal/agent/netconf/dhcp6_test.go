package netconf

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"
)

func reply(t testing.TB, modifiers ...dhcpv6.Modifier) *dhcpv6.Message {
	t.Helper()
	m, err := dhcpv6.NewMessage(modifiers...)
	if err != nil {
		t.Fatal(err)
	}
	m.MessageType = dhcpv6.MessageTypeReply
	// Through the wire, as a server's answer comes.
	if m, err = dhcpv6.MessageFromBytes(m.ToBytes()); err != nil {
		t.Fatal(err)
	}
	return m
}

func gives(address string, lifetime time.Duration) dhcpv6.Modifier {
	return dhcpv6.WithIANA(dhcpv6.OptIAAddress{IPv6Addr: net.ParseIP(address), PreferredLifetime: lifetime, ValidLifetime: lifetime})
}

func TestParseLease6(t *testing.T) {
	for name, c := range map[string]struct {
		with []dhcpv6.Modifier
		want given // nothing: refused
	}{
		"usual": {[]dhcpv6.Modifier{gives("fd00::5", time.Hour), dhcpv6.WithDNS(net.ParseIP("fd00::53"))},
			given{address: netip.MustParsePrefix("fd00::5/128"), dns: []netip.Addr{netip.MustParseAddr("fd00::53")}, lifetime: time.Hour}},
		"a lease of a second": {[]dhcpv6.Modifier{gives("fd00::5", time.Second)}, given{address: netip.MustParsePrefix("fd00::5/128"), lifetime: minLease}},
		"no address":          {nil, given{}},
		"an address no more":  {[]dhcpv6.Modifier{gives("fd00::5", 0)}, given{}},
		"a multicast address": {[]dhcpv6.Modifier{gives("ff02::5", time.Hour)}, given{}},
		"a link's address":    {[]dhcpv6.Modifier{gives("fe80::5", time.Hour)}, given{}},
		"an IPv4 address":     {[]dhcpv6.Modifier{gives("::ffff:10.0.0.5", time.Hour)}, given{}},
		"none left":           {[]dhcpv6.Modifier{gives("fd00::5", time.Hour), dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail})}, given{}},
	} {
		got, err := parseLease6(reply(t, c.with...))
		if (err != nil) != !c.want.address.IsValid() {
			t.Errorf("%s: %v", name, err)
		} else if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(given{}), cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}), cmpopts.EquateEmpty()); err == nil && diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// A renewal goes to the server that gave the lease, a rebinding to any; both name what the client has.
func TestAskingAgain(t *testing.T) {
	r := reply(t, gives("fd00::5", time.Hour), dhcpv6.WithServerID(&dhcpv6.DUIDUUID{}), dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: make([]byte, 6)}))
	renew, rebind := again(r, false), again(r, true)
	if renew.MessageType != dhcpv6.MessageTypeRenew || renew.Options.ServerID() == nil || renew.Options.ClientID() == nil || renew.Options.OneIANA() == nil {
		t.Errorf("renews with %s", renew.Summary())
	}
	if rebind.MessageType != dhcpv6.MessageTypeRebind || rebind.Options.ServerID() != nil || rebind.Options.OneIANA() == nil {
		t.Errorf("rebinds with %s", rebind.Summary())
	}
}

func FuzzParseLease6(f *testing.F) {
	f.Add(reply(f, gives("fd00::5", time.Hour), dhcpv6.WithDNS(net.ParseIP("fd00::53"))).ToBytes())
	f.Add(reply(f, dhcpv6.WithOption(&dhcpv6.OptStatusCode{StatusCode: iana.StatusNoAddrsAvail})).ToBytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := dhcpv6.MessageFromBytes(b)
		if err != nil {
			return
		}
		if g, err := parseLease6(m); err == nil && (!g.address.Addr().Is6() || !g.address.Addr().IsGlobalUnicast() || g.lifetime < minLease) {
			t.Fatalf("% x gives %+v", b, g)
		}
	})
}
