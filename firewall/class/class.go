// Package class owns the equivalence classes of packets: a set of headers such that every header is treated by a host's policies like one of them.
//
// Every rule is constant between neighbouring boundaries of its ports, protocols and networks, so one representative of each part of each field is
// enough, and their product is complete. It refuses to look at a ruleset: classes come from the policies, so that a compiler that forgets a rule is
// found. Source ports matter only where a rule or failsafe names them, ICMP codes likewise; TCP flags and fragments never do.
//
// Invariants: a Space depends on the site and host only, and is finite; two packets of one class meet the same rules on every stage.
package class

import (
	"fmt"
	"iter"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// Space is a set of values for each field. Its packets are the product.
type Space struct {
	Hooks []firewall.Hook
	// Interfaces are those with endpoints, one without, and loopback.
	Interfaces                    []string
	IPv4, IPv6                    []netip.Addr
	Protocols                     []uint8
	SourcePorts, DestinationPorts []uint16
	ICMP                          []ICMP
	States                        []firewall.State
}

// ICMP is a type and code.
type ICMP struct{ Type, Code uint8 }

// unnamedProtocols are some that policies rarely name: the first that this site doesn't name stands for all of them.
var unnamedProtocols = []uint8{253, 254, 47, 50, 51, 4, 41}

// Of gives the classes that a host's policies can distinguish.
func Of(s *firewall.Site, h *firewall.Host) Space {
	f := &features{site: s}
	f.failsafes(s.Failsafes())
	names := []string{firewall.Loopback, "ingot-none"}
	for name, e := range h.Endpoints {
		names = append(names, name)
		f.endpoint(e)
	}
	if h.Any != nil {
		f.endpoint(h.Any)
	}
	slices.Sort(names)
	return Space{
		Hooks:            []firewall.Hook{firewall.Input, firewall.Output, firewall.Forward},
		Interfaces:       names,
		IPv4:             f.addresses(netip.IPv4Unspecified()),
		IPv6:             f.addresses(netip.IPv6Unspecified()),
		Protocols:        f.protocols(),
		SourcePorts:      numbers(f.sourcePorts),
		DestinationPorts: numbers(f.destinationPorts),
		ICMP:             f.icmpClasses(),
		States:           []firewall.State{firewall.New, firewall.Established, firewall.Invalid, firewall.Untracked},
	}
}

// features are everything that a rule can ask of a packet.
type features struct {
	site                          *firewall.Site
	nets                          [][]netip.Prefix
	named                         []uint8
	sourcePorts, destinationPorts []calico.Port
	icmp                          []calico.ICMP
	// asked and rows are what packets of a Way can meet: rules and failsafes.
	asked []calico.Rule
	rows  []firewall.Failsafe
}

func (f *features) failsafes(rows []firewall.Failsafe) {
	for _, r := range rows {
		f.named = append(f.named, r.Protocol)
		f.nets = append(f.nets, r.Nets)
		for _, p := range r.Ports { // before connection tracking, answers come from these ports
			f.sourcePorts = append(f.sourcePorts, calico.Port{Min: p, Max: p})
			f.destinationPorts = append(f.destinationPorts, calico.Port{Min: p, Max: p})
		}
		for _, t := range r.ICMPTypes {
			f.icmp = append(f.icmp, calico.ICMP{Type: t})
		}
	}
}

func (f *features) endpoint(e *firewall.Endpoint) {
	for _, d := range []calico.Direction{calico.Ingress, calico.Egress} {
		for _, stage := range []firewall.Stage{firewall.DoNotTrack, firewall.PreDNAT, firewall.Forwarded, firewall.Local} {
			for _, t := range e.Tiers(stage, d) {
				for _, p := range t.Policies {
					f.rules(firewall.Rules(p, d))
				}
			}
		}
	}
	for _, p := range e.Profiles {
		f.rules(p.Ingress)
		f.rules(p.Egress)
	}
}

func (f *features) rules(rules []calico.Rule) {
	for i := range rules {
		r := &rules[i]
		for _, p := range []*calico.Protocol{r.Protocol, r.NotProtocol} {
			if p != nil {
				f.named = append(f.named, p.Number)
			}
		}
		for _, m := range []*calico.ICMP{r.ICMP, r.NotICMP} {
			if m != nil {
				f.icmp = append(f.icmp, *m)
			}
		}
		f.sourcePorts = append(f.sourcePorts, f.peer(r, &r.Source)...)
		f.destinationPorts = append(f.destinationPorts, f.peer(r, &r.Destination)...)
	}
}

// peer notes the networks of one side, and gives its ports, names resolved.
func (f *features) peer(r *calico.Rule, p *calico.Peer) []calico.Port {
	f.nets = append(f.nets, p.Nets, p.NotNets)
	for _, sel := range []*selector.Selector{p.Selector, p.NotSelector} {
		if sel != nil {
			f.nets = append(f.nets, f.site.Members(*sel, p.GlobalOnly))
		}
	}
	if p.GlobalOnly {
		f.nets = append(f.nets, f.site.Members(selector.All(), true))
	}
	var ports []calico.Port
	for _, q := range slices.Concat(p.Ports, p.NotPorts) {
		if q.Name == "" {
			ports = append(ports, q)
			continue
		}
		owners := map[uint16][]netip.Prefix{}
		for _, s := range f.site.Services(q.Name, r.Protocol.Number, p) {
			owners[s.Port] = append(owners[s.Port], netip.PrefixFrom(s.Address, s.Address.BitLen()))
			ports = append(ports, calico.Port{Min: s.Port, Max: s.Port})
		}
		for _, nets := range owners {
			f.nets = append(f.nets, nets)
		}
	}
	return ports
}

// addresses: a class begins at the start of the family, at the first address of a network, or behind its last one.
func (f *features) addresses(lowest netip.Addr) []netip.Addr {
	candidates := []netip.Addr{lowest}
	for _, nets := range f.nets {
		for _, n := range nets {
			if n.Addr().Is4() != lowest.Is4() {
				continue
			}
			candidates = append(candidates, n.Masked().Addr())
			if next := last(n).Next(); next.IsValid() {
				candidates = append(candidates, next)
			}
		}
	}
	slices.SortFunc(candidates, netip.Addr.Compare)
	var classes []netip.Addr
	seen := map[string]bool{}
	for _, a := range slices.Compact(candidates) {
		signature := make([]byte, len(f.nets))
		for i, nets := range f.nets {
			if slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) }) {
				signature[i] = 1
			}
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			classes = append(classes, a)
		}
	}
	return classes
}

func last(n netip.Prefix) netip.Addr {
	b := n.Masked().Addr().AsSlice()
	for bit := n.Bits(); bit < len(b)*8; bit++ {
		b[bit/8] |= 0x80 >> (bit % 8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

func (f *features) protocols() []uint8 {
	all := append(slices.Clone(f.named), calico.ProtocolTCP, calico.ProtocolUDP, calico.ProtocolICMP, calico.ProtocolICMPv6)
	for _, p := range unnamedProtocols {
		if !slices.Contains(all, p) {
			all = append(all, p)
			break
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func numbers(ports []calico.Port) []uint16 {
	candidates := []uint16{0}
	for _, p := range ports {
		candidates = append(candidates, p.Min)
		if p.Max < 65535 {
			candidates = append(candidates, p.Max+1)
		}
	}
	slices.Sort(candidates)
	var classes []uint16
	seen := map[string]bool{}
	for _, n := range slices.Compact(candidates) {
		signature := make([]byte, len(ports))
		for i, p := range ports {
			if p.Min <= n && n <= p.Max {
				signature[i] = 1
			}
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			classes = append(classes, n)
		}
	}
	return classes
}

func (f *features) icmpClasses() []ICMP {
	candidates := []ICMP{{}, {255, 255}}
	for _, m := range f.icmp {
		candidates = append(candidates, ICMP{m.Type, 0}, ICMP{m.Type, 255}, ICMP{m.Type + 1, 0})
		if m.Code != nil {
			candidates = append(candidates, ICMP{m.Type, *m.Code}, ICMP{m.Type, *m.Code + 1}, ICMP{m.Type + 1, *m.Code})
		}
	}
	var classes []ICMP
	seen := map[string]bool{}
	for _, c := range candidates {
		signature := make([]byte, len(f.icmp))
		for i, m := range f.icmp {
			if c.Type == m.Type && (m.Code == nil || *m.Code == c.Code) {
				signature[i] = 1
			}
		}
		if !seen[string(signature)] {
			seen[string(signature)] = true
			classes = append(classes, c)
		}
	}
	return classes
}

// Packets are all packets of the space, in a fixed order.
func (s Space) Packets() iter.Seq[firewall.Packet] {
	return func(yield func(firewall.Packet) bool) {
		for _, way := range s.ways() {
			for _, family := range [][]netip.Addr{s.IPv4, s.IPv6} {
				for _, source := range family {
					for _, destination := range family {
						p := way
						p.Source, p.Destination = source, destination
						if !s.transports(p, yield) {
							return
						}
					}
				}
			}
		}
	}
}

// ways are the hooks with their interfaces. Nothing is forwarded from or to loopback.
func (s Space) ways() []firewall.Packet {
	var ways []firewall.Packet
	for _, hook := range s.Hooks {
		for _, a := range s.Interfaces {
			switch hook {
			case firewall.Input:
				ways = append(ways, firewall.Packet{Hook: hook, In: a})
			case firewall.Output:
				ways = append(ways, firewall.Packet{Hook: hook, Out: a})
			case firewall.Forward:
				for _, b := range s.Interfaces {
					if a != firewall.Loopback && b != firewall.Loopback {
						ways = append(ways, firewall.Packet{Hook: hook, In: a, Out: b})
					}
				}
			}
		}
	}
	return ways
}

func (s Space) transports(p firewall.Packet, yield func(firewall.Packet) bool) bool {
	for _, p.Protocol = range s.Protocols {
		for _, p.State = range s.States {
			switch {
			case firewall.HasPorts(p.Protocol):
				for _, p.SourcePort = range s.SourcePorts {
					for _, p.DestinationPort = range s.DestinationPorts {
						if !yield(p) {
							return false
						}
					}
				}
				p.SourcePort, p.DestinationPort = 0, 0
			case p.Protocol == calico.ProtocolICMP && p.Source.Is4(), p.Protocol == calico.ProtocolICMPv6 && p.Source.Is6():
				for _, c := range s.ICMP {
					p.ICMPType, p.ICMPCode = c.Type, c.Code
					if !yield(p) {
						return false
					}
				}
				p.ICMPType, p.ICMPCode = 0, 0
			default:
				if !yield(p) {
					return false
				}
			}
		}
	}
	return true
}

// Count is the number of packets.
func (s Space) Count() int {
	n := 0
	for range s.Packets() {
		n++
	}
	return n
}

func (s Space) String() string {
	return fmt.Sprintf("%d interfaces, %d+%d addresses, %d protocols, %d+%d ports, %d ICMP", len(s.Interfaces), len(s.IPv4), len(s.IPv6), len(s.Protocols),
		len(s.SourcePorts), len(s.DestinationPorts), len(s.ICMP))
}
