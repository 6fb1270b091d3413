package resolver

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ingotmetal/ingot/firewall/names"
)

// ask asks the servers in their order until one answers. One that cannot or will not is passed over; where all do so, the last such answer stands.
func (p *Proxy) ask(ctx context.Context, servers []netip.AddrPort, q *names.Query) (names.Answer, error) {
	var problems []error
	var poor *names.Answer
	for range rounds {
		for _, server := range servers {
			a, err := p.exchange(ctx, "udp", server, q)
			if err == nil && a.Truncated { // half an answer was not looked at, and reaches nobody
				a, err = p.exchange(ctx, "tcp", server, q)
			}
			switch {
			case err != nil:
				problems = append(problems, err)
			case a.Message.RCode == dnsmessage.RCodeServerFailure || a.Message.RCode == dnsmessage.RCodeRefused:
				poor = &a
			default:
				return a, nil
			}
			if ctx.Err() != nil {
				return names.Answer{}, ctx.Err()
			}
		}
		if poor != nil {
			return *poor, nil
		}
	}
	return names.Answer{}, errors.Join(problems...)
}

func (p *Proxy) exchange(ctx context.Context, network string, server netip.AddrPort, q *names.Query) (names.Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	fail := func(err error) (names.Answer, error) {
		return names.Answer{}, fmt.Errorf("ask the name server %s over %s for %s: %w", server, network, q.Name, err)
	}
	var random [2]byte
	_, _ = rand.Read(random[:]) // never fails
	id := binary.BigEndian.Uint16(random[:])
	wire, err := q.Ask(id)
	if err != nil {
		return fail(err)
	}
	c, err := p.sockets.Dial(ctx, network, server)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = c.Close() }()
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if network == "tcp" {
		if err := write(c, wire); err != nil {
			return fail(err)
		}
		got, err := read(c)
		if err != nil {
			return fail(err)
		}
		a, err := q.ReadAnswer(id, got)
		if err != nil {
			return fail(err)
		}
		return a, nil
	}
	if _, err := c.Write(wire); err != nil {
		return fail(err)
	}
	b := make([]byte, message)
	for {
		n, err := c.Read(b)
		if err != nil {
			return fail(err)
		}
		// What is no answer to this question is a guess of somebody's: the true one may still come.
		if a, err := q.ReadAnswer(id, b[:n]); err == nil {
			return a, nil
		}
	}
}

// accept serves connections until the listener is closed.
func (p *Proxy) accept(ctx context.Context, l net.Listener) {
	for ctx.Err() == nil {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			select { // too many open files
			case <-ctx.Done():
				return
			case <-time.After(100 * time.Millisecond):
				continue
			}
		}
		select {
		case p.tcp <- struct{}{}:
		default:
			_ = c.Close()
			continue
		}
		p.done.Go(func() {
			defer func() { <-p.tcp }()
			defer func() { _ = c.Close() }()
			defer context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })()
			p.connection(ctx, c)
		})
	}
}

// connection answers one client's questions, one after another.
func (p *Proxy) connection(ctx context.Context, c net.Conn) {
	for ctx.Err() == nil {
		if err := c.SetDeadline(time.Now().Add(idle)); err != nil {
			return
		}
		wire, err := read(c)
		if err != nil {
			return
		}
		answer := p.answer(ctx, c.RemoteAddr(), wire, true)
		if answer == nil || c.SetDeadline(time.Now().Add(idle)) != nil || write(c, answer) != nil {
			return
		}
	}
}

// read and write have the length before the message (RFC 1035 section 4.2.2).
func read(r io.Reader) ([]byte, error) {
	var length [2]byte
	if _, err := io.ReadFull(r, length[:]); err != nil {
		return nil, err
	}
	wire := make([]byte, binary.BigEndian.Uint16(length[:]))
	_, err := io.ReadFull(r, wire)
	return wire, err
}

func write(w io.Writer, wire []byte) error {
	if len(wire) >= message {
		return fmt.Errorf("the message has %d bytes, and DNS has at most %d", len(wire), message-1)
	}
	_, err := w.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...))
	return err
}
