package socket_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

// counting tells whether the network was asked at all.
type counting struct {
	kernel.Network
	asked int
}

func (c *counting) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	c.asked++
	return c.Network.Listen(ctx, addr)
}

func (c *counting) ListenPacket(ctx context.Context, addr netip.AddrPort, o socket.PacketOptions) (net.PacketConn, error) {
	c.asked++
	return c.Network.ListenPacket(ctx, addr, o)
}

func (c *counting) ListenRouter(ctx context.Context, iface string) (net.PacketConn, error) {
	c.asked++
	return c.Network.ListenRouter(ctx, iface)
}

func (c *counting) Dial(ctx context.Context, proto, address string) (net.Conn, error) {
	c.asked++
	return c.Network.Dial(ctx, proto, address)
}

var rows = []matrix.Row{
	{Name: "media", From: matrix.Endpoint{Role: matrix.BMC}, To: matrix.Endpoint{Role: matrix.Boot}, Protocol: matrix.TCP},
	{Name: "tftp", From: matrix.Endpoint{Role: matrix.Machine}, To: matrix.Endpoint{Role: matrix.Boot}, Protocol: matrix.UDP},
	{Name: "router", From: matrix.Endpoint{Role: matrix.Machine}, To: matrix.Endpoint{Role: matrix.Boot}, Protocol: matrix.ICMPv6},
	{Name: "api", From: matrix.Endpoint{Role: matrix.Boot}, To: matrix.Endpoint{Role: matrix.APIServer}, Protocol: matrix.TCP},
}

var anywhere = netip.MustParseAddrPort("127.0.0.1:0")

func TestRefusedBeforeAnySocket(t *testing.T) {
	tests := map[string]func(ctx context.Context, b *socket.Bound) error{
		"unknown flow, listen": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.Listen(ctx, "nothing", anywhere)
			return err
		},
		"unknown flow, packet": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.ListenPacket(ctx, "nothing", anywhere, socket.PacketOptions{})
			return err
		},
		"unknown flow, router": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.ListenRouter(ctx, "nothing", "lo")
			return err
		},
		"unknown flow, dial": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.Dial(ctx, "nothing", "127.0.0.1:1")
			return err
		},
		"the other's end, listen": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.Listen(ctx, "api", anywhere)
			return err
		},
		"the other's end, dial": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.Dial(ctx, "media", "127.0.0.1:1")
			return err
		},
		"tcp for a udp flow": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.Listen(ctx, "tftp", anywhere)
			return err
		},
		"udp for a tcp flow": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.ListenPacket(ctx, "media", anywhere, socket.PacketOptions{})
			return err
		},
		"icmpv6 for a tcp flow": func(ctx context.Context, b *socket.Bound) error {
			_, err := b.ListenRouter(ctx, "media", "lo")
			return err
		},
	}
	for name, call := range tests {
		t.Run(name, func(t *testing.T) {
			network := &counting{}
			err := call(t.Context(), socket.Bind(matrix.Boot, rows, network))
			if !errors.Is(err, socket.ErrNotInMatrix) {
				t.Errorf("error %v, want ErrNotInMatrix", err)
			}
			if network.asked != 0 {
				t.Error("the network was asked for a socket that the matrix does not have")
			}
		})
	}
}

func TestListenersAreListedWhileOpen(t *testing.T) {
	b := socket.Bind(matrix.Boot, rows, kernel.Network{})
	media, err := b.Listen(t.Context(), "media", anywhere)
	if err != nil {
		t.Fatal(err)
	}
	tftp, err := b.On(kernel.Network{}).ListenPacket(t.Context(), "tftp", anywhere, socket.PacketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []socket.Listener{
		{Flow: "media", Protocol: matrix.TCP, Address: media.Addr().String()},
		{Flow: "tftp", Protocol: matrix.UDP, Address: tftp.LocalAddr().String()},
	}
	if diff := cmp.Diff(want, b.Listeners()); diff != "" {
		t.Errorf("Listeners (-want +got):\n%s", diff)
	}
	_ = media.Close()
	_ = tftp.Close()
	if left := b.Listeners(); len(left) != 0 {
		t.Errorf("closed listeners are still listed: %v", left)
	}
}

func TestDialReachesTheNetwork(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	b := socket.Bind(matrix.Boot, rows, kernel.Network{})
	c, err := b.DialContext("api")(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
}
