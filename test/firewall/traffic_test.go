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
	"time"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/linux"
	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
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

	// sent and arrived are allowed datagrams; refused are denied ones that were sent, leaked those that arrived.
	sent, arrived, refused, leaked atomic.Int64
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
	for _, a := range hostAddresses {
		s.receive(t, netip.AddrPortFrom(a, allowedUDP), &s.arrived)
		s.receive(t, netip.AddrPortFrom(a, deniedUDP), &s.leaked)
	}
	s.accept(t, allowedTCP, func(c net.Conn) { _ = c.Close() })
	s.accept(t, deniedTCP, func(c net.Conn) { s.entered.Add(1); _ = c.Close() })
	s.accept(t, revokedTCP, s.echo)
	return s
}

// receive counts datagrams.
func (s *site) receive(t *testing.T, at netip.AddrPort, count *atomic.Int64) {
	t.Helper()
	err := s.host.Do(func() error {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(at))
		if err != nil {
			return err
		}
		t.Cleanup(func() { _ = c.Close() })
		go func() {
			b := make([]byte, 64)
			for {
				if _, _, err := c.ReadFromUDPAddrPort(b); err != nil {
					return
				}
				count.Add(1)
			}
		}()
		return c.SetReadBuffer(4 << 20)
	})
	if err != nil {
		t.Fatal(err)
	}
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

// window is how many allowed datagrams may be on their way: far fewer than any buffer holds, so that only a rule can lose one.
const window = 64

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

// datagrams sends allowed and denied ones in turn, of both families, from many ports. Nobody answers, so that each is a new one to the rules.
func (s *site) datagrams(ctx context.Context) error {
	const sockets = 256
	type socket struct {
		fd              int
		allowed, denied syscall.Sockaddr
	}
	var all []socket
	for i := range sockets {
		domain, address := syscall.AF_INET, hostAddresses[i%2]
		if address.Is6() {
			domain = syscall.AF_INET6
		}
		fd, err := syscall.Socket(domain, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		defer func() { _ = syscall.Close(fd) }()
		all = append(all, socket{fd, sockaddr(address, allowedUDP), sockaddr(address, deniedUDP)})
	}
	for i := 0; ctx.Err() == nil; i++ {
		o := all[i%sockets]
		if err := syscall.Sendto(o.fd, []byte("denied"), 0, o.denied); err != nil {
			return fmt.Errorf("send a denied datagram: %w", err)
		}
		s.refused.Add(1)
		if err := syscall.Sendto(o.fd, []byte("allowed"), 0, o.allowed); err != nil {
			return fmt.Errorf("send an allowed datagram: %w", err)
		}
		s.sent.Add(1)
		if i%2 == 0 {
			pause()
		}
		for full := time.Now(); s.sent.Load()-s.arrived.Load() >= window; {
			if time.Since(full) > 20*time.Second {
				return fmt.Errorf("%d allowed datagrams are lost", s.sent.Load()-s.arrived.Load())
			}
			pause()
		}
	}
	return nil
}

// pause gives the processor to the receivers, and to nft: traffic that takes it all makes replacements rare.
func pause() {
	_ = syscall.Nanosleep(&syscall.Timespec{Nsec: 50_000}, nil) // its end is all that counts
}

func sockaddr(a netip.Addr, port int) syscall.Sockaddr {
	if a.Is4() {
		return &syscall.SockaddrInet4{Port: port, Addr: a.As4()}
	}
	return &syscall.SockaddrInet6{Port: port, Addr: a.As16()}
}

// connections dials allowed and denied ones. A denied one is not waited for: its first segment is what tries to get in.
func (s *site) connections(ctx context.Context) error {
	for ctx.Err() == nil {
		fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_NONBLOCK|syscall.SOCK_CLOEXEC, 0)
		if err != nil {
			return err
		}
		if err := syscall.Connect(fd, sockaddr(hostAddresses[0], deniedTCP)); !errors.Is(err, syscall.EINPROGRESS) {
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
			pause()
		}
	}
	return nil
}

// until waits for a condition.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		select {
		case <-ctx.Done():
			t.Fatalf("in 30 s there was no %s", what)
		case <-tick.C:
		}
	}
}
