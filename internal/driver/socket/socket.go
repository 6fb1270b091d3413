// Package socket is the one place where a socket is opened. Everything that listens or dials names a flow of the communication matrix; an unknown name, or a
// flow that the calling role has no end of, is an error before any socket exists.
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

// Network opens sockets. Implementations: kernel, netstack.
type Network interface {
	Listen(ctx context.Context, proto string, addr netip.AddrPort) (net.Listener, error)
	ListenPacket(ctx context.Context, proto string, addr netip.AddrPort, o PacketOptions) (net.PacketConn, error)
	Dial(ctx context.Context, proto, address string) (net.Conn, error)
}

// PacketOptions are what DHCP and neighbour discovery need beyond plain UDP.
type PacketOptions struct {
	// Interface binds to one network interface; empty: any.
	Interface string
	// Broadcast allows sending to 255.255.255.255.
	Broadcast bool
}
