package matrix

import (
	"strconv"
	"strings"
)

// Protocol is what a flow speaks on the wire below its application: a name below, or the number of an IP protocol (1 to 255).
type Protocol string

// The protocols with names. The numbers of others are IANA's; 112 is VRRP.
const (
	TCP     Protocol = "tcp"
	UDP     Protocol = "udp"
	SCTP    Protocol = "sctp"
	UDPLite Protocol = "udplite"
	ICMP    Protocol = "icmp"
	ICMPv6  Protocol = "icmpv6"
	// LLDP is IEEE 802.1AB, straight on Ethernet: it has no ports and never crosses a switch.
	LLDP Protocol = "lldp"
	// ARP is RFC 826, straight on Ethernet: it has no ports and never crosses a router.
	ARP Protocol = "arp"
)

// numbers are IANA's, Assigned Internet Protocol Numbers.
var numbers = map[Protocol]uint8{ICMP: 1, TCP: 6, UDP: 17, ICMPv6: 58, SCTP: 132, UDPLite: 136}

// Number is the IP protocol's number; false for what is no IP, and for what is no protocol.
func (p Protocol) Number() (uint8, bool) {
	if n, ok := numbers[p]; ok {
		return n, true
	}
	n, err := strconv.ParseUint(string(p), 10, 8)
	return uint8(n), err == nil && n > 0 && strconv.FormatUint(n, 10) == string(p)
}

// Valid says whether the protocol is in the closed list. A protocol that has a name is not written as a number.
func (p Protocol) Valid() bool {
	if p == LLDP || p == ARP {
		return true
	}
	n, ok := p.Number()
	return ok && ProtocolOf(n) == p
}

// HasPorts says whether the protocol's header has ports.
func (p Protocol) HasPorts() bool { return p == TCP || p == UDP || p == SCTP || p == UDPLite }

// ProtocolOf names an IP protocol.
func ProtocolOf(number uint8) Protocol {
	for p, n := range numbers {
		if n == number {
			return p
		}
	}
	return Protocol(strconv.Itoa(int(number)))
}

// PortRange is all ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Ports is a list of ranges.
type Ports []PortRange

// Port is one port as a list.
func Port(n uint16) Ports { return Ports{{n, n}} }

// Contains says whether a port is in one of the ranges.
func (p Ports) Contains(n uint16) bool {
	for _, r := range p {
		if r.First <= n && n <= r.Last {
			return true
		}
	}
	return false
}

// Default is the port of a server that has exactly one.
func (p Ports) Default() (uint16, bool) {
	if len(p) != 1 || p[0].First != p[0].Last {
		return 0, false
	}
	return p[0].First, true
}

// String is "443", "67,68" or "30000-32767"; empty for no list.
func (p Ports) String() string {
	parts := make([]string, 0, len(p))
	for _, r := range p {
		parts = append(parts, r.String())
	}
	return strings.Join(parts, ",")
}

func (r PortRange) String() string {
	if r.First == r.Last {
		return strconv.Itoa(int(r.First))
	}
	return strconv.Itoa(int(r.First)) + "-" + strconv.Itoa(int(r.Last))
}
