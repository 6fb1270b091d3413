package firewall_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/test/traffic"
)

// The ports of the host under test: each is open, and the ruleset says who gets there.
const (
	allowedUDP = 5000
	deniedUDP  = 5001
	allowedTCP = 5002
	deniedTCP  = 5003
	revokedTCP = 5004
)

var (
	hostAddresses = []netip.Addr{netip.MustParseAddr("10.98.0.1"), netip.MustParseAddr("fd98::1")}
	peerAddresses = []netip.Addr{netip.MustParseAddr("10.98.0.2"), netip.MustParseAddr("fd98::2")}
)

// site is a host and a peer in namespaces of their own, and what the host's sockets got.
type site struct {
	host, peer *netns.Namespace
	h          *linux.Host

	traffic.Datagrams
	// dialed are allowed connections that stood, failed those that did not; knocked are denied ones that were tried, entered those that got in.
	dialed, failed, knocked, entered atomic.Int64
	// echoed are bytes that the echo server got.
	echoed  atomic.Int64
	failure atomic.Pointer[error]
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{}
	ends := make([]netns.End, 2)
	for i, addresses := range [][]netip.Addr{hostAddresses, peerAddresses} {
		n, err := netns.New()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = n.Close() })
		ends[i] = netns.End{In: n, Interface: fmt.Sprintf("eth%d", i), Addresses: []netip.Prefix{netip.PrefixFrom(addresses[0], 24), netip.PrefixFrom(addresses[1], 64)}}
	}
	s.host, s.peer = ends[0].In, ends[1].In
	if err := netns.Join(ends[0], ends[1]); err != nil {
		t.Fatal(err)
	}
	h, err := linux.In(s.host.Path())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	s.h = h
	s.Listen(t, s.host, toHost())
	s.accept(t, allowedTCP, func(c net.Conn) { _ = c.Close() })
	s.accept(t, deniedTCP, func(c net.Conn) { s.entered.Add(1); _ = c.Close() })
	s.accept(t, revokedTCP, s.echo)
	return s
}

// accept serves connections to the host's IPv4 address.
func (s *site) accept(t *testing.T, port uint16, serve func(net.Conn)) {
	t.Helper()
	err := s.host.Do(func() error {
		l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(hostAddresses[0], port)))
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serve(c)
			}
		}()
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *site) echo(c net.Conn) {
	go func() {
		defer c.Close()
		b := make([]byte, 256)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			s.echoed.Add(int64(n))
			if _, err := c.Write(b[:n]); err != nil {
				return
			}
		}
	}()
}

// start sends without a pause until the returned function is called, which waits for what is on its way.
func (s *site) start(t *testing.T) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	for _, run := range []func(context.Context) error{s.datagrams, s.connections} {
		group.Go(func() {
			if err := s.peer.Do(func() error { return run(ctx) }); err != nil {
				s.failure.CompareAndSwap(nil, &err)
			}
		})
	}
	return func() {
		cancel()
		group.Wait()
		if err := s.failure.Load(); err != nil {
			t.Error(*err)
		}
	}
}

// toHost is the way of the datagrams.
func toHost() traffic.Route {
	return traffic.Route{To: hostAddresses, Allowed: allowedUDP, Denied: deniedUDP}
}

func (s *site) datagrams(ctx context.Context) error { return s.Send(ctx, toHost()) }

// connections dials allowed and denied ones. A denied one is not waited for: its first segment is what tries to get in.
func (s *site) connections(ctx context.Context) error {
	for ctx.Err() == nil {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := syscall.Connect(fd, traffic.Sockaddr(hostAddresses[0], deniedTCP)); !errors.Is(err, syscall.EINPROGRESS) {
			return fmt.Errorf("dial a denied port: %w", err)
		}
		s.knocked.Add(1)
		c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(netip.AddrPortFrom(hostAddresses[0], allowedTCP)))
		_ = syscall.Close(fd)
		if err != nil {
			s.failed.Add(1)
			continue
		}
		s.dialed.Add(1)
		if err := errors.Join(c.SetLinger(0), c.Close()); err != nil {
			return err
		}
		for range 20 { // a connection costs as much as many datagrams
			traffic.Pause()
		}
	}
	return nil
}
