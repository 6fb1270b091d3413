package guard

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
)

// Row is a flow by which people or controllers reach a host to mend it.
type Row struct {
	// ID is the row's in the communication matrix; Name says it in words.
	ID, Name string
	Protocol uint8
	// Ports are the host's; at least one for protocols that have ports.
	Ports []uint16
	// From are the networks that people and controllers come from; empty is anywhere.
	From []netip.Prefix
	// Nobody says that From is a party without any address: the row lets nobody in.
	Nobody bool
}

func (r Row) String() string {
	from := "anywhere"
	if r.Nobody {
		from = "a party without addresses"
	}
	if len(r.From) > 0 {
		words := make([]string, len(r.From))
		for i, n := range r.From {
			words[i] = n.String()
		}
		from = strings.Join(words, ", ")
	}
	ports := strings.Trim(strings.ReplaceAll(fmt.Sprint(r.Ports), " ", ","), "[]")
	return strings.TrimSpace(fmt.Sprintf("%s %s", r.ID, r.Name)) + fmt.Sprintf(" (protocol %d, port %s, from %s)", r.Protocol, ports, from)
}

// Way is one packet of a management row, and what the model does with it.
type Way struct {
	Row      Row
	Packet   firewall.Packet
	Decision evaluate.Decision
	// Open says that the packet gets in and that its answer gets out.
	Open bool
}

// Scene is a host under one set of policies.
type Scene struct {
	Site *firewall.Site
	Host *firewall.Host
	// Interfaces are the host's own, with addresses.
	Interfaces []firewall.Interface
}

// Management evaluates packets of management rows: from each network that the row and the policies tell apart, to each address of each interface. The
// order is that of the rows, interfaces and addresses.
func Management(sc Scene, rows []Row) []Way { return ways(sc, rows, networks(sc.Site, sc.Host)) }

func ways(sc Scene, rows []Row, told []netip.Prefix) []Way {
	var all []Way
	for _, row := range rows {
		for _, i := range sc.Interfaces {
			if i.Name == firewall.Loopback {
				continue
			}
			for _, address := range i.Addresses {
				for _, source := range sources(row, told, address, sc.Interfaces) {
					for _, port := range portsOf(row) {
						all = append(all, way(sc.Site, sc.Host, row, firewall.Packet{
							Hook: firewall.Input, In: i.Name, Source: source, Destination: address, Protocol: row.Protocol, SourcePort: 40000, DestinationPort: port,
						}))
					}
				}
			}
		}
	}
	return all
}

func portsOf(r Row) []uint16 {
	if len(r.Ports) == 0 {
		return []uint16{0}
	}
	return r.Ports
}

// way decides a packet and its answer. Connection tracking lets the answer out, unless a doNotTrack policy took the flow from it.
func way(s *firewall.Site, h *firewall.Host, row Row, p firewall.Packet) Way {
	w := Way{Row: row, Packet: p, Decision: evaluate.Packet(s, h, p)}
	if w.Decision.Verdict != firewall.Accept {
		return w
	}
	answer := firewall.Packet{
		Hook: firewall.Output, Out: p.In, Source: p.Destination, Destination: p.Source, Protocol: p.Protocol, SourcePort: p.DestinationPort,
		DestinationPort: p.SourcePort, State: firewall.Established,
	}
	w.Open = evaluate.Packet(s, h, answer).Verdict == firewall.Accept
	if e := h.Endpoint(p.In); e != nil && e.Has(firewall.DoNotTrack) {
		answer.State = firewall.Untracked
		w.Open = w.Open && evaluate.Packet(s, h, answer).Verdict == firewall.Accept
	}
	return w
}

// sources are addresses of the row's networks: one of each that the policies tell apart, and the ends of its own.
func sources(row Row, told []netip.Prefix, to netip.Addr, interfaces []firewall.Interface) []netip.Addr {
	stranger := netip.MustParseAddr("192.0.2.1") // RFC 5737: nobody's
	if to.Is6() {
		stranger = netip.MustParseAddr("2001:db8::1") // RFC 3849
	}
	var all []netip.Addr
	add := func(a netip.Addr) {
		if a.Is4() == to.Is4() && !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	if row.Nobody {
		return nil
	}
	if len(row.From) == 0 {
		add(stranger)
	}
	for _, own := range row.From {
		add(usable(own, interfaces))
		for _, n := range told {
			if n.Overlaps(own) && n.Bits() >= own.Bits() {
				add(usable(n, interfaces))
			}
		}
	}
	for _, n := range told {
		if len(row.From) == 0 {
			add(usable(n, interfaces))
		}
	}
	return all
}

// usable is the first address of a network that somebody else can have: not the network's own number, and none of the host's, which is often the first of its network.
func usable(n netip.Prefix, interfaces []firewall.Interface) netip.Addr {
	a := n.Masked().Addr()
	if n.Bits() < a.BitLen()-1 {
		a = a.Next()
	}
	ours := func(a netip.Addr) bool {
		return slices.ContainsFunc(interfaces, func(i firewall.Interface) bool { return slices.Contains(i.Addresses, a) })
	}
	for first := a; ours(a); {
		a = a.Next()
		if !n.Contains(a) {
			return first // the network is the host's alone
		}
	}
	return a
}

// networks are those that the rules of a host's endpoints name as the peers of what comes in, by number or by selector.
func networks(s *firewall.Site, h *firewall.Host) []netip.Prefix {
	var all []netip.Prefix
	add := func(nets ...netip.Prefix) {
		for _, n := range nets {
			if !slices.Contains(all, n) {
				all = append(all, n)
			}
		}
	}
	peers := func(rules []calico.Rule) {
		for i := range rules {
			peer := &rules[i].Source
			add(peer.Nets...)
			if peer.Selector != nil {
				add(s.Members(*peer.Selector, peer.GlobalOnly)...)
			}
		}
	}
	endpoints := make([]*firewall.Endpoint, 0, len(h.Endpoints)+1)
	for _, name := range sortedNames(h.Endpoints) {
		endpoints = append(endpoints, h.Endpoints[name])
	}
	if h.Any != nil {
		endpoints = append(endpoints, h.Any)
	}
	for _, e := range endpoints {
		for _, stage := range []firewall.Stage{firewall.DoNotTrack, firewall.PreDNAT, firewall.Local} {
			for _, t := range e.Tiers(stage, calico.Ingress) {
				for _, p := range t.Policies {
					peers(p.Ingress)
				}
			}
		}
		for _, p := range e.Profiles {
			peers(p.Ingress)
		}
	}
	for _, f := range s.Failsafes() {
		add(f.Nets...)
	}
	return all
}

func sortedNames(endpoints map[string]*firewall.Endpoint) []string {
	names := make([]string, 0, len(endpoints))
	for name := range endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// CheckManagement says why a ruleset may not be tried: nil where at least one management row is open.
func CheckManagement(ways []Way, rows []Row) *Refusal {
	if len(rows) == 0 {
		return &Refusal{
			Reason: "no management row is known for this host: nothing says by which flow it could be mended",
			Fix:    "mark a row of the matrix with management: true (SSH from the operators, for instance), or start ingot-node with --management tcp/22",
		}
	}
	if slices.ContainsFunc(ways, func(w Way) bool { return w.Open }) {
		return nil
	}
	var closed []string
	for _, row := range rows {
		closed = append(closed, row.String()+": "+whyClosed(ways, row))
	}
	return &Refusal{
		Reason: "it would leave no management row open on this host; closed are " + strings.Join(closed, "; "),
		Fix:    "add an Allow rule for " + rows[0].String() + " before what refuses it, or make the row a failsafe",
	}
}

func whyClosed(ways []Way, row Row) string {
	var why []string
	for _, w := range ways {
		if w.Row.ID != row.ID || w.Row.Name != row.Name {
			continue
		}
		by := "by " + w.Decision.By + " on " + w.Packet.In
		if w.Decision.Verdict == firewall.Accept {
			by = "its answers, on " + w.Packet.In
		}
		if !slices.Contains(why, by) && len(why) < 4 {
			why = append(why, by)
		}
	}
	if row.Nobody {
		return "nobody has an address that it is for: give its party networks"
	}
	if len(why) == 0 {
		return "the host has no address that it could come to"
	}
	return "refused " + strings.Join(why, ", ")
}

// KeepsManagement says whether every management packet that one ruleset lets in is let in by another as well.
func KeepsManagement(before, after Scene, rows []Row) bool {
	told := append(networks(before.Site, before.Host), networks(after.Site, after.Host)...)
	open := map[firewall.Packet]bool{}
	for _, w := range ways(after, rows, told) {
		open[w.Packet] = w.Open
	}
	return !slices.ContainsFunc(ways(before, rows, told), func(w Way) bool { return w.Open && !open[w.Packet] })
}
