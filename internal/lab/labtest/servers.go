package labtest

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/server/bootfile"
	"github.com/ingotmetal/ingot/internal/server/dhcp"
	"github.com/ingotmetal/ingot/internal/server/router"
	"github.com/ingotmetal/ingot/internal/server/tftp"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

// servers are the boot role's, without the role.
type servers struct {
	t         *testing.T
	boot      *netstack.Network
	windows   *window.Index
	log       *slog.Logger
	artifacts *bootmedia.Artifacts
}

func (s servers) start() {
	s.t.Helper()
	s.dhcp()
	s.files()
	s.router()
	if s.artifacts != nil {
		s.tftp()
	}
}

// run serves until the test ends.
func (s servers) run(what string, serve func(ctx context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan struct{})
	go func() {
		defer close(served)
		if err := serve(ctx); err != nil {
			s.log.Error("boot server ended", "flow", what, "err", err)
		}
	}()
	s.t.Cleanup(func() {
		cancel()
		<-served
	})
}

func uncounted(string) {}

func (s servers) packets(port uint16) net.PacketConn {
	s.t.Helper()
	conn, err := s.boot.ListenPacket(s.t.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), port), socket.PacketOptions{Broadcast: true})
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func (s servers) dhcp() {
	s.t.Helper()
	server := &dhcp.Server{Windows: s.windows, Now: time.Now, Log: s.log, Count: uncounted}
	conn := s.packets(dhcp.ServerPort)
	s.run("DHCP", func(ctx context.Context) error { return server.Serve(ctx, conn, false) })
}

func (s servers) tftp() {
	s.t.Helper()
	server := &tftp.Server{
		Windows: s.windows, Files: map[string]tftp.File{}, Now: time.Now, Log: s.log, Count: uncounted,
		Listen: func(ctx context.Context) (net.PacketConn, error) {
			return s.boot.ListenPacket(ctx, netip.AddrPortFrom(BootAddress.Addr(), 0), socket.PacketOptions{})
		},
	}
	for _, name := range netboot.Files(netboot.TFTP) {
		content, ok := s.artifacts.File(name)
		if !ok {
			s.t.Fatalf("the artifacts have no %s", name)
		}
		server.Files[name] = tftp.File{ReaderAt: content, Size: content.Size()}
	}
	conn := s.packets(tftp.Port)
	s.run("TFTP", func(ctx context.Context) error { return server.Serve(ctx, conn) })
}

func (s servers) router() {
	s.t.Helper()
	conn, err := s.boot.ListenRouter(s.t.Context(), "")
	if err != nil {
		s.t.Fatal(err)
	}
	server := &router.Server{Windows: s.windows, Now: time.Now, Log: s.log, Count: uncounted}
	s.run("router", func(ctx context.Context) error { return server.Serve(ctx, conn) })
}

func (s servers) files() {
	s.t.Helper()
	l, err := s.boot.Listen(s.t.Context(), netip.AddrPortFrom(BootAddress.Addr(), 80))
	if err != nil {
		s.t.Fatal(err)
	}
	file := func(name string) (*io.SectionReader, bool) {
		if s.artifacts == nil {
			return nil, false
		}
		return s.artifacts.File(name)
	}
	web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: &bootfile.Handler{
		Windows: s.windows, File: file, CommandLine: netboot.DefaultCommandLine(), Now: time.Now, Log: s.log, Count: uncounted,
	}}
	s.run("HTTP", func(ctx context.Context) error {
		stop := context.AfterFunc(ctx, func() { _ = web.Close() })
		defer stop()
		_ = web.Serve(l)
		return nil
	})
}
