package boot

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/role/identity"
	"github.com/ingotmetal/ingot/internal/server/bootfile"
	"github.com/ingotmetal/ingot/internal/server/dhcp"
	"github.com/ingotmetal/ingot/internal/server/dhcp6"
	"github.com/ingotmetal/ingot/internal/server/media"
	"github.com/ingotmetal/ingot/internal/server/router"
	"github.com/ingotmetal/ingot/internal/server/tftp"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/netboot"
)

// Bounds of the HTTP servers. A BMC holds a medium's connection for as long as its machine boots, and a slow one needs half an hour for the whole ISO.
const (
	maxMediaConnections = 2048
	maxBootConnections  = 512
	headerTimeout       = 10 * time.Second
	idleTimeout         = 30 * time.Second
	writeTimeout        = 30 * time.Minute
	maxHeaderBytes      = 8 << 10
)

// serverMedia is the media's name in counters and traces.
const serverMedia = "media"

func bounded(l net.Listener, connections int) net.Listener {
	return netutil.LimitListener(l, connections)
}

func (p *process) httpServer(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, IdleTimeout: idleTimeout, WriteTimeout: writeTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

func (p *process) serveMedia(ctx context.Context, flow matrix.FlowName, l net.Listener) error {
	p.log.Info("media served", "address", l.Addr().String(), "flow", flow)
	s := p.httpServer(&media.Handler{
		Windows: p.index, Patched: p.artifacts.PatchedISO, ISODigest: p.artifacts.Files[bootmedia.ISO].SHA256,
		Flow: flow, Now: time.Now, Log: p.log, Count: p.count(serverMedia), Trace: p.trace,
	})
	return identity.Serve(ctx, s, func(s *http.Server) error { return s.Serve(l) })
}

// networkRetry is the wait after a provisioning network that could not be served, for example since its interface is not there yet.
const networkRetry = 5 * time.Second

// serveNetwork runs the provisioning network's servers while the Partition asks for them, in its mode.
func (p *process) serveNetwork(ctx context.Context) error {
	for ctx.Err() == nil {
		err := p.serveUntilModeChanges(ctx, modeOf(p.index.Settings()))
		if err == nil {
			p.networkError.Store(nil)
			continue
		}
		reason := fmt.Sprintf("the provisioning network is not served: %v", err)
		p.networkError.Store(&reason)
		p.log.Error("provisioning network not served", "partition", p.o.Partition, "err", err)
		select {
		case <-time.After(networkRetry):
		case <-ctx.Done():
		}
	}
	return nil
}

// served is what of the settings needs other sockets where it changes.
type served struct {
	mode netboot.Mode
	ipv6 bool
}

func modeOf(s netboot.Settings) served { return served{s.Mode, s.Mode != netboot.Off && s.IPv6()} }

// serveUntilModeChanges runs the servers of a mode, and ends them before it returns: the next ones want the same ports. Nil when another mode is asked for or ctx ends.
func (p *process) serveUntilModeChanges(ctx context.Context, mode served) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- p.serveMode(ctx, mode) }()
	for {
		select {
		case err := <-ended:
			return err
		case <-p.feed.changed:
			if now := modeOf(p.index.Settings()); now != mode {
				p.log.Info("DHCP mode changed", "partition", p.o.Partition, "mode", string(now.mode), "ipv6", now.ipv6)
				cancel()
			}
		}
	}
}

// serveMode runs the servers of one mode until ctx ends or one of them fails. All sockets are opened before any is served.
func (p *process) serveMode(ctx context.Context, mode served) error {
	if mode.mode == netboot.Off {
		<-ctx.Done()
		return nil
	}
	s, err := p.openNetwork(ctx, mode)
	if err != nil {
		return err
	}
	p.networkError.Store(nil)
	group, ctx := errgroup.WithContext(ctx)
	for _, serve := range s.serve {
		group.Go(func() error { return serve(ctx) })
	}
	p.log.Info("provisioning network served", "partition", p.o.Partition, "mode", string(mode.mode), "ipv6", mode.ipv6)
	return group.Wait()
}

// opened are sockets with what serves them.
type opened struct {
	ipv6 bool
	// tell advertises the subnet to one machine; nil before openRouter.
	tell  func(netip.Addr)
	close []io.Closer
	serve []func(ctx context.Context) error
}

func (s *opened) add(c io.Closer, serve func(ctx context.Context) error) {
	s.close, s.serve = append(s.close, c), append(s.serve, serve)
}

func (p *process) openNetwork(ctx context.Context, mode served) (*opened, error) {
	s := &opened{ipv6: mode.ipv6}
	open := []func(context.Context, *opened) error{p.openTFTP, p.openHTTP, p.openRouter}
	if mode.mode == netboot.Proxy {
		open = append(open, p.openDHCP(matrix.MachineToBootPXE, dhcp.PXEPort))
	}
	// DHCP is last, since it sends machines to the others.
	if mode.ipv6 {
		open = append(open, p.openDHCPv6)
	} else {
		open = append(open, p.openDHCP(matrix.MachineToBootDHCP, dhcp.ServerPort))
	}
	for _, f := range open {
		if err := f(ctx, s); err != nil {
			errs := []error{err}
			for _, c := range s.close {
				errs = append(errs, c.Close())
			}
			return nil, errors.Join(errs...)
		}
	}
	return s, nil
}

// any is where machines reach a port: broadcasts do not come to a socket that is bound to one address.
func (s *opened) any(port uint16) netip.AddrPort {
	if s.ipv6 {
		return netip.AddrPortFrom(netip.IPv6Unspecified(), port)
	}
	return netip.AddrPortFrom(netip.IPv4Unspecified(), port)
}

// errNoLink: a group is heard on a link, and all that DHCPv6 and neighbour discovery say is said on one.
var errNoLink = errors.New("an IPv6 provisioning network needs its interface's name: --provisioning-network=kernel:<interface>")

func (p *process) openDHCPv6(ctx context.Context, s *opened) error {
	if p.o.ProvisioningNetwork == "kernel" {
		return errNoLink
	}
	conn, err := p.provisioning.ListenPacket(ctx, matrix.MachineToBootDHCPv6, s.any(dhcp6.ServerPort), socket.PacketOptions{Interface: p.o.Link(), Group: dhcp6.Group(), ReceiveBytes: dhcp6.ReceiveBytes})
	if err != nil {
		return err
	}
	server := &dhcp6.Server{Windows: p.index, Now: time.Now, Log: p.log, Count: p.count("dhcpv6"), Trace: p.trace, Unknown: p.unknown.hear, Answered: s.tell}
	s.add(conn, func(ctx context.Context) error { return server.Serve(ctx, conn) })
	return nil
}

func (p *process) openDHCP(flow matrix.FlowName, port uint16) func(context.Context, *opened) error {
	return func(ctx context.Context, s *opened) error {
		conn, err := p.provisioning.ListenPacket(ctx, flow, s.any(port), socket.PacketOptions{Interface: p.o.Link(), Broadcast: true, ReceiveBytes: dhcp.ReceiveBytes})
		if err != nil {
			return err
		}
		server := &dhcp.Server{Windows: p.index, Now: time.Now, Log: p.log, Count: p.count("dhcp"), Trace: p.trace, Unknown: p.unknown.hear}
		s.add(conn, func(ctx context.Context) error { return server.Serve(ctx, conn, flow == matrix.MachineToBootPXE) })
		return nil
	}
}

func (p *process) openTFTP(ctx context.Context, s *opened) error {
	onLink := socket.PacketOptions{Interface: p.o.Link()}
	conn, err := p.provisioning.ListenPacket(ctx, matrix.MachineToBootTFTP, s.any(tftp.Port), onLink)
	if err != nil {
		return err
	}
	server := &tftp.Server{Windows: p.index, Files: map[string]tftp.File{}, Now: time.Now, Log: p.log, Count: p.count("tftp"), Trace: p.trace,
		Listen: func(ctx context.Context) (net.PacketConn, error) {
			return p.provisioning.OpenPacket(ctx, matrix.BootToMachineTFTP, s.any(0).Addr(), onLink)
		}}
	for _, name := range netboot.Files(netboot.TFTP) {
		if file, ok := p.artifacts.File(name); ok {
			loaded, err := tftp.Load(file, file.Size())
			if err != nil {
				return errors.Join(fmt.Errorf("%s: %w", name, err), conn.Close())
			}
			server.Files[name] = loaded
		}
	}
	s.add(conn, func(ctx context.Context) error { return server.Serve(ctx, conn) })
	return nil
}

func (p *process) openHTTP(ctx context.Context, s *opened) error {
	bind := p.httpBind
	if s.ipv6 && bind.Addr() == netip.IPv4Unspecified() {
		bind = s.any(bind.Port()) // the default: everywhere
	}
	if s.ipv6 && bind.Addr().Is4() {
		return fmt.Errorf("--http-bind %s is an IPv4 address, and the machines of this provisioning network have IPv6 ones", bind)
	}
	l, err := p.provisioning.Listen(ctx, matrix.MachineToBootHTTP, bind)
	if err != nil {
		return err
	}
	server := p.httpServer(&bootfile.Handler{Windows: p.index, File: p.artifacts.File, CommandLine: p.artifacts.CommandLine,
		Now: time.Now, Log: p.log, Count: p.count("http"), Trace: p.trace})
	s.add(l, func(ctx context.Context) error {
		return identity.Serve(ctx, server, func(s *http.Server) error { return s.Serve(bounded(l, maxBootConnections)) })
	})
	return nil
}

// openRouter is left out on the kernel's network when no interface was named: router solicitations belong to a link.
func (p *process) openRouter(ctx context.Context, s *opened) error {
	if p.o.ProvisioningNetwork == "kernel" {
		p.log.Info("router solicitations not answered: name the interface with --provisioning-network=kernel:<interface>; iPXE waits 16 seconds longer")
		return nil
	}
	conn, err := p.provisioning.ListenRouter(ctx, matrix.MachineToBootRA, p.o.Link())
	if err != nil {
		return err
	}
	server := &router.Server{Windows: p.index, Now: time.Now, Log: p.log, Count: p.count("router")}
	s.tell = func(machine netip.Addr) { server.Tell(conn, machine) }
	s.add(conn, func(ctx context.Context) error { return server.Serve(ctx, conn) })
	return nil
}
