// Package resolver carries DNS between the clients inside a firewall and the name servers that the site has.
//
// It owns sockets, time limits and how much is done at once. It refuses to decide: what a message is and what of it reaches a client is package names' business, whom to ask for whom, and
// what is learned, the Judge's. It keeps nothing: whoever wants a cache asks one, as the name servers of sites are.
//
// The shape: each question goes to a server from a socket of its own, whose port the kernel chooses at random, with a random ID (RFC 5452 section 9); an answer that is cut is asked for
// again over TCP, so that all addresses are seen. The client gets its answer after the Judge has taken it.
//
// Invariants: nobody gets an answer that the Judge did not take; what is no question gets none.
package resolver

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/firewall/names"
)

// The limits.
const (
	// patience is how long a server may take; each is asked twice.
	patience, rounds = 2 * time.Second, 2
	// idle is how long a client's TCP connection may be silent (RFC 7766 section 6.2.3).
	idle = 10 * time.Second
	// asking and connections are how many questions over UDP, and connections over TCP, are served at once; more are dropped, and clients ask again.
	asking, connections = 512, 128
	// message is the longest that DNS has.
	message = 1 << 16
)

// Sockets open what the proxy needs.
type Sockets interface {
	ListenPacket(ctx context.Context, at netip.AddrPort) (net.PacketConn, error)
	Listen(ctx context.Context, at netip.AddrPort) (net.Listener, error)
	// Dial connects to a name server, over "udp" or "tcp".
	Dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error)
}

// Judge decides. It is asked by several goroutines.
type Judge interface {
	// Servers are those to ask for a client; none: it is refused.
	Servers(client netip.Addr, name string) []netip.AddrPort
	// Take learns from an answer before the client has it. An error keeps it from the client.
	Take(ctx context.Context, name string, a names.Answer) error
	// Most is the longest that a client may keep an answer.
	Most() time.Duration
}

// Proxy serves.
type Proxy struct {
	sockets Sockets
	judge   Judge
	log     *slog.Logger
	udp     chan struct{}
	tcp     chan struct{}

	mu   sync.Mutex
	open map[netip.AddrPort]*place
	done sync.WaitGroup
}

// place is an address at which questions come in.
type place struct {
	udp    net.PacketConn
	tcp    net.Listener
	cancel context.CancelFunc
}

func (p *place) close() error {
	p.cancel()
	return errors.Join(p.udp.Close(), p.tcp.Close())
}

// New makes a proxy that listens nowhere.
func New(s Sockets, j Judge, log *slog.Logger) *Proxy {
	return &Proxy{sockets: s, judge: j, log: log, udp: make(chan struct{}, asking), tcp: make(chan struct{}, connections), open: map[netip.AddrPort]*place{}}
}

// Hold has it listen at these addresses and no others. What cannot be opened is said, and the others are held.
func (p *Proxy) Hold(ctx context.Context, at []netip.AddrPort) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	wanted := map[netip.AddrPort]bool{}
	var problems []error
	for _, a := range at {
		wanted[a] = true
		if p.open[a] != nil {
			continue
		}
		if err := p.begin(ctx, a); err != nil {
			problems = append(problems, fmt.Errorf("answer DNS at %s: %w", a, err))
		}
	}
	for a, one := range p.open {
		if !wanted[a] {
			problems = append(problems, one.close())
			delete(p.open, a)
		}
	}
	return errors.Join(problems...)
}

// Close ends it; when it returns, nothing of it runs.
func (p *Proxy) Close() error {
	err := p.Hold(context.Background(), nil)
	p.done.Wait()
	return err
}

func (p *Proxy) begin(ctx context.Context, at netip.AddrPort) error {
	udp, err := p.sockets.ListenPacket(ctx, at)
	if err != nil {
		return err
	}
	tcp, err := p.sockets.Listen(ctx, at)
	if err != nil {
		return errors.Join(err, udp.Close())
	}
	serving, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p.open[at] = &place{udp, tcp, cancel}
	p.done.Go(func() { p.datagrams(serving, udp) })
	p.done.Go(func() { p.accept(serving, tcp) })
	return nil
}

// datagrams serves one socket until it is closed.
func (p *Proxy) datagrams(ctx context.Context, c net.PacketConn) {
	b := make([]byte, message)
	for ctx.Err() == nil {
		n, from, err := c.ReadFrom(b)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error about an earlier answer
		}
		select {
		case p.udp <- struct{}{}:
		default:
			continue
		}
		wire := append([]byte(nil), b[:n]...)
		p.done.Go(func() {
			defer func() { <-p.udp }()
			if answer := p.answer(ctx, from, wire, false); answer != nil {
				_, _ = c.WriteTo(answer, from) // who does not get it asks again
			}
		})
	}
}

// answer is what a client gets; nil is nothing.
func (p *Proxy) answer(ctx context.Context, from net.Addr, wire []byte, whole bool) []byte {
	client, err := netip.ParseAddrPort(from.String())
	if err != nil {
		return nil
	}
	q, err := names.ReadQuery(wire)
	if err != nil {
		return nil
	}
	servers := p.judge.Servers(client.Addr().Unmap().WithZone(""), q.Name)
	if len(servers) == 0 {
		return q.Refuse(false)
	}
	a, err := p.ask(ctx, servers, &q)
	if err == nil {
		err = p.judge.Take(ctx, q.Name, a)
	}
	size := 0
	if !whole {
		size = q.Size()
	}
	var answer []byte
	if err == nil {
		answer, err = q.Pass(a, size, p.judge.Most())
	}
	if err != nil {
		p.log.Debug("a name is not answered", "err", err)
		return q.Refuse(true)
	}
	return answer
}
