package mutate

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

type ruleChange struct {
	what string
	rule calico.Rule
}

// ruleChanges are the mutants of one rule by itself.
func ruleChanges(r calico.Rule) []ruleChange {
	var all []ruleChange
	with := func(what string, change func(*calico.Rule)) {
		c := r
		change(&c)
		all = append(all, ruleChange{what, c})
	}
	opposite := map[calico.Action]calico.Action{calico.Allow: calico.Deny, calico.Deny: calico.Allow, calico.Log: calico.Allow, calico.Pass: calico.Deny}
	with("make it "+string(opposite[r.Action]), func(c *calico.Rule) { c.Action = opposite[r.Action] })
	if r.Action == calico.Allow {
		with("only log", func(c *calico.Rule) { c.Action = calico.Log })
	}
	if r.IPVersion == 0 && !ofFamily(r) {
		with("IPv6 only", func(c *calico.Rule) { c.IPVersion = 6 })
		with("IPv4 only", func(c *calico.Rule) { c.IPVersion = 4 })
	}
	if r.Protocol != nil {
		if other, ok := otherProtocol(*r.Protocol); ok && r.ICMP == nil && r.NotICMP == nil {
			with("protocol "+other.String()+" instead of "+r.Protocol.String(), func(c *calico.Rule) { c.Protocol = &other })
		}
		if !firewall.HasPorts(r.Protocol.Number) && r.ICMP == nil && r.NotICMP == nil {
			with("any protocol", func(c *calico.Rule) { c.Protocol = nil })
		}
	}
	if r.ICMP != nil {
		with("any ICMP type", func(c *calico.Rule) { c.ICMP = nil })
		next := calico.ICMP{Type: r.ICMP.Type ^ 1, Code: r.ICMP.Code}
		with("another ICMP type", func(c *calico.Rule) { c.ICMP = &next })
	}
	for _, side := range []struct {
		name string
		of   func(*calico.Rule) *calico.Peer
	}{
		{"source", func(c *calico.Rule) *calico.Peer { return &c.Source }},
		{"destination", func(c *calico.Rule) *calico.Peer { return &c.Destination }},
	} {
		for _, p := range peerChanges(*side.of(&r)) {
			with(side.name+" "+p.what, func(c *calico.Rule) { *side.of(c) = p.peer })
		}
	}
	return all
}

// ofFamily says whether the rule is of one family already.
func ofFamily(r calico.Rule) bool {
	nets := slices.Concat(r.Source.Nets, r.Source.NotNets, r.Destination.Nets, r.Destination.NotNets)
	return len(nets) > 0 || r.Protocol != nil && (r.Protocol.Name == "ICMP" || r.Protocol.Name == "ICMPv6")
}

// otherProtocol is one that a rule with the same ports could name.
func otherProtocol(p calico.Protocol) (calico.Protocol, bool) {
	switch p.Number {
	case calico.ProtocolTCP:
		return calico.Protocol{Name: "UDP", Number: calico.ProtocolUDP}, true
	case calico.ProtocolUDP:
		return calico.Protocol{Name: "TCP", Number: calico.ProtocolTCP}, true
	case calico.ProtocolSCTP:
		return calico.Protocol{Name: "TCP", Number: calico.ProtocolTCP}, true
	case calico.ProtocolICMP, calico.ProtocolICMPv6, calico.ProtocolUDPLite:
		return calico.Protocol{}, false
	case 255:
		return calico.Protocol{Number: 254}, true
	}
	return calico.Protocol{Number: p.Number + 1}, true
}

type peerChange struct {
	what string
	peer calico.Peer
}

func peerChanges(p calico.Peer) []peerChange {
	var all []peerChange
	with := func(what string, change func(*calico.Peer)) {
		c := p
		change(&c)
		all = append(all, peerChange{what, c})
	}
	if p.Selector != nil {
		with("from anybody, without its selector", func(c *calico.Peer) { c.Selector = nil })
		with("from anybody but its selector", func(c *calico.Peer) { c.Selector, c.NotSelector = nil, p.Selector })
	}
	if p.NotSelector != nil {
		with("without its notSelector", func(c *calico.Peer) { c.NotSelector = nil })
	}
	for i, n := range p.Nets {
		with("without the network "+n.String(), func(c *calico.Peer) { c.Nets = slices.Delete(slices.Clone(p.Nets), i, i+1) })
		if n.Bits() > 1 { // a network of everybody is another rule
			wider := netip.PrefixFrom(n.Addr(), n.Bits()-1).Masked()
			with("with "+wider.String()+" instead of "+n.String(), func(c *calico.Peer) { c.Nets = replaced(p.Nets, i, wider) })
		}
	}
	for i, n := range p.NotNets {
		with("not excluding "+n.String(), func(c *calico.Peer) { c.NotNets = slices.Delete(slices.Clone(p.NotNets), i, i+1) })
	}
	if len(p.Ports) > 0 {
		with("at any port", func(c *calico.Peer) { c.Ports = nil })
	}
	for i, q := range p.Ports {
		if len(p.Ports) > 1 {
			with("without port "+q.String(), func(c *calico.Peer) { c.Ports = slices.Delete(slices.Clone(p.Ports), i, i+1) })
		}
		if q.Name != "" {
			continue
		}
		if q.Max < 65535 {
			with("one port wider than "+q.String(), func(c *calico.Peer) { c.Ports = replaced(p.Ports, i, calico.Port{Min: q.Min, Max: q.Max + 1}) })
		}
		if q.Min < q.Max {
			with("one port narrower than "+q.String(), func(c *calico.Peer) { c.Ports = replaced(p.Ports, i, calico.Port{Min: q.Min, Max: q.Max - 1}) })
		}
	}
	return all
}

func replaced[T any](list []T, i int, by T) []T {
	c := slices.Clone(list)
	c[i] = by
	return c
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

func without(m map[string]string, key string) map[string]string {
	c := maps.Clone(m)
	delete(c, key)
	return c
}
