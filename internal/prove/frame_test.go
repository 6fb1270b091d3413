package prove

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"testing"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/checksum"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall"
)

func address4(t *rapid.T, name string) netip.Addr {
	return netip.AddrFrom4([4]byte(rapid.SliceOfN(rapid.Byte(), 4, 4).Draw(t, name)))
}

func address6(t *rapid.T, name string) netip.Addr {
	b := [16]byte(rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, name))
	b[0] = 0x20 // never one that maps into IPv4
	return netip.AddrFrom16(b)
}

// anyPacket is any's that the lab sends.
func anyPacket(t *rapid.T) firewall.Packet {
	p := firewall.Packet{
		Hook: rapid.SampledFrom([]firewall.Hook{firewall.Input, firewall.Output, firewall.Forward}).Draw(t, "hook"), In: "a", Out: "b",
		Protocol: rapid.SampledFrom([]uint8{1, 6, 17, 47, 58, 112, 132, 136}).Draw(t, "protocol"),
	}
	if rapid.Bool().Draw(t, "ipv6") {
		p.Source, p.Destination = address6(t, "from"), address6(t, "to")
	} else {
		p.Source, p.Destination = address4(t, "from"), address4(t, "to")
	}
	if firewall.HasPorts(p.Protocol) {
		p.SourcePort, p.DestinationPort = rapid.Uint16().Draw(t, "source port"), rapid.Uint16().Draw(t, "destination port")
	}
	if isICMP(p) {
		p.ICMPType, p.ICMPCode = rapid.Uint8().Draw(t, "type"), rapid.Uint8().Draw(t, "code")
	}
	return p
}

// What is sent is read by another stack: addresses, protocol, lengths and checksums are what they should be, in both families and in every part of a flow. Connection
// tracking calls a packet with a wrong checksum invalid, and the proof would then prove something else.
func TestPacketsAreWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPacket(t)
		what := rapid.SampledFrom([]part{opens, answers, goesOn}).Draw(t, "part")
		tos, number, flow := rapid.Uint8().Draw(t, "tos"), rapid.Uint32().Draw(t, "number"), rapid.Uint32().Draw(t, "flow")
		b := packet(p, what, tos, number, flow)
		if got, ok := numberOf(b); !ok || got != number {
			t.Fatalf("its number is %d, %v; want %d", got, ok, number)
		}
		var network header.Network
		if p.Source.Is4() {
			ip := header.IPv4(b)
			if !ip.IsValid(len(b)) || !ip.IsChecksumValid() || int(ip.TotalLength()) != len(b) || ip.TTL() != hopLimit {
				t.Fatalf("no sound IPv4: % x", b)
			}
			network = ip
		} else {
			ip := header.IPv6(b)
			if !ip.IsValid(len(b)) || int(ip.PayloadLength()) != len(b)-header.IPv6MinimumSize || ip.HopLimit() != hopLimit {
				t.Fatalf("no sound IPv6: % x", b)
			}
			network = ip
		}
		if got, _ := network.TOS(); got != tos {
			t.Fatalf("traffic class %d, want %d", got, tos)
		}
		if network.TransportProtocol() != tcpip.TransportProtocolNumber(p.Protocol) || network.SourceAddress() != tcpip.AddrFromSlice(p.Source.AsSlice()) ||
			network.DestinationAddress() != tcpip.AddrFromSlice(p.Destination.AsSlice()) {
			t.Fatalf("the header is of another packet: % x", b)
		}
		checkTransport(t, p, network, network.Payload())
	})
}

func checkTransport(t *rapid.T, p firewall.Packet, network header.Network, body []byte) {
	from, to := network.SourceAddress(), network.DestinationAddress()
	ports := func(source, destination uint16) {
		if source != p.SourcePort || destination != p.DestinationPort {
			t.Fatalf("ports %d and %d, want %d and %d", source, destination, p.SourcePort, p.DestinationPort)
		}
	}
	switch {
	case p.Protocol == 6:
		h := header.TCP(body)
		data := body[h.DataOffset():]
		if !h.IsChecksumValid(from, to, checksum.Checksum(data, 0), uint16(len(data))) {
			t.Fatalf("TCP's checksum is wrong: % x", body)
		}
		ports(h.SourcePort(), h.DestinationPort())
	case p.Protocol == 17:
		h := header.UDP(body)
		if int(h.Length()) != len(body) || h.Checksum() == 0 || !h.IsChecksumValid(from, to, checksum.Checksum(h.Payload(), 0)) {
			t.Fatalf("UDP's length or checksum is wrong: % x", body)
		}
		ports(h.SourcePort(), h.DestinationPort())
	case p.Protocol == 132:
		zeroed := append([]byte(nil), body...)
		clear(zeroed[8:12])
		if binary.LittleEndian.Uint32(body[8:]) != crc32.Checksum(zeroed, crc32.MakeTable(crc32.Castagnoli)) {
			t.Fatalf("SCTP's checksum is wrong: % x", body)
		}
		ports(binary.BigEndian.Uint16(body), binary.BigEndian.Uint16(body[2:]))
	case isICMP(p) && p.Source.Is4():
		if body[0] != p.ICMPType || body[1] != p.ICMPCode || checksum.Checksum(body, 0) != 0xffff {
			t.Fatalf("ICMP's header or checksum is wrong: % x", body)
		}
	case isICMP(p):
		whole := header.PseudoHeaderChecksum(header.ICMPv6ProtocolNumber, from, to, uint16(len(body)))
		if body[0] != p.ICMPType || body[1] != p.ICMPCode || checksum.Checksum(body, whole) != 0xffff {
			t.Fatalf("ICMPv6's header or checksum is wrong: % x", body)
		}
	}
}

// What is meant to be invalid is: by a checksum for UDP, by flags for TCP, by a chunk without an association for SCTP.
func TestBrokenPacketsAreBroken(t *testing.T) {
	p := firewall.Packet{Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("192.0.2.2"), SourcePort: 40000, DestinationPort: 53, Protocol: 17}
	udp := header.IPv4(packet(p, breaks, 0, 1, 0))
	if h := header.UDP(udp.Payload()); h.IsChecksumValid(udp.SourceAddress(), udp.DestinationAddress(), checksum.Checksum(h.Payload(), 0)) {
		t.Error("the checksum of a broken UDP packet is right")
	}
	p.Protocol = 6
	if flags := header.TCP(header.IPv4(packet(p, breaks, 0, 1, 0)).Payload()).Flags(); flags != header.TCPFlagSyn|header.TCPFlagFin {
		t.Errorf("flags %v, want SYN and FIN, which nobody sends", flags)
	}
	p.Protocol = 132
	if body := header.IPv4(packet(p, breaks, 0, 1, 0)).Payload(); body[12] != chunkData {
		t.Errorf("chunk %d, want data without an association", body[12])
	}
}

// An answer's answer goes the way of the first packet; both are one flow, whose name does not depend on who speaks.
func TestReversed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := anyPacket(t)
		answer := reversed(p)
		if answer.Source != p.Destination || answer.SourcePort != p.DestinationPort || flowOf(answer) != flowOf(p) {
			t.Fatalf("%s is answered by %s", p, answer)
		}
		if again := reversed(answer); !isICMP(p) && again != p {
			t.Fatalf("the answer to the answer of %s is %s", p, again)
		}
	})
}

func TestNumberIsOnlyReadFromProbes(t *testing.T) {
	for _, b := range [][]byte{nil, {1, 2, 3}, make([]byte, 64), {0x1a, 0x90, 0x7f, 0x11}, {0x1a, 0x90, 0x7f, 0x11, 0, 0, 0}} {
		if n, ok := numberOf(b); ok {
			t.Errorf("% x has the number %d", b, n)
		}
	}
}

func TestWhatConnectionTrackingCallsAPacketThatComesAlone(t *testing.T) {
	v4, v6 := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("2001:db8::1")
	for _, c := range []struct {
		p    firewall.Packet
		want firewall.State
	}{
		{firewall.Packet{Source: v4, Protocol: 6}, firewall.New}, {firewall.Packet{Source: v6, Protocol: 112}, firewall.New},
		{firewall.Packet{Source: v4, Protocol: 1, ICMPType: 8}, firewall.New}, {firewall.Packet{Source: v4, Protocol: 1, ICMPType: 0}, firewall.Invalid},
		{firewall.Packet{Source: v4, Protocol: 1, ICMPType: 3}, firewall.Invalid}, {firewall.Packet{Source: v6, Protocol: 58, ICMPType: 128}, firewall.New},
		{firewall.Packet{Source: v6, Protocol: 58, ICMPType: 129}, firewall.Invalid}, {firewall.Packet{Source: v6, Protocol: 58, ICMPType: 135}, firewall.Untracked},
		{firewall.Packet{Source: v6, Protocol: 58, ICMPType: 143}, firewall.Untracked}, {firewall.Packet{Source: v6, Protocol: 1, ICMPType: 8}, firewall.Invalid},
		{firewall.Packet{Source: v4, Protocol: 58, ICMPType: 135}, firewall.Invalid},
	} {
		if got := natural(c.p); got != c.want {
			t.Errorf("%s: %v, want %v", c.p, got, c.want)
		}
	}
}
