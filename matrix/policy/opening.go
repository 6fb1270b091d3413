package policy

import (
	"net/netip"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// Opening is what a row opens on one side, as numbers: the analyses that compare rows with each other (shadows, answers, differences) work on these, since the product of
// all classes of packets is out of reach for a thousand roles.
type Opening struct {
	Row       string
	Direction calico.Direction
	// At is the end that is opened, Peer the one it is opened to.
	At, Peer matrix.Endpoint
	// Group is set where the peer is not the end itself but the group addresses that stand for it, written with spaces between.
	Group    string
	Protocol matrix.Protocol
	// First and Last are a range of destination ports, or of ICMP types. A protocol that has neither has 0 and 0.
	First, Last uint16
}

// Bounds are the smallest and largest number that packets of a protocol differ by: ports, ICMP types, or nothing.
func Bounds(p matrix.Protocol) (first, last uint16) {
	switch {
	case p.HasPorts():
		return 0, 65535
	case p == matrix.ICMP || p == matrix.ICMPv6:
		return 0, 255
	}
	return 0, 0
}

// Openings are those of all rows of a matrix, in the order of the rows: what Compile makes rules of, on the sides that it enforces.
func Openings(m matrix.Matrix) []Opening {
	index := newOurs(m)
	var all []Opening
	for _, r := range m.Rows {
		all = append(all, openingsOf(r, index)...)
	}
	return all
}

func openingsOf(r matrix.Row, index ours) []Opening {
	headers, _ := headersOf(r)
	if len(headers) == 0 {
		return nil
	}
	enforced := func(e matrix.Endpoint) bool { return index.has(e) || r.Failsafe && e == matrix.Anybody }
	var all []Opening
	side := func(d calico.Direction, at, peer matrix.Endpoint, groups []addresses) {
		for _, h := range headers {
			all = append(all, ranges(Opening{Row: r.ID, Direction: d, At: at, Peer: peer, Protocol: r.Protocol}, h)...)
		}
		if peer == matrix.Anybody {
			return
		}
		for _, g := range groups {
			all = append(all, ranges(Opening{Row: r.ID, Direction: d, At: at, Peer: peer, Group: groupName(g.nets), Protocol: r.Protocol}, g.header)...)
		}
	}
	g := groupsOf(r)
	if r.Ingress() && enforced(r.To) {
		side(calico.Ingress, r.To, r.From, g.from)
	}
	if r.Egress() && enforced(r.From) {
		side(calico.Egress, r.From, r.To, g.to)
	}
	return all
}

func groupName(nets []netip.Prefix) string {
	return strings.Join(texts(nets), " ")
}

func ranges(o Opening, h header) []Opening {
	o.First, o.Last = Bounds(o.Protocol)
	if h.icmp != nil {
		o.First, o.Last = uint16(h.icmp.Type), uint16(h.icmp.Type)
	}
	if len(h.ports) == 0 {
		return []Opening{o}
	}
	all := make([]Opening, 0, len(h.ports))
	for _, p := range h.ports {
		o.First, o.Last = p.Min, p.Max
		all = append(all, o)
	}
	return all
}
