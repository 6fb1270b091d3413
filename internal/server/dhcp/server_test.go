package dhcp_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/ingotmetal/ingot/internal/server/dhcp"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

var (
	now    = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	mac    = netboot.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	server = netip.MustParseAddr("10.0.0.1")
	from   = netip.MustParseAddrPort("0.0.0.0:68")
)

const bootID = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"

type outcomes struct {
	mu   sync.Mutex
	seen []string
}

func (o *outcomes) count(s string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seen = append(o.seen, s)
}

func newServer(t testing.TB, mode netboot.Mode) (*dhcp.Server, *outcomes) {
	t.Helper()
	index := window.New()
	index.SetSettings(netboot.Settings{Mode: mode, BootServer: server, Gateway: netip.MustParseAddr("10.0.0.254"),
		DNSServers: []netip.Addr{netip.MustParseAddr("10.0.0.53")}, NTPServers: []netip.Addr{netip.MustParseAddr("10.0.0.123"), netip.MustParseAddr("fd00::123")}})
	w := netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac}, OpensAt: now, ClosesAt: now.Add(time.Hour)}
	if mode == netboot.Server {
		w.Leases = []netboot.Lease{{MAC: mac, Address: netip.MustParsePrefix("10.0.0.12/24")}}
	}
	if err := index.Put(window.Entry{Window: w}); err != nil {
		t.Fatal(err)
	}
	o := &outcomes{}
	return &dhcp.Server{Windows: index, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler), Count: o.count}, o
}

func discover(t testing.TB, mods ...dhcpv4.Modifier) *dhcpv4.DHCPv4 {
	t.Helper()
	p, err := dhcpv4.NewDiscovery(mac[:], mods...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func uefi(p *dhcpv4.DHCPv4) {
	p.UpdateOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003001"))
	p.UpdateOption(dhcpv4.OptClientArch(iana.EFI_BC))
	p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientMachineIdentifier, append([]byte{0}, make([]byte, 16)...)))
}

func ipxe(p *dhcpv4.DHCPv4) {
	uefi(p)
	p.UpdateOption(dhcpv4.OptUserClass("iPXE")) // without lengths, as iPXE sends it
}

func answer(t *testing.T, s *dhcp.Server, p *dhcpv4.DHCPv4, pxePort bool) (*dhcpv4.DHCPv4, netip.AddrPort) {
	t.Helper()
	raw, to := s.Answer(p.ToBytes(), pxePort, from)
	if raw == nil {
		t.Fatal("no answer")
	}
	reply, err := dhcpv4.FromBytes(raw)
	if err != nil {
		t.Fatalf("the answer is not DHCP: %v", err)
	}
	if reply.TransactionID != p.TransactionID || reply.OpCode != dhcpv4.OpcodeBootReply || !slices.Equal(reply.ClientHWAddr, p.ClientHWAddr) {
		t.Fatalf("the answer is not to this request: %s", reply.Summary())
	}
	return reply, to
}

func TestUEFIPXE(t *testing.T) {
	s, _ := newServer(t, netboot.Server)
	p := discover(t, uefi)
	reply, to := answer(t, s, p, false)
	if to != netip.MustParseAddrPort("255.255.255.255:68") {
		t.Errorf("the offer goes to %s, where a client without an address does not hear it", to)
	}
	if reply.ClassIdentifier() != "PXEClient" || string(reply.Options.Get(dhcpv4.OptionVendorSpecificInformation)) != "\x06\x01\x08\xff" {
		t.Errorf("options 60 and 43 are %q and % x: UEFI says PXE-E16", reply.ClassIdentifier(), reply.Options.Get(dhcpv4.OptionVendorSpecificInformation))
	}
	if reply.BootFileName != bootID+"/snponly.efi" || !reply.ServerIPAddr.Equal(net.IP(server.AsSlice())) {
		t.Errorf("file %q at %s", reply.BootFileName, reply.ServerIPAddr)
	}
	if got := reply.NTPServers(); len(got) != 1 || got[0].String() != "10.0.0.123" {
		t.Errorf("time servers %s", got)
	}
	if got := reply.Options.Get(dhcpv4.OptionClientMachineIdentifier); len(got) != 17 {
		t.Errorf("option 97 is not echoed: % x", got)
	}
	if reply.YourIPAddr.String() != "10.0.0.12" || reply.SubnetMask().String() != "ffffff00" || reply.IPAddressLeaseTime(0) != time.Hour {
		t.Errorf("lease %s %s %s", reply.YourIPAddr, reply.SubnetMask(), reply.IPAddressLeaseTime(0))
	}
	if reply.IPAddressRenewalTime(0) != 30*time.Minute || reply.IPAddressRebindingTime(0) != 52*time.Minute+30*time.Second {
		t.Errorf("T1 %s, T2 %s", reply.IPAddressRenewalTime(0), reply.IPAddressRebindingTime(0))
	}
}

func TestIPXEGetsAScriptAndDoesNotWaitForAProxy(t *testing.T) {
	for name, class := range map[string]dhcpv4.Option{
		"iPXE's own form": dhcpv4.OptUserClass("iPXE"),
		"RFC 3004":        dhcpv4.OptRFC3004UserClass([]string{"other", "iPXE"}),
	} {
		s, _ := newServer(t, netboot.Server)
		reply, _ := answer(t, s, discover(t, uefi, dhcpv4.WithOption(class)), false)
		if want := "http://10.0.0.1/boot/" + bootID + "/boot.ipxe"; reply.BootFileName != want {
			t.Errorf("%s: file %q, want %q", name, reply.BootFileName, want)
		}
		if got := reply.Options.Get(dhcpv4.GenericOptionCode(175)); string(got) != "\xb0\x01\x01" {
			t.Errorf("%s: option 175 is % x", name, got)
		}
	}
}

func TestOption67ForWhoAsks(t *testing.T) {
	s, _ := newServer(t, netboot.Server)
	p := discover(t, dhcpv4.WithOption(dhcpv4.OptClassIdentifier("HTTPClient:Arch:00016:UNDI:003001")),
		dhcpv4.WithOption(dhcpv4.OptClientArch(iana.EFI_X86_64_HTTP)), dhcpv4.WithRequestedOptions(dhcpv4.OptionBootfileName))
	reply, _ := answer(t, s, p, false)
	want := "http://10.0.0.1/boot/" + bootID + "/ipxe.efi"
	if reply.BootFileNameOption() != want || reply.BootFileName != want || reply.ClassIdentifier() != "HTTPClient" {
		t.Errorf("option 67 %q, field %q, option 60 %q", reply.BootFileNameOption(), reply.BootFileName, reply.ClassIdentifier())
	}
}

func TestRelayed(t *testing.T) {
	s, _ := newServer(t, netboot.Server)
	relay := net.IPv4(10, 9, 0, 1)
	p := discover(t, dhcpv4.WithRelay(relay), dhcpv4.WithOption(dhcpv4.OptGeneric(dhcpv4.OptionRelayAgentInformation, []byte{1, 2, 'e', '1'})))
	reply, to := answer(t, s, p, false)
	if to != netip.MustParseAddrPort("10.9.0.1:67") || !reply.GatewayIPAddr.Equal(relay) {
		t.Errorf("to %s with giaddr %s", to, reply.GatewayIPAddr)
	}
	if got := reply.Options.Get(dhcpv4.OptionRelayAgentInformation); string(got) != "\x01\x02e1" {
		t.Errorf("option 82 is % x", got)
	}
}

func TestProxy(t *testing.T) {
	s, _ := newServer(t, netboot.Proxy)
	offer, to := answer(t, s, discover(t, uefi), false)
	if !offer.YourIPAddr.IsUnspecified() || offer.BootFileName != bootID+"/snponly.efi" || to.Port() != dhcp.ClientPort {
		t.Errorf("offer: address %s, file %q, to %s", offer.YourIPAddr, offer.BootFileName, to)
	}
	if offer.Options.Has(dhcpv4.OptionIPAddressLeaseTime) || offer.Options.Has(dhcpv4.OptionSubnetMask) {
		t.Error("a proxy's offer has a lease")
	}
	ask := discover(t, uefi)
	ask.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
	raw, to := s.Answer(ask.ToBytes(), true, netip.MustParseAddrPort("10.0.0.77:4011"))
	if raw == nil || to != netip.MustParseAddrPort("10.0.0.77:4011") {
		t.Errorf("port 4011: %d bytes to %s", len(raw), to)
	}
}

// Two servers with the same window give the same bytes.
func TestTwoServersAgree(t *testing.T) {
	one, _ := newServer(t, netboot.Server)
	two, _ := newServer(t, netboot.Server)
	p := discover(t, ipxe).ToBytes()
	a, _ := one.Answer(p, false, from)
	b, _ := two.Answer(p, false, from)
	if a == nil || !slices.Equal(a, b) {
		t.Errorf("answers differ:\n% x\n% x", a, b)
	}
}

// A scan from outside of any window finds nothing.
func TestSilenceOutsideOfWindows(t *testing.T) {
	s, o := newServer(t, netboot.Server)
	stranger := discover(t, ipxe)
	stranger.ClientHWAddr = net.HardwareAddr{2, 0, 0, 0, 0, 9}
	if raw, _ := s.Answer(stranger.ToBytes(), false, from); raw != nil {
		t.Error("a stranger is answered")
	}
	s.Now = func() time.Time { return now.Add(time.Hour) }
	if raw, _ := s.Answer(discover(t, ipxe).ToBytes(), false, from); raw != nil {
		t.Error("answered after the window closed")
	}
	infiniband := discover(t, ipxe)
	infiniband.HWType = iana.HWTypeInfiniband
	if raw, _ := s.Answer(infiniband.ToBytes(), false, from); raw != nil {
		t.Error("another kind of hardware address is answered")
	}
	reply := discover(t, ipxe)
	reply.OpCode = dhcpv4.OpcodeBootReply
	if raw, _ := s.Answer(reply.ToBytes(), false, from); raw != nil {
		t.Error("a reply is answered: two servers could talk for ever")
	}
	want := []string{"no-window-for-this-mac", "window-closed", "malformed", "malformed"}
	if !slices.Equal(o.seen, want) {
		t.Errorf("counted %v, want %v", o.seen, want)
	}
}

func TestServeOverASocket(t *testing.T) {
	s, _ := newServer(t, netboot.Proxy)
	conn, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, conn, true) }()

	client, err := new(net.Dialer).DialContext(t.Context(), "udp4", conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = client.Close() }()
	ask := discover(t, uefi)
	ask.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
	for _, packet := range [][]byte{nil, []byte("noise"), ask.ToBytes()} {
		if _, err := client.Write(packet); err != nil {
			t.Fatal(err)
		}
	}
	if err := client.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 1500)
	n, err := client.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	if reply, err := dhcpv4.FromBytes(buf[:n]); err != nil || reply.MessageType() != dhcpv4.MessageTypeAck {
		t.Errorf("reply: %v %v", reply, err)
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

// FuzzAnswer: any bytes, from anybody: no panic, at most one bounded reply, none to a MAC without a window, none much larger than what was sent.
func FuzzAnswer(f *testing.F) {
	for _, mod := range []dhcpv4.Modifier{uefi, ipxe, func(*dhcpv4.DHCPv4) {}} {
		p := discover(f, mod)
		f.Add(p.ToBytes(), false)
		p.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
		f.Add(p.ToBytes(), true)
		p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionUserClassInformation, []byte{200, 'x'}))
		p.UpdateOption(dhcpv4.OptGeneric(dhcpv4.OptionClientSystemArchitectureType, []byte{0}))
		f.Add(p.ToBytes(), false)
	}
	f.Add([]byte{1, 1, 6}, false)
	servers := map[netboot.Mode]*dhcp.Server{}
	for _, mode := range []netboot.Mode{netboot.Server, netboot.Proxy} {
		servers[mode], _ = newServer(f, mode)
		servers[mode].Count = func(string) {}
	}
	f.Fuzz(func(t *testing.T, packet []byte, pxePort bool) {
		for mode, s := range servers {
			raw, to := s.Answer(packet, pxePort, netip.MustParseAddrPort("10.0.0.77:68"))
			if raw == nil {
				continue
			}
			reply, err := dhcpv4.FromBytes(raw)
			if err != nil {
				t.Fatalf("%s: the reply cannot be read: %v", mode, err)
			}
			if !slices.Equal(reply.ClientHWAddr, mac[:]) {
				t.Fatalf("%s: a reply to %s", mode, reply.ClientHWAddr)
			}
			if len(raw) > len(packet)+512 || len(raw) > 1472 {
				t.Fatalf("%s: %d bytes answered with %d", mode, len(packet), len(raw))
			}
			if !to.IsValid() {
				t.Fatalf("%s: a reply to nowhere", mode)
			}
		}
	})
}

// BenchmarkDORA is a whole lease: discover and request, without the socket.
func BenchmarkDORA(b *testing.B) {
	s, _ := newServer(b, netboot.Server)
	s.Count = func(string) {}
	offer := discover(b, ipxe).ToBytes()
	p := discover(b, ipxe)
	p.UpdateOption(dhcpv4.OptMessageType(dhcpv4.MessageTypeRequest))
	p.UpdateOption(dhcpv4.OptServerIdentifier(server.AsSlice()))
	p.UpdateOption(dhcpv4.OptRequestedIPAddress(net.IPv4(10, 0, 0, 12)))
	request := p.ToBytes()
	b.ReportAllocs()
	for b.Loop() {
		for _, packet := range [][]byte{offer, request} {
			if raw, _ := s.Answer(packet, false, from); raw == nil {
				b.Fatal("no answer")
			}
		}
	}
}
