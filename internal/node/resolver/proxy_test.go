package resolver_test

import (
	"context"
	"encoding/binary"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"golang.org/x/net/dns/dnsmessage"

	"github.com/ingotmetal/ingot/firewall/names"
	"github.com/ingotmetal/ingot/internal/node/resolver"
)

// loopback are the test's own sockets; at is where the proxy came to listen over TCP.
type loopback struct{ at chan netip.AddrPort }

func (loopback) ListenPacket(ctx context.Context, at netip.AddrPort) (net.PacketConn, error) {
	return (&net.ListenConfig{}).ListenPacket(ctx, "udp", at.String())
}

func (l loopback) Listen(ctx context.Context, at netip.AddrPort) (net.Listener, error) {
	c, err := (&net.ListenConfig{}).Listen(ctx, "tcp", at.String())
	if err == nil {
		l.at <- netip.MustParseAddrPort(c.Addr().String())
	}
	return c, err
}

func (loopback) Dial(ctx context.Context, network string, server netip.AddrPort) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, network, server.String())
}

// judge lets everything pass that it is shown, and says what it was shown.
type judge struct {
	server netip.AddrPort
	taken  chan names.Answer
}

func (j judge) Servers(netip.Addr, string) []netip.AddrPort { return []netip.AddrPort{j.server} }
func (j judge) Most() time.Duration                         { return time.Hour }
func (j judge) Take(_ context.Context, _ string, a names.Answer) error {
	j.taken <- a
	return nil
}

// A name server that cuts its answer and then is silent over TCP has shown addresses that nobody looked at: they reach no client, over TCP neither.
func TestHalfAnAnswerReachesNobody(t *testing.T) {
	server, err := (&net.ListenConfig{}).ListenPacket(t.Context(), "udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	name := dnsmessage.MustNewName("api.example.org.")
	go cut(server, name)

	sockets := loopback{make(chan netip.AddrPort, 1)}
	j := judge{netip.MustParseAddrPort(server.LocalAddr().String()), make(chan names.Answer, 16)}
	p := resolver.New(sockets, j, slog.New(slog.DiscardHandler))
	if err := p.Hold(t.Context(), []netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	got := askTCP(t, <-sockets.at, name)
	if got.RCode != dnsmessage.RCodeServerFailure || len(got.Answers) > 0 {
		t.Errorf("the client got %s with %v, want a failure of the server without records", got.RCode, got.Answers)
	}
	select {
	case a := <-j.taken:
		t.Errorf("the judge was shown half an answer: %v", a)
	default:
	}
}

// cut answers each question with a private address and the sign that there is more, which nothing listens for over TCP.
func cut(c net.PacketConn, name dnsmessage.Name) {
	b := make([]byte, 1<<16)
	for {
		n, from, err := c.ReadFrom(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if m.Unpack(b[:n]) != nil {
			continue
		}
		m.Response, m.Truncated, m.Additionals = true, true, nil
		m.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   &dnsmessage.AResource{A: [4]byte{10, 77, 1, 1}},
		}}
		if wire, err := m.Pack(); err == nil {
			_, _ = c.WriteTo(wire, from)
		}
	}
}

func askTCP(t *testing.T, at netip.AddrPort, name dnsmessage.Name) dnsmessage.Message {
	t.Helper()
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7, RecursionDesired: true}, Questions: []dnsmessage.Question{{Name: name, Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	wire, err := q.Pack()
	if err != nil {
		t.Fatal(err)
	}
	c, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", at.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(wire))), wire...)); err != nil {
		t.Fatal(err)
	}
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, answer); err != nil {
		t.Fatal(err)
	}
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		t.Fatal(err)
	}
	return m
}
