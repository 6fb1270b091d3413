package gateway

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
)

// Decision is what becomes of a packet.
type Decision struct {
	Verdict firewall.Verdict
	// By is what decided: a rule's name, or one of the constants.
	By string
	// Source and Destination are the packet's when it leaves; where it is dropped they mean nothing.
	Source, Destination netip.Addr
}

// Decide says what becomes of a packet that is to be forwarded. A new packet's addresses are those on the wire; of an established flow they are as the inside sees them, since
// connection tracking has translated them before anybody looks. over says which limits are spent, by the names of ByRule and ByLimit; nil: none.
func (g *Gateway) Decide(p firewall.Packet, over func(limit string) bool) Decision {
	if over == nil {
		over = func(string) bool { return false }
	}
	d := Decision{Source: p.Source, Destination: p.Destination}
	drop := func(by string) Decision { d.Verdict, d.By = firewall.Drop, by; return d }
	if p.State == firewall.New {
		at, asks := g.resolver(p)
		if d.Destination = g.inward(p); asks && d.Destination == p.Destination {
			d.Verdict, d.By, d.Destination = firewall.Accept, ByDNS, at
			return d
		}
	}
	from := g.networkOf(p.Source)
	switch {
	case from == nil:
		return drop(ByNoNetwork)
	case from.Interface != p.In:
		return drop(BySpoofed)
	case p.State == firewall.Established:
		d.Verdict, d.By = firewall.Accept, ByEstablished
		return d
	case p.State == firewall.Invalid:
		return drop(ByInvalid)
	case !from.Limit.None() && over(ByLimit(from.Name)):
		return drop(ByLimit(from.Name))
	}
	if from.Inside {
		name, ok := g.allowed(Egress, g.Egress, p, d.Destination, over)
		if !ok {
			return drop(ByEgress)
		}
		d.By = name
	}
	to := g.networkOf(d.Destination)
	switch {
	case to == nil:
		return drop(ByNoNetwork)
	case !from.Inside && !to.Inside:
		return drop(ByTransit)
	case to.Interface != p.Out:
		return drop(ByMisrouted)
	case to.Inside:
		name, ok := g.allowed(Ingress, g.Ingress, p, d.Destination, over)
		if !ok {
			return drop(ByIngress)
		}
		d.By = name
	}
	d.Verdict = firewall.Accept
	if p.State == firewall.New {
		d.Source = outward(from, to, p.Source)
	}
	return d
}

// inward is where a new packet from outside is to go.
func (g *Gateway) inward(p firewall.Packet) netip.Addr {
	for i := range g.Networks {
		for _, pair := range g.Networks[i].Pairs {
			if pair.Outside == p.Destination && p.In == g.Networks[i].Interface {
				return pair.Inside
			}
		}
	}
	return p.Destination
}

// outward is the source by which a new packet goes to a network.
func outward(from, to *Network, source netip.Addr) netip.Addr {
	if to.Inside || !from.Inside {
		return source
	}
	for _, pair := range to.Pairs {
		if pair.Inside == source {
			return pair.Outside
		}
	}
	for _, own := range to.Own {
		if own.Is4() == source.Is4() {
			return own
		}
	}
	return source
}

// networkOf is the network of an address, by the longest prefix; nil where it is in none.
func (g *Gateway) networkOf(a netip.Addr) *Network {
	var found *Network
	bits := -1
	for i := range g.Networks {
		for _, p := range g.Networks[i].Prefixes {
			if p.Contains(a) && p.Bits() > bits {
				found, bits = &g.Networks[i], p.Bits()
			}
		}
	}
	return found
}

// allowed is the first rule that lets a packet pass.
func (g *Gateway) allowed(direction string, rules []Rule, p firewall.Packet, to netip.Addr, over func(string) bool) (string, bool) {
	for i := range rules {
		name := ByRule(direction, rules[i].Name)
		if rules[i].matches(p, to, g.Resolved) && (rules[i].Limit.None() || !over(name)) {
			return name, true
		}
	}
	return "", false
}

func (r *Rule) matches(p firewall.Packet, to netip.Addr, resolved func([]string, netip.Addr) bool) bool {
	if len(r.Names) > 0 && (resolved == nil || !resolved(r.Names, to)) {
		return false
	}
	within := func(list []netip.Prefix, a netip.Addr) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	family := r.Family == 0 || (r.Family == 4) == p.Source.Is4()
	if !family || !within(r.From, p.Source) || !within(r.To, to) {
		return false
	}
	if r.Protocol != Any && r.Protocol.Number(p.Source.Is6()) != p.Protocol {
		return false
	}
	return len(r.Ports) == 0 || slices.ContainsFunc(r.Ports, func(q Ports) bool { return q.First <= p.DestinationPort && p.DestinationPort <= q.Last })
}

// Number is a protocol's in a family (IANA, Assigned Internet Protocol Numbers); 0 for Any.
func (p Protocol) Number(ipv6 bool) uint8 {
	switch {
	case p == TCP:
		return 6
	case p == UDP:
		return 17
	case p == SCTP:
		return 132
	case p == ICMP && ipv6:
		return 58
	case p == ICMP:
		return 1
	}
	return 0
}

// Explain decides a new packet that comes and goes by the interfaces that its addresses belong to. The destination may be the one on the wire, or what it stands for.
func (g *Gateway) Explain(p firewall.Packet) Decision {
	p.Hook, p.State = firewall.Forward, firewall.New
	if from := g.networkOf(p.Source); from != nil {
		p.In = from.Interface
	}
	if to := g.networkOf(g.inward(p)); to != nil {
		p.Out = to.Interface
	}
	return g.Decide(p, nil)
}

// Allows says whether a flow may be begun, limits left out.
func (g *Gateway) Allows(p firewall.Packet) bool { return g.Explain(p).Verdict == firewall.Accept }
