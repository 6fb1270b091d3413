// Package netstack is a socket.Network in user space: one host, with gVisor's TCP/IP, on the lab's switch.
//
// It owns the host's link to the switch, its addresses and the translation to Go's net types. It refuses routing beyond one gateway and names: in the lab every
// address is a literal. It exists so that roles serve DHCP, TFTP and HTTP to virtual machines with neither privilege nor a trace on the host's own network.
//
// Invariants: a lost link is dialled again until Close, so that lab and roles can start, end and start again in any order; nothing here opens a socket of
// the kernel but the one to the switch.
package netstack

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/link/ethernet"
	"gvisor.dev/gvisor/pkg/tcpip/network/arp"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/udp"
	"gvisor.dev/gvisor/pkg/waiter"

	"github.com/ingotmetal/ingot/internal/driver/socket"
)

const (
	nicID = 1
	// frameBytes is Ethernet's 1500 bytes of payload and the header, which gVisor's ethernet endpoint takes off the MTU.
	frameBytes  = 1500 + header.EthernetMinimumSize
	queueFrames = 4096
)

// Network is one host on the lab's switch. It implements socket.Network.
type Network struct {
	spec  Spec
	stack *stack.Stack
	link  *channel.Endpoint
	log   *slog.Logger

	stop context.CancelFunc
	done sync.WaitGroup
	// ready is closed when the switch was reached for the first time.
	ready chan struct{}
}

var _ socket.Network = (*Network)(nil)

// Open makes the host and dials the switch until it answers, in the background: frames sent before are lost, as with a cable that is not plugged in yet. Close
// ends it. Log may be nil.
func Open(s Spec, log *slog.Logger) (*Network, error) {
	var d net.Dialer
	return OpenOver(s, func(ctx context.Context) (net.Conn, error) { return d.DialContext(ctx, "unix", s.Socket) }, log)
}

// OpenOver is Open for a host that reaches the switch in its own way: plug gives a stream of frames (package framing). The spec's socket is for logs.
func OpenOver(s Spec, plug func(context.Context) (net.Conn, error), log *slog.Logger) (*Network, error) {
	if err := s.check(); err != nil {
		return nil, fmt.Errorf("open lab network: %w", err)
	}
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	n := &Network{spec: s, log: log.With("mac", s.MAC.String()), ready: make(chan struct{})}
	n.link = channel.New(queueFrames, frameBytes, tcpip.LinkAddress(s.MAC))
	n.stack = stack.New(stack.Options{
		NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol, ipv6.NewProtocol, arp.NewProtocol},
		TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, udp.NewProtocol, icmp.NewProtocol4, icmp.NewProtocol6},
		HandleLocal:        true,
		RawFactory:         raw.EndpointFactory{},
	})
	if err := n.configure(); err != nil {
		n.stack.Close()
		return nil, fmt.Errorf("open lab network %s: %w", s, err)
	}
	ctx, stop := context.WithCancel(context.Background())
	n.stop = stop
	n.done.Go(func() { n.keepLinked(ctx, plug) })
	return n, nil
}

func (n *Network) configure() error {
	sack := tcpip.TCPSACKEnabled(true)
	if err := n.stack.SetTransportProtocolOption(tcp.ProtocolNumber, &sack); err != nil {
		return fmt.Errorf("enable selective acknowledgements: %s", err)
	}
	if err := n.stack.CreateNIC(nicID, ethernet.New(n.link)); err != nil {
		return fmt.Errorf("create interface: %s", err)
	}
	own := tcpip.ProtocolAddress{
		Protocol: ipv4.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{
			Address:   tcpip.AddrFromSlice(n.spec.Address.Addr().AsSlice()),
			PrefixLen: n.spec.Address.Bits(),
		},
	}
	if n.spec.Address.Addr().Is6() {
		own.Protocol = ipv6.ProtocolNumber
	}
	link := tcpip.ProtocolAddress{
		Protocol:          ipv6.ProtocolNumber,
		AddressWithPrefix: tcpip.AddressWithPrefix{Address: header.LinkLocalAddr(tcpip.LinkAddress(n.spec.MAC)), PrefixLen: 64},
	}
	for _, a := range []tcpip.ProtocolAddress{own, link} {
		if err := n.stack.AddProtocolAddress(nicID, a, stack.AddressProperties{}); err != nil {
			return fmt.Errorf("add address %s: %s", a.AddressWithPrefix.Address, err)
		}
	}
	routes := []tcpip.Route{
		{Destination: own.AddressWithPrefix.Subnet(), NIC: nicID},
		{Destination: link.AddressWithPrefix.Subnet(), NIC: nicID},
	}
	if g := n.spec.Gateway; g.IsValid() {
		everything := header.IPv4EmptySubnet
		if g.Is6() {
			everything = header.IPv6EmptySubnet
		}
		routes = append(routes, tcpip.Route{Destination: everything, Gateway: tcpip.AddrFromSlice(g.AsSlice()), NIC: nicID})
	}
	n.stack.SetRouteTable(routes)
	return nil
}

// Close unplugs the host and ends all of its sockets.
func (n *Network) Close() error {
	n.stop()
	n.done.Wait()
	n.link.Close()
	n.stack.Close()
	n.stack.Wait()
	return nil
}

// Address is the host's address.
func (n *Network) Address() netip.Addr { return n.spec.Address.Addr() }

// WaitLinked waits until the switch was reached for the first time.
func (n *Network) WaitLinked(ctx context.Context) error {
	select {
	case <-n.ready:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for the lab's switch at %s: %w", n.spec.Socket, ctx.Err())
	}
}

// Listen implements socket.Network.
func (n *Network) Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	full, proto := fullAddress(addr)
	l, err := gonet.ListenTCP(n.stack, full, proto)
	if err != nil {
		return nil, err
	}
	return &listener{TCPListener: l}, nil
}

// ListenPacket implements socket.Network.
func (n *Network) ListenPacket(ctx context.Context, addr netip.AddrPort, o socket.PacketOptions) (net.PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	full, proto := fullAddress(addr)
	// The interface is named so that broadcasts need no route.
	full.NIC = nicID
	var wq waiter.Queue
	ep, terr := n.stack.NewEndpoint(udp.ProtocolNumber, proto, &wq)
	if terr != nil {
		return nil, fmt.Errorf("make UDP endpoint: %s", terr)
	}
	ep.SocketOptions().SetBroadcast(o.Broadcast)
	if terr := ep.Bind(full); terr != nil {
		ep.Close()
		return nil, fmt.Errorf("bind UDP endpoint to %s: %s", addr, terr)
	}
	if o.Group.IsValid() {
		join := &tcpip.AddMembershipOption{NIC: nicID, MulticastAddr: tcpip.AddrFromSlice(o.Group.AsSlice())}
		if terr := ep.SetSockOpt(join); terr != nil {
			ep.Close()
			return nil, fmt.Errorf("join %s: %s", o.Group, terr)
		}
	}
	return packetConn{gonet.NewUDPConn(&wq, ep)}, nil
}

// Dial implements socket.Network.
func (n *Network) Dial(ctx context.Context, proto, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	addr, err := netip.ParseAddrPort(address)
	if err != nil {
		if host, port, splitErr := net.SplitHostPort(address); splitErr == nil {
			if _, portErr := strconv.ParseUint(port, 10, 16); portErr == nil {
				return nil, fmt.Errorf("dial %s: the lab's network has no names: give an address instead of %q", address, host)
			}
		}
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	full, netProto := fullAddress(addr)
	switch proto {
	case "tcp":
		return gonet.DialContextTCP(ctx, n.stack, full, netProto)
	case "udp":
		return gonet.DialUDP(n.stack, nil, &full, netProto)
	}
	return nil, fmt.Errorf("dial %s: protocol %q is neither tcp nor udp", address, proto)
}

// fullAddress turns an address into gVisor's, where the unspecified address is an empty one.
func fullAddress(a netip.AddrPort) (tcpip.FullAddress, tcpip.NetworkProtocolNumber) {
	ip := a.Addr().Unmap()
	full := tcpip.FullAddress{Port: a.Port()}
	if ip.IsValid() && !ip.IsUnspecified() {
		full.Addr = tcpip.AddrFromSlice(ip.WithZone("").AsSlice())
	}
	if ip.Is6() {
		if ip.IsLinkLocalUnicast() || ip.IsLinkLocalMulticast() {
			full.NIC = nicID
		}
		return full, ipv6.ProtocolNumber
	}
	return full, ipv4.ProtocolNumber
}
