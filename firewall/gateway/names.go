package gateway

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/names"
)

// maxNames is how many names a rule has at most.
const maxNames = 32

func (g *Gateway) checkResolver(n *Network, fail func(string, ...any)) {
	if !g.HasNames() {
		return
	}
	families := map[bool]bool{}
	for _, a := range n.Resolver {
		if of := g.networkOf(a); !n.Inside || of == nil || of.Name != n.Name {
			fail("network %s: %s is no address in it, or it is outside, and DNS cannot be answered there", n.Name, a)
		}
		if families[a.Is4()] {
			fail("network %s: there are two addresses of one family to answer DNS at", n.Name)
		}
		families[a.Is4()] = true
	}
}

func checkNames(direction string, r *Rule, fail func(string, ...any)) {
	switch {
	case len(r.Names) == 0:
		return
	case direction != Egress:
		fail("%s/%s: names are for destinations outside: write prefixes here", direction, r.Name)
	case len(r.To) > 0:
		fail("%s/%s: it has names and prefixes to go to: make two rules of it", direction, r.Name)
	case len(r.Names) > maxNames:
		fail("%s/%s: it has %d names, and a rule has at most %d: make two rules of it", direction, r.Name, len(r.Names), maxNames)
	}
	for _, pattern := range r.Names {
		if err := names.Check(pattern); err != nil {
			fail("%s/%s: %w", direction, r.Name, err)
		}
	}
}

// HasNames says whether a rule has names. Then DNS from inside networks in which the firewall has an address is answered by the firewall.
func (g *Gateway) HasNames() bool {
	return slices.ContainsFunc(g.Egress, func(r Rule) bool { return len(r.Names) > 0 })
}

// Patterns are all that rules have, sorted.
func (g *Gateway) Patterns() []string {
	var all []string
	for i := range g.Egress {
		all = append(all, g.Egress[i].Names...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Named are the rules that have a name among theirs, as ByRule says them.
func (g *Gateway) Named(name string) []string {
	var all []string
	for i := range g.Egress {
		if r := &g.Egress[i]; names.Any(r.Names, name) {
			all = append(all, ByRule(Egress, r.Name))
		}
	}
	return all
}

// MayAsk says whether a client may have any name asked of a name server: a rule lets it ask the server itself. Names that rules have may be asked by everybody inside.
func (g *Gateway) MayAsk(client, server netip.Addr) bool {
	from := g.networkOf(client)
	if from == nil || !from.Inside {
		return false
	}
	// The server's family may be another one than the client's: then any rule to it serves.
	for i := range g.Egress {
		r := &g.Egress[i]
		asks := firewall.Packet{Source: client, Destination: server, Protocol: UDP.Number(false), DestinationPort: PortOfDNS}
		if len(r.Names) == 0 && client.Is4() == server.Is4() && r.matches(asks, server, nil) {
			return true
		}
	}
	return false
}

// Learnable says whether an address may be one of a name: it is neither special nor inside, nor one that the firewall has or that stands for one inside.
func (g *Gateway) Learnable(a netip.Addr) bool {
	n := g.networkOf(a)
	if names.Special(a) || n == nil || n.Inside {
		return false
	}
	return !slices.ContainsFunc(g.Networks, func(n Network) bool {
		return slices.Contains(n.Own, a) || slices.ContainsFunc(n.Pairs, func(p Pair) bool { return p.Outside == a })
	})
}

// resolver is the address at which a new packet's question is answered by the firewall itself.
func (g *Gateway) resolver(p firewall.Packet) (netip.Addr, bool) {
	if p.DestinationPort != PortOfDNS || p.Protocol != UDP.Number(false) && p.Protocol != TCP.Number(false) || !g.HasNames() {
		return netip.Addr{}, false
	}
	for i := range g.Networks {
		for _, a := range g.Networks[i].Resolver {
			if p.In == g.Networks[i].Interface && a.Is4() == p.Source.Is4() {
				return a, true
			}
		}
	}
	return netip.Addr{}, false
}

// LearnedFrom is the Gateway at a moment at which names have addresses.
func (g *Gateway) LearnedFrom(resolved func(patterns []string, a netip.Addr) bool) *Gateway {
	now := *g
	now.Resolved = resolved
	return &now
}

// ServesDNS is an inside network in which the firewall answers questions.
type ServesDNS struct {
	Interface string
	// At are its addresses there, From who may ask.
	At   []netip.Addr
	From []netip.Prefix
}

// DNS are the networks in which questions are answered, sorted by interface; none where no rule has names.
func (g *Gateway) DNS() []ServesDNS {
	if !g.HasNames() {
		return nil
	}
	var all []ServesDNS
	for i := range g.Networks {
		if n := &g.Networks[i]; len(n.Resolver) > 0 {
			all = append(all, ServesDNS{n.Interface, n.Resolver, n.Prefixes})
		}
	}
	slices.SortStableFunc(all, func(a, b ServesDNS) int { return cmp.Compare(a.Interface, b.Interface) })
	return all
}
