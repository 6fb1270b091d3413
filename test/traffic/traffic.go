// Package traffic is packets without a pause, to see whether a change of rules loses one that is allowed or lets one in that is not.
//
// It owns the datagrams and their counts. It refuses to judge: the test knows which may arrive.
//
// Invariant: at most 64 allowed datagrams are on their way, far fewer than any buffer holds, so that only a rule can lose one.
package traffic

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
)

const (
	// window is how many allowed datagrams may be on their way.
	window = 64
	// sockets are as many sources.
	sockets = 256
	// lost is how long a datagram may be on its way.
	lost = time.Minute
)

// Datagrams are counts of those to an allowed port and of those to a denied one.
type Datagrams struct {
	// Sent and Arrived are of the allowed, Refused and Leaked of the denied: sent, and arrived all the same.
	Sent, Arrived, Refused, Leaked atomic.Int64
}

// Route is from where to where datagrams go. To has addresses of both families; From is as long, with the address that is sent from, or empty for the system's choice.
type Route struct {
	From, To        []netip.Addr
	Allowed, Denied uint16
}

// Listen counts what arrives in a namespace, until the test's end.
func (d *Datagrams) Listen(t testing.TB, in *netns.Namespace, r Route) {
	t.Helper()
	for _, a := range r.To {
		count(t, in, netip.AddrPortFrom(a, r.Allowed), &d.Arrived)
		count(t, in, netip.AddrPortFrom(a, r.Denied), &d.Leaked)
	}
}

func count(t testing.TB, in *netns.Namespace, at netip.AddrPort, into *atomic.Int64) {
	t.Helper()
	err := in.Do(func() error {
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
				into.Add(1)
			}
		}()
		return c.SetReadBuffer(4 << 20)
	})
	if err != nil {
		t.Fatal(err)
	}
}

// source is one socket with where it sends to.
type source struct {
	fd              int
	allowed, denied syscall.Sockaddr
}

// Send sends allowed and denied datagrams in turn, of both families, from many ports, until the context ends; it runs in the namespace of the caller's thread. Nobody answers, so that
// each is a new one to the rules.
func (d *Datagrams) Send(ctx context.Context, r Route) error {
	var all []source
	for i := range sockets {
		s, err := open(r, i%len(r.To))
		if err != nil {
			return fmt.Errorf("open a socket for datagrams: %w", err)
		}
		defer func() { _ = syscall.Close(s.fd) }()
		all = append(all, s)
	}
	for i := 0; ctx.Err() == nil; i++ {
		s := all[i%sockets]
		if err := syscall.Sendto(s.fd, []byte("denied"), 0, s.denied); err != nil {
			return fmt.Errorf("send a denied datagram: %w", err)
		}
		d.Refused.Add(1)
		if err := syscall.Sendto(s.fd, []byte("allowed"), 0, s.allowed); err != nil {
			return fmt.Errorf("send an allowed datagram: %w", err)
		}
		d.Sent.Add(1)
		if i%2 == 0 {
			Pause()
		}
		for full := time.Now(); d.Sent.Load()-d.Arrived.Load() >= window; Pause() {
			if time.Since(full) > lost {
				return fmt.Errorf("%d allowed datagrams are lost", d.Sent.Load()-d.Arrived.Load())
			}
		}
	}
	return nil
}

func open(r Route, i int) (source, error) {
	domain := syscall.AF_INET
	if r.To[i].Is6() {
		domain = syscall.AF_INET6
	}
	fd, err := syscall.Socket(domain, syscall.SOCK_DGRAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return source{}, err
	}
	if len(r.From) > 0 {
		if err := syscall.Bind(fd, Sockaddr(r.From[i], 0)); err != nil {
			_ = syscall.Close(fd)
			return source{}, err
		}
	}
	return source{fd, Sockaddr(r.To[i], r.Allowed), Sockaddr(r.To[i], r.Denied)}, nil
}

// Pause gives the processor to the receivers, and to nft: traffic that takes it all makes replacements rare.
func Pause() {
	_ = syscall.Nanosleep(&syscall.Timespec{Nsec: 50_000}, nil) // its end is all that counts
}

// Sockaddr is an address as the system's calls take it.
func Sockaddr(a netip.Addr, port uint16) syscall.Sockaddr {
	if a.Is4() {
		return &syscall.SockaddrInet4{Port: int(port), Addr: a.As4()}
	}
	return &syscall.SockaddrInet6{Port: int(port), Addr: a.As16()}
}
