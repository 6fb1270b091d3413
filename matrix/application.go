package matrix

import "slices"

// Application is what a flow speaks above its transport: one of Applications.
type Application string

// Nature is what is known of an application.
type Nature struct {
	Application Application
	// Encrypts says that whoever speaks it encrypts, with integrity.
	Encrypts bool
	// Plain says that whoever speaks it does not encrypt by it: what encrypts, if anything does, is below or inside.
	Plain bool
	// Transports are what it runs over; Ports those it is usually found on, for the reader of a foreign matrix.
	Transports []Protocol
	Ports      []uint16
}

// natures is the closed list. An application that is neither Encrypts nor Plain may be either (a database protocol with TLS or without).
var natures = []Nature{
	{"HTTP", false, true, []Protocol{TCP}, []uint16{80, 8080}},
	{"HTTPS", true, false, []Protocol{TCP}, []uint16{443, 8443, 6443}},
	{"TLS", true, false, []Protocol{TCP}, nil},
	{"TCP", false, false, []Protocol{TCP}, nil},
	{"UDP", false, false, []Protocol{UDP}, nil},
	{"SSH", true, false, []Protocol{TCP}, []uint16{22}},
	{"gRPC", false, false, []Protocol{TCP}, nil},
	{"Redfish", true, false, []Protocol{TCP}, []uint16{443}},
	{"IPMI", false, false, []Protocol{UDP}, []uint16{623}},
	{"DHCP", false, true, []Protocol{UDP}, []uint16{67, 68}},
	{"DHCPv6", false, true, []Protocol{UDP}, []uint16{546, 547}},
	{"PXE", false, true, []Protocol{UDP}, []uint16{4011}},
	{"TFTP", false, true, []Protocol{UDP}, []uint16{69}},
	{"DNS", false, true, []Protocol{UDP, TCP}, []uint16{53}},
	{"NTP", false, true, []Protocol{UDP}, []uint16{123}},
	{"Syslog", false, false, []Protocol{UDP, TCP}, []uint16{514, 6514}},
	{"BGP", false, false, []Protocol{TCP}, []uint16{179}},
	{"VRRP", false, true, []Protocol{"112"}, nil},
	{"WireGuard", true, false, []Protocol{UDP}, []uint16{51820, 41641}},
	{"STUN", false, true, []Protocol{UDP}, []uint16{3478}},
	{"VXLAN", false, true, []Protocol{UDP}, []uint16{4789}},
	{"LLDP", false, true, []Protocol{LLDP}, nil},
	{"ARP", false, true, []Protocol{ARP}, nil},
	{"NDP", false, true, []Protocol{ICMPv6}, nil},
	{"Ping", false, true, []Protocol{ICMP, ICMPv6}, nil},
	{"Postgres", false, false, []Protocol{TCP}, []uint16{5432}},
	{"Redis", false, false, []Protocol{TCP}, []uint16{6379}},
	{"RethinkDB", false, false, []Protocol{TCP}, []uint16{28015}},
	{"etcd", false, false, []Protocol{TCP}, []uint16{2379, 2380}},
	{"Salt", true, false, []Protocol{TCP}, []uint16{4505, 4506}},
}

// Applications are all that a row may name.
func Applications() []Nature { return slices.Clone(natures) }

// NatureOf finds an application by its exact name.
func NatureOf(a Application) (Nature, bool) {
	i := slices.IndexFunc(natures, func(n Nature) bool { return n.Application == a })
	if i < 0 {
		return Nature{}, false
	}
	return natures[i], true
}
