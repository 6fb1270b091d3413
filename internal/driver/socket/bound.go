package socket

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/ingotmetal/ingot/matrix"
)

// ErrNotInMatrix is the kind of every refusal by a Bound: no such flow, not this role's end of it, or another protocol.
var ErrNotInMatrix = errors.New("not in the communication matrix")

// Bound is one role's way to a network: each call names a flow, and only flows that the role has the right end of are opened. It may be used by several goroutines.
type Bound struct {
	role matrix.Role
	// outside: the role is no party of ours (an operator's program, the lab's image store), so that no firewall of ours binds its end to ports.
	outside bool
	rows    *rowSet
	network Network
	open    *openSockets
}

// Listener is an open listening socket, as the comparison with the matrix wants it.
type Listener struct {
	Flow     matrix.FlowName
	Protocol matrix.Protocol
	// Address is "ip:port", or the link's name for ICMPv6.
	Address string
}

// Bind gives a role its way to a network. Rows is the whole matrix, with the site's ports (Site).
func Bind(role matrix.Role, rows []matrix.Row, network Network) *Bound {
	set := &rowSet{byName: make(map[matrix.FlowName]matrix.Row, len(rows))}
	for _, r := range rows {
		set.byName[r.Name] = r
	}
	definition, _ := matrix.Own().Role(role)
	return &Bound{role: role, outside: definition.Outside, rows: set, network: network, open: &openSockets{set: map[*tracked]Listener{}}}
}

// Role is who this is.
func (b *Bound) Role() matrix.Role { return b.role }

// On is the same role on another network; Listeners of either lists both.
func (b *Bound) On(network Network) *Bound {
	return &Bound{role: b.role, outside: b.outside, rows: b.rows, network: network, open: b.open}
}

// Listen accepts the TCP connections of a flow that this role is the server of.
func (b *Bound) Listen(ctx context.Context, flow matrix.FlowName, addr netip.AddrPort) (net.Listener, error) {
	if err := b.MayListen(flow, matrix.TCP, addr); err != nil {
		return nil, err
	}
	l, err := b.network.Listen(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("listen on tcp %s for flow %s: %w", addr, flow, err)
	}
	return trackedListener{l, b.open.add(Listener{flow, matrix.TCP, l.Addr().String()})}, nil
}

// ListenPacket receives the UDP datagrams of a flow that this role is the server of.
func (b *Bound) ListenPacket(ctx context.Context, flow matrix.FlowName, addr netip.AddrPort, o PacketOptions) (net.PacketConn, error) {
	if err := b.MayListen(flow, matrix.UDP, addr); err != nil {
		return nil, err
	}
	c, err := b.network.ListenPacket(ctx, addr, o)
	if err != nil {
		return nil, fmt.Errorf("listen on udp %s for flow %s: %w", addr, flow, err)
	}
	place := b.open.add(Listener{flow, matrix.UDP, c.LocalAddr().String()})
	if direct, ok := c.(*net.UDPConn); ok {
		return trackedUDPConn{direct, place}, nil
	}
	return trackedPacketConn{c, place}, nil
}

// ListenRouter receives the router solicitations of a link.
func (b *Bound) ListenRouter(ctx context.Context, flow matrix.FlowName, iface string) (net.PacketConn, error) {
	if _, err := b.serves(flow, matrix.ICMPv6); err != nil {
		return nil, err
	}
	c, err := b.network.ListenRouter(ctx, iface)
	if err != nil {
		return nil, fmt.Errorf("listen for router solicitations on link %q for flow %s: %w", iface, flow, err)
	}
	return trackedPacketConn{c, b.open.add(Listener{flow, matrix.ICMPv6, iface})}, nil
}

// OpenPacket sends the UDP datagrams of a flow that this role is the client of, from a port of the system's choice. It takes what is sent to that port from anywhere:
// the caller drops what is not from whom it sent to.
func (b *Bound) OpenPacket(ctx context.Context, flow matrix.FlowName, addr netip.Addr, o PacketOptions) (net.PacketConn, error) {
	row, err := b.dials(flow)
	if err != nil {
		return nil, err
	}
	if row.Protocol != matrix.UDP {
		return nil, fmt.Errorf("role %s sends datagrams for flow %s, which is %s: %w", b.role, flow, row.Protocol, ErrNotInMatrix)
	}
	c, err := b.network.ListenPacket(ctx, netip.AddrPortFrom(addr, 0), o)
	if err != nil {
		return nil, fmt.Errorf("open a udp port at %s for flow %s: %w", addr, flow, err)
	}
	return c, nil
}

// Dial opens a connection of a flow that this role is the client of. The port must be one of the row's where it has any, except on loopback and for outside
// parties (see MayListen). A name is asked for over the role's flow to name servers.
func (b *Bound) Dial(ctx context.Context, flow matrix.FlowName, address string) (net.Conn, error) {
	row, err := b.dials(flow)
	if err != nil {
		return nil, err
	}
	if row.Protocol != matrix.TCP && row.Protocol != matrix.UDP {
		return nil, fmt.Errorf("dial for flow %s: its protocol %s has no connections: %w", flow, row.Protocol, ErrNotInMatrix)
	}
	if err := b.dialsAt(row, address); err != nil {
		return nil, err
	}
	c, err := b.dial(ctx, string(row.Protocol), address)
	if err != nil {
		return nil, fmt.Errorf("dial %s %s for flow %s: %w", row.Protocol, address, flow, err)
	}
	return c, nil
}

// DialContext is Dial in the shape that http.Transport and rest.Config take. The network's name that they pass must be of the flow's protocol.
func (b *Bound) DialContext(flow matrix.FlowName) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, _, address string) (net.Conn, error) { return b.Dial(ctx, flow, address) }
}

// Listeners are the sockets that listen now, sorted by flow and address.
func (b *Bound) Listeners() []Listener { return b.open.list() }

func (b *Bound) row(flow matrix.FlowName) (matrix.Row, error) {
	row, ok := b.rows.get(flow)
	if !ok {
		return row, fmt.Errorf("role %s names flow %q, for which there is no row: %w", b.role, flow, ErrNotInMatrix)
	}
	return row, nil
}

func (b *Bound) dials(flow matrix.FlowName) (matrix.Row, error) {
	row, err := b.row(flow)
	if err == nil && row.From.Role != b.role {
		err = fmt.Errorf("role %s dials for flow %s, which only role %s may: %w", b.role, flow, row.From.Role, ErrNotInMatrix)
	}
	return row, err
}

func (b *Bound) serves(flow matrix.FlowName, p matrix.Protocol) (matrix.Row, error) {
	row, err := b.row(flow)
	switch {
	case err != nil:
		return row, err
	case row.To.Role != b.role:
		return row, fmt.Errorf("role %s listens for flow %s, which only role %s may: %w", b.role, flow, row.To.Role, ErrNotInMatrix)
	case row.Protocol != p:
		return row, fmt.Errorf("role %s listens with %s for flow %s, which is %s: %w", b.role, p, flow, row.Protocol, ErrNotInMatrix)
	}
	return row, nil
}

// rowSet is the matrix of one process: the networks of a role share it.
type rowSet struct {
	mu     sync.RWMutex
	byName map[matrix.FlowName]matrix.Row
}

func (s *rowSet) get(name matrix.FlowName) (matrix.Row, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	row, ok := s.byName[name]
	return row, ok
}

// between finds the flow from one role to another over a protocol.
func (s *rowSet) between(from, to matrix.Role, p matrix.Protocol) (matrix.FlowName, bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for name, row := range s.byName {
		if row.From.Role == from && row.To.Role == to && row.Protocol == p {
			return name, true
		}
	}
	return "", false
}

func (s *rowSet) set(row matrix.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.byName[row.Name] = row
}

// openSockets is the set of listening sockets of one process.
type openSockets struct {
	mu  sync.Mutex
	set map[*tracked]Listener
}

// tracked is one socket's place in the set.
type tracked struct{ in *openSockets }

func (o *openSockets) add(l Listener) *tracked {
	t := &tracked{in: o}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.set[t] = l
	return t
}

func (o *openSockets) list() []Listener {
	o.mu.Lock()
	defer o.mu.Unlock()
	all := make([]Listener, 0, len(o.set))
	for _, l := range o.set {
		all = append(all, l)
	}
	slices.SortFunc(all, func(x, y Listener) int {
		return cmp.Or(cmp.Compare(x.Flow, y.Flow), cmp.Compare(x.Address, y.Address))
	})
	return all
}

func (t *tracked) forget() {
	t.in.mu.Lock()
	defer t.in.mu.Unlock()
	delete(t.in.set, t)
}

type trackedListener struct {
	net.Listener
	*tracked
}

func (l trackedListener) Close() error {
	l.forget()
	return l.Listener.Close()
}

// trackedUDPConn keeps the kernel's own ways to read and write, which need no memory for addresses.
type trackedUDPConn struct {
	*net.UDPConn
	*tracked
}

func (c trackedUDPConn) Close() error {
	c.forget()
	return c.UDPConn.Close()
}

type trackedPacketConn struct {
	net.PacketConn
	*tracked
}

func (c trackedPacketConn) Close() error {
	c.forget()
	return c.PacketConn.Close()
}
