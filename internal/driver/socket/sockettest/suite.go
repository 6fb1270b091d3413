// Package sockettest is the suite that every socket.Network passes, so that code tested on one network works on the other.
//
// It owns what the contract promises of TCP, UDP, broadcasts and router solicitations. It refuses flows: those are Bound's. A network with links of its own is
// given two hosts on one link; the kernel, which has only its loopback in a test, is one host that talks to itself.
package sockettest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket"
)

// Host is one host's network and its address on the link that it shares with the other one.
type Host struct {
	Network socket.Network
	Addr    netip.Addr
	// Link is the interface's name, empty where there is only one.
	Link string
}

// Pair is what the suite runs on.
type Pair struct{ Server, Client Host }

// Carries says what kind of link the pair has.
type Carries bool

// The kinds of links.
const (
	// Loopback carries neither broadcasts nor neighbour discovery: these tests are not part of the suite then.
	Loopback Carries = false
	// AnyLink carries all that an Ethernet does.
	AnyLink Carries = true
)

// patience bounds every wait; it is never waited for when things go well.
const patience = 20 * time.Second

// Run runs the suite. NewPair makes a fresh pair for each test.
func Run(t *testing.T, carries Carries, newPair func(t *testing.T) Pair) {
	t.Helper()
	type test struct {
		name string
		run  func(t *testing.T, p Pair)
	}
	tests := []test{
		{"stream both ways and end", streamBothWays},
		{"dial a closed port fails", dialClosedPort},
		{"closing a listener ends Accept", closeEndsAccept},
		{"dial ends with its context", dialEndsWithContext},
		{"datagrams both ways", datagrams},
		{"a connected datagram socket", connectedDatagrams},
		{"a read deadline ends ReadFrom", readDeadline},
		{"closing ends ReadFrom", closeEndsReadFrom},
		{"two listeners cannot have one port", portTaken},
	}
	if carries == AnyLink {
		tests = append(tests,
			test{"broadcast reaches the other host", broadcast},
			test{"solicitation and advertisement", solicitation})
	}
	for _, tc := range tests {
		t.Run(tc.name, func(t *testing.T) { tc.run(t, newPair(t)) })
	}
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func listen(t *testing.T, h Host) net.Listener {
	t.Helper()
	l, err := h.Network.Listen(within(t), netip.AddrPortFrom(h.Addr, 0))
	if err != nil {
		t.Fatalf("Listen: %v", err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func listenPacket(t *testing.T, h Host, at netip.AddrPort, o socket.PacketOptions) net.PacketConn {
	t.Helper()
	c, err := h.Network.ListenPacket(within(t), at, o)
	if err != nil {
		t.Fatalf("ListenPacket %s: %v", at, err)
	}
	if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("SetReadDeadline: %v", err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func streamBothWays(t *testing.T, p Pair) {
	l := listen(t, p.Server)
	sent := bytes.Repeat([]byte("ingot "), 200_000)
	served := make(chan error, 1)
	go func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.Copy(c, c)
			err = errors.Join(err, c.Close())
		}
		served <- err
	}()
	c, err := p.Client.Network.Dial(within(t), "tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer func() { _ = c.Close() }()
	written := make(chan error, 1)
	go func() {
		_, err := c.Write(sent)
		written <- errors.Join(err, c.(interface{ CloseWrite() error }).CloseWrite())
	}()
	got, err := io.ReadAll(c)
	if err != nil || !bytes.Equal(got, sent) {
		t.Fatalf("echo: %d bytes, %v; want %d bytes", len(got), err, len(sent))
	}
	if err := errors.Join(<-written, <-served); err != nil {
		t.Fatalf("write, serve: %v", err)
	}
}

func dialClosedPort(t *testing.T, p Pair) {
	l := listen(t, p.Server)
	addr := l.Addr().String()
	_ = l.Close()
	if c, err := p.Client.Network.Dial(within(t), "tcp", addr); err == nil {
		_ = c.Close()
		t.Fatal("a connection to a closed port was made")
	}
}

func closeEndsAccept(t *testing.T, p Pair) {
	l := listen(t, p.Server)
	ended := make(chan error, 1)
	go func() { _, err := l.Accept(); ended <- err }()
	_ = l.Close()
	if err := <-ended; !errors.Is(err, net.ErrClosed) {
		t.Fatalf("Accept after Close: %v, want net.ErrClosed", err)
	}
}

func dialEndsWithContext(t *testing.T, p Pair) {
	l := listen(t, p.Server)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if c, err := p.Client.Network.Dial(ctx, "tcp", l.Addr().String()); err == nil {
		_ = c.Close()
		t.Fatal("Dial with an ended context made a connection")
	}
}

func datagrams(t *testing.T, p Pair) {
	server := listenPacket(t, p.Server, netip.AddrPortFrom(p.Server.Addr, 0), socket.PacketOptions{})
	client := listenPacket(t, p.Client, netip.AddrPortFrom(p.Client.Addr, 0), socket.PacketOptions{})
	exchange(t, client, server, server.LocalAddr())
}

// exchange sends from one to the other and answers to where it came from.
func exchange(t *testing.T, from, to net.PacketConn, dst net.Addr) {
	t.Helper()
	if _, err := from.WriteTo([]byte("question"), dst); err != nil {
		t.Fatalf("WriteTo %s: %v", dst, err)
	}
	buf := make([]byte, 64)
	n, back, err := to.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "question" {
		t.Fatalf("ReadFrom: %q, %v", buf[:n], err)
	}
	if _, ok := back.(*net.UDPAddr); !ok {
		t.Fatalf("ReadFrom reports a %T, want *net.UDPAddr", back)
	}
	if _, err := to.WriteTo([]byte("answer"), back); err != nil {
		t.Fatalf("WriteTo %s: %v", back, err)
	}
	n, _, err = from.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "answer" {
		t.Fatalf("ReadFrom: %q, %v", buf[:n], err)
	}
}

func connectedDatagrams(t *testing.T, p Pair) {
	server := listenPacket(t, p.Server, netip.AddrPortFrom(p.Server.Addr, 0), socket.PacketOptions{})
	c, err := p.Client.Network.Dial(within(t), "udp", server.LocalAddr().String())
	if err != nil {
		t.Fatalf("Dial: %v", err)
	}
	defer func() { _ = c.Close() }()
	if _, err := c.Write([]byte("hello")); err != nil {
		t.Fatalf("Write: %v", err)
	}
	buf := make([]byte, 64)
	n, _, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "hello" {
		t.Fatalf("ReadFrom: %q, %v", buf[:n], err)
	}
}

func readDeadline(t *testing.T, p Pair) {
	c := listenPacket(t, p.Server, netip.AddrPortFrom(p.Server.Addr, 0), socket.PacketOptions{})
	if err := c.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatalf("SetReadDeadline: %v", err)
	}
	_, _, err := c.ReadFrom(make([]byte, 1))
	var timeout net.Error
	if !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Fatalf("ReadFrom after its deadline: %v, want a timeout", err)
	}
}

func closeEndsReadFrom(t *testing.T, p Pair) {
	c := listenPacket(t, p.Server, netip.AddrPortFrom(p.Server.Addr, 0), socket.PacketOptions{})
	ended := make(chan error, 1)
	go func() { _, _, err := c.ReadFrom(make([]byte, 1)); ended <- err }()
	_ = c.Close()
	if err := <-ended; err == nil {
		t.Fatal("ReadFrom went on after Close")
	}
}

func portTaken(t *testing.T, p Pair) {
	l := listen(t, p.Server)
	at := netip.MustParseAddrPort(l.Addr().String())
	if second, err := p.Server.Network.Listen(within(t), at); err == nil {
		_ = second.Close()
		t.Fatalf("a second listener on tcp %s", at)
	}
}
