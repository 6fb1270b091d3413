package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/server/bootfile"
	"github.com/ingotmetal/ingot/internal/server/dhcp"
	"github.com/ingotmetal/ingot/internal/server/tftp"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
)

// The boot that the TFTP and HTTP clients fetch the files of, and where.
const (
	bootID   = "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b"
	httpPort = 8080
)

// firstMAC is perfdhcp's first client; the others follow it.
const firstMAC uint64 = 0x02_0a_00_00_00_00

func macOf(i int) netboot.MAC {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], firstMAC+uint64(i))
	return netboot.MAC(b[2:])
}

// addressOf is the one reserved for a machine: 10.16.0.0 and up.
func addressOf(i int) netip.Addr {
	var b [4]byte
	binary.BigEndian.PutUint32(b[:], 10<<24+16<<16+uint32(i))
	return netip.AddrFrom4(b)
}

// server is the boot role's servers for a number of machines whose windows are open, one each, and one window for files.
func server(ctx context.Context, dir string, known int) error {
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	index := window.New()
	index.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: serverAddress, HTTPPort: httpPort, Gateway: serverAddress})
	opens, closes := time.Now().Add(-time.Minute), time.Now().Add(time.Hour)
	for i := range known {
		err := index.Put(window.Entry{Window: netboot.Window{BootID: fmt.Sprintf("boot-%d", i), Boots: netboot.BootsAgent, MACs: []netboot.MAC{macOf(i)}, OpensAt: opens, ClosesAt: closes,
			Leases: []netboot.Lease{{MAC: macOf(i), Address: netip.PrefixFrom(addressOf(i), networkBits)}}}})
		if err != nil {
			return err
		}
	}
	if err := index.Put(window.Entry{Window: netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, OpensAt: opens, ClosesAt: closes,
		Leases: []netboot.Lease{{Address: netip.PrefixFrom(clientAddress, networkBits)}}}}); err != nil {
		return err
	}
	b := socket.Bind(matrix.Boot, matrix.Builtin(), kernel.Network{})
	group, ctx := errgroup.WithContext(ctx)
	for _, start := range []func(context.Context, *errgroup.Group, *socket.Bound, string, *window.Index, *slog.Logger) error{serveDHCP, serveTFTP, serveHTTP} {
		if err := start(ctx, group, b, dir, index, log); err != nil {
			return err
		}
	}
	return group.Wait()
}

func nothing(string) {}

func serveDHCP(ctx context.Context, group *errgroup.Group, b *socket.Bound, _ string, index *window.Index, log *slog.Logger) error {
	conn, err := b.ListenPacket(ctx, matrix.MachineToBootDHCP, netip.AddrPortFrom(netip.IPv4Unspecified(), dhcp.ServerPort), socket.PacketOptions{Interface: link, Broadcast: true, ReceiveBytes: dhcp.ReceiveBytes})
	if err != nil {
		return err
	}
	s := &dhcp.Server{Windows: index, Now: time.Now, Log: log, Count: nothing}
	group.Go(func() error { return s.Serve(ctx, conn, false) })
	return nil
}

func serveTFTP(ctx context.Context, group *errgroup.Group, b *socket.Bound, dir string, index *window.Index, log *slog.Logger) error {
	on := socket.PacketOptions{Interface: link}
	conn, err := b.ListenPacket(ctx, matrix.MachineToBootTFTP, netip.AddrPortFrom(netip.IPv4Unspecified(), tftp.Port), on)
	if err != nil {
		return err
	}
	file, size, err := open(dir, tftpFile)
	if err != nil {
		return err
	}
	loaded, err := tftp.Load(file, size)
	if err != nil {
		return err
	}
	s := &tftp.Server{Windows: index, Files: map[string]tftp.File{netboot.FileSNPOnly: loaded}, Now: time.Now, Log: log, Count: nothing,
		Listen: func(ctx context.Context) (net.PacketConn, error) {
			return b.OpenPacket(ctx, matrix.BootToMachineTFTP, netip.IPv4Unspecified(), on)
		}}
	group.Go(func() error { return s.Serve(ctx, conn) })
	return nil
}

func serveHTTP(ctx context.Context, group *errgroup.Group, b *socket.Bound, dir string, index *window.Index, log *slog.Logger) error {
	l, err := b.Listen(ctx, matrix.MachineToBootHTTP, netip.AddrPortFrom(netip.IPv4Unspecified(), httpPort))
	if err != nil {
		return err
	}
	files := map[string]*os.File{}
	sizes := map[string]int64{}
	for name, path := range map[string]string{netboot.FileKernel: httpSmall, netboot.FileRamdisk: httpLarge} {
		if files[name], sizes[name], err = open(dir, path); err != nil {
			return err
		}
	}
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &bootfile.Handler{Windows: index, Now: time.Now, Log: log, Count: nothing,
		File: func(name string) (*io.SectionReader, bool) {
			f, ok := files[name]
			return io.NewSectionReader(f, 0, sizes[name]), ok
		}}}
	group.Go(func() error { return s.Serve(l) })
	group.Go(func() error { <-ctx.Done(); return s.Close() })
	return nil
}

func open(dir, name string) (*os.File, int64, error) {
	f, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), nil
}
