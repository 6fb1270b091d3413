package ruleset

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/gateway"
)

// GatewayTable is the name of the table of what is forwarded, where none is given. It is another one than the host's own: neither can be broken by the other.
const GatewayTable = "ingot_gateway"

// The base chains of a gateway, in the order in which a packet meets them.
const (
	gatewayInward  = "nat_prerouting"
	gatewayForward = "forward"
	gatewayOutward = "nat_postrouting"
)

// gatewayBuilder compiles one family of a gateway.
type gatewayBuilder struct {
	*builder
	g *gateway.Gateway
	// limits are those of both families, by what they are of.
	limits map[string]*Limit
}

// CompileGateway makes the tree of a gateway that passes its Check. Of the options Seen and MarkBit mean nothing here.
//
// The tree of a new packet: its source's network, which checks the interface and the limit; the rules of egress; its destination's network, which checks the interface it goes out by;
// the rules of ingress. Each of the four is a lookup. Until a generation is in, the base chain drops.
func CompileGateway(g *gateway.Gateway, o Options) *Ruleset {
	r := &Ruleset{Table: cmp.Or(o.Table, GatewayTable), Generation: o.Generation, Refused: o.Refused}
	hooks := []*Chain{
		{Name: gatewayInward, Hook: &Hook{Name: "prerouting", Priority: "dstnat", NAT: true}},
		{Name: gatewayForward, Hook: &Hook{Name: "forward", Priority: "filter", Closed: true}},
		{Name: gatewayOutward, Hook: &Hook{Name: "postrouting", Priority: "srcnat", NAT: true}},
	}
	for _, c := range hooks {
		c.Rules = []Rule{{Action: Lookup, Key: Family, Target: "pending_" + c.Name}, {Action: Lookup, Key: Family, Target: "active_" + c.Name}}
		r.Base = append(r.Base, c)
		r.Active = append(r.Active, &Map{Name: "active_" + c.Name, Field: Family})
	}
	limits := map[string]*Limit{}
	for _, ipv6 := range []bool{false, true} {
		b := &gatewayBuilder{g: g, limits: limits,
			builder: &builder{r: r, ipv6: ipv6, sets: map[string]*Set{}, chainLines: cmp.Or(o.ChainLines, DefaultChainLines)}}
		b.refuse = b.chain(append(b.dropLog(), b.recorded(o.Refused, "refused", Drop)...))
		family := number(uint8(4))
		if ipv6 {
			family = number(uint8(6))
		}
		for i, contents := range []func() string{b.inward, b.through, b.outward} {
			r.Active[i].Elements = append(r.Active[i].Elements, Element{Range: single(family), Target: contents()})
		}
	}
	return r
}

// limit is the one of an ID, made where it isn't there yet.
func (b *gatewayBuilder) limit(id string, l gateway.Limit, over bool) Match {
	known := b.limits[id]
	if known == nil {
		known = &Limit{Name: fmt.Sprintf("g%d_l%d", b.r.Generation, len(b.r.Limits)+1), ID: id, PerSecond: l.PerSecond, Over: over}
		b.limits[id] = known
		b.r.Limits = append(b.r.Limits, known)
	}
	return Match{Field: Limited, Limit: known}
}

// dropLog tells of what is dropped, up to its limit.
func (b *gatewayBuilder) dropLog() []Rule {
	log := b.g.DropLog
	if log.PerSecond == 0 {
		return nil
	}
	within := b.limit("drop-log", gateway.Limit{PerSecond: log.PerSecond}, false)
	return []Rule{{Matches: []Match{within}, Log: "ingot " + b.g.Owner + " ", LogGroup: log.Group}}
}

// through is the forward hook.
func (b *gatewayBuilder) through() string {
	ingress := b.tree(&section{lines: b.rules(gateway.Ingress, b.g.Ingress), allow: Rule{Action: Accept}, end: b.refused(gateway.ByIngress)})
	destinations := func(fromInside bool) string {
		return b.networks(Destination, func(n *gateway.Network) string {
			if !fromInside && !n.Inside {
				return b.chain([]Rule{b.refused(gateway.ByTransit)})
			}
			on := Rule{Action: Accept}
			if n.Inside {
				on = Rule{Action: Goto, Target: ingress}
			}
			return b.chain([]Rule{b.refused(gateway.ByMisrouted, Match{Field: OutInterface, Negate: true, Interface: n.Interface}), on})
		}, b.refused(gateway.ByNoNetwork))
	}
	allowed := Rule{Action: Goto, Target: destinations(true)}
	egress := b.tree(&section{lines: b.rules(gateway.Egress, b.g.Egress), allow: allowed, end: b.refused(gateway.ByEgress)})
	outside := destinations(false)
	return b.networks(Source, func(n *gateway.Network) string {
		rules := []Rule{
			b.refused(gateway.BySpoofed, Match{Field: InInterface, Negate: true, Interface: n.Interface}),
			{Matches: []Match{inState(firewall.Established)}, Action: Accept, ID: gateway.ByEstablished},
			b.refused(gateway.ByInvalid, inState(firewall.Invalid)),
		}
		if !n.Limit.None() {
			id := gateway.ByLimit(n.Name)
			rules = append(rules, b.refused(id, b.limit(id, n.Limit, true)))
		}
		next := outside
		if n.Inside {
			next = egress
		}
		return b.chain(append(rules, Rule{Action: Goto, Target: next}))
	}, b.refused(gateway.ByNoNetwork))
}

// rules are the lines of a direction's rules for the family.
func (b *gatewayBuilder) rules(direction string, rules []gateway.Rule) []line {
	var all []line
	for i := range rules {
		r := &rules[i]
		if r.Family == 4 && b.ipv6 || r.Family == 6 && !b.ipv6 {
			continue
		}
		l := line{action: calico.Allow, id: gateway.ByRule(direction, r.Name)}
		if r.Protocol != gateway.Any {
			l.add(Match{Field: Protocol, Values: Ranges{single(number(r.Protocol.Number(b.ipv6)))}})
		}
		if len(r.From) > 0 && !b.addresses(list(r.From), Source, false, &l) || len(r.To) > 0 && !b.addresses(list(r.To), Destination, false, &l) {
			continue
		}
		if len(r.Names) > 0 {
			l.add(Match{Field: Resolved, Names: b.nameSet(r.Names)})
		}
		if len(r.Ports) > 0 {
			var ports Ranges
			for _, p := range r.Ports {
				ports = append(ports, Range{number(p.First), number(p.Last)})
			}
			l.add(Match{Field: DestinationPort, Values: union(ports)})
		}
		if !r.Limit.None() {
			l.add(b.limit(l.id, r.Limit, false))
		}
		if b.possible(&l) {
			all = append(all, l)
		}
	}
	return all
}

// networks is a chain that goes where the network of an address says; rest is for addresses of none.
func (b *gatewayBuilder) networks(f Field, target func(*gateway.Network) string, rest Rule) string {
	targets := map[int]string{}
	m := &Map{Field: f, IPv6: b.ipv6}
	for _, o := range b.owners() {
		if targets[o.network] == "" {
			targets[o.network] = target(&b.g.Networks[o.network])
		}
		m.Elements = append(m.Elements, Element{Range: o.Range, Target: targets[o.network]})
		m.Interval = m.Interval || !o.Single()
	}
	return b.chain(append(b.lookup(m), rest))
}

// owner is a range of addresses and its network.
type owner struct {
	Range
	network int
}

// owners cuts the family's addresses at the ends of all prefixes: in each piece the longest prefix is the same.
func (b *gatewayBuilder) owners() []owner {
	type claim struct {
		Range
		bits, network int
	}
	var claims []claim
	var cuts []Value
	end := universe(Source, b.ipv6).To
	for i, n := range b.g.Networks {
		for _, p := range n.Prefixes {
			if p.Addr().Is6() != b.ipv6 {
				continue
			}
			r := network(p)
			claims = append(claims, claim{r, p.Bits(), i})
			cuts = append(cuts, r.From)
			if r.To != end {
				cuts = append(cuts, r.To.next())
			}
		}
	}
	slices.SortFunc(cuts, Value.compare)
	cuts = slices.Compact(cuts)
	var all []owner
	for i, from := range cuts {
		to := end
		if i+1 < len(cuts) {
			to = cuts[i+1].before()
		}
		best := claim{bits: -1}
		for _, c := range claims {
			if c.From.compare(from) <= 0 && c.To.compare(to) >= 0 && c.bits > best.bits {
				best = c
			}
		}
		if best.bits < 0 {
			continue
		}
		if n := len(all); n > 0 && all[n-1].network == best.network && all[n-1].To.next() == from {
			all[n-1].To = to
			continue
		}
		all = append(all, owner{Range{from, to}, best.network})
	}
	return all
}

// pairs adds a map of addresses to addresses and gives it, nil where the family has none.
func (b *gatewayBuilder) pairs(elements []AddressPair) *Pairs {
	elements = slices.DeleteFunc(elements, func(p AddressPair) bool { return p.From.Is6() != b.ipv6 })
	if len(elements) == 0 {
		return nil
	}
	slices.SortFunc(elements, func(x, y AddressPair) int { return x.From.Compare(y.From) })
	p := &Pairs{Name: fmt.Sprintf("g%d_p%d", b.r.Generation, len(b.r.Pairs)+1), IPv6: b.ipv6, Elements: elements}
	b.r.Pairs = append(b.r.Pairs, p)
	return p
}

// inward is the hook where destinations are translated.
func (b *gatewayBuilder) inward() string {
	var rules []Rule
	for _, n := range b.g.Networks {
		var elements []AddressPair
		for _, p := range n.Pairs {
			elements = append(elements, AddressPair{p.Outside, p.Inside})
		}
		if pairs := b.pairs(elements); pairs != nil {
			rules = append(rules, Rule{Matches: []Match{{Field: InInterface, Interface: n.Interface}}, Action: Translate, Translation: &Translation{Pairs: pairs}})
		}
	}
	return b.chain(append(append(rules, b.questions()...), Rule{Action: Accept}))
}

// questions lead DNS to the firewall itself, from networks in which it answers, where rules have names.
func (b *gatewayBuilder) questions() []Rule {
	var rules []Rule
	for _, n := range b.g.DNS() {
		i := slices.IndexFunc(n.At, func(a netip.Addr) bool { return a.Is6() == b.ipv6 })
		if i < 0 {
			continue
		}
		for _, protocol := range []gateway.Protocol{gateway.UDP, gateway.TCP} {
			rules = append(rules, Rule{Action: Translate, ID: gateway.ByDNS, Translation: &Translation{To: n.At[i], Local: true}, Matches: []Match{
				{Field: InInterface, Interface: n.Interface}, {Field: Protocol, Values: Ranges{single(number(protocol.Number(b.ipv6)))}},
				{Field: DestinationPort, Values: Ranges{single(number(uint16(gateway.PortOfDNS)))}},
			}})
		}
	}
	return rules
}

// outward is the hook where sources are translated: only those of inside networks, by the network that the packet goes to.
func (b *gatewayBuilder) outward() string {
	to := b.networks(Destination, func(n *gateway.Network) string {
		var rules []Rule
		var elements []AddressPair
		for _, p := range n.Pairs {
			elements = append(elements, AddressPair{p.Inside, p.Outside})
		}
		if pairs := b.pairs(elements); pairs != nil {
			rules = append(rules, Rule{Action: Translate, Translation: &Translation{Source: true, Pairs: pairs}})
		}
		if i := slices.IndexFunc(n.Own, func(a netip.Addr) bool { return a.Is6() == b.ipv6 }); i >= 0 {
			rules = append(rules, Rule{Action: Translate, Translation: &Translation{Source: true, To: n.Own[i]}})
		}
		return b.chain(append(rules, Rule{Action: Accept}))
	}, Rule{Action: Accept})
	let := b.chain([]Rule{{Action: Accept}})
	return b.networks(Source, func(n *gateway.Network) string {
		if n.Inside {
			return to
		}
		return let
	}, Rule{Action: Accept})
}
