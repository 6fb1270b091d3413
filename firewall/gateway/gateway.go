package gateway

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Gateway is everything that is declared of one firewall.
type Gateway struct {
	// Owner is who the firewall is of, as "namespace/name": the prefix of the log of drops.
	Owner string
	// Networks are those between which it forwards.
	Networks []Network
	// Egress are the rules for what comes from inside, Ingress those for what goes inside.
	Egress, Ingress []Rule
	// DropLog says what is told of dropped packets.
	DropLog DropLog
	// Servers are the name servers that are asked for clients inside, where rules have names.
	Servers []netip.Addr `json:",omitempty"`
	// Resolved says whether an address is one that a name of the patterns has; nil: none is. It is a fact of the moment, and no part of the declaration.
	Resolved func(patterns []string, a netip.Addr) bool `json:"-"`
}

// Network is one of the networks.
type Network struct {
	// Name is "namespace/name".
	Name string
	// Inside networks are what the firewall protects; the others are outside.
	Inside bool
	// Interface is the one by which its packets come and go.
	Interface string
	// Prefixes are what is reached through it.
	Prefixes []netip.Prefix
	// Own are the firewall's addresses in it that sources are translated to, at most one of each family; only those that are wanted.
	Own []netip.Addr
	// Pairs are translated one to one: who asks for Outside gets to Inside, and what comes from Inside goes out as Outside.
	Pairs []Pair
	// Resolver are the firewall's addresses in an inside network at which it answers DNS, at most one of each family. Where rules have names, it answers there what is asked of any other.
	Resolver []netip.Addr `json:",omitempty"`
	// Limit is how many new flows may come from it.
	Limit Limit
}

// Pair is an address outside that stands for one inside.
type Pair struct{ Outside, Inside netip.Addr }

// Limit is a number of new flows a second; the zero value is none. A second's worth may come at once.
type Limit struct{ PerSecond uint32 }

// None says whether there is no limit.
func (l Limit) None() bool { return l.PerSecond == 0 }

// Protocol is what a rule is for.
type Protocol string

// The protocols. ICMP is that of the packet's family: ICMP or ICMPv6.
const (
	Any  Protocol = "Any"
	TCP  Protocol = "TCP"
	UDP  Protocol = "UDP"
	SCTP Protocol = "SCTP"
	ICMP Protocol = "ICMP"
)

// Ports are a range, both ends included.
type Ports struct{ First, Last uint16 }

// Rule allows.
type Rule struct {
	// Name is the rule's own among those of its direction.
	Name string
	// From and To are networks; empty is anywhere. Both together say which families the rule is for, but for Family.
	From, To []netip.Prefix
	// Names are patterns as package names has them, instead of To: destinations are the addresses that were told to clients for these names.
	Names []string `json:",omitempty"`
	// Family is 4, 6, or 0 for both.
	Family   uint8
	Protocol Protocol
	// Ports are the destination's; empty is any.
	Ports []Ports
	Limit Limit
}

// DropLog is what is told of dropped packets.
type DropLog struct {
	// PerSecond is how many packets are told of at most; 0: none.
	PerSecond uint32
	// Group is the netlink group that they are told to (nft log group).
	Group uint16
}

// The names of what decides besides rules, which are "egress/NAME" and "ingress/NAME".
const (
	ByEstablished = "established"
	ByInvalid     = "invalid"
	// ByNoNetwork: the source or the destination is in no network.
	ByNoNetwork = "no-network"
	// BySpoofed: the packet came in by another interface than its source's network has.
	BySpoofed = "spoofed"
	// ByMisrouted: the packet is about to go out by another interface than its destination's network has.
	ByMisrouted = "misrouted"
	// ByTransit: neither end is inside.
	ByTransit = "transit"
	// ByEgress and ByIngress: no rule of the direction allows it.
	ByEgress  = "egress-default"
	ByIngress = "ingress-default"
	// ByDNS: the firewall answers it itself, since rules have names.
	ByDNS = "dns"
)

// PortOfDNS is where name servers answer (RFC 1035 section 4.2).
const PortOfDNS = 53

// ByRule names a rule, and ByLimit a network's limit.
func ByRule(direction, name string) string { return direction + "/" + name }

// ByLimit names a network's limit.
func ByLimit(network string) string { return "limit/" + network }

// The directions, as rules' names have them.
const (
	Egress  = "egress"
	Ingress = "ingress"
)

// Shared are the names of networks whose interface another one has, too: their hosts can take each other's addresses, and no rule could tell.
func (g *Gateway) Shared() []string {
	var all []string
	for i := range g.Networks {
		for j := range g.Networks {
			if i != j && g.Networks[i].Interface == g.Networks[j].Interface {
				all = append(all, g.Networks[i].Name)
				break
			}
		}
	}
	return all
}

// Check says what does not fit together, all of it.
func (g *Gateway) Check() error {
	var problems []error
	fail := func(format string, args ...any) { problems = append(problems, fmt.Errorf(format, args...)) }
	names, prefixes, outside := map[string]bool{}, map[netip.Prefix]string{}, map[netip.Addr]string{}
	for i := range g.Networks {
		n := &g.Networks[i]
		if names[n.Name] {
			fail("network %s is there twice: name it once", n.Name)
		}
		names[n.Name] = true
		if n.Interface == "" {
			fail("network %s has no interface: the firewall has no address in it", n.Name)
		}
		if len(n.Prefixes) == 0 {
			fail("network %s has no prefixes: nothing is reached through it", n.Name)
		}
		for _, p := range n.Prefixes {
			if other, taken := prefixes[p]; taken || p != p.Masked() {
				fail("network %s: the prefix %s is network %s's as well, or has bits after its length", n.Name, p, other)
			}
			prefixes[p] = n.Name
		}
		if n.Inside && len(n.Own)+len(n.Pairs) > 0 {
			fail("network %s: addresses are translated where packets go outside, and it is inside", n.Name)
		}
		g.checkPairs(n, outside, fail)
		g.checkResolver(n, fail)
	}
	if g.HasNames() && !slices.ContainsFunc(g.Networks, func(n Network) bool { return len(n.Resolver) > 0 }) {
		fail("rules have names, and there is no inside network in which the firewall has an address to answer DNS at")
	}
	for direction, rules := range map[string][]Rule{Egress: g.Egress, Ingress: g.Ingress} {
		checkRules(direction, rules, fail)
	}
	slices.SortFunc(problems, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(problems...)
}

func (g *Gateway) checkPairs(n *Network, outside map[netip.Addr]string, fail func(string, ...any)) {
	inside := map[netip.Addr]bool{}
	for _, p := range n.Pairs {
		switch of := g.networkOf(p.Inside); {
		case p.Outside.Is4() != p.Inside.Is4():
			fail("network %s: %s and %s are not of one family", n.Name, p.Outside, p.Inside)
		case of == nil || !of.Inside:
			fail("network %s: %s is in no inside network, and %s cannot stand for it", n.Name, p.Inside, p.Outside)
		}
		if other, taken := outside[p.Outside]; taken {
			fail("network %s: %s stands for an address already, in network %s", n.Name, p.Outside, other)
		}
		if inside[p.Inside] {
			fail("network %s: %s has two addresses outside", n.Name, p.Inside)
		}
		if slices.Contains(n.Own, p.Outside) {
			fail("network %s: %s is the firewall's own, and cannot stand for %s", n.Name, p.Outside, p.Inside)
		}
		outside[p.Outside], inside[p.Inside] = n.Name, true
	}
	families := map[bool]bool{}
	for _, a := range n.Own {
		if families[a.Is4()] {
			fail("network %s: there are two addresses of one family to translate to", n.Name)
		}
		families[a.Is4()] = true
	}
}

func checkRules(direction string, rules []Rule, fail func(string, ...any)) {
	names := map[string]bool{}
	for i := range rules {
		r := &rules[i]
		if names[r.Name] || r.Name == "" {
			fail("%s: the name %q is there twice, or empty", direction, r.Name)
		}
		names[r.Name] = true
		switch r.Protocol {
		case TCP, UDP, SCTP:
		case Any, ICMP:
			if len(r.Ports) > 0 {
				fail("%s/%s: %s has no ports", direction, r.Name, r.Protocol)
			}
		default:
			fail("%s/%s: %q is no protocol", direction, r.Name, r.Protocol)
		}
		for _, p := range r.Ports {
			if p.First > p.Last {
				fail("%s/%s: the ports %d-%d end before they begin", direction, r.Name, p.First, p.Last)
			}
		}
		checkNames(direction, r, fail)
		if r.Family != 0 && r.Family != 4 && r.Family != 6 {
			fail("%s/%s: %d is no family", direction, r.Name, r.Family)
		}
		if !r.in(true) && !r.in(false) {
			fail("%s/%s: no packet has a source and a destination of the families that it is for", direction, r.Name)
		}
	}
}

// in says whether a rule is for a family at all.
func (r *Rule) in(ipv4 bool) bool {
	has := func(list []netip.Prefix) bool {
		return len(list) == 0 || slices.ContainsFunc(list, func(p netip.Prefix) bool { return p.Addr().Is4() == ipv4 })
	}
	return has(r.From) && has(r.To) && (r.Family == 0 || (r.Family == 4) == ipv4)
}
