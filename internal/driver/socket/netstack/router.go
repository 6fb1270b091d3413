package netstack

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv6"
	"gvisor.dev/gvisor/pkg/tcpip/transport/raw"
	"gvisor.dev/gvisor/pkg/waiter"
)

// routerConn receives router solicitations and sends what it is given, with hop limit 255.
type routerConn struct {
	ep tcpip.Endpoint
	wq *waiter.Queue
	// closed is closed by Close.
	closed chan struct{}
	once   sync.Once

	// mu guards the read deadline; moved is closed and replaced when it changes.
	mu       sync.Mutex
	deadline time.Time
	moved    chan struct{}
}

// ListenRouter implements socket.Network. There is one link, so the interface's name is ignored.
func (n *Network) ListenRouter(ctx context.Context, _ string) (net.PacketConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &routerConn{wq: &waiter.Queue{}, closed: make(chan struct{}), moved: make(chan struct{})}
	ep, terr := raw.NewEndpoint(n.stack, ipv6.ProtocolNumber, header.ICMPv6ProtocolNumber, c.wq)
	if terr != nil {
		return nil, fmt.Errorf("make ICMPv6 endpoint: %s", terr)
	}
	c.ep = ep
	if terr := c.configure(); terr != nil {
		ep.Close()
		return nil, fmt.Errorf("set up ICMPv6 endpoint: %s", terr)
	}
	// A real router joins the group (RFC 4861 §6.2.2). The switch floods multicast frames, but the stack's own filter must let them pass.
	if terr := n.stack.JoinGroup(ipv6.ProtocolNumber, nicID, header.IPv6AllRoutersLinkLocalMulticastAddress); terr != nil {
		ep.Close()
		return nil, fmt.Errorf("join ff02::2: %s", terr)
	}
	return c, nil
}

func (c *routerConn) configure() tcpip.Error {
	var only tcpip.ICMPv6Filter
	for i := range only.DenyType {
		only.DenyType[i] = ^uint32(0)
	}
	only.DenyType[header.ICMPv6RouterSolicit/32] &^= 1 << (header.ICMPv6RouterSolicit % 32)
	if err := c.ep.SetSockOpt(&only); err != nil {
		return err
	}
	for _, o := range []tcpip.SockOptInt{tcpip.IPv6HopLimitOption, tcpip.MulticastTTLOption} {
		if err := c.ep.SetSockOptInt(o, header.NDPHopLimit); err != nil {
			return err
		}
	}
	c.ep.SocketOptions().SetReceiveHopLimit(true)
	c.ep.SocketOptions().SetMulticastLoop(false)
	return c.ep.Bind(tcpip.FullAddress{NIC: nicID})
}

// ReadFrom implements net.PacketConn.
func (c *routerConn) ReadFrom(b []byte) (int, net.Addr, error) {
	entry, readable := waiter.NewChannelEntry(waiter.ReadableEvents)
	c.wq.EventRegister(&entry)
	defer c.wq.EventUnregister(&entry)
	for {
		deadline, moved, expired := c.readDeadline()
		if expired {
			return 0, nil, c.failed("read", os.ErrDeadlineExceeded)
		}
		var cut cutWriter = b
		result, err := c.ep.Read(&cut, tcpip.ReadOptions{NeedRemoteAddr: true})
		if err == nil {
			if cm := result.ControlMessages; !cm.HasHopLimit || cm.HopLimit != header.NDPHopLimit {
				continue
			}
			return len(b) - len(cut), &net.IPAddr{IP: net.IP(result.RemoteAddr.Addr.AsSlice())}, nil
		}
		if _, again := err.(*tcpip.ErrWouldBlock); !again {
			return 0, nil, c.failed("read", net.ErrClosed)
		}
		select {
		case <-readable:
		case <-moved:
		case <-c.closed:
			return 0, nil, c.failed("read", net.ErrClosed)
		case <-deadline:
		}
	}
}

// cutWriter fills a slice and swallows what does not fit.
type cutWriter []byte

func (w *cutWriter) Write(b []byte) (int, error) {
	*w = (*w)[copy(*w, b):]
	return len(b), nil
}

// readDeadline gives a channel for the deadline (nil for none), one for its change, and whether it has passed.
func (c *routerConn) readDeadline() (at <-chan time.Time, moved <-chan struct{}, expired bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deadline.IsZero() {
		return nil, c.moved, false
	}
	left := time.Until(c.deadline)
	return time.After(left), c.moved, left <= 0
}

// WriteTo implements net.PacketConn. To is a *net.IPAddr; its zone is ignored.
func (c *routerConn) WriteTo(b []byte, to net.Addr) (int, error) {
	ip, ok := to.(*net.IPAddr)
	if !ok || ip.IP.To4() != nil || ip.IP.To16() == nil {
		return 0, c.failed("write", fmt.Errorf("address %v (%T) is no IPv6 *net.IPAddr", to, to))
	}
	options := tcpip.WriteOptions{To: &tcpip.FullAddress{NIC: nicID, Addr: tcpip.AddrFromSlice(ip.IP.To16())}}
	n, err := c.ep.Write(bytes.NewReader(b), options)
	if err != nil {
		return int(n), c.failed("write", fmt.Errorf("to %s: %s", to, err))
	}
	return int(n), nil
}

// Close implements net.PacketConn.
func (c *routerConn) Close() error {
	c.once.Do(func() {
		close(c.closed)
		c.ep.Close()
	})
	return nil
}

// LocalAddr implements net.PacketConn.
func (c *routerConn) LocalAddr() net.Addr { return &net.IPAddr{IP: net.IPv6linklocalallrouters} }

// SetDeadline implements net.PacketConn. A write never waits, so only reads have one.
func (c *routerConn) SetDeadline(t time.Time) error { return c.SetReadDeadline(t) }

// SetReadDeadline implements net.PacketConn.
func (c *routerConn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deadline = t
	close(c.moved)
	c.moved = make(chan struct{})
	return nil
}

// SetWriteDeadline implements net.PacketConn: a write never waits.
func (c *routerConn) SetWriteDeadline(time.Time) error { return nil }

func (c *routerConn) failed(op string, err error) error {
	return &net.OpError{Op: op, Net: "icmpv6", Addr: c.LocalAddr(), Err: err}
}
