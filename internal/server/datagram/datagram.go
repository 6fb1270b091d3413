// Package datagram is the loop of a server that answers datagrams: it reads, has each packet answered in turn, and sends what comes back.
//
// It owns the loop, its end and what is said of errors. It refuses protocols. One packet that cannot be read or answered costs nothing but itself; the loop ends with its context, or
// with an error when somebody else closed the socket.
package datagram

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
)

// Handler gives the answer to a packet and where it goes; nil for silence. The packet is the loop's own memory, good until Handler returns.
type Handler func(packet []byte, from netip.AddrPort) (reply []byte, to netip.AddrPort)

// Loop is one server's.
type Loop struct {
	// Protocol is for messages. MaxBytes is what is read of a packet.
	Protocol string
	MaxBytes int
	Handle   Handler
	Log      *slog.Logger
}

// Conn reads and writes datagrams without an allocation for each address. *net.UDPConn is one.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
}

// Of makes a Conn of any socket for UDP.
func Of(conn net.PacketConn) Conn {
	if direct, ok := conn.(Conn); ok {
		return direct
	}
	return indirect{conn}
}

// Serve answers what comes to a socket until the context ends.
func (l Loop) Serve(ctx context.Context, conn net.PacketConn) error {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	c, buf := Of(conn), make([]byte, l.MaxBytes)
	for {
		n, from, err := c.ReadFromUDPAddrPort(buf)
		if ctx.Err() != nil {
			return nil
		}
		if errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("%s socket %s was closed: %w", l.Protocol, conn.LocalAddr(), err)
		}
		if err != nil {
			l.Log.Warn("request not read", "flow", l.Protocol, "err", err)
			continue
		}
		reply, to := l.Handle(buf[:n], netip.AddrPortFrom(from.Addr().Unmap(), from.Port()))
		if reply == nil {
			continue
		}
		if _, err := c.WriteToUDPAddrPort(reply, to); err != nil && ctx.Err() == nil {
			l.Log.Warn("answer not sent", "flow", l.Protocol, "to", to.String(), "err", err)
		}
	}
}

// indirect is a socket that knows net.Addr only, as those of the lab's network do.
type indirect struct{ net.PacketConn }

var errNotUDP = errors.New("the packet has no UDP address")

func (c indirect) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	n, from, err := c.ReadFrom(b)
	if err != nil {
		return 0, netip.AddrPort{}, err
	}
	udp, ok := from.(*net.UDPAddr)
	if !ok {
		return 0, netip.AddrPort{}, errNotUDP
	}
	return n, udp.AddrPort(), nil
}

func (c indirect) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return c.WriteTo(b, net.UDPAddrFromAddrPort(to))
}
