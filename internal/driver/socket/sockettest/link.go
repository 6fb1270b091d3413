package sockettest

import (
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/socket"
)

// Ports of the DHCP conversation (RFC 2131 §4.1), the one broadcast that Ingot speaks.
const (
	dhcpServerPort = 67
	dhcpClientPort = 68
)

func broadcast(t *testing.T, p Pair) {
	server := listenPacket(t, p.Server, netip.AddrPortFrom(netip.IPv4Unspecified(), dhcpServerPort),
		socket.PacketOptions{Interface: p.Server.Link, Broadcast: true})
	client := listenPacket(t, p.Client, netip.AddrPortFrom(netip.IPv4Unspecified(), dhcpClientPort),
		socket.PacketOptions{Interface: p.Client.Link, Broadcast: true})
	buf := make([]byte, 64)

	if _, err := client.WriteTo([]byte("discover"), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpServerPort}); err != nil {
		t.Fatalf("client broadcasts: %v", err)
	}
	n, _, err := server.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "discover" {
		t.Fatalf("server receives: %q, %v", buf[:n], err)
	}
	if _, err := server.WriteTo([]byte("offer"), &net.UDPAddr{IP: net.IPv4bcast, Port: dhcpClientPort}); err != nil {
		t.Fatalf("server broadcasts: %v", err)
	}
	n, from, err := client.ReadFrom(buf)
	if err != nil || string(buf[:n]) != "offer" {
		t.Fatalf("client receives: %q, %v", buf[:n], err)
	}
	if ap := from.(*net.UDPAddr).AddrPort(); ap.Addr().Unmap() != p.Server.Addr || ap.Port() != dhcpServerPort {
		t.Fatalf("the offer came from %s, want the server's address %s and port %d", ap, p.Server.Addr, dhcpServerPort)
	}
}

// solicitation lets the client's own stack or a raw socket ask; what arrives must be an ICMPv6 message of type 133 (RFC 4861 §4.1) from a link-local or the
// unspecified address.
func solicitation(t *testing.T, p Pair) {
	server, err := p.Server.Network.ListenRouter(within(t), p.Server.Link)
	if err != nil {
		t.Fatalf("ListenRouter: %v", err)
	}
	defer func() { _ = server.Close() }()
	client, err := p.Client.Network.ListenRouter(within(t), p.Client.Link)
	if err != nil {
		t.Fatalf("ListenRouter of the asking side: %v", err)
	}
	defer func() { _ = client.Close() }()
	if err := server.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatalf("SetReadDeadline: %v", err)
	}
	const typeSolicitation = 133
	ask := []byte{typeSolicitation, 0, 0, 0, 0, 0, 0, 0}
	if _, err := client.WriteTo(ask, &net.IPAddr{IP: net.IPv6linklocalallrouters, Zone: p.Client.Link}); err != nil {
		t.Fatalf("solicit: %v", err)
	}
	buf := make([]byte, 1500)
	n, from, err := server.ReadFrom(buf)
	if err != nil || n < 8 || buf[0] != typeSolicitation {
		t.Fatalf("ReadFrom: % x, %v", buf[:n], err)
	}
	addr, ok := from.(*net.IPAddr)
	if !ok || !addr.IP.IsLinkLocalUnicast() && !addr.IP.IsUnspecified() {
		t.Fatalf("solicitation came from %v (%T), want a link-local *net.IPAddr", from, from)
	}
}
