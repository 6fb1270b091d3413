package class

import (
	"encoding/binary"
	"iter"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// Way is the classes of one way through a host, of one family and protocol: for each field its parts, so that any member of a part stands for all of
// it. The classes are the product of the parts.
//
// It is smaller than a Space because each field is divided only by what can be asked of it here: by rules that can match the protocol and family,
// the source's networks apart from the destination's. It holds parts instead of representatives, so that whoever sends packets can choose members
// that can be sent, and others in the next run.
type Way struct {
	Hook firewall.Hook
	// In is empty for Output, Out for Input.
	In, Out  string
	IPv6     bool
	Protocol uint8
	// Sources and Destinations are parts of the family's addresses, each a list of ranges in ascending order.
	Sources, Destinations [][]AddressRange
	// SourcePorts and DestinationPorts have one part, port 0, for protocols without ports.
	SourcePorts, DestinationPorts [][]PortRange
	// ICMP has one part, 0/0, for all protocols but the family's ICMP.
	ICMP []ICMP
}

// AddressRange is all addresses from First to Last, both included.
type AddressRange struct{ First, Last netip.Addr }

// PortRange is all ports from First to Last, both included.
type PortRange struct{ First, Last uint16 }

// Count is the number of classes.
func (w Way) Count() int {
	return len(w.Sources) * len(w.Destinations) * len(w.SourcePorts) * len(w.DestinationPorts) * len(w.ICMP)
}

// Classes are the ways of one class each: every field has one part.
func (w Way) Classes() iter.Seq[Way] {
	return func(yield func(Way) bool) {
		one := w
		for i := range w.Sources {
			one.Sources = w.Sources[i : i+1]
			for j := range w.Destinations {
				one.Destinations = w.Destinations[j : j+1]
				for k := range w.SourcePorts {
					one.SourcePorts = w.SourcePorts[k : k+1]
					for l := range w.DestinationPorts {
						one.DestinationPorts = w.DestinationPorts[l : l+1]
						for m := range w.ICMP {
							one.ICMP = w.ICMP[m : m+1]
							if !yield(one) {
								return
							}
						}
					}
				}
			}
		}
	}
}

// First is a new packet of the first class, made of the first members of its parts.
func (w Way) First() firewall.Packet {
	return firewall.Packet{
		Hook: w.Hook, In: w.In, Out: w.Out, Protocol: w.Protocol, Source: w.Sources[0][0].First, Destination: w.Destinations[0][0].First,
		SourcePort: w.SourcePorts[0][0].First, DestinationPort: w.DestinationPorts[0][0].First, ICMPType: w.ICMP[0].Type, ICMPCode: w.ICMP[0].Code,
	}
}

// Resolved is a host with the site that it was resolved in.
type Resolved struct {
	Site *firewall.Site
	Host *firewall.Host
}

// WayOptions say which ways and how finely.
type WayOptions struct {
	// Interfaces are those between which packets go; none is the loopback.
	Interfaces []string
	// Protocols are looked at besides those that rules name.
	Protocols []uint8
	// Whole divides each way by all rules of the host, those of other interfaces and directions included. The policies can't distinguish more
	// packets by that, but a ruleset that sends a packet to another interface's rules is then found at every rule.
	Whole bool
}

// Ways gives the classes that any of the hosts can distinguish: several, where two readings of one host are to be told apart.
func Ways(o WayOptions, hosts ...Resolved) []Way {
	var ways []Way
	for _, way := range (Space{Hooks: []firewall.Hook{firewall.Input, firewall.Output, firewall.Forward}, Interfaces: o.Interfaces}).ways() {
		parts := make([]*features, len(hosts))
		for i, h := range hosts {
			parts[i] = askedOn(h, way, o.Whole)
		}
		for _, ipv6 := range []bool{false, true} {
			for _, protocol := range protocolsOf(parts, o.Protocols) {
				ways = append(ways, divide(way, parts, protocol, ipv6))
			}
		}
	}
	return ways
}

// askedOn collects the rules that packets of a way can meet, or all of the host.
func askedOn(h Resolved, way firewall.Packet, whole bool) *features {
	f := &features{site: h.Site, rows: h.Site.Failsafes()}
	if whole {
		for _, e := range h.Host.Endpoints {
			f.every(e)
		}
		if h.Host.Any != nil {
			f.every(h.Host.Any)
		}
		return f
	}
	in, out := h.Host.Endpoint(way.In), h.Host.Endpoint(way.Out)
	switch way.Hook {
	case firewall.Input:
		f.stages(in, calico.Ingress, firewall.DoNotTrack, firewall.PreDNAT, firewall.Local)
		f.profiles(in, calico.Ingress)
	case firewall.Output:
		f.stages(out, calico.Egress, firewall.DoNotTrack, firewall.Local)
		f.profiles(out, calico.Egress)
	case firewall.Forward:
		f.stages(in, calico.Ingress, firewall.DoNotTrack, firewall.PreDNAT, firewall.Forwarded)
		f.stages(out, calico.Egress, firewall.Forwarded)
	}
	return f
}

func (f *features) every(e *firewall.Endpoint) {
	for _, d := range []calico.Direction{calico.Ingress, calico.Egress} {
		f.stages(e, d, firewall.DoNotTrack, firewall.PreDNAT, firewall.Forwarded, firewall.Local)
		f.profiles(e, d)
	}
}

func (f *features) stages(e *firewall.Endpoint, d calico.Direction, stages ...firewall.Stage) {
	if e == nil {
		return
	}
	for _, stage := range stages {
		for _, t := range e.Tiers(stage, d) {
			for _, p := range t.Policies {
				f.asked = append(f.asked, firewall.Rules(p, d)...)
			}
		}
	}
}

func (f *features) profiles(e *firewall.Endpoint, d calico.Direction) {
	if e == nil {
		return
	}
	for _, p := range e.Profiles {
		if d == calico.Ingress {
			f.asked = append(f.asked, p.Ingress...)
		} else {
			f.asked = append(f.asked, p.Egress...)
		}
	}
}

func protocolsOf(parts []*features, also []uint8) []uint8 {
	all := &features{named: slices.Clone(also)}
	for _, f := range parts {
		for _, row := range f.rows {
			all.named = append(all.named, row.Protocol)
		}
		for i := range f.asked {
			for _, p := range []*calico.Protocol{f.asked[i].Protocol, f.asked[i].NotProtocol} {
				if p != nil {
					all.named = append(all.named, p.Number)
				}
			}
		}
	}
	return all.protocols()
}

// divide makes the parts of each field from the rules that can match the protocol and family at all.
func divide(way firewall.Packet, hosts []*features, protocol uint8, ipv6 bool) Way {
	var sides [2]features // of the source, and of the destination
	var icmp []calico.ICMP
	for _, h := range hosts {
		for i := range h.asked {
			r := &h.asked[i]
			if r.Protocol != nil && r.Protocol.Number != protocol || r.IPVersion == 4 && ipv6 || r.IPVersion == 6 && !ipv6 {
				continue
			}
			for side, peer := range []*calico.Peer{&r.Source, &r.Destination} {
				f := &sides[side]
				f.site = h.site
				f.sourcePorts = append(f.sourcePorts, f.peer(r, peer)...)
			}
			for _, m := range []*calico.ICMP{r.ICMP, r.NotICMP} {
				if m != nil {
					icmp = append(icmp, *m)
				}
			}
		}
		for _, row := range h.rows {
			if row.Protocol != protocol {
				continue
			}
			for side := range sides { // before connection tracking a failsafe's answers are looked for as well
				sides[side].nets = append(sides[side].nets, row.Nets)
				for _, p := range row.Ports {
					sides[side].sourcePorts = append(sides[side].sourcePorts, calico.Port{Min: p, Max: p})
				}
			}
			for _, t := range row.ICMPTypes {
				icmp = append(icmp, calico.ICMP{Type: t})
			}
		}
	}
	w := Way{
		Hook: way.Hook, In: way.In, Out: way.Out, IPv6: ipv6, Protocol: protocol,
		Sources: addressParts(sides[0].nets, ipv6), Destinations: addressParts(sides[1].nets, ipv6),
		SourcePorts: [][]PortRange{{{}}}, DestinationPorts: [][]PortRange{{{}}}, ICMP: []ICMP{{}},
	}
	if firewall.HasPorts(protocol) {
		w.SourcePorts, w.DestinationPorts = portParts(sides[0].sourcePorts), portParts(sides[1].sourcePorts)
	}
	if protocol == calico.ProtocolICMP && !ipv6 || protocol == calico.ProtocolICMPv6 && ipv6 {
		w.ICMP = (&features{icmp: icmp}).icmpClasses()
	}
	return w
}

// addressParts groups the elementary ranges between the networks' ends by the lists of networks that hold them.
func addressParts(lists [][]netip.Prefix, ipv6 bool) [][]AddressRange {
	lowest, highest := netip.IPv4Unspecified(), netip.AddrFrom4([4]byte{255, 255, 255, 255})
	if ipv6 {
		lowest = netip.IPv6Unspecified()
		highest = last(netip.PrefixFrom(lowest, 0))
	}
	starts := []netip.Addr{lowest}
	for _, nets := range lists {
		for _, n := range nets {
			if n.Addr().Is4() == ipv6 {
				continue
			}
			starts = append(starts, n.Masked().Addr())
			if next := last(n).Next(); next.IsValid() {
				starts = append(starts, next)
			}
		}
	}
	slices.SortFunc(starts, netip.Addr.Compare)
	starts = slices.Compact(starts)
	return grouped(len(starts), func(i int) (AddressRange, string) {
		end := highest
		if i+1 < len(starts) {
			end = starts[i+1].Prev()
		}
		signature := make([]byte, len(lists))
		for j, nets := range lists {
			if slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(starts[i]) }) {
				signature[j] = 1
			}
		}
		return AddressRange{starts[i], end}, string(signature)
	})
}

func portParts(ports []calico.Port) [][]PortRange {
	starts := []uint16{0}
	for _, p := range ports {
		starts = append(starts, p.Min)
		if p.Max < 65535 {
			starts = append(starts, p.Max+1)
		}
	}
	slices.Sort(starts)
	starts = slices.Compact(starts)
	return grouped(len(starts), func(i int) (PortRange, string) {
		end := uint16(65535)
		if i+1 < len(starts) {
			end = starts[i+1] - 1
		}
		var signature []byte
		for j, p := range ports {
			if p.Min <= starts[i] && starts[i] <= p.Max {
				signature = binary.AppendUvarint(signature, uint64(j))
			}
		}
		return PortRange{starts[i], end}, string(signature)
	})
}

// grouped puts ranges of one signature together, in the order in which signatures first appear.
func grouped[R any](n int, of func(int) (R, string)) [][]R {
	var parts [][]R
	index := map[string]int{}
	for i := range n {
		r, signature := of(i)
		at, known := index[signature]
		if !known {
			at = len(parts)
			index[signature] = at
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], r)
	}
	return parts
}
