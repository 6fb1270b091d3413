package datagram_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"

	"github.com/ingotmetal/ingot/internal/server/datagram"
)

// hidden has a socket's addresses go through net.Addr, as a user-space network's do.
type hidden struct{ net.PacketConn }

func TestServe(t *testing.T) {
	for name, wrap := range map[string]func(net.PacketConn) net.PacketConn{"kernel": func(c net.PacketConn) net.PacketConn { return c }, "user space": func(c net.PacketConn) net.PacketConn { return hidden{c} }} {
		t.Run(name, func(t *testing.T) {
			conn, peer := listen(t), listen(t)
			loop := datagram.Loop{Protocol: "test", MaxBytes: 64, Log: slog.New(slog.DiscardHandler), Handle: func(p []byte, from netip.AddrPort) ([]byte, netip.AddrPort) {
				if string(p) == "hush" {
					return nil, from
				}
				return append([]byte("re: "), p...), from
			}}
			ctx, cancel := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- loop.Serve(ctx, wrap(conn)) }()
			for _, say := range []string{"hush", "hello"} {
				if _, err := peer.WriteTo([]byte(say), conn.LocalAddr()); err != nil {
					t.Fatal(err)
				}
			}
			buf := make([]byte, 64)
			n, _, err := peer.ReadFrom(buf)
			if err != nil || string(buf[:n]) != "re: hello" {
				t.Errorf("%q, %v", buf[:n], err)
			}
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		})
	}
}

// A socket that somebody else closed is an error: the server would be deaf.
func TestClosedByOthers(t *testing.T) {
	conn := listen(t)
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	err := datagram.Loop{Protocol: "test", MaxBytes: 64, Log: slog.New(slog.DiscardHandler)}.Serve(t.Context(), conn)
	if !errors.Is(err, net.ErrClosed) {
		t.Errorf("%v", err)
	}
}

func listen(t *testing.T) net.PacketConn {
	t.Helper()
	c, err := new(net.ListenConfig).ListenPacket(t.Context(), "udp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}
