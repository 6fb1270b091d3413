package netstack

import (
	"fmt"
	"net"
	"sync/atomic"

	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
)

// listener makes gVisor's listener end Accept on Close, with the error that net.Listener promises.
type listener struct {
	*gonet.TCPListener
	closed atomic.Bool
}

func (l *listener) Accept() (net.Conn, error) {
	conn, err := l.TCPListener.Accept()
	if err != nil && l.closed.Load() {
		return nil, &net.OpError{Op: "accept", Net: "tcp", Err: net.ErrClosed}
	}
	return conn, err
}

func (l *listener) Close() error {
	if l.closed.Swap(true) {
		return net.ErrClosed
	}
	l.Shutdown()
	return l.TCPListener.Close()
}

// packetConn takes IPv4 addresses in both of their lengths; gVisor would read the long one as IPv6.
type packetConn struct{ *gonet.UDPConn }

func (c packetConn) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, fmt.Errorf("write to %v: want a *net.UDPAddr, got %T", to, to)
	}
	if short := udp.IP.To4(); short != nil {
		udp = &net.UDPAddr{IP: short, Port: udp.Port}
	}
	return c.UDPConn.WriteTo(b, udp)
}
