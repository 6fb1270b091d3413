package ruleset

import (
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// line is a rule of a policy for one family, its alternatives written out: all matches have to hold.
type line struct {
	matches  []Match
	action   calico.Action
	id, flow string
}

// lines writes out a rule. None come out where the rule can't match in the family.
func (b *builder) lines(r *calico.Rule, id string) []line {
	if r.IPVersion == 4 && b.ipv6 || r.IPVersion == 6 && !b.ipv6 {
		return nil
	}
	base := line{action: r.Action, id: id, flow: r.Annotations[calico.FlowAnnotation]}
	if !b.protocols(r, &base) || !b.peer(&r.Source, Source, &base) || !b.peer(&r.Destination, Destination, &base) {
		return nil
	}
	icmp(r, &base)
	var all []line
	for _, l := range b.ports(r, &r.Source, SourcePort, []line{base}) {
		all = append(all, b.ports(r, &r.Destination, DestinationPort, []line{l})...)
	}
	return slices.DeleteFunc(all, func(l line) bool { return !b.possible(&l) })
}

// possible sorts a line's matches by field, which puts the protocol before what depends on it, and says false where one of them never holds.
func (b *builder) possible(l *line) bool {
	slices.SortStableFunc(l.matches, func(a, b Match) int { return int(a.Field) - int(b.Field) })
	return !slices.ContainsFunc(l.matches, func(m Match) bool {
		return m.Negate && len(m.Values) == 1 && m.Values[0] == universe(m.Field, b.ipv6)
	})
}

func (l *line) add(m Match) { l.matches = append(slices.Clone(l.matches), m) }

// protocols says false where the family lacks the protocol that the rule wants. The names ICMP and ICMPv6 belong to one family each.
func (b *builder) protocols(r *calico.Rule, l *line) bool {
	foreign := func(p *calico.Protocol) bool { return p.Name == "ICMP" && b.ipv6 || p.Name == "ICMPv6" && !b.ipv6 }
	if r.Protocol != nil {
		if foreign(r.Protocol) || (r.ICMP != nil || r.NotICMP != nil) && r.Protocol.Number != b.icmp() {
			return false
		}
		l.add(Match{Field: Protocol, Values: Ranges{single(number(r.Protocol.Number))}})
	}
	if r.NotProtocol != nil && !foreign(r.NotProtocol) {
		l.add(Match{Field: Protocol, Negate: true, Values: Ranges{single(number(r.NotProtocol.Number))}})
	}
	return true
}

// icmp is the protocol of the family's ICMP: the other's number is no ICMP here, and nft refuses to read types from it.
func (b *builder) icmp() uint8 {
	if b.ipv6 {
		return calico.ProtocolICMPv6
	}
	return calico.ProtocolICMP
}

func icmp(r *calico.Rule, l *line) {
	add := func(i *calico.ICMP, negate bool) {
		switch {
		case i == nil:
		case i.Code == nil:
			l.add(Match{Field: ICMPType, Negate: negate, Values: Ranges{single(number(i.Type))}})
		default:
			l.add(Match{Field: ICMPHead, Negate: negate, Values: Ranges{single(number(uint16(i.Type)<<8 | uint16(*i.Code)))}})
		}
	}
	add(r.ICMP, false)
	add(r.NotICMP, true)
}

// peer adds the matches on an address. It says false where no address can match.
func (b *builder) peer(p *calico.Peer, f Field, l *line) bool {
	members := func(s *selector.Selector) members {
		origin := "selector "
		if p.GlobalOnly {
			origin = "global selector "
		}
		return members{b.site.Members(*s, p.GlobalOnly), origin + s.String(), s.String()}
	}
	sel := p.Selector
	if sel == nil && p.GlobalOnly {
		all := selector.All()
		sel = &all
	}
	ok := true
	if len(p.Nets) > 0 {
		ok = b.addresses(list(p.Nets), f, false, l)
	}
	if ok && sel != nil {
		ok = b.addresses(members(sel), f, false, l)
	}
	if ok && len(p.NotNets) > 0 {
		ok = b.addresses(list(p.NotNets), f, true, l)
	}
	if ok && p.NotSelector != nil {
		ok = b.addresses(members(p.NotSelector), f, true, l)
	}
	return ok
}

// members are networks and where they come from. Those of an origin stand in a named set even where there are none or one, since members come and go;
// a list that a rule spells out has no origin of its own.
type members struct {
	nets            []netip.Prefix
	origin, comment string
}

func list(nets []netip.Prefix) members {
	if len(nets) > 3 {
		return members{nets: nets, comment: fmt.Sprintf("%s and %d more", nets[0], len(nets)-1)}
	}
	texts := make([]string, len(nets))
	for i, n := range nets {
		texts[i] = n.String()
	}
	return members{nets: nets, comment: strings.Join(texts, " ")}
}

// addresses adds a match on an address. It says false where it never holds, whatever members come.
func (b *builder) addresses(of members, f Field, negate bool, l *line) bool {
	values := networks(of.nets, b.ipv6)
	all := universe(f, b.ipv6)
	everything := len(values) == 1 && values[0] == all
	switch {
	case everything, len(values) == 0 && of.origin == "":
		return everything != negate // nobody, or everybody: no match is needed, or none is possible
	case of.origin != "":
		l.add(Match{Field: f, Negate: negate, Values: values, Set: b.set(of.origin, values, nil, of.comment)})
	case len(values) == 1:
		l.add(Match{Field: f, Negate: negate, Values: values})
	default:
		l.add(Match{Field: f, Negate: negate, Values: values, Set: b.set(listOrigin(values), values, nil, of.comment)})
	}
	return true
}

// ports writes out the alternatives of a list of ports: the numbers together, and each port that a name stands for with its addresses.
func (b *builder) ports(r *calico.Rule, p *calico.Peer, f Field, in []line) []line {
	var all []line
	for _, l := range in {
		for _, m := range b.notPorts(r, p, f) {
			l.add(m)
		}
		if len(p.Ports) == 0 {
			all = append(all, l)
			continue
		}
		if numbers := portRanges(p.Ports); len(numbers) > 0 {
			with := l
			with.add(Match{Field: f, Values: numbers})
			all = append(all, with)
		}
		services := b.services(r, p, p.Ports)
		for _, port := range portsOf(services) {
			var owners []netip.Prefix
			for _, s := range services {
				if s.Port == port {
					owners = append(owners, netip.PrefixFrom(s.Address, s.Address.BitLen()))
				}
			}
			with := l
			with.add(Match{Field: f, Values: Ranges{single(number(port))}})
			of := members{owners, fmt.Sprintf("owners of %d %s", port, named(r, p, p.Ports)), fmt.Sprintf("owners of named port %d", port)}
			if b.addresses(of, addressOf(f), false, &with) {
				all = append(all, with)
			}
		}
	}
	return all
}

func addressOf(port Field) Field {
	if port == SourcePort {
		return Source
	}
	return Destination
}

func serviceOf(port Field) Field {
	if port == SourcePort {
		return SourceService
	}
	return DestinationService
}

func (b *builder) notPorts(r *calico.Rule, p *calico.Peer, f Field) []Match {
	var all []Match
	if numbers := portRanges(p.NotPorts); len(numbers) > 0 {
		all = append(all, Match{Field: f, Negate: true, Values: numbers})
	}
	if services := b.services(r, p, p.NotPorts); len(services) > 0 {
		all = append(all, Match{Field: serviceOf(f), Negate: true, Services: services, Set: b.set("services "+named(r, p, p.NotPorts), nil, services, "named ports")})
	}
	return all
}

// named is the origin of what the names in a list of ports stand for.
func named(r *calico.Rule, p *calico.Peer, ports []calico.Port) string {
	words := []string{strconv.Itoa(int(r.Protocol.Number))}
	if p.Selector != nil {
		words = append(words, p.Selector.String())
	}
	for _, q := range ports {
		if q.Name != "" {
			words = append(words, strconv.Quote(q.Name))
		}
	}
	return strings.Join(words, " ")
}

func portRanges(ports []calico.Port) Ranges {
	var rs Ranges
	for _, p := range ports {
		if p.Name == "" {
			rs = append(rs, Range{number(p.Min), number(p.Max)})
		}
	}
	return union(rs)
}

// services are the places of this family that the names in a list of ports stand for, sorted and each once.
func (b *builder) services(r *calico.Rule, p *calico.Peer, ports []calico.Port) []firewall.Service {
	var all []firewall.Service
	for _, q := range ports {
		if q.Name == "" {
			continue
		}
		for _, s := range b.site.Services(q.Name, r.Protocol.Number, p) {
			if s.Address.Is6() == b.ipv6 {
				all = append(all, s)
			}
		}
	}
	slices.SortFunc(all, compareServices)
	return slices.Compact(all)
}

func compareServices(a, b firewall.Service) int {
	if c := a.Address.Compare(b.Address); c != 0 {
		return c
	}
	return int(a.Port) - int(b.Port)
}

func portsOf(services []firewall.Service) []uint16 {
	var ports []uint16
	for _, s := range services {
		ports = append(ports, s.Port)
	}
	slices.Sort(ports)
	return slices.Compact(ports)
}

// failsafeLines are the failsafes of a direction. Reversed are the answers of the servers that they open: before connection tracking, nobody knows
// that those belong to a flow.
func (b *builder) failsafeLines(d calico.Direction, reversed bool) []line {
	peer, port, want := Source, DestinationPort, d
	if d == calico.Egress {
		peer = Destination
	}
	if reversed {
		port = SourcePort
		want = calico.Ingress
		if d == calico.Ingress {
			want = calico.Egress
		}
	}
	var all []line
	for _, f := range b.site.Failsafes() {
		if f.Direction != want || reversed && len(f.Ports) == 0 || f.ICMP() && f.Protocol != b.icmp() {
			continue
		}
		l := line{action: calico.Allow, id: f.By()}
		l.add(Match{Field: Protocol, Values: Ranges{single(number(f.Protocol))}})
		if len(f.Nets) > 0 && !b.addresses(list(f.Nets), peer, false, &l) {
			continue
		}
		if len(f.Ports) > 0 {
			l.add(Match{Field: port, Values: singles(f.Ports)})
		}
		if len(f.ICMPTypes) > 0 {
			l.add(Match{Field: ICMPType, Values: singles(f.ICMPTypes)})
		}
		slices.SortStableFunc(l.matches, func(a, b Match) int { return int(a.Field) - int(b.Field) })
		all = append(all, l)
	}
	return all
}

func singles[T uint8 | uint16](values []T) Ranges {
	var rs Ranges
	for _, v := range values {
		rs = append(rs, single(number(v)))
	}
	return union(rs)
}
