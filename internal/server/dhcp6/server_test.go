package dhcp6_test

import (
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/ingotmetal/ingot/internal/server/dhcp6"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

var (
	now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	mac = netboot.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	// eui64 is the link-local address that firmware makes of the MAC.
	eui64 = netip.MustParseAddrPort("[fe80::5054:ff:fe12:3456%eth0]:546")
	// private tells nothing of a MAC.
	private = netip.MustParseAddrPort("[fe80::1:2:3:4%eth0]:546")
)

const (
	bootID = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"
	at     = "fd77::1"
	leased = "fd77::12"
)

type counted struct {
	mu   sync.Mutex
	seen []string
}

func (c *counted) count(s string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen = append(c.seen, s)
}

// newServer is a boot server at an address with a window for mac, and its lease.
func newServer(t testing.TB) (*dhcp6.Server, *counted) {
	t.Helper()
	index := window.New()
	index.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: netip.MustParseAddr(at), HTTPPort: 8080, DNSServers: []netip.Addr{netip.MustParseAddr("fd77::53")},
		NTPServers: []netip.Addr{netip.MustParseAddr("fd77::123"), netip.MustParseAddr("10.0.0.123")}})
	w := netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac}, OpensAt: now, ClosesAt: now.Add(time.Hour),
		Leases: []netboot.Lease{{MAC: mac, Address: netip.MustParsePrefix(leased + "/64")}}}
	if err := index.Put(window.Entry{Window: w}); err != nil {
		t.Fatal(err)
	}
	c := &counted{}
	return &dhcp6.Server{Windows: index, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Count: c.count}, c
}

// uuid is the DUID that UEFI has: its machine's UUID.
func uuid() dhcpv6.DUID { return &dhcpv6.DUIDUUID{UUID: [16]byte{1, 2, 3}} }

func solicit(t testing.TB, mods ...dhcpv6.Modifier) *dhcpv6.Message {
	t.Helper()
	m, err := dhcpv6.NewSolicit(mac[:], mods...)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func uefi(m dhcpv6.DHCPv6) {
	m.AddOption(&dhcpv6.OptVendorClass{EnterpriseNumber: 343, Data: [][]byte{[]byte("PXEClient:Arch:00007:UNDI:003000")}})
	m.AddOption(dhcpv6.OptClientArchType(iana.EFI_BC))
	m.AddOption(dhcpv6.OptRequestedOption(dhcpv6.OptionBootfileURL, dhcpv6.OptionBootfileParam))
}

// answer is what a message is answered with; nil for silence.
func answer(t *testing.T, s *dhcp6.Server, p dhcpv6.DHCPv6, from netip.AddrPort) (dhcpv6.DHCPv6, netip.AddrPort) {
	t.Helper()
	raw, to := s.Answer(p.ToBytes(), from)
	if raw == nil {
		return nil, to
	}
	reply, err := dhcpv6.FromBytes(raw)
	if err != nil {
		t.Fatalf("the answer is not DHCPv6: %v", err)
	}
	return reply, to
}

func TestUEFIPXE(t *testing.T) {
	s, _ := newServer(t)
	asked := solicit(t, dhcpv6.WithClientID(uuid()), uefi)
	reply, to := answer(t, s, asked, eui64)
	advertise, ok := reply.(*dhcpv6.Message)
	if !ok || to != eui64 {
		t.Fatalf("%v to %s", reply, to)
	}
	o := advertise.Options
	if advertise.MessageType != dhcpv6.MessageTypeAdvertise || advertise.TransactionID != asked.TransactionID || !o.ClientID().Equal(uuid()) || o.Preference() != 255 {
		t.Errorf("advertised %s", advertise.Summary())
	}
	if o.BootFileURL() != "tftp://["+at+"]/"+bootID+"/snponly.efi" || len(o.VendorClasses()) != 0 {
		t.Errorf("boot file %q, class %q", o.BootFileURL(), o.VendorClasses())
	}
	ia := o.OneIANA()
	if ia.IaId != asked.Options.OneIANA().IaId || ia.Options.OneAddress().IPv6Addr.String() != leased || ia.T1 != 30*time.Minute || ia.Options.OneAddress().ValidLifetime != time.Hour {
		t.Errorf("association %s", ia)
	}
	if got := o.NTPServers(); len(got) != 1 || got[0].String() != "fd77::123" {
		t.Errorf("time servers %s", got)
	}
	if len(o.DNS()) != 1 || o.DNS()[0].String() != "fd77::53" {
		t.Errorf("DNS servers %s", o.DNS())
	}
	request, err := dhcpv6.NewRequestFromAdvertise(advertise, uefi)
	if err != nil {
		t.Fatal(err)
	}
	reply, _ = answer(t, s, request, eui64)
	if reply == nil || reply.Type() != dhcpv6.MessageTypeReply {
		t.Errorf("the request was answered with %v", reply)
	}
}

// A machine is known by what its relay saw, by its link-local address, or by its identifier; the surest word counts.
func TestWhoAsks(t *testing.T) {
	other := netboot.MAC{2, 0, 0, 0, 0, 9}
	ll := func(m netboot.MAC) dhcpv6.Modifier {
		return dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeEthernet, LinkLayerAddr: m[:]})
	}
	for name, c := range map[string]struct {
		id   dhcpv6.Modifier
		from netip.AddrPort
		want bool
	}{
		"a UUID, by its address":              {dhcpv6.WithClientID(uuid()), eui64, true},
		"a UUID, by nothing":                  {dhcpv6.WithClientID(uuid()), private, false},
		"DUID-LLT":                            {func(dhcpv6.DHCPv6) {}, private, true},
		"DUID-LL":                             {ll(mac), private, true},
		"the DUID of an interface in no host": {ll(other), eui64, true},
		"another machine":                     {ll(other), private, false},
		"not of Ethernet":                     {dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: iana.HWTypeInfiniband, LinkLayerAddr: mac[:]}), private, false},
	} {
		s, _ := newServer(t)
		var unknown []netboot.Request
		s.Unknown = func(r netboot.Request) { unknown = append(unknown, r) }
		if reply, _ := answer(t, s, solicit(t, c.id, uefi), c.from); (reply != nil) != c.want {
			t.Errorf("%s: answered with %v", name, reply)
		}
		if name == "another machine" && (len(unknown) != 1 || unknown[0].MAC != other || unknown[0].Type != netboot.Discover || unknown[0].Kind() != netboot.KindPXE) {
			t.Errorf("%s: seen as %+v", name, unknown)
		}
	}
}

// Through two relays: each one gets its envelope back, and the machine is the one that the nearest relay saw.
func TestRelayed(t *testing.T) {
	s, _ := newServer(t)
	inner, err := dhcpv6.EncapsulateRelay(solicit(t, dhcpv6.WithClientID(uuid())), dhcpv6.MessageTypeRelayForward, net.ParseIP("fd78::1"), net.ParseIP("fe80::1:2:3:4"))
	if err != nil {
		t.Fatal(err)
	}
	inner.AddOption(dhcpv6.OptInterfaceID([]byte("port 7")))
	inner.AddOption(dhcpv6.OptClientLinkLayerAddress(iana.HWTypeEthernet, mac[:]))
	outer, err := dhcpv6.EncapsulateRelay(inner, dhcpv6.MessageTypeRelayForward, net.ParseIP("fd79::1"), net.ParseIP("fd78::1"))
	if err != nil {
		t.Fatal(err)
	}
	outer.AddOption(dhcpv6.OptInterfaceID([]byte("rack 3")))
	from := netip.MustParseAddrPort("[fd79::2]:12345")
	reply, to := answer(t, s, outer, from)
	if want := netip.MustParseAddrPort("[fd79::2]:547"); reply == nil || to != want {
		t.Fatalf("%v to %s, want %s", reply, to, want)
	}
	for _, want := range []struct{ link, peer, port string }{{"fd79::1", "fd78::1", "rack 3"}, {"fd78::1", "fe80::1:2:3:4", "port 7"}} {
		r, ok := reply.(*dhcpv6.RelayMessage)
		if !ok || r.MessageType != dhcpv6.MessageTypeRelayReply || r.LinkAddr.String() != want.link || r.PeerAddr.String() != want.peer || string(r.Options.InterfaceID()) != want.port {
			t.Fatalf("envelope %s, want %+v", reply.Summary(), want)
		}
		reply = r.Options.RelayMessage()
	}
	if m, ok := reply.(*dhcpv6.Message); !ok || m.Options.OneIANA().Options.OneAddress().IPv6Addr.String() != leased {
		t.Errorf("relayed %s", reply.Summary())
	}
	outer.AddOption(dhcpv6.OptRelayPort(0))
	if _, to := answer(t, s, outer, from); to != from {
		t.Errorf("a relay with a port of its own is answered at %s", to)
	}
}

func TestSilence(t *testing.T) {
	s, c := newServer(t)
	reply := solicit(t)
	reply.MessageType = dhcpv6.MessageTypeReply
	anonymous := solicit(t)
	anonymous.Options.Del(dhcpv6.OptionClientID)
	deep := dhcpv6.DHCPv6(solicit(t))
	for range 9 {
		var err error
		if deep, err = dhcpv6.EncapsulateRelay(deep, dhcpv6.MessageTypeRelayForward, net.IPv6zero, net.IPv6zero); err != nil {
			t.Fatal(err)
		}
	}
	for name, p := range map[string]dhcpv6.DHCPv6{"a reply": reply, "a solicitation of nobody": anonymous, "nine relays": deep} {
		if got, _ := answer(t, s, p, eui64); got != nil {
			t.Errorf("%s is answered with %s", name, got.Summary())
		}
	}
	s.Now = func() time.Time { return now.Add(time.Hour) }
	if got, _ := answer(t, s, solicit(t), eui64); got != nil {
		t.Error("answered after the window closed")
	}
	slices.Sort(c.seen)
	if want := []string{"malformed", "malformed", "malformed", "window-closed"}; !slices.Equal(c.seen, want) {
		t.Errorf("counted %v, want %v", c.seen, want)
	}
}

// FuzzAnswer: any bytes, from anybody: no panic, at most one bounded reply, which the library reads.
func FuzzAnswer(f *testing.F) {
	s, _ := newServer(f)
	s.Count = func(string) {}
	seed := solicit(f, uefi)
	f.Add(seed.ToBytes())
	for _, kind := range []dhcpv6.MessageType{dhcpv6.MessageTypeRequest, dhcpv6.MessageTypeConfirm, dhcpv6.MessageTypeRenew, dhcpv6.MessageTypeRebind, dhcpv6.MessageTypeRelease, dhcpv6.MessageTypeInformationRequest} {
		m := solicit(f, dhcpv6.WithUserClass([]byte("iPXE")), dhcpv6.WithRapidCommit)
		m.MessageType = kind
		m.AddOption(&dhcpv6.OptionGeneric{OptionCode: dhcpv6.OptionServerID, OptionData: s.Windows.Settings().ServerID6()})
		f.Add(m.ToBytes())
	}
	relayed, err := dhcpv6.EncapsulateRelay(seed, dhcpv6.MessageTypeRelayForward, net.ParseIP("fd79::1"), net.ParseIP("fe80::1"))
	if err != nil {
		f.Fatal(err)
	}
	relayed.AddOption(dhcpv6.OptInterfaceID([]byte("port 7")))
	relayed.AddOption(dhcpv6.OptClientLinkLayerAddress(iana.HWTypeEthernet, mac[:]))
	f.Add(relayed.ToBytes())
	f.Fuzz(func(t *testing.T, packet []byte) {
		raw, to := s.Answer(packet, eui64)
		if raw == nil {
			return
		}
		if _, err := dhcpv6.FromBytes(raw); err != nil {
			t.Fatalf("the reply cannot be read: %v", err)
		}
		if len(raw) > len(packet)+512 || len(raw) > 1232 || to.Addr() != eui64.Addr() {
			t.Fatalf("%d bytes answered with %d to %s", len(packet), len(raw), to)
		}
	})
}
