package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"

	mdpacket "github.com/mdlayher/packet"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/matrix"
)

// broadcast is everybody on an Ethernet link; allNodes is the Ethernet address of the group ff02::1 (RFC 2464 section 7).
var (
	broadcast = net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}
	allNodes  = net.HardwareAddr{0x33, 0x33, 0, 0, 0, 1}
)

// Announce tells everybody on an interface's link that addresses are at this interface: by ARP announcements (RFC 5227 section 2.3) and unsolicited neighbour advertisements that override what was known (RFC 4861 section 7.2.6). It
// receives nothing.
func (s Sockets) Announce(iface string, addresses []netip.Addr) error {
	if err := errors.Join(s.bound.Has(matrix.FirewallToNeighboursARP, matrix.ARP), s.bound.Has(matrix.FirewallToNeighboursNDP, matrix.ICMPv6)); err != nil {
		return err
	}
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return fmt.Errorf("find interface %q: %w", iface, err)
	}
	if len(ifi.HardwareAddr) != 6 {
		return fmt.Errorf("interface %s has no Ethernet address to announce", iface)
	}
	// Of protocol 0 nothing is received.
	c, err := mdpacket.Listen(ifi, mdpacket.Raw, 0, nil)
	if err != nil {
		return fmt.Errorf("open a packet socket on %s: %w", iface, err)
	}
	for _, a := range addresses {
		frame, to := arpAnnouncement(ifi.HardwareAddr, a), broadcast
		if a.Is6() {
			frame, to = neighbourAdvertisement(ifi.HardwareAddr, a), allNodes
		}
		if _, err := c.WriteTo(frame, &mdpacket.Addr{HardwareAddr: to}); err != nil {
			return errors.Join(fmt.Errorf("announce %s on %s: %w", a, iface, err), c.Close())
		}
	}
	return c.Close()
}

// ethernet begins a frame.
func ethernet(to, from net.HardwareAddr, kind uint16) []byte {
	b := append(append(make([]byte, 0, 128), to...), from...)
	return binary.BigEndian.AppendUint16(b, kind)
}

// arpAnnouncement is a request whose sender and target are the same address (RFC 826, RFC 5227 section 3).
func arpAnnouncement(mac net.HardwareAddr, a netip.Addr) []byte {
	b := ethernet(broadcast, mac, unix.ETH_P_ARP)
	b = append(b, 0, 1, 0x08, 0, 6, 4, 0, 1) // Ethernet, IPv4, their lengths, request
	b = append(append(b, mac...), a.AsSlice()...)
	return append(append(b, make([]byte, 6)...), a.AsSlice()...)
}

// neighbourAdvertisement is one of a router that nobody asked for (RFC 4861 section 4.4).
func neighbourAdvertisement(mac net.HardwareAddr, a netip.Addr) []byte {
	const (
		icmpv6, hopLimit      = 58, 255
		advertisement         = 136
		router, override      = 0x80, 0x20
		targetLinkLayerOption = 2
	)
	group := netip.IPv6LinkLocalAllNodes()
	message := append([]byte{advertisement, 0, 0, 0, router | override, 0, 0, 0}, a.AsSlice()...)
	message = append(append(message, targetLinkLayerOption, 1), mac...)
	pseudo := append(append([]byte{}, a.AsSlice()...), group.AsSlice()...)
	pseudo = append(pseudo, 0, 0, 0, byte(len(message)), 0, 0, 0, icmpv6)
	binary.BigEndian.PutUint16(message[2:], checksum(append(pseudo, message...)))
	b := ethernet(allNodes, mac, unix.ETH_P_IPV6)
	b = append(b, 0x60, 0, 0, 0, 0, byte(len(message)), icmpv6, hopLimit)
	b = append(append(b, a.AsSlice()...), group.AsSlice()...)
	return append(b, message...)
}

// checksum is that of RFC 1071, of an even number of bytes.
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(b[i])<<8 | uint32(b[i+1])
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
