// Package randomsite makes random sites: endpoints, sets, tiers, profiles, policies and failsafes, for the tests that hold model, rule tree and kernel
// against each other.
//
// A seed is one site, for ever: a failing test prints it. The sites are dense on purpose: few addresses, ports and labels, so that rules overlap. It
// refuses to make what calico.Check would refuse.
package randomsite

import (
	"fmt"
	"math/rand/v2"
	"net/netip"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// Node is the host that a site is about.
const Node = "n0"

// World makes one random site.
type World struct {
	*rand.Rand
	// Interfaces are the host's, once Site was called: always if0 and if1, with other addresses.
	Interfaces            []firewall.Interface
	forward, early, named bool
}

// New gives the world of a seed.
func New(seed uint64) *World {
	w := &World{Rand: rand.New(rand.NewPCG(seed, 0))}
	w.forward, w.early, w.named = w.One(3), w.One(3), w.One(3)
	return w
}

// One says yes in one of so many cases.
func (w *World) One(in int) bool { return w.IntN(in) == 0 }

func pick[T any](w *World, all ...T) T { return all[w.IntN(len(all))] }

func some[T any](w *World, most int, make func() T) []T {
	var all []T
	for range w.IntN(most + 1) {
		all = append(all, make())
	}
	return all
}

// Site makes the site, and resolves its host Node with Interfaces.
func (w *World) Site() (*firewall.Site, *firewall.Host, error) {
	var o calico.Objects
	for i := range 1 + w.IntN(4) {
		o.HostEndpoints = append(o.HostEndpoints, w.endpoint(i))
	}
	o.NetworkSets = some(w, 2, w.networkSet)
	for i := range o.NetworkSets {
		o.NetworkSets[i].Name = fmt.Sprintf("set%d", i)
	}
	tiers := []string{calico.DefaultTier, "kube-admin", "kube-baseline"}
	for i := range w.IntN(3) {
		name := fmt.Sprintf("tier%d", i)
		o.Tiers = append(o.Tiers, calico.Tier{Meta: calico.Meta{Name: name}, Order: w.order(), DefaultAction: pick(w, calico.Deny, calico.Pass)})
		tiers = append(tiers, name, name)
	}
	o.Profiles = []calico.Profile{
		{Meta: calico.Meta{Name: "some"}, Ingress: some(w, 2, w.rule), Egress: some(w, 2, w.rule), LabelsToApply: map[string]string{"lent": "x"}},
	}
	for i := range w.IntN(6) {
		o.Policies = append(o.Policies, w.policy(fmt.Sprintf("p%d", i), tiers))
	}
	s, err := firewall.NewSite(o, w.failsafes())
	if err != nil {
		return nil, nil, err
	}
	w.Interfaces = []firewall.Interface{{Name: "if0", Addresses: []netip.Addr{w.address(), w.address()}}, {Name: "if1"}}
	return s, s.Host(Node, w.Interfaces), nil
}

func (w *World) order() *float64 {
	if w.One(4) {
		return nil
	}
	o := float64(w.IntN(3))
	return &o
}

func (w *World) labels() map[string]string {
	labels := map[string]string{}
	for _, k := range []string{"a", "b"} {
		if !w.One(3) {
			labels[k] = pick(w, "x", "y", "")
		}
	}
	return labels
}

func (w *World) address() netip.Addr {
	if w.One(2) {
		return netip.AddrFrom4([4]byte{10, 0, 0, byte(w.IntN(4))})
	}
	return netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(w.IntN(4))})
}

func (w *World) net(ipv4 bool) netip.Prefix {
	if ipv4 {
		return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(w.IntN(2)), byte(w.IntN(5))}), pick(w, 0, 8, 24, 30, 31, 32, 32)).Masked()
	}
	return netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 15: byte(w.IntN(5))}), pick(w, 0, 8, 64, 126, 127, 128, 128)).Masked()
}

func (w *World) endpoint(i int) calico.HostEndpoint {
	e := calico.HostEndpoint{
		Meta: calico.Meta{Name: fmt.Sprintf("e%d", i), Labels: w.labels()}, Node: pick(w, "n0", "n0", "n1"),
		InterfaceName: pick(w, "if0", "if0", "if1", calico.AllInterfaces, ""), ExpectedIPs: some(w, 3, w.address),
		Profiles: some(w, 1, func() string { return pick(w, "some", "some", calico.DefaultAllow) }),
	}
	if w.named {
		e.Ports = []calico.NamedPort{
			{Name: "web", Protocol: calico.Protocol{Name: "TCP", Number: 6}, Port: pick[uint16](w, 80, 8080)},
			{Name: "web", Protocol: calico.Protocol{Name: "UDP", Number: 17}, Port: 443},
		}
	}
	return e
}

func (w *World) networkSet() calico.NetworkSet {
	return calico.NetworkSet{Meta: calico.Meta{Namespace: pick(w, "", "", "ns"), Labels: w.labels()}, Nets: some(w, 3, func() netip.Prefix { return w.net(w.One(2)) })}
}

func (w *World) policy(name string, tiers []string) calico.Policy {
	p := calico.Policy{
		Meta: calico.Meta{Name: name}, Kind: pick(w, calico.GlobalNetworkPolicy, calico.GlobalNetworkPolicy, calico.GlobalNetworkPolicy, calico.StagedGlobalNetworkPolicy),
		Tier: pick(w, tiers...), Order: w.order(), Selector: *w.selector(), Ingress: some(w, 4, w.rule), Egress: some(w, 4, w.rule),
		Types: pick(w, []calico.Direction{calico.Ingress}, []calico.Direction{calico.Egress}, []calico.Direction{calico.Ingress, calico.Egress}),
	}
	p.ApplyOnForward = w.forward && !w.One(3)
	if w.early {
		switch w.IntN(3) {
		case 0:
			p.DoNotTrack, p.ApplyOnForward = true, true
		case 1:
			p.PreDNAT, p.ApplyOnForward, p.Egress, p.Types = true, true, nil, []calico.Direction{calico.Ingress}
		}
	}
	if w.One(12) { // more rules than a leaf holds, so that trees grow
		for range 12 + w.IntN(20) {
			p.Ingress = append(p.Ingress, w.rule())
			p.Egress = append(p.Egress, w.rule())
		}
	}
	return p
}

func (w *World) selector() *selector.Selector {
	text := pick(w, "all()", "all()", "has(a)", "!has(a)", "a == 'x'", "a != 'x'", "b in {'x', 'y'}", "a == 'x' || b == 'y'", "lent == 'x'", "has(nothing)",
		"has(projectcalico.org/namespace)")
	s, err := selector.Parse(text)
	if err != nil {
		panic(err)
	}
	return &s
}

func (w *World) rule() calico.Rule {
	r := calico.Rule{Action: pick(w, calico.Allow, calico.Allow, calico.Deny, calico.Deny, calico.Log, calico.Pass)}
	protocols := []calico.Protocol{
		{Name: "TCP", Number: 6}, {Name: "TCP", Number: 6}, {Name: "UDP", Number: 17}, {Name: "ICMP", Number: 1}, {Name: "ICMPv6", Number: 58}, {Number: 112}, {Number: 6}, {Number: 58},
	}
	if !w.One(4) {
		p := pick(w, protocols...)
		r.Protocol = &p
	}
	if w.One(6) {
		p := pick(w, protocols...)
		r.NotProtocol = &p
	}
	ipv4 := w.One(2)
	if w.One(5) && (r.Protocol == nil || r.Protocol.Name != "ICMP" && r.Protocol.Name != "ICMPv6") {
		r.IPVersion = 6
		if ipv4 {
			r.IPVersion = 4
		}
	}
	if r.Protocol != nil && (r.Protocol.Number == 1 || r.Protocol.Number == 58) {
		r.ICMP, r.NotICMP = w.icmp(), w.icmp()
	}
	ports := r.Protocol != nil && (r.Protocol.Number == 6 || r.Protocol.Number == 17)
	r.Source, r.Destination = w.peer(ipv4, ports && w.One(4)), w.peer(ipv4, ports)
	if w.One(2) {
		r.Annotations = map[string]string{calico.FlowAnnotation: "1.1"}
	}
	return r
}

func (w *World) icmp() *calico.ICMP {
	if !w.One(3) {
		return nil
	}
	i := &calico.ICMP{Type: pick[uint8](w, 0, 8, 135, 254)}
	if w.One(2) {
		code := pick[uint8](w, 0, 3, 255)
		i.Code = &code
	}
	return i
}

func (w *World) peer(ipv4, ports bool) calico.Peer {
	var p calico.Peer
	net := func() netip.Prefix { return w.net(ipv4) }
	if w.One(5) {
		p.Nets = some(w, 2, net)
	}
	if w.One(6) {
		p.NotNets = some(w, 2, func() netip.Prefix {
			for {
				if n := w.net(ipv4); n.Bits() > 0 {
					return n
				}
			}
		})
	}
	if w.One(4) {
		p.Selector = w.selector()
	}
	if w.One(7) {
		p.NotSelector = w.selector()
	}
	p.GlobalOnly = w.One(12)
	if ports {
		p.Ports = some(w, 4, w.port)
		if w.One(4) {
			p.NotPorts = some(w, 2, w.port)
		}
	}
	return p
}

func (w *World) port() calico.Port {
	if w.named && w.One(3) {
		return calico.Port{Name: pick(w, "web", "web", "nobody")}
	}
	low := pick[uint16](w, 0, 22, 22, 23, 80, 443)
	return calico.Port{Min: low, Max: pick(w, low, low, low+1, 8080, 65535)}
}

func (w *World) failsafes() []firewall.Failsafe {
	var all []firewall.Failsafe
	if w.One(3) {
		all = append(all, firewall.NeighbourDiscovery()...)
	}
	if w.One(3) {
		all = append(all, firewall.Failsafe{ID: "ssh", Direction: calico.Ingress, Protocol: 6, Ports: []uint16{22}, Nets: []netip.Prefix{w.net(true)}})
	}
	if w.One(4) {
		all = append(all, firewall.Failsafe{ID: "dns", Direction: calico.Egress, Protocol: 17, Ports: []uint16{53, 443}})
	}
	if w.One(4) { // without types: one family's all the same
		all = append(all, firewall.Failsafe{ID: "icmp", Direction: calico.Ingress, Protocol: [...]uint8{calico.ProtocolICMP, calico.ProtocolICMPv6}[w.IntN(2)]})
	}
	return all
}

// Packet is any packet, near to what policies speak of.
func (w *World) Packet() firewall.Packet {
	ipv4 := w.One(2)
	address := func() netip.Addr {
		n := w.net(ipv4)
		b := n.Addr().AsSlice()
		b[len(b)-1] = byte(w.IntN(256))
		a, _ := netip.AddrFromSlice(b)
		return a
	}
	p := firewall.Packet{
		Hook: pick(w, firewall.Input, firewall.Output, firewall.Forward), In: pick(w, "if0", "if1", "if7"), Out: pick(w, "if0", "if1", "if7"),
		Source: address(), Destination: address(), Protocol: pick(w, 6, 6, 17, 1, 58, 112, uint8(w.IntN(256))),
		State: pick(w, firewall.New, firewall.New, firewall.New, firewall.Established, firewall.Invalid, firewall.Untracked),
	}
	switch p.Hook {
	case firewall.Input:
		p.Out = ""
	case firewall.Output:
		p.In = ""
	case firewall.Forward: // has both
	}
	switch {
	case firewall.HasPorts(p.Protocol):
		p.SourcePort = pick(w, 22, 53, 80, uint16(w.IntN(65536)))
		p.DestinationPort = pick(w, 22, 23, 80, 443, 8080, uint16(w.IntN(65536)))
	case p.Protocol == 1 && ipv4, p.Protocol == 58 && !ipv4:
		p.ICMPType, p.ICMPCode = pick(w, 0, 8, 135, uint8(w.IntN(256))), pick[uint8](w, 0, 3, 255)
	}
	return p
}
