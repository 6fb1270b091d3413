package member

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
)

// Forward is a port of the member's mesh address, and where what comes there goes: a loopback address or a Unix socket of the same host, so that the server behind it listens nowhere else.
type Forward struct {
	Port uint16
	// Network is "tcp" or "unix".
	Network, Target string
}

// ParseForward reads "22=127.0.0.1:22" and "8445=unix:/run/console.sock".
func ParseForward(text string) (Forward, error) {
	left, right, ok := strings.Cut(text, "=")
	port, err := strconv.ParseUint(left, 10, 16)
	if !ok || err != nil || port == 0 {
		return Forward{}, fmt.Errorf("--forward %q: PORT=ADDRESS:PORT or PORT=unix:PATH is needed", text)
	}
	if path, ok := strings.CutPrefix(right, "unix:"); ok {
		if !strings.HasPrefix(path, "/") {
			return Forward{}, fmt.Errorf("--forward %q: the path of a Unix socket begins with /", text)
		}
		return Forward{uint16(port), "unix", path}, nil
	}
	to, err := netip.ParseAddrPort(right)
	if err != nil || !to.Addr().IsLoopback() || to.Port() == 0 {
		return Forward{}, fmt.Errorf("--forward %q: only this host's loopback addresses are forwarded to, like 127.0.0.1:22", text)
	}
	return Forward{uint16(port), "tcp", to.String()}, nil
}

// dialTimeout bounds the way to a server of the same host.
const dialTimeout = 10 * time.Second

// Serve forwards until ctx ends, or the member is expelled, which is the error ErrExpelled.
func (m *Member) Serve(ctx context.Context, forwards []Forward) error {
	ctx, stop := m.Staying(ctx)
	defer stop()
	ended := make(chan error, len(forwards))
	var listeners []net.Listener
	defer func() {
		for _, l := range listeners {
			_ = l.Close()
		}
	}()
	for _, f := range forwards {
		l, err := m.server.Listen("tcp", ":"+strconv.Itoa(int(f.Port)))
		if err != nil {
			return fmt.Errorf("listen at port %d of the mesh: %w", f.Port, err)
		}
		listeners = append(listeners, l)
		go func() { ended <- m.accept(ctx, l, f) }()
	}
	select {
	case <-ctx.Done():
		return Expulsion(ctx)
	case err := <-ended:
		return err
	}
}

func (m *Member) accept(ctx context.Context, l net.Listener, f Forward) error {
	for {
		c, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept at port %d of the mesh: %w", f.Port, err)
		}
		go func() {
			defer c.Close()
			dialing, cancel := context.WithTimeout(ctx, dialTimeout)
			defer cancel()
			to, err := kernel.Network{}.Dial(dialing, f.Network, f.Target)
			if err != nil {
				m.log.Warn("what came through the mesh could not be forwarded", "port", f.Port, "to", f.Target, "err", err)
				return
			}
			defer to.Close()
			Splice(ctx, c, to)
		}()
	}
}

// closeWriter is a connection that can be half closed.
type closeWriter interface{ CloseWrite() error }

// Splice copies between two connections until both sides have said all, or ctx ends.
func Splice(ctx context.Context, a, b io.ReadWriteCloser) {
	stop := context.AfterFunc(ctx, func() {
		a.Close()
		b.Close()
	})
	defer stop()
	done := make(chan struct{}, 2)
	one := func(to, from io.ReadWriteCloser) {
		_, err := io.Copy(to, from)
		w, ok := to.(closeWriter)
		if err != nil || !ok || w.CloseWrite() != nil {
			a.Close()
			b.Close()
		}
		done <- struct{}{}
	}
	go one(a, b)
	go one(b, a)
	<-done
	<-done
}
