package dhcp_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"

	"github.com/ingotmetal/ingot/internal/driver/hostnet/netns"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/internal/server/dhcp"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

// These tests send real packets between namespaces (as root): what a decision says is worth nothing where no packet arrives.
const (
	ask       = 2 * time.Second // of one try of a client
	tries     = 10
	quiet     = time.Second // what is not answered at all is waited for so long
	leaseBits = 24
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

func join(t *testing.T, a, b netns.End) {
	t.Helper()
	if err := netns.Join(a, b); err != nil {
		t.Fatal(err)
	}
}

func end(n *netns.Namespace, name, address string) netns.End {
	e := netns.End{In: n, Interface: name}
	if address != "" {
		e.Addresses = []netip.Prefix{netip.MustParsePrefix(address)}
	}
	return e
}

// in runs a program of Debian's in a namespace to its end.
func in(t *testing.T, n *netns.Namespace, args ...string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "nsenter", append([]string{"--net=" + n.Path()}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v: %s", strings.Join(args, " "), err, out)
	}
}

// run starts a server of Debian's in a namespace; it ends with the test.
func run(t *testing.T, n *netns.Namespace, debian string, args ...string) {
	t.Helper()
	if _, err := exec.LookPath(args[0]); err != nil {
		t.Fatalf("%v: install Debian's package %s", err, debian)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cmd := exec.CommandContext(ctx, "nsenter", append([]string{"--net=" + n.Path()}, args...)...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cancel()
		_ = cmd.Wait() // it was killed
		if t.Failed() {
			t.Logf("%s: %s", args[0], &said)
		}
	})
}

// onSwitch are hosts on one Ethernet: each one's eth0.
func onSwitch(t *testing.T, addresses ...string) []*netns.Namespace {
	t.Helper()
	bridge := namespace(t)
	in(t, bridge, "ip", "link", "add", "br0", "type", "bridge")
	in(t, bridge, "ip", "link", "set", "br0", "up")
	var hosts []*netns.Namespace
	for i, a := range addresses {
		host, port := namespace(t), "port"+string(rune('0'+i))
		join(t, end(host, "eth0", a), end(bridge, port, ""))
		in(t, bridge, "ip", "link", "set", port, "master", "br0", "up")
		in(t, host, "ip", "link", "set", "eth0", "up")
		hosts = append(hosts, host)
	}
	return hosts
}

// serve runs our server in a namespace, at the ports of its mode.
func serve(t *testing.T, n *netns.Namespace, s *dhcp.Server, ports ...uint16) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	var loops sync.WaitGroup
	t.Cleanup(func() { cancel(); loops.Wait() })
	for _, port := range ports {
		var conn net.PacketConn
		err := n.Do(func() (err error) {
			conn, err = kernel.Network{}.ListenPacket(ctx, netip.AddrPortFrom(netip.IPv4Unspecified(), port), socket.PacketOptions{Interface: "eth0", Broadcast: true, ReceiveBytes: dhcp.ReceiveBytes})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		loops.Go(func() {
			if err := s.Serve(ctx, conn, port == dhcp.PXEPort); err != nil {
				t.Error(err)
			}
		})
	}
}

// reserving is a boot server at an address with a window for mac, and its lease.
func reserving(t *testing.T, mode netboot.Mode, at, lease string) *dhcp.Server {
	t.Helper()
	index := window.New()
	index.SetSettings(netboot.Settings{Mode: mode, BootServer: netip.MustParseAddr(at)})
	w := netboot.Window{BootID: bootID, Boots: netboot.BootsAgent, MACs: []netboot.MAC{mac}, OpensAt: now, ClosesAt: now.Add(time.Hour)}
	if lease != "" {
		w.Leases = []netboot.Lease{{MAC: mac, Address: netip.MustParsePrefix(lease)}}
	}
	if err := index.Put(window.Entry{Window: w}); err != nil {
		t.Fatal(err)
	}
	return &dhcp.Server{Windows: index, Now: func() time.Time { return now.Add(time.Minute) }, Log: slog.New(slog.DiscardHandler), Count: func(string) {}}
}

// firmware is a machine's DHCP client without an address, in raw frames.
func firmware(t *testing.T, n *netns.Namespace, hardware netboot.MAC, timeout time.Duration, retry int) *nclient4.Client {
	t.Helper()
	var c *nclient4.Client
	err := n.Do(func() (err error) {
		c, err = nclient4.New("eth0", nclient4.WithHWAddr(hardware[:]), nclient4.WithTimeout(timeout), nclient4.WithRetry(retry))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func TestServerOnARealNetwork(t *testing.T) {
	hosts := onSwitch(t, "10.77.0.1/24", "")
	serve(t, hosts[0], reserving(t, netboot.Server, "10.77.0.1", "10.77.0.12/24"), dhcp.ServerPort)
	lease, err := firmware(t, hosts[1], mac, ask, tries).Request(t.Context(), uefi)
	if err != nil {
		t.Fatal(err)
	}
	if lease.ACK.YourIPAddr.String() != "10.77.0.12" || lease.ACK.BootFileName != bootID+"/snponly.efi" {
		t.Errorf("leased %s", lease.ACK.Summary())
	}
	stranger := netboot.MAC{2, 0, 0, 0, 0, 9}
	if offer, err := firmware(t, hosts[1], stranger, quiet, 1).DiscoverOffer(t.Context(), uefi); err == nil {
		t.Errorf("a machine without a window was offered %s", offer.Summary())
	}
}

// The proxy beside Debian's dnsmasq, which knows nothing of booting: the address is dnsmasq's, the boot file ours, in the offer and again at port 4011.
func TestProxyBesideDnsmasq(t *testing.T) {
	hosts := onSwitch(t, "10.77.0.1/24", "10.77.0.2/24", "")
	serve(t, hosts[0], reserving(t, netboot.Proxy, "10.77.0.1", ""), dhcp.ServerPort, dhcp.PXEPort)
	run(t, hosts[1], "dnsmasq-base", "dnsmasq", "--no-daemon", "--conf-file=/dev/null", "--port=0", "--user=root", "--no-ping", "--interface=eth0", "--leasefile-ro", "--pid-file",
		"--dhcp-range=10.77.0.100,10.77.0.110,1h")
	c := firmware(t, hosts[2], mac, ask, tries)
	proxied := func(p *dhcpv4.DHCPv4) bool { return p.ServerIdentifier().Equal(net.IPv4(10, 77, 0, 1)) }
	discover := discover(t, uefi)
	offer, err := c.SendAndRead(t.Context(), nclient4.DefaultServers, discover, func(p *dhcpv4.DHCPv4) bool { return nclient4.IsMessageType(dhcpv4.MessageTypeOffer)(p) && proxied(p) })
	if err != nil {
		t.Fatal(err)
	}
	if !offer.YourIPAddr.IsUnspecified() || offer.BootFileName != bootID+"/snponly.efi" || string(offer.Options.Get(dhcpv4.OptionVendorSpecificInformation)) != "\x06\x01\x08\xff" {
		t.Errorf("the proxy offers %s", offer.Summary())
	}
	// The address is asked for from the server that gives it, and ours keeps out of that.
	address, err := c.SendAndRead(t.Context(), nclient4.DefaultServers, discover, func(p *dhcpv4.DHCPv4) bool { return nclient4.IsMessageType(dhcpv4.MessageTypeOffer)(p) && !proxied(p) })
	if err != nil {
		t.Fatalf("dnsmasq offers nothing: %v", err)
	}
	request, err := dhcpv4.NewRequestFromOffer(address, uefi)
	if err != nil {
		t.Fatal(err)
	}
	ack, err := c.SendAndRead(t.Context(), nclient4.DefaultServers, request, nclient4.IsMessageType(dhcpv4.MessageTypeAck, dhcpv4.MessageTypeNak))
	if err != nil || ack.MessageType() != dhcpv4.MessageTypeAck || proxied(ack) {
		t.Fatalf("%v %v", ack, err)
	}
	askedAgain(t, hosts[2], ack.YourIPAddr)
}

// askedAgain is firmware that has an address and asks the proxy itself (PXE 2.1 §2.2.5).
func askedAgain(t *testing.T, n *netns.Namespace, own net.IP) {
	t.Helper()
	in(t, n, "ip", "address", "add", own.String()+"/24", "dev", "eth0")
	p, err := dhcpv4.New(dhcpv4.WithHwAddr(mac[:]), dhcpv4.WithMessageType(dhcpv4.MessageTypeRequest), uefi)
	if err != nil {
		t.Fatal(err)
	}
	p.ClientIPAddr = own
	var conn net.Conn
	err = n.Do(func() (err error) {
		conn, err = (&net.Dialer{LocalAddr: &net.UDPAddr{IP: own, Port: dhcp.ClientPort}}).DialContext(t.Context(), "udp4", "10.77.0.1:4011")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	buf := make([]byte, 1500)
	for try := 0; ; try++ {
		_, err := conn.Write(p.ToBytes())
		err = errors.Join(err, conn.SetReadDeadline(time.Now().Add(ask)))
		n := 0
		if err == nil {
			n, err = conn.Read(buf)
		}
		if err == nil {
			reply, err := dhcpv4.FromBytes(buf[:n])
			if err != nil || reply.MessageType() != dhcpv4.MessageTypeAck || reply.BootFileName != bootID+"/snponly.efi" {
				t.Errorf("port 4011 says %v, %v", reply, err)
			}
			return
		}
		if try == tries {
			t.Fatalf("port 4011 does not answer: %v", err)
		}
	}
}

// Behind Debian's dhcrelay, which adds option 82 and drops answers that do not bring it back.
func TestBehindADHCPRelay(t *testing.T) {
	client, relay, server := namespace(t), namespace(t), namespace(t)
	join(t, end(client, "eth0", ""), end(relay, "down", "10.78.0.1/24"))
	join(t, end(relay, "up", "10.79.0.2/24"), end(server, "eth0", "10.79.0.1/24"))
	in(t, server, "ip", "route", "add", "10.78.0.0/24", "via", "10.79.0.2")
	in(t, client, "ip", "link", "set", "eth0", "up")
	serve(t, server, reserving(t, netboot.Server, "10.79.0.1", "10.78.0.12/24"), dhcp.ServerPort)
	run(t, relay, "isc-dhcp-relay", "dhcrelay", "-4", "-d", "-a", "-pf", filepath.Join(t.TempDir(), "pid"), "-id", "down", "-iu", "up", "10.79.0.1")
	lease, err := firmware(t, client, mac, ask, tries).Request(t.Context(), uefi)
	if err != nil {
		t.Fatal(err)
	}
	if lease.ACK.YourIPAddr.String() != "10.78.0.12" || lease.ACK.SubnetMask().String() != "ffffff00" || lease.ACK.BootFileName != bootID+"/snponly.efi" {
		t.Errorf("leased %s", lease.ACK.Summary())
	}
}

// Two boot servers with the same window: the machine gets one address and one boot file, whichever it hears.
func TestTwoServersAnswerTheSame(t *testing.T) {
	hosts := onSwitch(t, "10.77.0.3/24", "10.77.0.4/24", "")
	for _, h := range hosts[:2] {
		// The identity is the partition's, not the process's: whoever answers, the other one takes up the request too.
		serve(t, h, reserving(t, netboot.Server, "10.77.0.1", "10.77.0.12/24"), dhcp.ServerPort)
	}
	c := firmware(t, hosts[2], mac, ask, tries)
	heard := hear(t, hosts[2])
	lease, err := c.Request(t.Context(), uefi)
	if err != nil {
		t.Fatal(err)
	}
	if lease.ACK.YourIPAddr.String() != "10.77.0.12" || lease.ACK.BootFileName != bootID+"/snponly.efi" {
		t.Errorf("leased %s", lease.ACK.Summary())
	}
	answers := map[string][]string{}
	for len(answers["offer"]) < 2 || len(answers["ack"]) < 2 {
		select {
		case p := <-heard:
			kind := map[dhcpv4.MessageType]string{dhcpv4.MessageTypeOffer: "offer", dhcpv4.MessageTypeAck: "ack"}[p.MessageType()]
			answers[kind] = append(answers[kind], string(p.ToBytes()))
		case <-time.After(tries * ask):
			t.Fatalf("%d offers and %d acks, want one of each from both servers", len(answers["offer"]), len(answers["ack"]))
		}
	}
	for kind, all := range answers {
		for _, a := range all {
			if a != all[0] {
				t.Errorf("the servers' %ss differ: %q and %q", kind, all[0], a)
			}
		}
	}
}

// hear gives all that is sent to clients.
func hear(t *testing.T, n *netns.Namespace) <-chan *dhcpv4.DHCPv4 {
	t.Helper()
	var conn net.PacketConn
	if err := n.Do(func() (err error) { conn, err = nclient4.NewRawUDPConn("eth0", dhcp.ClientPort); return err }); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	heard := make(chan *dhcpv4.DHCPv4, 64)
	go func() {
		buf := make([]byte, 1500)
		for {
			n, _, err := conn.ReadFrom(buf)
			if err != nil {
				return
			}
			if p, err := dhcpv4.FromBytes(buf[:n]); err == nil {
				heard <- p
			}
		}
	}()
	return heard
}
