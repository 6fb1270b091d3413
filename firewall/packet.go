package firewall

import (
	"fmt"
	"net/netip"
)

// Hook is the way of a packet through a host.
type Hook uint8

// The hooks: to the host itself, from it, and through it.
const (
	Input Hook = iota
	Output
	Forward
)

func (h Hook) String() string { return [...]string{"input", "output", "forward"}[h] }

// State is what connection tracking says of a packet (nftables: ct state).
type State uint8

// The states. Established includes related. Untracked is what somebody exempted, and neighbour discovery, which is never tracked.
const (
	New State = iota
	Established
	Invalid
	Untracked
)

func (s State) String() string { return [...]string{"new", "established", "invalid", "untracked"}[s] }

// Loopback is the interface that is never filtered: what a host says to itself crosses no network.
const Loopback = "lo"

// Packet is one header, as far as a policy can distinguish headers. Ports count for protocols that have them, the ICMP fields for ICMP and ICMPv6.
type Packet struct {
	Hook Hook
	// In is empty for Output, Out for Input.
	In, Out                     string
	Source, Destination         netip.Addr
	Protocol                    uint8
	SourcePort, DestinationPort uint16
	ICMPType, ICMPCode          uint8
	State                       State
}

func (p Packet) String() string {
	return fmt.Sprintf("%s in=%q out=%q %s:%d -> %s:%d proto %d icmp %d/%d %s", p.Hook, p.In, p.Out, p.Source, p.SourcePort, p.Destination,
		p.DestinationPort, p.Protocol, p.ICMPType, p.ICMPCode, p.State)
}

// Verdict is the end of a packet's way.
type Verdict uint8

// The verdicts.
const (
	Drop Verdict = iota
	Accept
)

func (v Verdict) String() string { return [...]string{"drop", "accept"}[v] }

// The names of what decides a packet besides the rules of policies.
const (
	ByLoopback    = "loopback"
	ByEstablished = "established"
	ByInvalid     = "invalid"
	ByNoEndpoint  = "no-endpoint"
	ByNoProfile   = "no-profile"
	ByForward     = "forward-default"
)

// HasPorts says whether a protocol's header begins with two ports.
func HasPorts(protocol uint8) bool {
	switch protocol {
	case 6, 17, 33, 132, 136: // TCP, UDP, DCCP, SCTP, UDP-Lite
		return true
	}
	return false
}
