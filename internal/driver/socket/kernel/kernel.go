// Package kernel is the operating system's network as a socket.Network.
//
// It owns socket options that Go's net package has no words for: broadcast, binding to one interface, and the raw ICMPv6 socket of a router. It refuses
// flows, which the Bound above it checked. Linux only. Ports below 1024 need CAP_NET_BIND_SERVICE, a link to listen on for router solicitations CAP_NET_RAW.
package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"syscall"

	"golang.org/x/net/ipv6"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/socket"
)

// Network is the kernel's network. The zero value is ready.
type Network struct{}

var (
	_ socket.Network = Network{}
	_ socket.Namer   = Network{}
)

// Listen implements socket.Network.
func (Network) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", addr.String())
}

// ListenPacket implements socket.Network.
func (Network) ListenPacket(ctx context.Context, addr netip.AddrPort, o socket.PacketOptions) (net.PacketConn, error) {
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return setOptions(fd, o) })
	}}
	proto := "udp6"
	if addr.Addr().Is4() {
		// "udp" would open a dual-stack socket for 0.0.0.0, which cannot send to 255.255.255.255.
		proto = "udp4"
	}
	c, err := lc.ListenPacket(ctx, proto, addr.String())
	if err != nil || !o.Group.IsValid() {
		return c, err
	}
	if err := joinGroup(c, o); err != nil {
		return nil, errors.Join(fmt.Errorf("join %s on interface %q: %w", o.Group, o.Interface, err), c.Close())
	}
	return c, nil
}

func joinGroup(c net.PacketConn, o socket.PacketOptions) error {
	ifi, err := net.InterfaceByName(o.Interface)
	if err != nil {
		return err
	}
	return ipv6.NewPacketConn(c).JoinGroup(ifi, &net.UDPAddr{IP: o.Group.AsSlice()})
}

// Dial implements socket.Network.
func (Network) Dial(ctx context.Context, proto, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, proto, address)
}

// DialName implements socket.Namer.
func (Network) DialName(ctx context.Context, proto, address string, r *net.Resolver) (net.Conn, error) {
	d := net.Dialer{Resolver: r}
	return d.DialContext(ctx, proto, address)
}

// ListenRouter implements socket.Network.
func (Network) ListenRouter(ctx context.Context, iface string) (net.PacketConn, error) {
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", iface, err)
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return control(raw, func(fd int) error { return unix.BindToDevice(fd, iface) })
	}}
	c, err := lc.ListenPacket(ctx, "ip6:ipv6-icmp", "::")
	if err != nil {
		return nil, err
	}
	r := &routerConn{PacketConn: c, p6: ipv6.NewPacketConn(c)}
	if err := r.configure(ifi); err != nil {
		return nil, errors.Join(fmt.Errorf("configure ICMPv6 socket on %s: %w", iface, err), c.Close())
	}
	return r, nil
}

func setOptions(fd int, o socket.PacketOptions) error {
	if o.Broadcast {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BROADCAST, 1); err != nil {
			return fmt.Errorf("allow broadcast: %w", err)
		}
	}
	if o.ReceiveBytes > 0 && unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, o.ReceiveBytes) != nil {
		// Beyond the system's limit needs a right; up to it, none.
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, o.ReceiveBytes); err != nil {
			return fmt.Errorf("set the receive buffer: %w", err)
		}
	}
	if o.Interface != "" {
		if err := unix.BindToDevice(fd, o.Interface); err != nil {
			return fmt.Errorf("bind to interface %s: %w", o.Interface, err)
		}
	}
	return nil
}

func control(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// ndpHopLimit is what every neighbour discovery message has, so that none can come from beyond the link (RFC 4861 §6.1.1).
const ndpHopLimit = 255

// routerConn drops what did not come from the link itself.
type routerConn struct {
	net.PacketConn
	p6 *ipv6.PacketConn
}

func (r *routerConn) configure(ifi *net.Interface) error {
	var only ipv6.ICMPFilter
	only.SetAll(true)
	only.Accept(ipv6.ICMPTypeRouterSolicitation)
	return errors.Join(
		r.p6.SetICMPFilter(&only),
		r.p6.JoinGroup(ifi, &net.IPAddr{IP: net.IPv6linklocalallrouters}),
		r.p6.SetMulticastInterface(ifi),
		r.p6.SetMulticastHopLimit(ndpHopLimit),
		r.p6.SetHopLimit(ndpHopLimit),
		r.p6.SetControlMessage(ipv6.FlagHopLimit, true),
	)
}

// ReadFrom implements net.PacketConn.
func (r *routerConn) ReadFrom(b []byte) (int, net.Addr, error) {
	for {
		n, cm, from, err := r.p6.ReadFrom(b)
		if err != nil {
			return 0, nil, err
		}
		if cm != nil && cm.HopLimit == ndpHopLimit {
			return n, from, nil
		}
	}
}
