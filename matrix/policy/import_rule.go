package policy

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// header reads what is not about addresses.
func (r reader) header() (opening, bool) {
	var o opening
	switch {
	case r.rule.NotProtocol != nil:
		r.unsay("notProtocol", "a row names its protocol, not what it is not: left out")
		return o, false
	case r.rule.NotICMP != nil:
		r.unsay("notICMP", "a row names its ICMP types, not what they are not: left out")
		return o, false
	case r.rule.Protocol == nil:
		r.unsay("protocol", "a row names its protocol, and this rule is about all of them: left out")
		return o, false
	case r.rule.ICMP != nil && r.rule.ICMP.Code != nil:
		r.unsay("icmp.code", "a row has ICMP types without codes: left out")
		return o, false
	}
	o.protocol = matrix.ProtocolOf(r.rule.Protocol.Number)
	if r.rule.Protocol.Name == "" && (o.protocol == matrix.ICMP || o.protocol == matrix.ICMPv6) {
		r.unsay("protocol", "the number is that protocol in both families, the row means its own: packets of the other family are left out")
	}
	if !r.oneFamily(o.protocol) {
		return o, false
	}
	if r.rule.ICMP != nil {
		o.types = []uint8{r.rule.ICMP.Type}
	}
	switch {
	case len(r.rule.Source.Ports)+len(r.rule.Source.NotPorts) > 0:
		r.unsay("source.ports", "rows have the server's ports only: left out")
		return o, false
	case len(r.rule.Destination.NotPorts) > 0:
		r.unsay("destination.notPorts", "a row names its ports, not what they are not: left out")
		return o, false
	}
	ports, ok := r.ports()
	o.ports = ports
	return o, ok
}

// oneFamily: a row is about both families, unless its protocol or the networks of its party are of one.
func (r reader) oneFamily(p matrix.Protocol) bool {
	v := r.rule.IPVersion
	nets := slices.Concat(r.rule.Source.Nets, r.rule.Destination.Nets)
	if v == 0 || p == matrix.ICMP && v == 4 || p == matrix.ICMPv6 && v == 6 || len(nets) > 0 && nets[0].Addr().Is4() == (v == 4) {
		return true
	}
	r.unsay("ipVersion", "a row is about both families: left out")
	return false
}

func (r reader) ports() (matrix.Ports, bool) {
	var ports matrix.Ports
	for _, p := range r.rule.Destination.Ports {
		switch {
		case p.Name != "":
			r.unsay("destination.ports", "port %s is a name that each endpoint gives a number: left out, write the number", p.Name)
			return nil, false
		case p.Max == 0:
			r.unsay("destination.ports", "port 0 is nobody's: that port is left out")
		default:
			ports = append(ports, matrix.PortRange{First: max(p.Min, 1), Last: p.Max})
		}
	}
	return ports, len(ports) > 0 || len(r.rule.Destination.Ports) == 0
}

// own is the side of the rule that the policy's host is on. Its address is one of its own anyway, so a selector there that selects all hosts of the policy says nothing more,
// one that selects some of them makes the row narrower, and one that selects others makes a rule that no packet matches.
func (r reader) own(p calico.Peer, name string, mine []matrix.Endpoint) ([]matrix.Endpoint, bool) {
	switch {
	case len(p.Nets)+len(p.NotNets) > 0:
		r.unsay(name+".nets", "it restricts the host's own address, and a row names hosts by role and zone: left out")
		return nil, false
	case p.NotSelector != nil:
		r.unsay(name+".notSelector", "a row names its parties, not who they are not: left out")
		return nil, false
	case p.Selector == nil:
		return mine, true
	}
	ends, why := r.ends(*p.Selector)
	if why != "" {
		r.unsay(name+".selector", "%s: left out", why)
		return nil, false
	}
	var narrowed []matrix.Endpoint
	for _, m := range mine {
		for _, e := range ends {
			if both, ok := intersect(m, e); ok && !slices.Contains(narrowed, both) {
				narrowed = append(narrowed, both)
			}
		}
	}
	switch {
	case len(narrowed) == 0:
		r.unsay(name+".selector", "it is the host's own side, and selects others than the policy does: no packet matches, left out")
		return nil, false
	case slices.Equal(narrowed, mine):
		r.unsay(name+".selector", "it is the host's own side, and selects every host of the policy: it says nothing, unless the other side was meant")
	}
	return narrowed, true
}

// intersect is what two ends have in common, where a row can say it. Two different roles may be one host's: that no row can say.
func intersect(a, b matrix.Endpoint) (matrix.Endpoint, bool) {
	if a.Role == matrix.AnyRole {
		a.Role = b.Role
	}
	if a.Zone == matrix.AnyZone {
		a.Zone = b.Zone
	}
	return a, (b.Role == matrix.AnyRole || a.Role == b.Role) && (b.Zone == matrix.AnyZone || a.Zone == b.Zone)
}

// peers are the ends that the other side of a rule names.
func (r reader) peers(p calico.Peer, name string) ([]matrix.Endpoint, bool) {
	switch {
	case p.NotSelector != nil:
		r.unsay(name+".notSelector", "a row names its parties, not who they are not: left out")
		return nil, false
	case len(p.NotNets) > 0:
		r.unsay(name+".notNets", "a row names its parties, not who they are not: left out")
		return nil, false
	case p.Selector != nil && len(p.Nets) > 0:
		r.unsay(name+".nets", "it is both a selector and networks, and a row has one party: left out")
		return nil, false
	case p.GlobalOnly && p.Selector == nil:
		r.unsay(name+".namespaceSelector", "everything without a namespace is no party of a row: left out")
		return nil, false
	case len(p.Nets) > 0:
		return []matrix.Endpoint{r.strangers(p.Nets)}, true
	case p.Selector == nil:
		return []matrix.Endpoint{matrix.Anybody}, true
	}
	ends, why := r.ends(*p.Selector)
	if why != "" {
		r.unsay(name+".selector", "%s: left out", why)
	}
	return ends, why == ""
}

// strangers makes networks an outside party, the same one for the same networks.
func (i *importer) strangers(nets []netip.Prefix) matrix.Endpoint {
	for _, d := range i.m.Roles {
		if d.Outside && slices.Equal(d.Networks, nets) && i.zones[zoneNetworks] {
			return matrix.Endpoint{Role: d.Name, Zone: zoneNetworks}
		}
	}
	if !i.zones[zoneNetworks] {
		i.zones[zoneNetworks] = true
		i.m.Zones = append(i.m.Zones, matrix.ZoneDefinition{Name: zoneNetworks, Title: "Networks that policies name by address", Outside: true})
	}
	name := "net-" + labelOf(nets[0].String())
	for i.roles[matrix.Role(name)] {
		name += "-x"
	}
	i.roles[matrix.Role(name)] = true
	i.m.Roles = append(i.m.Roles, matrix.RoleDefinition{Name: matrix.Role(name), Title: nets[0].String(), Networks: nets, Outside: true})
	return matrix.Endpoint{Role: matrix.Role(name), Zone: zoneNetworks}
}
