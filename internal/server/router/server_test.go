package router_test

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mdlayher/ndp"

	"github.com/ingotmetal/ingot/internal/server/router"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

var (
	opens = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	mac   = netboot.MAC{0x52, 0x54, 0, 0x12, 0x34, 0x56}
	// eui64 is the link-local address that firmware makes from the MAC.
	eui64 = netip.MustParseAddr("fe80::5054:ff:fe12:3456%eth0")
)

func newServer(t testing.TB) (*router.Server, *[]string) {
	t.Helper()
	windows := window.New()
	windows.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: netip.MustParseAddr("10.0.0.1")})
	err := windows.Put(window.Entry{Window: netboot.Window{BootID: "boot", Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac}, OpensAt: opens, ClosesAt: opens.Add(time.Hour)}})
	if err != nil {
		t.Fatal(err)
	}
	var seen []string
	return &router.Server{Windows: windows, Now: func() time.Time { return opens }, Log: slog.New(slog.DiscardHandler), Count: func(o string) { seen = append(seen, o) }}, &seen
}

func solicitation(t testing.TB, options ...ndp.Option) []byte {
	t.Helper()
	b, err := ndp.MarshalMessage(&ndp.RouterSolicitation{Options: options})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func link(m netboot.MAC) ndp.Option {
	return &ndp.LinkLayerAddress{Direction: ndp.Source, Addr: m[:]}
}

func TestAnAdvertisementOfNothing(t *testing.T) {
	s, _ := newServer(t)
	for name, message := range map[string][]byte{
		"by its option":  solicitation(t, link(mac)),
		"by its address": solicitation(t),
	} {
		m, err := ndp.ParseMessage(s.Answer(message, eui64))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		ra, ok := m.(*ndp.RouterAdvertisement)
		if !ok || ra.RouterLifetime != 0 || len(ra.Options) != 0 || ra.ManagedConfiguration || ra.OtherConfiguration {
			t.Errorf("%s: %+v", name, m)
		}
	}
}

func TestSilence(t *testing.T) {
	good := solicitation(t, link(mac))
	tests := []struct {
		name    string
		message []byte
		from    netip.Addr
		edit    func(s *router.Server)
		want    string
	}{
		{"another MAC", solicitation(t, link(netboot.MAC{2})), eui64, nil, "no-window-for-this-mac"},
		{"too late", good, eui64, func(s *router.Server) { s.Now = func() time.Time { return opens.Add(time.Hour) } }, "window-closed"},
		{"DHCP is off", good, eui64, func(s *router.Server) { s.Windows.SetSettings(netboot.Settings{Mode: netboot.Off}) }, "dhcp-is-off"},
		{"from beyond the link", good, netip.MustParseAddr("2001:db8::1"), nil, "malformed"},
		{"without an address", good, netip.IPv6Unspecified(), nil, "malformed"},
		{"an address that says no MAC", solicitation(t), netip.MustParseAddr("fe80::1"), nil, "malformed"},
		{"an advertisement", append([]byte{134}, good[1:]...), eui64, nil, "malformed"},
		{"an option of length 0", append(solicitation(t), 1, 0, 0, 0, 0, 0, 0, 0), eui64, nil, "malformed"},
		{"an option that is cut", append(solicitation(t), 1, 2, 0, 0, 0, 0, 0, 0), eui64, nil, "malformed"},
		{"nothing", nil, eui64, nil, "malformed"},
	}
	for _, tc := range tests {
		s, seen := newServer(t)
		if tc.edit != nil {
			tc.edit(s)
		}
		if reply := s.Answer(tc.message, tc.from); reply != nil {
			t.Errorf("%s: answered with % x", tc.name, reply)
		}
		if !slices.Equal(*seen, []string{tc.want}) {
			t.Errorf("%s: counted %v, want %s", tc.name, *seen, tc.want)
		}
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(solicitation(f, link(mac)))
	f.Add(solicitation(f))
	f.Add([]byte{133, 0, 0, 0, 0, 0, 0, 0, 5, 1, 0, 0, 0, 0, 0, 0, 1, 1})
	s, _ := newServer(f)
	s.Count = func(string) {}
	f.Fuzz(func(t *testing.T, message []byte) {
		if reply := s.Answer(message, eui64); len(reply) > len(message)+8 {
			t.Fatalf("%d bytes answered with %d", len(message), len(reply))
		}
	})
}

// The subnet is on the link, addresses come by DHCPv6, and the boot server is not the way out.
func TestAnAdvertisementOfTheSubnet(t *testing.T) {
	s, _ := newServer(t)
	subnet := netip.MustParsePrefix("fd00:1::/64")
	s.Windows.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: netip.MustParseAddr("fd00:1::2"), Advertised: subnet})
	m, err := ndp.ParseMessage(s.Answer(solicitation(t), eui64))
	if err != nil {
		t.Fatal(err)
	}
	ra, ok := m.(*ndp.RouterAdvertisement)
	if !ok || ra.RouterLifetime != 0 || !ra.ManagedConfiguration || !ra.OtherConfiguration || len(ra.Options) != 1 {
		t.Fatalf("advertised %+v", m)
	}
	p, ok := ra.Options[0].(*ndp.PrefixInformation)
	if !ok || p.Prefix != subnet.Addr() || p.PrefixLength != 64 || !p.OnLink || p.AutonomousAddressConfiguration || p.ValidLifetime < time.Hour {
		t.Errorf("prefix %+v", ra.Options[0])
	}
}

// sent is a link: what is written comes out of it, and what is put in is read.
type sent struct {
	net.PacketConn
	in     chan net.Addr
	out    chan net.Addr
	closed chan struct{}
}

func (c *sent) ReadFrom(b []byte) (int, net.Addr, error) {
	select {
	case from := <-c.in:
		return copy(b, []byte{133, 0, 0, 0, 0, 0, 0, 0}), from, nil
	case <-c.closed:
		return 0, nil, net.ErrClosed
	}
}

func (c *sent) WriteTo(b []byte, to net.Addr) (int, error) { c.out <- to; return len(b), nil }
func (c *sent) Close() error                               { close(c.closed); return nil }

// The link is told where the Partition wants that, from time to time and when a machine without an address asks; else never.
func TestTheLinkIsToldOnlyWhereItIsWanted(t *testing.T) {
	for _, wanted := range []bool{true, false} {
		synctest.Test(t, func(t *testing.T) {
			s, _ := newServer(t)
			settings := netboot.Settings{Mode: netboot.Server, BootServer: netip.MustParseAddr("fd00:1::2")}
			if wanted {
				settings.Advertised = netip.MustParsePrefix("fd00:1::/64")
			}
			s.Windows.SetSettings(settings)
			ctx, cancel := context.WithCancel(t.Context())
			c := &sent{in: make(chan net.Addr), out: make(chan net.Addr, 64), closed: make(chan struct{})}
			ended := make(chan error, 1)
			go func() { ended <- s.Serve(ctx, c) }()
			time.Sleep(time.Minute)
			synctest.Wait()
			regular := len(c.out)
			c.in <- &net.IPAddr{IP: net.IPv6unspecified}
			time.Sleep(4 * time.Second)
			synctest.Wait()
			asked := len(c.out) - regular
			s.Tell(c, eui64)
			told := len(c.out) - regular - asked
			if want := map[bool][3]int{true: {5, 1, 1}, false: {}}[wanted]; [3]int{regular, asked, told} != want {
				t.Errorf("wanted %v: %d in a minute, %d for who asked, %d for who is given an address", wanted, regular, asked, told)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}
