package prove

import (
	"encoding/binary"
	"hash/crc32"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// part is what a packet does in its flow.
type part uint8

const (
	// opens is what connection tracking takes for the first packet of a flow.
	opens part = iota
	// answers is the other side's first packet.
	answers
	// goesOn is the first side's second packet.
	goesOn
	// breaks is a packet that belongs to no flow and can't open one.
	breaks
)

// mark begins the number that each probe carries in its last eight bytes.
const mark = 0x1a907f11

// numberLength is how many bytes the number needs at the end of a packet.
const numberLength = 8

// Lengths of headers without options (RFC 791, RFC 8200), and the hop limit that neighbour discovery insists on (RFC 4861 §7.1.1): any other packet
// may have it too.
const (
	ipv4Header = 20
	ipv6Header = 40
	hopLimit   = 255
)

// packet makes the bytes of an IP packet. tos chooses the route through the lab; policies don't look at it.
func packet(p firewall.Packet, what part, tos uint8, number, flow uint32) []byte {
	body := transport(p, what, number, flow)
	var b []byte
	if p.Source.Is4() {
		b = make([]byte, ipv4Header, ipv4Header+len(body))
		b[0], b[1] = 0x45, tos
		binary.BigEndian.PutUint16(b[2:], uint16(ipv4Header+len(body)))
		binary.BigEndian.PutUint16(b[4:], uint16(number)|1)
		b[8], b[9] = hopLimit, p.Protocol
		copy(b[12:], p.Source.AsSlice())
		copy(b[16:], p.Destination.AsSlice())
		binary.BigEndian.PutUint16(b[10:], ^sum(0, b))
		return append(b, body...)
	}
	b = make([]byte, ipv6Header, ipv6Header+len(body))
	binary.BigEndian.PutUint32(b, 6<<28|uint32(tos)<<20)
	binary.BigEndian.PutUint16(b[4:], uint16(len(body)))
	b[6], b[7] = p.Protocol, hopLimit
	copy(b[8:], p.Source.AsSlice())
	copy(b[24:], p.Destination.AsSlice())
	return append(b, body...)
}

// transport makes what is behind the IP header.
func transport(p firewall.Packet, what part, number, flow uint32) []byte {
	var b []byte
	checksumAt, pseudo := -1, true
	switch {
	case p.Protocol == calico.ProtocolTCP:
		b, checksumAt = tcp(what), 16
	case p.Protocol == calico.ProtocolUDP, p.Protocol == calico.ProtocolUDPLite:
		b, checksumAt = make([]byte, 8+numberLength), 6
		if p.Protocol == calico.ProtocolUDP {
			binary.BigEndian.PutUint16(b[4:], uint16(len(b)))
		} // UDP-Lite: a coverage of 0 is the whole packet (RFC 3828 §3.1)
	case p.Protocol == calico.ProtocolSCTP:
		b = sctp(what)
	case isICMP(p):
		// 24 bytes hold every message of neighbour discovery.
		b, checksumAt, pseudo = make([]byte, 24+numberLength), 2, p.Source.Is6()
		b[0], b[1] = p.ICMPType, p.ICMPCode
		binary.BigEndian.PutUint16(b[4:], uint16(flow)) // an echo and its reply carry the same
	default:
		b = make([]byte, 16+numberLength)
	}
	if firewall.HasPorts(p.Protocol) {
		binary.BigEndian.PutUint16(b, p.SourcePort)
		binary.BigEndian.PutUint16(b[2:], p.DestinationPort)
	}
	binary.BigEndian.PutUint32(b[len(b)-numberLength:], mark)
	binary.BigEndian.PutUint32(b[len(b)-4:], number)
	if p.Protocol == calico.ProtocolSCTP {
		binary.LittleEndian.PutUint32(b[8:], crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli))) // RFC 9260 §6.8
	}
	if checksumAt < 0 {
		return b
	}
	start := uint32(0)
	if pseudo {
		start = pseudoSum(p, len(b), what)
	}
	c := ^sum(start, b)
	if what == breaks && p.Protocol == calico.ProtocolUDP {
		c++
	}
	if c == 0 {
		c = 0xffff // 0 is "no checksum" to UDP, and the same number
	}
	binary.BigEndian.PutUint16(b[checksumAt:], c)
	return b
}

func isICMP(p firewall.Packet) bool {
	return p.Protocol == calico.ProtocolICMP && p.Source.Is4() || p.Protocol == calico.ProtocolICMPv6 && p.Source.Is6()
}

// Sequence numbers of the two sides, and TCP's flags (RFC 9293 §3.1).
const (
	firstSequence, secondSequence = 1000, 2000
	fin, syn, ack                 = 1, 2, 16
)

func tcp(what part) []byte {
	b := make([]byte, 20+numberLength)
	sequence, acknowledged, flags := uint32(firstSequence), uint32(0), byte(syn)
	switch what {
	case opens:
	case answers:
		sequence, acknowledged, flags = secondSequence, firstSequence+numberLength+1, syn|ack
	case goesOn:
		sequence, acknowledged, flags = firstSequence+numberLength+1, secondSequence+numberLength+1, ack
	case breaks:
		flags = syn | fin
	}
	binary.BigEndian.PutUint32(b[4:], sequence)
	binary.BigEndian.PutUint32(b[8:], acknowledged)
	b[12], b[13] = 5<<4, flags
	binary.BigEndian.PutUint16(b[14:], 0xffff)
	return b
}

// Verification tags of the two sides, and SCTP's chunks (RFC 9260 §3.2).
const (
	firstTag, secondTag                       = 0x11111111, 0x22222222
	chunkData, chunkInit, chunkAck, chunkEcho = 0, 1, 2, 10
)

func sctp(what part) []byte {
	const header, chunk = 12, 20
	b := make([]byte, header+chunk+numberLength)
	tag, kind, own := uint32(0), byte(chunkInit), uint32(firstTag)
	switch what {
	case opens:
	case answers:
		tag, kind, own = firstTag, chunkAck, secondTag
	case goesOn:
		tag, kind, own = secondTag, chunkEcho, 0
	case breaks:
		tag, kind, own = firstTag, chunkData, 0
	}
	binary.BigEndian.PutUint32(b[4:], tag)
	b[header] = kind
	if kind == chunkData {
		b[header+1] = 3 // a message in one piece
	}
	binary.BigEndian.PutUint16(b[header+2:], chunk+numberLength)
	binary.BigEndian.PutUint32(b[header+4:], own)
	return b
}

// pseudoSum is the sum of the pseudo header. Connection tracking (udplite_error in net/netfilter/nf_conntrack_proto_udp.c) checks UDP-Lite with the
// protocol number of UDP in it, against RFC 3828 §3.1: a correct packet is invalid to it when it comes in, and a new one has UDP's number.
func pseudoSum(p firewall.Packet, length int, what part) uint32 {
	protocol := p.Protocol
	if protocol == calico.ProtocolUDPLite && what != breaks {
		protocol = calico.ProtocolUDP
	}
	var b []byte
	b = append(b, p.Source.AsSlice()...)
	b = append(b, p.Destination.AsSlice()...)
	b = binary.BigEndian.AppendUint32(b, uint32(length))
	b = append(b, 0, 0, 0, protocol)
	return uint32(sum(0, b))
}

// sum is the Internet checksum before its complement (RFC 1071).
func sum(start uint32, b []byte) uint16 {
	s := start
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}

// numberOf reads a probe's number from the end of what a socket received.
func numberOf(b []byte) (uint32, bool) {
	if len(b) < numberLength || binary.BigEndian.Uint32(b[len(b)-numberLength:]) != mark {
		return 0, false
	}
	return binary.BigEndian.Uint32(b[len(b)-4:]), true
}

// reversed is the packet that answers.
func reversed(p firewall.Packet) firewall.Packet {
	q := p
	q.Source, q.Destination, q.SourcePort, q.DestinationPort = p.Destination, p.Source, p.DestinationPort, p.SourcePort
	q.In, q.Out = p.Out, p.In
	switch p.Hook {
	case firewall.Input:
		q.Hook = firewall.Output
	case firewall.Output:
		q.Hook = firewall.Input
	case firewall.Forward: // stays
	}
	if isICMP(p) {
		q.ICMPType = replies[icmpRequest{p.Source.Is6(), p.ICMPType}] // with the same code, to connection tracking
	}
	return q
}

type icmpRequest struct {
	ipv6 bool
	kind uint8
}

// replies are the messages that open a flow in connection tracking, with their answers (net/netfilter/nf_conntrack_proto_icmp.c and _icmpv6.c).
var replies = map[icmpRequest]uint8{
	{false, 8}: 0, {false, 13}: 14, {false, 15}: 16, {false, 17}: 18,
	{true, 128}: 129, {true, 139}: 140,
}

// neighbour says whether connection tracking leaves an ICMPv6 message alone: neighbour discovery and listener reports.
func neighbour(kind uint8) bool {
	return 130 <= kind && kind <= 136 || kind == 143
}

// natural is the state that connection tracking gives to a packet that comes alone.
func natural(p firewall.Packet) firewall.State {
	switch {
	case isICMP(p) && p.Source.Is6() && neighbour(p.ICMPType):
		return firewall.Untracked
	case isICMP(p):
		if _, opens := replies[icmpRequest{p.Source.Is6(), p.ICMPType}]; !opens {
			return firewall.Invalid
		}
	case p.Protocol == calico.ProtocolICMP, p.Protocol == calico.ProtocolICMPv6: // of the other family
		return firewall.Invalid
	}
	return firewall.New
}

// breakable says whether a packet of this header can be made that connection tracking takes for invalid.
func breakable(p firewall.Packet) bool {
	switch p.Protocol {
	case calico.ProtocolTCP, calico.ProtocolSCTP:
		return true
	case calico.ProtocolUDP, calico.ProtocolUDPLite: // checksums are looked at before routing only
		return p.Hook != firewall.Output
	}
	return false
}

// carried says whether a protocol number can stand in a packet of the family: some are extension headers of IPv6, and 255 is what raw sockets take
// for all protocols.
func carried(protocol uint8, ipv6 bool) bool {
	switch protocol {
	case 0, 43, 44, 51, 59, 60, 135, 139, 140:
		return !ipv6 && protocol != 0
	case 255:
		return false
	}
	return true
}
