package socket

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// Namer is a Network that can dial names. It asks the given resolver for their addresses, since DNS is a flow too.
type Namer interface {
	// DialName is Dial for an address whose host is a name.
	DialName(ctx context.Context, proto, address string, r *net.Resolver) (net.Conn, error)
}

// resolver asks name servers over the role's own flow to them. Names that stand in the machine's hosts file need none.
func (b *Bound) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: b.dialNameServer}
}

// dialNameServer opens what the resolver asks for: a datagram socket, and a connection where an answer was too long for a datagram. They are flows of their own.
func (b *Bound) dialNameServer(ctx context.Context, proto, address string) (net.Conn, error) {
	if to, err := netip.ParseAddrPort(address); err == nil && to.Addr().Unmap().IsLoopback() || b.outside {
		// The machine's own resolver, or an outside party's.
		return b.network.Dial(ctx, proto, address)
	}
	transport := matrix.TCP
	if strings.HasPrefix(proto, "udp") {
		transport = matrix.UDP
	}
	flow, ok := b.rows.between(b.role, matrix.NameServer, transport)
	if !ok {
		return nil, fmt.Errorf("role %s asks name server %s over %s, for which there is no row: give an address instead of the name: %w", b.role, address, transport, ErrNotInMatrix)
	}
	return b.Dial(ctx, flow, address)
}

// dial lets the network dial a row's address, with names asked for over the role's flow.
func (b *Bound) dial(ctx context.Context, proto, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return b.network.Dial(ctx, proto, address)
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return b.network.Dial(ctx, proto, address)
	}
	if n, ok := b.network.(Namer); ok {
		return n.DialName(ctx, proto, address, b.resolver())
	}
	return b.network.Dial(ctx, proto, address)
}
