// Package relay carries WireGuard between members of the mesh that do not reach each other (Tailscale's DERP), and tells members the address that they are seen by (STUN, RFC 8489).
//
// It owns a process of its own, so that what is relayed lives on while the coordinator is away, and who may use it: the coordinator's word, remembered on disk for the time when it can't be asked. It
// refuses to read what it carries, and members that the coordinator never vouched for.
//
// Invariants: without the coordinator nobody new is let in; whom the coordinator denies is forgotten.
package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"tailscale.com/derp/derpserver"
	"tailscale.com/net/stun"
	"tailscale.com/types/key"
)

// Options are what the relay needs.
type Options struct {
	// Dir keeps the relay's key and whom it let in.
	Dir string
	// Listener is TLS already; Packets answers STUN.
	Listener net.Listener
	Packets  net.PacketConn
	// Ask is the coordinator's word on a node key.
	Ask func(ctx context.Context, nodeKey string) (bool, error)
	Log *slog.Logger
}

// headerTimeout bounds how long a client may take to say what it wants.
const headerTimeout = 10 * time.Second

// Run serves until ctx ends.
func Run(ctx context.Context, o Options) error {
	private, err := identity(filepath.Join(o.Dir, "relay.key"))
	if err != nil {
		return err
	}
	book, err := openBook(filepath.Join(o.Dir, "admitted.json"), o.Ask, o.Log)
	if err != nil {
		return err
	}
	if err := book.register(); err != nil {
		return err
	}
	s := derpserver.New(private, func(format string, args ...any) { o.Log.Debug("relay", "message", fmt.Sprintf(format, args...)) })
	defer func() { _ = s.Close() }()
	s.SetVerifyClientURL(admissionURL)
	mux := http.NewServeMux()
	mux.Handle("/derp", derpserver.Handler(s))
	mux.HandleFunc("/derp/probe", derpserver.ProbeHandler)
	mux.HandleFunc("/derp/latency-check", derpserver.ProbeHandler)
	server := &http.Server{Handler: mux, ReadHeaderTimeout: headerTimeout, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug)}
	ended := make(chan error, 2)
	go func() { ended <- server.Serve(o.Listener) }()
	go func() { ended <- answer(o.Packets) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
	}
	// Connections of members are hijacked: they end with the relay's server.
	return errors.Join(ignoreClosed(err), ignoreClosed(server.Close()), ignoreClosed(o.Packets.Close()))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) || errors.Is(err, net.ErrClosed) {
		return nil
	}
	return err
}

// identity reads the relay's key, or makes it.
func identity(file string) (key.NodePrivate, error) {
	var k key.NodePrivate
	text, err := os.ReadFile(file)
	if err == nil {
		if err := k.UnmarshalText(text); err != nil {
			return k, fmt.Errorf("read the relay's key %s: %w", file, err)
		}
		return k, nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return k, fmt.Errorf("read the relay's key: %w", err)
	}
	k = key.NewNode()
	text, err = k.MarshalText()
	if err != nil {
		return k, fmt.Errorf("write the relay's key: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return k, fmt.Errorf("make the relay's folder: %w", err)
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		return k, fmt.Errorf("write the relay's key: %w", err)
	}
	return k, nil
}

// answer tells who asks by STUN which address they are seen by, until the socket is closed.
func answer(c net.PacketConn) error {
	buffer := make([]byte, 1500)
	for {
		n, from, err := c.ReadFrom(buffer)
		if err != nil {
			return err
		}
		udp, ok := from.(*net.UDPAddr)
		if !ok || !stun.Is(buffer[:n]) {
			continue
		}
		id, err := stun.ParseBindingRequest(buffer[:n])
		if err != nil {
			continue
		}
		seen := udp.AddrPort()
		// An answer that can't be sent is asked for again.
		_, _ = c.WriteTo(stun.Response(id, netip.AddrPortFrom(seen.Addr().Unmap(), seen.Port())), from)
	}
}
