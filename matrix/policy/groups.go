package policy

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// addresses are networks that stand for a party in packets of one header.
type addresses struct {
	header header
	nets   []netip.Prefix
}

// groups are the addresses beside the parties' own: from is what the client may send from, to what it may send to.
type groups struct{ from, to []addresses }

// group is a protocol that does not only speak between the addresses of its parties.
type group struct {
	protocol matrix.Protocol
	// port and icmp narrow the protocol; 0 is none.
	port uint16
	icmp uint8
	// from and to are IPv4 or IPv6 networks, each list of either family.
	from, to []string
}

const (
	linkLocal   = "fe80::/10"
	unspecified = "::/128"
	allNodes    = "ff02::1/128"
	allRouters  = "ff02::2/128"
	solicited   = "ff02::1:ff00:0/104"
	allMLDv2    = "ff02::16/128"
	everybody   = "255.255.255.255/32"
)

// known are all groups.
var known = []group{
	// VRRP: RFC 9568 §5.1.1.2 and §5.1.2.2; IPv6 routers send from link-local addresses.
	{protocol: "112", from: []string{linkLocal}, to: []string{"224.0.0.18/32", "ff02::12/128"}},
	// OSPF: RFC 2328 §A.1, RFC 5340 §A.1.
	{protocol: "89", from: []string{linkLocal}, to: []string{"224.0.0.5/32", "224.0.0.6/32", "ff02::5/128", "ff02::6/128"}},
	// DHCP: RFC 2131 §4.1. The client has no address, and the server answers to everybody where the client asks for it.
	{protocol: matrix.UDP, port: 67, from: []string{"0.0.0.0/32"}, to: []string{everybody}},
	{protocol: matrix.UDP, port: 68, to: []string{everybody}},
	// DHCPv6: RFC 9915 §7.1; both speak from and to link-local addresses, and a server answers to a relay of its own link at one.
	{protocol: matrix.UDP, port: 547, from: []string{linkLocal}, to: []string{"ff02::1:2/128", linkLocal}},
	{protocol: matrix.UDP, port: 546, from: []string{linkLocal}, to: []string{linkLocal}},
	// Neighbour discovery: RFC 4861 §4.1 to §4.4 and RFC 4862 §5.4.2. Routers answer a solicitation at its link-local source.
	{protocol: matrix.ICMPv6, icmp: 133, from: []string{linkLocal, unspecified}, to: []string{allRouters, linkLocal}},
	{protocol: matrix.ICMPv6, icmp: 134, from: []string{linkLocal}, to: []string{allNodes, linkLocal}},
	{protocol: matrix.ICMPv6, icmp: 135, from: []string{linkLocal, unspecified}, to: []string{solicited, linkLocal}},
	{protocol: matrix.ICMPv6, icmp: 136, from: []string{linkLocal}, to: []string{allNodes, linkLocal}},
	// Multicast listeners: RFC 2710 §3 and §8, RFC 3810 §5.1.15 and §5.2.14.
	{protocol: matrix.ICMPv6, icmp: 130, from: []string{linkLocal}, to: []string{allNodes}},
	{protocol: matrix.ICMPv6, icmp: 143, from: []string{linkLocal, unspecified}, to: []string{allMLDv2}},
}

// groupsOf finds the groups that a row names: by protocol, and by a port or an ICMP type that it lists. A row that lists none is about everything between two
// parties, and opens no group.
func groupsOf(r matrix.Row) groups {
	var all groups
	number, _ := r.Protocol.Number()
	protocol := calico.Protocol{Name: calicoNames[r.Protocol], Number: number}
	for _, g := range known {
		if g.protocol != r.Protocol || g.port != 0 && !r.Ports.Contains(g.port) || g.icmp != 0 && !slices.Contains(r.ICMPTypes, g.icmp) {
			continue
		}
		h := header{protocol: protocol}
		if g.port != 0 {
			h.ports = []calico.Port{{Min: g.port, Max: g.port}}
		}
		if g.icmp != 0 {
			h.icmp = &calico.ICMP{Type: g.icmp}
		}
		all.from = append(all.from, byFamily(h, g.from)...)
		all.to = append(all.to, byFamily(h, g.to)...)
	}
	return all
}

// byFamily: the networks of one rule are of one family.
func byFamily(h header, nets []string) []addresses {
	four, six := addresses{header: h}, addresses{header: h}
	for _, text := range nets {
		n := netip.MustParsePrefix(text)
		if n.Addr().Is4() {
			four.nets = append(four.nets, n)
		} else {
			six.nets = append(six.nets, n)
		}
	}
	return slices.DeleteFunc([]addresses{four, six}, func(a addresses) bool { return len(a.nets) == 0 })
}
