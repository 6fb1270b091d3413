package prove

import (
	"cmp"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/class"
)

// spare is an interface that every lab has besides the host's: one that no endpoint is for.
const spare = "ingot-none"

// looked are protocols that are sent whether or not a rule names them; package class adds one that no rule names.
var looked = []uint8{calico.ProtocolICMP, calico.ProtocolTCP, calico.ProtocolUDP, calico.ProtocolICMPv6, 112, calico.ProtocolSCTP, calico.ProtocolUDPLite}

// The reasons why a class has no real packet.
const (
	reasonAddress  = "no packet on this way has such addresses: loopback, reserved, or of one link where it would be routed"
	reasonProtocol = "its protocol number can't be that of a packet of the family"
)

// plan is what is sent through one host.
type plan struct {
	packets    []firewall.Packet
	unsendable map[string]int
	leftOut    int
}

type planner struct {
	*rand.Rand
	own  []netip.Addr
	plan plan
}

// planFor chooses a packet for each class that any of the readings of a host can distinguish, in the state that connection tracking would give it, and
// broken ones where that makes them invalid.
func planFor(interfaces []firewall.Interface, o Options, readings ...class.Resolved) plan {
	var names []string
	w := &planner{Rand: rand.New(rand.NewPCG(o.Seed, 1)), plan: plan{unsendable: map[string]int{}}}
	for _, i := range interfaces {
		names = append(names, i.Name)
		w.own = append(w.own, i.Addresses...)
	}
	for _, way := range class.Ways(class.WayOptions{Interfaces: names, Protocols: looked, Whole: !o.Narrow}, readings...) {
		w.way(way)
	}
	w.loopback()
	if n := len(w.plan.packets); o.MaxPackets > 0 && n > o.MaxPackets {
		w.Shuffle(n, func(i, j int) { w.plan.packets[i], w.plan.packets[j] = w.plan.packets[j], w.plan.packets[i] })
		w.plan.packets, w.plan.leftOut = w.plan.packets[:o.MaxPackets], n-o.MaxPackets
	}
	return w.plan
}

func (w *planner) way(way class.Way) {
	for c := range way.Classes() {
		p, reason := w.member(c)
		if reason != "" {
			w.plan.unsendable[reason]++
			continue
		}
		w.add(p)
	}
}

// member chooses a packet of a class that can be sent, or says why there is none.
func (w *planner) member(c class.Way) (firewall.Packet, string) {
	p := c.First()
	if !carried(c.Protocol, c.IPv6) {
		return p, reasonProtocol
	}
	from, to, ok := w.addresses(c.Hook, c.Sources[0], c.Destinations[0])
	if !ok {
		return p, reasonAddress
	}
	p.Source, p.Destination, p.SourcePort, p.DestinationPort = from, to, w.port(c.SourcePorts[0]), w.port(c.DestinationPorts[0])
	return p, ""
}

func (w *planner) add(p firewall.Packet) {
	p.State = natural(p)
	w.plan.packets = append(w.plan.packets, p)
	if p.State == firewall.New && breakable(p) {
		p.State = firewall.Invalid
		w.plan.packets = append(w.plan.packets, p)
	}
}

// loopback adds one packet a family, protocol and direction: nothing of it is asked on the loopback.
func (w *planner) loopback() {
	for _, hook := range []firewall.Hook{firewall.Input, firewall.Output} {
		for _, a := range []netip.Addr{netip.AddrFrom4([4]byte{192, 0, 2, 1}), netip.MustParseAddr("2001:db8::1")} {
			for _, protocol := range looked {
				p := firewall.Packet{Hook: hook, Source: a, Destination: a, Protocol: protocol}
				if firewall.HasPorts(protocol) {
					p.SourcePort, p.DestinationPort = 1000+uint16(hook), 1000
				}
				if hook == firewall.Input {
					p.In = firewall.Loopback
				} else {
					p.Out = firewall.Loopback
				}
				p.State = natural(p)
				w.plan.packets = append(w.plan.packets, p)
			}
		}
	}
}

func (w *planner) port(part []class.PortRange) uint16 {
	r := part[w.IntN(len(part))]
	switch w.IntN(3) {
	case 0:
		return r.First
	case 1:
		return r.Last
	}
	return r.First + uint16(w.IntN(int(r.Last-r.First)+1))
}

// addresses chooses members of two parts that can be sent together: of single machines where the parts have such.
func (w *planner) addresses(hook firewall.Hook, source, destination []class.AddressRange) (from, to netip.Addr, ok bool) {
	sources, destinations := w.candidates(source), w.candidates(destination)
	for _, from := range sources {
		for _, to := range destinations {
			if sendable(hook, from, to) {
				return from, to, true
			}
		}
	}
	return from, to, false
}

// candidates are members of a part, one of each kind that it was found to have, those of single machines first: the host's own in half of the cases
// where there is one, else an end of a range or something inside of it.
func (w *planner) candidates(part []class.AddressRange) []netip.Addr {
	var found [none]netip.Addr
	if w.IntN(2) == 0 {
		for _, i := range w.Perm(len(w.own)) {
			a := w.own[i]
			if kindOf(a) == machine && slices.ContainsFunc(part, func(r class.AddressRange) bool { return r.First.Compare(a) <= 0 && a.Compare(r.Last) <= 0 }) {
				found[machine] = a
			}
		}
	}
	draws := 0
	for !found[machine].IsValid() && draws < tries {
		for _, i := range w.Perm(len(part)) {
			a := w.inside(part[i])
			if k := kindOf(a); k != none && !found[k].IsValid() {
				found[k] = a
			}
			draws++
		}
	}
	return slices.DeleteFunc(found[:], func(a netip.Addr) bool { return !a.IsValid() })
}

// tries is how many members of a part are drawn before it is said to have none of a single machine.
const tries = 64

// inside is an end of a range, or something inside of it.
func (w *planner) inside(r class.AddressRange) netip.Addr {
	switch w.IntN(4) {
	case 0:
		return r.First
	case 1:
		return r.Last
	}
	first, last := r.First.AsSlice(), r.Last.AsSlice()
	// Up to the first byte in which the ends differ there is no choice; behind it, any bytes will do once the number is strictly between the ends.
	b := slices.Clone(first)
	for i := range b {
		if first[i] == last[i] {
			continue
		}
		b[i] = first[i] + byte(w.IntN(int(last[i]-first[i])+1))
		low, high := b[i] == first[i], b[i] == last[i]
		for j := i + 1; j < len(b); j++ {
			from, to := 0, 255
			if low {
				from = int(first[j])
			}
			if high {
				to = int(last[j])
			}
			b[j] = byte(from + w.IntN(to-from+1))
			low, high = low && b[j] == first[j], high && b[j] == last[j]
		}
		break
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// Real says whether a class has packets that a kernel calls new or leaves untracked, on this way: none calls an ICMP error new, and some classes have
// no addresses, or no protocol, that a packet can have.
func Real(c class.Way) bool {
	w := &planner{Rand: rand.New(rand.NewPCG(0, 2))}
	p, reason := w.member(c)
	return reason == "" && natural(p) != firewall.Invalid
}

// flow names what connection tracking takes for one flow: both directions, whatever the interface.
type flow struct {
	protocol uint8
	a, b     netip.AddrPort
}

func flowOf(p firewall.Packet) flow {
	f := flow{protocol: p.Protocol, a: netip.AddrPortFrom(p.Source, p.SourcePort), b: netip.AddrPortFrom(p.Destination, p.DestinationPort)}
	if f.a.Compare(f.b) > 0 {
		f.a, f.b = f.b, f.a
	}
	return f
}

// rounds puts probes into rounds such that no two of one flow are in the same: whatever one of them leaves in connection tracking, the next one must
// not find. Packets that open no flow can go together, after connection tracking was emptied. Echos have identifiers of their own.
func rounds(packets []firewall.Packet) [][]Probe {
	var alone []Probe
	var all [][]Probe
	next := map[flow]int{}
	for _, p := range packets {
		if p.State != firewall.New {
			what := opens
			if natural(p) != p.State {
				what = breaks
			}
			alone = append(alone, Probe{Packet: p, what: what})
			continue
		}
		n := 0
		if !isICMP(p) {
			f := flowOf(p)
			n = next[f]
			next[f]++
		}
		for len(all) <= n {
			all = append(all, nil)
		}
		all[n] = append(all[n], Probe{Packet: p})
	}
	if len(alone) > 0 {
		all = append(all, alone)
	}
	for _, r := range all {
		slices.SortStableFunc(r, func(a, b Probe) int { return cmp.Compare(a.Hook, b.Hook) })
	}
	return all
}
