// Package socket is the one place where a socket is opened. Everything that listens or dials names a flow of the communication matrix; an unknown name, a flow that the
// calling role has no end of, or a port that the flow's row does not have is an error before any socket exists, and the error has the row that is missing.
//
// Loopback crosses no network, so ports are not checked there: neither those of listeners nor those that are dialed. The user-space network of the lab is a network like the
// kernel's, and obeys the rows. The ends of outside parties (operators' programs, image stores) are not ours: their ports are not checked either.
//
// A site that uses other ports says so in its own matrix (Site). The analyzer of tools/bound finds sockets that are opened elsewhere.
//
// It owns the lookup and the contract. It refuses to know what is spoken. Two networks implement it: the kernel's (package kernel) and the lab's user-space
// network (package netstack), so that the roles run unprivileged in the lab with the code that they run with on real sites.
//
// Invariants: Bound checks the flow before it asks the network; every open listener can be listed, so that the running system can be compared with the matrix.
package socket

import (
	"context"
	"net"
	"net/netip"
)

// Network opens sockets. Implementations: kernel, netstack. It knows nothing of flows and is only reached through a Bound. Package sockettest holds the
// suite that every implementation passes.
type Network interface {
	// Listen accepts TCP connections at addr. Port 0: any free one.
	Listen(ctx context.Context, addr netip.AddrPort) (net.Listener, error)
	// ListenPacket receives UDP datagrams at addr; the addresses that it reports and takes are *net.UDPAddr. Port 0: any free one.
	// A datagram that is longer than the buffer given to ReadFrom is cut.
	ListenPacket(ctx context.Context, addr netip.AddrPort, o PacketOptions) (net.PacketConn, error)
	// ListenRouter receives what machines send to all routers of the link (RFC 4861 §4.1: ff02::2) and sends router advertisements. A packet is an ICMPv6
	// message from its type octet on; addresses are *net.IPAddr with a zone where the network has zones. The network fills in and checks the
	// checksum, sends with hop limit 255, and drops what arrives with another one (RFC 4861 §6.1.1: it crossed a router).
	// Interface names the link; empty where the network has one link only.
	ListenRouter(ctx context.Context, iface string) (net.PacketConn, error)
	// Dial opens a connection. Proto is "tcp" or "udp"; address is "host:port". A host that is a name is for a Namer.
	Dial(ctx context.Context, proto, address string) (net.Conn, error)
}

// PacketOptions are what DHCP needs beyond plain UDP.
type PacketOptions struct {
	// Interface binds to one network interface, which is also the one that broadcasts leave by; empty: any. Networks with one link ignore it.
	Interface string
	// Broadcast allows sending to 255.255.255.255 (and receiving what was sent there).
	Broadcast bool
	// Group is an IPv6 multicast group of the link that is heard too; invalid: none. The kernel's network wants the interface named with it.
	Group netip.Addr
	// ReceiveBytes is the size of the receive buffer, as far as the network has one and allows it; 0: the network's own.
	ReceiveBytes int
}
