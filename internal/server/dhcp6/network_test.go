package dhcp6_test

import (
	"bytes"
	"context"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv6"
	"github.com/insomniacslk/dhcp/dhcpv6/nclient6"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/server/dhcp6"
	"github.com/ingotmetal/ingot/internal/server/router"
	"github.com/ingotmetal/ingot/netboot"
)

// These tests send real packets between namespaces (as root), with Debian's own clients and relay on the other side.
const (
	ask      = 2 * time.Second // of one try of a client
	tries    = 60
	patience = 2 * time.Minute
)

func namespace(t *testing.T) *netns.Namespace {
	t.Helper()
	n, err := netns.New()
	if err != nil {
		t.Fatalf("make a namespace (as root): %v", err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// joined are two hosts on one cable: each one's interface and address. An address is there at once: nobody else can have it.
func joined(t *testing.T, a, b netns.End) {
	t.Helper()
	if err := netns.Join(a, b); err != nil {
		t.Fatal(err)
	}
}

func within(t *testing.T, n *netns.Namespace, args ...string) string {
	t.Helper()
	out, err := inside(t.Context(), n, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func inside(ctx context.Context, n *netns.Namespace, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.Path()}, args...)...)
}

func end(n *netns.Namespace, name string) netns.End { return netns.End{In: n, Interface: name} }

// addressed gives an interface an address without waiting for duplicates of it.
func addressed(t *testing.T, n *netns.Namespace, iface, address string) {
	t.Helper()
	within(t, n, "ip", "-6", "address", "add", address, "dev", iface, "nodad")
}

// linkLocal waits until an interface's link-local address may be used.
func linkLocal(t *testing.T, n *netns.Namespace, iface string) {
	t.Helper()
	eventually(t, iface+" has no link-local address", func() bool {
		text := within(t, n, "ip", "-6", "address", "show", "dev", iface, "scope", "link")
		return strings.Contains(text, "fe80:") && !strings.Contains(text, "tentative")
	})
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatal(what)
		}
	}
}

// serve runs our server in a namespace.
func serve(t *testing.T, n *netns.Namespace, s *dhcp6.Server) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	t.Cleanup(func() { cancel(); loops.Wait() })
	var conn net.PacketConn
	err := n.Do(func() (err error) {
		conn, err = kernel.Network{}.ListenPacket(ctx, netip.AddrPortFrom(netip.IPv6Unspecified(), dhcp6.ServerPort), socket.PacketOptions{Interface: "eth0", Group: dhcp6.Group(), ReceiveBytes: dhcp6.ReceiveBytes})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	loops.Go(func() {
		if err := s.Serve(ctx, conn); err != nil {
			t.Error(err)
		}
	})
}

// advertising runs our router advertisements beside it.
func advertising(t *testing.T, n *netns.Namespace, s *dhcp6.Server) {
	t.Helper()
	settings := s.Windows.Settings()
	settings.Advertised = netip.MustParsePrefix("fd77::/64")
	s.Windows.SetSettings(settings)
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	t.Cleanup(func() { cancel(); loops.Wait() })
	var conn net.PacketConn
	if err := n.Do(func() (err error) { conn, err = kernel.Network{}.ListenRouter(ctx, "eth0"); return err }); err != nil {
		t.Fatal(err)
	}
	r := &router.Server{Windows: s.Windows, Now: s.Now, Log: slog.New(slog.DiscardHandler), Count: func(string) {}}
	loops.Go(func() {
		if err := r.Serve(ctx, conn); err != nil {
			t.Error(err)
		}
	})
	s.Answered = func(machine netip.Addr) { r.Tell(conn, machine) }
}

// link is a boot server and a machine on one cable.
func link(t *testing.T) (boot, machine *netns.Namespace) {
	t.Helper()
	boot, machine = namespace(t), namespace(t)
	joined(t, end(boot, "eth0"), end(machine, "eth0"))
	within(t, machine, "ip", "link", "set", "eth0", "down")
	within(t, machine, "ip", "link", "set", "eth0", "address", mac.String(), "up")
	addressed(t, boot, "eth0", at+"/64")
	linkLocal(t, boot, "eth0")
	linkLocal(t, machine, "eth0")
	return boot, machine
}

// client is a program of Debian's that a machine asks with.
func client(t *testing.T, debian, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		t.Fatalf("%v: install Debian's package %s", err, debian)
	}
	return path
}

// ISC's client, with the DUID-LLT that it makes: an address, and the subnet by router advertisement, so that the boot server can be reached.
func TestDebiansDhclient(t *testing.T) {
	boot, machine := link(t)
	s, _ := newServer(t)
	advertising(t, boot, s)
	serve(t, boot, s)
	dir := t.TempDir()
	script := filepath.Join(dir, "script")
	// The distribution's own script changes the host's resolv.conf; this one does what counts here.
	if err := os.WriteFile(script, []byte("#!/bin/sh\n[ -z \"$new_ip6_address\" ] || ip -6 address replace \"$new_ip6_address/128\" dev \"$interface\" nodad\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	program := client(t, "isc-dhcp-client", "dhclient")
	within(t, machine, program, "-6", "-1", "-v", "-sf", script, "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "-cf", os.DevNull, "-D", "LL", "eth0")
	t.Cleanup(func() {
		if out, err := inside(context.Background(), machine, program, "-6", "-x", "-sf", script, "-lf", filepath.Join(dir, "leases"), "-pf", filepath.Join(dir, "pid"), "-cf", os.DevNull, "eth0").CombinedOutput(); err != nil {
			t.Errorf("end dhclient: %v: %s", err, out)
		}
	})
	eventually(t, "the machine does not know that its subnet is on the link", func() bool {
		return strings.Contains(within(t, machine, "ip", "-6", "route", "show", "dev", "eth0"), "fd77::/64")
	})
	if text := within(t, machine, "ip", "-6", "address", "show", "dev", "eth0"); !strings.Contains(text, leased+"/128") || strings.Contains(text, "fd77::5054") {
		t.Errorf("the machine has %s", text)
	}
	reaches(t, boot, machine)
	if text := within(t, machine, "ip", "-6", "route", "show", "default"); text != "" {
		t.Errorf("the boot server made itself the way out: %s", text)
	}
}

// reaches dials the boot server from the leased address.
func reaches(t *testing.T, boot, machine *netns.Namespace) {
	t.Helper()
	var l net.Listener
	err := boot.Do(func() (err error) {
		l, err = new(net.ListenConfig).Listen(t.Context(), "tcp6", "["+at+"]:8080")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	err = machine.Do(func() error {
		d := net.Dialer{Timeout: patience, LocalAddr: &net.TCPAddr{IP: net.ParseIP(leased)}}
		conn, err := d.DialContext(t.Context(), "tcp6", l.Addr().String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		t.Errorf("the machine does not reach the boot server: %v", err)
	}
}

// Behind Debian's dhcrelay -6, which wants its interface's name back. Two boot servers behind it say the same.
func TestBehindDebiansRelay(t *testing.T) {
	machine, relay, boot := namespace(t), namespace(t), namespace(t)
	joined(t, end(machine, "eth0"), end(relay, "down"))
	joined(t, end(relay, "up"), end(boot, "eth0"))
	addressed(t, relay, "down", "fd78::1/64")
	addressed(t, relay, "up", "fd77::2/64")
	addressed(t, boot, "eth0", at+"/64")
	for n, iface := range map[*netns.Namespace]string{machine: "eth0", boot: "eth0"} {
		linkLocal(t, n, iface)
	}
	linkLocal(t, relay, "down")
	linkLocal(t, relay, "up")
	s, _ := newServer(t)
	serve(t, boot, s)
	ctx, cancel := context.WithCancel(context.Background())
	cmd := inside(ctx, relay, client(t, "isc-dhcp-relay", "dhcrelay"), "-6", "-d", "-I", "-pf", filepath.Join(t.TempDir(), "pid"), "-l", "down", "-u", at+"%up")
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("dhcrelay: %s", &said)
		}
	})
	var c *nclient6.Client
	err := machine.Do(func() (err error) {
		c, err = nclient6.New("eth0", nclient6.WithTimeout(ask), nclient6.WithRetry(tries))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	identity := dhcpv6.WithClientID(&dhcpv6.DUIDLL{HWType: 1, LinkLayerAddr: mac[:]})
	reply, err := c.RapidSolicit(t.Context(), identity, uefi)
	if err != nil {
		t.Fatal(err)
	}
	if got := reply.Options.OneIANA().Options.OneAddress().IPv6Addr.String(); got != leased || reply.Options.BootFileURL() != "tftp://["+at+"]/"+bootID+"/snponly.efi" {
		t.Errorf("leased %s", reply.Summary())
	}
}

// Two boot servers with the same window on one link: the machine hears the same from both, and each takes up what the other began.
func TestTwoServersAnswerTheSame(t *testing.T) {
	one, _ := newServer(t)
	two, _ := newServer(t)
	asked := solicit(t, uefi)
	a, _ := one.Answer(asked.ToBytes(), eui64)
	b, _ := two.Answer(asked.ToBytes(), eui64)
	if a == nil || !bytes.Equal(a, b) {
		t.Fatalf("answers differ:\n% x\n% x", a, b)
	}
	advertise, err := dhcpv6.MessageFromBytes(a)
	if err != nil {
		t.Fatal(err)
	}
	request, err := dhcpv6.NewRequestFromAdvertise(advertise, uefi)
	if err != nil {
		t.Fatal(err)
	}
	if reply, _ := answer(t, two, request, eui64); reply == nil {
		t.Error("the other server does not take up the request")
	}
}

// Nobody whose window is not open hears of the server, whatever they ask.
func TestAStrangerOnTheLinkHearsNothing(t *testing.T) {
	boot, machine := link(t)
	s, heard := newServer(t)
	s.Windows.Remove(bootID)
	answered := make(chan struct{}, 64)
	s.Count = func(o string) { heard.count(o); answered <- struct{}{} }
	serve(t, boot, s)
	var conn net.PacketConn
	err := machine.Do(func() (err error) { conn, err = nclient6.NewIPv6UDPConn("eth0", dhcp6.ClientPort); return err })
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	group := &net.UDPAddr{IP: dhcpv6.AllDHCPRelayAgentsAndServers, Port: dhcp6.ServerPort, Zone: "eth0"}
	if _, err := conn.WriteTo(solicit(t, uefi).ToBytes(), group); err != nil {
		t.Fatal(err)
	}
	select {
	case <-answered:
	case <-time.After(patience):
		t.Fatal("the server did not hear the solicitation")
	}
	if len(heard.seen) != 1 || heard.seen[0] != string(netboot.SilentUnknown) {
		t.Errorf("counted %v", heard.seen)
	}
}
