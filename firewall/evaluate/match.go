package evaluate

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// matches: all criteria of a rule hold. Lists are alternatives.
func (w *walk) matches(r *calico.Rule) bool {
	p := w.packet
	if r.IPVersion != 0 && r.IPVersion != version(p.Source) {
		return false
	}
	if r.Protocol != nil && !w.isProtocol(*r.Protocol) || r.NotProtocol != nil && w.isProtocol(*r.NotProtocol) {
		return false
	}
	if (r.ICMP != nil || r.NotICMP != nil) && !hasICMP(p) {
		return false
	}
	if r.ICMP != nil && !w.isICMP(*r.ICMP) || r.NotICMP != nil && w.isICMP(*r.NotICMP) {
		return false
	}
	return w.isPeer(r, &r.Source, p.Source, p.SourcePort) && w.isPeer(r, &r.Destination, p.Destination, p.DestinationPort)
}

// everything is what a namespaceSelector of global() stands for without a selector beside it.
var everything = selector.All()

func version(a netip.Addr) int {
	if a.Is4() {
		return 4
	}
	return 6
}

// isProtocol: the name ICMP is the protocol of IPv4, and ICMPv6 of IPv6; a number is that number in either.
func (w *walk) isProtocol(p calico.Protocol) bool {
	family := version(w.packet.Source)
	if p.Name == "ICMP" && family == 6 || p.Name == "ICMPv6" && family == 4 {
		return false
	}
	return p.Number == w.packet.Protocol
}

// hasICMP: protocol 1 in IPv6, or 58 in IPv4, is no ICMP, and has neither type nor code that could be, or not be, what a rule wants.
func hasICMP(p firewall.Packet) bool {
	if p.Source.Is4() {
		return p.Protocol == calico.ProtocolICMP
	}
	return p.Protocol == calico.ProtocolICMPv6
}

func (w *walk) isICMP(i calico.ICMP) bool {
	return w.packet.ICMPType == i.Type && (i.Code == nil || w.packet.ICMPCode == *i.Code)
}

func (w *walk) isPeer(r *calico.Rule, peer *calico.Peer, a netip.Addr, port uint16) bool {
	contains := func(n netip.Prefix) bool { return n.Contains(a) }
	if len(peer.Nets) > 0 && !slices.ContainsFunc(peer.Nets, contains) || slices.ContainsFunc(peer.NotNets, contains) {
		return false
	}
	if peer.Selector != nil && !w.site.Selected(a, *peer.Selector, peer.GlobalOnly) {
		return false
	}
	if peer.Selector == nil && peer.GlobalOnly && !w.site.Selected(a, everything, true) {
		return false
	}
	if peer.NotSelector != nil && w.site.Selected(a, *peer.NotSelector, peer.GlobalOnly) {
		return false
	}
	is := func(q calico.Port) bool { return w.isPort(r, peer, q, a, port) }
	return (len(peer.Ports) == 0 || slices.ContainsFunc(peer.Ports, is)) && !slices.ContainsFunc(peer.NotPorts, is)
}

// isPort: a number is the port, a name is a place: an endpoint's address and its port of that name. Rules with ports always have a protocol.
func (w *walk) isPort(r *calico.Rule, peer *calico.Peer, q calico.Port, a netip.Addr, port uint16) bool {
	if q.Name == "" {
		return q.Min <= port && port <= q.Max
	}
	return slices.Contains(w.site.Services(q.Name, r.Protocol.Number, peer), firewall.Service{Address: a, Port: port})
}

// failsafe is the name of the first one that the packet matches, or empty. Before connection tracking the answers of a server that a failsafe opens
// have to be let out as well: reversed looks for those.
func (w *walk) failsafe(d calico.Direction, reversed bool) string {
	p := w.packet
	peer, port := p.Source, p.DestinationPort
	if d == calico.Egress {
		peer = p.Destination
	}
	if reversed {
		port = p.SourcePort
		d = opposite(d)
	}
	for _, f := range w.site.Failsafes() {
		if f.Direction != d || f.Protocol != p.Protocol || f.ICMP() && !hasICMP(p) || reversed && len(f.Ports) == 0 {
			continue
		}
		if len(f.Ports) > 0 && !slices.Contains(f.Ports, port) || len(f.ICMPTypes) > 0 && !slices.Contains(f.ICMPTypes, p.ICMPType) {
			continue
		}
		if len(f.Nets) > 0 && !slices.ContainsFunc(f.Nets, func(n netip.Prefix) bool { return n.Contains(peer) }) {
			continue
		}
		return f.By()
	}
	return ""
}

func opposite(d calico.Direction) calico.Direction {
	if d == calico.Ingress {
		return calico.Egress
	}
	return calico.Ingress
}
