package main

import (
	"context"
	"net"
	"net/netip"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
)

// questions are a firewall's sockets for DNS.
type questions struct{ *socket.Bound }

// ListenPacket implements resolver.Sockets.
func (q questions) ListenPacket(ctx context.Context, at netip.AddrPort) (net.PacketConn, error) {
	return q.Bound.ListenPacket(ctx, matrix.ClientToFirewallDNS, at, socket.PacketOptions{})
}

// Listen implements resolver.Sockets.
func (q questions) Listen(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	return q.Bound.Listen(ctx, matrix.ClientToFirewallDNSOverTCP, at)
}

// Dial implements resolver.Sockets.
func (q questions) Dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
	if network == "tcp" {
		return q.Bound.Dial(ctx, matrix.FirewallToDNSOverTCP, server.String())
	}
	return q.Bound.Dial(ctx, matrix.FirewallToDNS, server.String())
}
