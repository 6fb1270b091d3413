// Package packet opens the sockets that stand below UDP: a DHCP client's, on an interface without an address, a listener for LLDP frames, and one that announces addresses to neighbours. A DHCPv6 client's, which is one of the
// kernel's, is opened here too.
//
// It owns AF_PACKET. It refuses every flow but those that it is for, which the role's Bound must have its end of. Linux only; those of AF_PACKET need CAP_NET_RAW.
//
// Invariants: no socket makes the machine answer to a port: a DHCP client's takes only what is sent to port 68 of a machine that asked, and LLDP is never
// answered.
package packet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/insomniacslk/dhcp/dhcpv4/nclient4"
	mdpacket "github.com/mdlayher/packet"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

// Sockets are one role's packet sockets.
type Sockets struct{ bound *socket.Bound }

// New makes the packet sockets of a role.
func New(b *socket.Bound) Sockets { return Sockets{b} }

// clientPort is the port that replies to a DHCP client go to (RFC 2131 §4.1).
const clientPort = 68

// DHCPClient receives what is sent to a DHCP client on an interface, which need not have an address, and sends broadcasts from there.
func (s Sockets) DHCPClient(iface string) (net.PacketConn, error) {
	if err := s.bound.Has(matrix.AgentToDHCP, matrix.UDP); err != nil {
		return nil, err
	}
	return nclient4.NewRawUDPConn(iface, clientPort)
}

// client6Port is the port that replies to a DHCPv6 client go to (RFC 8415 §7.2).
const client6Port = 546

// DHCPv6Client receives what is sent to a DHCPv6 client on an interface, and sends from the interface's link-local address. It is a socket of the kernel's: over IPv6 an interface
// has an address before it is given one.
func (s Sockets) DHCPv6Client(iface string) (net.PacketConn, error) {
	if err := s.bound.Has(matrix.AgentToDHCPv6, matrix.UDP); err != nil {
		return nil, err
	}
	return kernel.Network{}.ListenPacket(context.Background(), netip.AddrPortFrom(netip.IPv6Unspecified(), client6Port), socket.PacketOptions{Interface: iface})
}

// lldpEtherType is IEEE 802.1AB-2016 §7.4.
const lldpEtherType = 0x88CC

// lldpGroup is the nearest bridge's group address, which no bridge forwards (IEEE 802.1AB-2016 §7.1).
var lldpGroup = [8]byte{0x01, 0x80, 0xC2, 0x00, 0x00, 0x0E}

// LLDP receives the LLDP data units that arrive on an interface, without their Ethernet header.
func (s Sockets) LLDP(iface string) (net.PacketConn, error) {
	if err := s.bound.Has(matrix.NeighbourToAgentLLDP, matrix.LLDP); err != nil {
		return nil, err
	}
	ifi, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, fmt.Errorf("find interface %q: %w", iface, err)
	}
	// The filter lets nothing pass but what came from outside (packet type 4 is "outgoing").
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadExtension{Num: bpf.ExtType},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: unix.PACKET_OUTGOING, SkipTrue: 1},
		bpf.RetConstant{Val: 1500},
		bpf.RetConstant{Val: 0},
	})
	if err != nil {
		return nil, fmt.Errorf("assemble the filter for LLDP: %w", err)
	}
	c, err := mdpacket.Listen(ifi, mdpacket.Datagram, lldpEtherType, &mdpacket.Config{Filter: filter})
	if err != nil {
		return nil, fmt.Errorf("open a packet socket on %s: %w", iface, err)
	}
	if err := join(c, ifi.Index); err != nil {
		return nil, errors.Join(fmt.Errorf("join the LLDP group on %s: %w", iface, err), c.Close())
	}
	return c, nil
}

func join(c *mdpacket.Conn, index int) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	request := &unix.PacketMreq{Ifindex: int32(index), Type: unix.PACKET_MR_MULTICAST, Alen: 6, Address: lldpGroup}
	var inner error
	err = raw.Control(func(fd uintptr) {
		inner = unix.SetsockoptPacketMreq(int(fd), unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, request)
	})
	return errors.Join(err, inner)
}
