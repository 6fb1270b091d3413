package simulated

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"
	"github.com/insomniacslk/dhcp/iana"

	"github.com/ingotmetal/ingot/internal/driver/socket/framing"
)

// askEvery is the pause between two tries of a DHCP client. Real firmware doubles four seconds (PXE 2.1 §2.2.5); here nothing is gained by waiting.
const askEvery = time.Second

// client is who asks for an address.
type client struct {
	mac net.HardwareAddr
	// extra marks firmware and iPXE; none for a plain client.
	extra []dhcpv4.Modifier
	// offerOnly ends after the offer: firmware that only looks for its loader.
	offerOnly bool
}

func plainClient(mac net.HardwareAddr) client { return client{mac: mac} }

// firmwareClient is a UEFI machine's PXE client (RFC 4578).
func firmwareClient(mac net.HardwareAddr) client {
	return client{mac: mac, offerOnly: true, extra: []dhcpv4.Modifier{
		dhcpv4.WithOption(dhcpv4.OptClassIdentifier("PXEClient:Arch:00007:UNDI:003001")),
		dhcpv4.WithOption(dhcpv4.OptClientArch(iana.EFI_BC)),
	}}
}

// ipxeClient is the loader that the firmware would have fetched.
func ipxeClient(mac net.HardwareAddr) client {
	c := firmwareClient(mac)
	c.offerOnly = false
	c.extra = append(c.extra, dhcpv4.WithUserClass("iPXE", false))
	return c
}

// ask runs a DHCP conversation (RFC 2131 §3.1) in raw frames, since a host without an address has no socket to speak from. It gives the ACK, or the offer to
// a client that wants no more.
func (c client) ask(ctx context.Context, conn net.Conn) (*dhcpv4.DHCPv4, error) {
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	answers := make(chan *dhcpv4.DHCPv4)
	go c.receive(ctx, conn, answers)

	discover, err := dhcpv4.NewDiscovery(c.mac, c.extra...)
	if err != nil {
		return nil, err
	}
	offer, err := c.exchange(ctx, conn, discover, answers, dhcpv4.MessageTypeOffer)
	if err != nil || c.offerOnly {
		return offer, err
	}
	request, err := dhcpv4.NewRequestFromOffer(offer, c.extra...)
	if err != nil {
		return nil, err
	}
	return c.exchange(ctx, conn, request, answers, dhcpv4.MessageTypeAck)
}

// exchange sends until the wanted answer comes.
func (c client) exchange(ctx context.Context, conn net.Conn, m *dhcpv4.DHCPv4, answers <-chan *dhcpv4.DHCPv4, want dhcpv4.MessageType) (*dhcpv4.DHCPv4, error) {
	w := framing.NewWriter(conn)
	for {
		if err := errors.Join(w.Write(dhcpFrame(c.mac, m)), w.Flush()); err != nil {
			return nil, fmt.Errorf("send %s: %w", m.MessageType(), err)
		}
		again := time.NewTimer(askEvery)
		for waiting := true; waiting; {
			select {
			case a, ok := <-answers:
				switch {
				case !ok:
					again.Stop()
					return nil, fmt.Errorf("no answer to %s: %w", m.MessageType(), errors.Join(ctx.Err(), net.ErrClosed))
				case a.TransactionID != m.TransactionID:
				case a.MessageType() == dhcpv4.MessageTypeNak:
					again.Stop()
					return nil, fmt.Errorf("%s was refused", m.MessageType())
				case a.MessageType() == want:
					again.Stop()
					return a, nil
				}
			case <-again.C:
				waiting = false
			}
		}
	}
}

// receive hands on DHCP answers until the stream ends.
func (c client) receive(ctx context.Context, conn net.Conn, answers chan<- *dhcpv4.DHCPv4) {
	defer close(answers)
	r := framing.NewReader(conn)
	for {
		frame, err := r.Read()
		if err != nil {
			return
		}
		m := dhcpAnswer(frame)
		if m == nil || m.ClientHWAddr.String() != c.mac.String() {
			continue
		}
		select {
		case answers <- m:
		case <-ctx.Done():
			return
		}
	}
}

// Sizes and numbers of the headers below DHCP (RFC 894, 791, 768).
const (
	ethernetBytes, ipv4Bytes, udpBytes = 14, 20, 8
	typeIPv4, protocolUDP              = 0x0800, 17
	clientPort, serverPort             = 68, 67
)

// dhcpFrame wraps a message of a client without an address: from 0.0.0.0 to 255.255.255.255, broadcast. UDP's checksum is left out, as RFC 768 allows.
func dhcpFrame(mac net.HardwareAddr, m *dhcpv4.DHCPv4) []byte {
	payload := m.ToBytes()
	f := make([]byte, ethernetBytes+ipv4Bytes+udpBytes, ethernetBytes+ipv4Bytes+udpBytes+len(payload))
	copy(f, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	copy(f[6:], mac)
	binary.BigEndian.PutUint16(f[12:], typeIPv4)
	ip := f[ethernetBytes:]
	ip[0] = 0x45
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Bytes+udpBytes+len(payload)))
	ip[8], ip[9] = 64, protocolUDP
	copy(ip[16:20], []byte{255, 255, 255, 255})
	binary.BigEndian.PutUint16(ip[10:], checksum(ip[:ipv4Bytes]))
	udp := ip[ipv4Bytes:]
	binary.BigEndian.PutUint16(udp, clientPort)
	binary.BigEndian.PutUint16(udp[2:], serverPort)
	binary.BigEndian.PutUint16(udp[4:], uint16(udpBytes+len(payload)))
	return append(f, payload...)
}

// checksum is the internet checksum (RFC 1071).
func checksum(b []byte) uint16 {
	var sum uint32
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// dhcpAnswer takes a server's message out of a frame, nil for other frames.
func dhcpAnswer(f []byte) *dhcpv4.DHCPv4 {
	if len(f) < ethernetBytes+ipv4Bytes+udpBytes || binary.BigEndian.Uint16(f[12:]) != typeIPv4 {
		return nil
	}
	ip := f[ethernetBytes:]
	header := int(ip[0]&0xf) * 4
	if ip[0]>>4 != 4 || header < ipv4Bytes || len(ip) < header+udpBytes || ip[9] != protocolUDP {
		return nil
	}
	udp := ip[header:]
	if binary.BigEndian.Uint16(udp) != serverPort || binary.BigEndian.Uint16(udp[2:]) != clientPort {
		return nil
	}
	length := int(binary.BigEndian.Uint16(udp[4:]))
	if length < udpBytes || length > len(udp) {
		return nil
	}
	m, err := dhcpv4.FromBytes(udp[udpBytes:length])
	if err != nil || m.OpCode != dhcpv4.OpcodeBootReply {
		return nil
	}
	return m
}

// leaseOf is the address that an ACK gives.
func leaseOf(ack *dhcpv4.DHCPv4) (netip.Prefix, error) {
	addr, ok := netip.AddrFromSlice(ack.YourIPAddr.To4())
	ones, bits := ack.SubnetMask().Size()
	if !ok || addr.IsUnspecified() || bits != 32 {
		return netip.Prefix{}, fmt.Errorf("the lease of %s with mask %s is no address", ack.YourIPAddr, ack.SubnetMask())
	}
	return netip.PrefixFrom(addr, ones), nil
}
