package policy_test

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// oracle reads the rows directly: it knows neither policies nor selectors.
type oracle struct{ m matrix.Matrix }

// is says whether an address is an end's.
func (o oracle) is(a netip.Addr, e matrix.Endpoint) bool {
	if e == matrix.Anybody {
		return true
	}
	in := func(nets []netip.Prefix) bool {
		return slices.ContainsFunc(nets, func(n netip.Prefix) bool { return n.Contains(a) })
	}
	for _, h := range o.m.Hosts {
		for _, i := range h.Interfaces {
			if slices.Contains(slices.Concat(i.Addresses, i.Virtual), a) && o.stands(i, e) {
				return true
			}
		}
	}
	zone, _ := o.m.Zone(e.Zone)
	role, _ := o.m.Role(e.Role)
	if e.Role == matrix.AnyRole && in(zone.Networks) || e.Role != matrix.AnyRole && e.Zone == matrix.AnyZone && in(role.Networks) {
		return true
	}
	if e.Role == matrix.AnyRole || e.Zone == matrix.AnyZone {
		return slices.ContainsFunc(o.placed(e), func(x matrix.Endpoint) bool { return o.is(a, x) })
	}
	if o.m.Ours(e) {
		return false
	}
	if len(role.Networks) > 0 {
		return in(role.Networks)
	}
	return in(zone.Networks)
}

func (o oracle) stands(i matrix.Interface, e matrix.Endpoint) bool {
	return (e.Zone == matrix.AnyZone || e.Zone == i.Zone) && (e.Role == matrix.AnyRole || slices.Contains(i.Roles, e.Role))
}

// placed are the parties that rows with an effect place in a zone, or a role in several zones.
func (o oracle) placed(e matrix.Endpoint) []matrix.Endpoint {
	var all []matrix.Endpoint
	add := func(x matrix.Endpoint, opened bool) {
		if opened && x.Role != matrix.AnyRole && x.Zone != matrix.AnyZone && (x.Role == e.Role || x.Zone == e.Zone) {
			all = append(all, x)
		}
	}
	for _, r := range o.m.Rows {
		if _, ip := r.Protocol.Number(); !ip || r.Protocol == matrix.UDPLite && len(r.Ports) > 0 {
			continue
		}
		add(r.From, r.Ingress() && o.mine(r.To, r.Failsafe))
		add(r.To, r.Egress() && o.mine(r.From, r.Failsafe))
	}
	return all
}

// mine says whether an end is somewhere that rows are enforced.
func (o oracle) mine(e matrix.Endpoint, failsafe bool) bool {
	role, _ := o.m.Role(e.Role)
	zone, _ := o.m.Zone(e.Zone)
	switch {
	case e == matrix.Anybody:
		return failsafe
	case role.Outside:
		return false
	}
	return e.Zone == matrix.AnyZone || !zone.Outside && !zone.Unlisted
}

// group addresses that stand for a party, written down a second time.
func (o oracle) group(p firewall.Packet, a netip.Addr, incoming bool) bool {
	link := netip.MustParsePrefix("fe80::/10").Contains(a)
	is := func(all ...string) bool { return slices.Contains(all, a.String()) }
	switch {
	case p.Protocol == 112 && incoming, p.Protocol == 89 && incoming:
		return link
	case p.Protocol == 112:
		return is("224.0.0.18", "ff02::12")
	case p.Protocol == 89:
		return is("224.0.0.5", "224.0.0.6", "ff02::5", "ff02::6")
	case p.Protocol == 17 && p.DestinationPort == 67 && incoming:
		return is("0.0.0.0")
	case p.Protocol == 17 && (p.DestinationPort == 67 || p.DestinationPort == 68) && !incoming:
		return is("255.255.255.255")
	case p.Protocol == 58 && p.Source.Is6() && p.ICMPType == 135 && incoming:
		return link || is("::")
	case p.Protocol == 58 && p.Source.Is6() && p.ICMPType == 135:
		return link || netip.MustParsePrefix("ff02::1:ff00:0/104").Contains(a)
	}
	return false
}

// allows says whether some row admits a packet on an interface.
func (o oracle) allows(i matrix.Interface, p firewall.Packet) bool {
	for _, r := range o.m.Rows {
		number, ok := r.Protocol.Number()
		if !ok || p.Protocol != number || r.Protocol == matrix.ICMP && !p.Source.Is4() || r.Protocol == matrix.ICMPv6 && p.Source.Is4() {
			continue
		}
		if len(r.Ports) > 0 && (r.Protocol == matrix.UDPLite || !r.Ports.Contains(p.DestinationPort)) || len(r.ICMPTypes) > 0 && !slices.Contains(r.ICMPTypes, p.ICMPType) {
			continue
		}
		mine, peer, enforced, address := r.To, r.From, r.Ingress(), p.Source
		if p.Hook == firewall.Output {
			mine, peer, enforced, address = r.From, r.To, r.Egress(), p.Destination
		}
		if !enforced || !o.here(i, mine, r.Failsafe) {
			continue
		}
		named := len(r.Ports) > 0 || len(r.ICMPTypes) > 0 || !r.Protocol.HasPorts() && r.Protocol != matrix.ICMPv6
		if o.is(address, peer) || named && o.group(p, address, p.Hook == firewall.Input) {
			return true
		}
	}
	return false
}

// here says whether an end that a row is enforced at is this interface.
func (o oracle) here(i matrix.Interface, e matrix.Endpoint, failsafe bool) bool {
	if e == matrix.Anybody || !o.mine(e, failsafe) {
		return o.mine(e, failsafe)
	}
	return o.stands(i, e)
}

var (
	zones     = []matrix.Zone{"a", "b", "out", "unknown", matrix.AnyZone}
	roles     = []matrix.Role{"r", "s", "t", "party", "other", matrix.AnyRole}
	protocols = []matrix.Protocol{matrix.TCP, matrix.UDP, matrix.SCTP, matrix.UDPLite, matrix.ICMP, matrix.ICMPv6, matrix.LLDP, "112", "89", "47"}
)

// matrices draws any matrix that Check lets pass, of a small world.
func matrices() *rapid.Generator[matrix.Matrix] {
	return rapid.Custom(func(t *rapid.T) matrix.Matrix {
		m := matrix.Matrix{
			Name: "random",
			Zones: []matrix.ZoneDefinition{{Name: "a", Plane: "p"}, {Name: "b", Plane: "p"}, {Name: "out", Outside: true},
				{Name: "unknown", Unlisted: true}},
			Roles: []matrix.RoleDefinition{{Name: "r"}, {Name: "s"}, {Name: "t"}, {Name: "party", Outside: true}, {Name: "other", Outside: true}},
		}
		if rapid.Bool().Draw(t, "networks") {
			m.Zones[0].Networks = []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("fd77::/64")}
			m.Roles[3].Networks = []netip.Prefix{netip.MustParsePrefix("10.77.0.64/26"), netip.MustParsePrefix("0.0.0.0/1")}
		}
		if rapid.Bool().Draw(t, "host") {
			m.Hosts = []matrix.Host{{Name: "h", Interfaces: []matrix.Interface{
				{Name: "e0", Zone: "a", Roles: []matrix.Role{"r", "s"}, Addresses: []netip.Addr{netip.MustParseAddr("10.77.0.9")}, Virtual: []netip.Addr{netip.MustParseAddr("10.77.0.100")}},
				{Name: "e1", Zone: "b", Addresses: []netip.Addr{netip.MustParseAddr("10.78.0.9"), netip.MustParseAddr("fd78::9")}},
			}}}
		}
		for n := range rapid.IntRange(1, 5).Draw(t, "rows") {
			m.Rows = append(m.Rows, row(t, n))
		}
		return m
	})
}

func row(t *rapid.T, n int) matrix.Row {
	end := func(label string) matrix.Endpoint {
		return matrix.Endpoint{Role: rapid.SampledFrom(roles).Draw(t, label), Zone: rapid.SampledFrom(zones).Draw(t, label)}
	}
	r := matrix.Row{
		ID: fmt.Sprint(n), Name: matrix.FlowName(fmt.Sprintf("flow-%d", n)), From: end("from"), To: end("to"), Protocol: rapid.SampledFrom(protocols).Draw(t, "protocol"),
		Enforced: rapid.SampledFrom([]matrix.Enforcement{matrix.EnforcedBoth, matrix.EnforcedBoth, matrix.EnforcedIngress, matrix.EnforcedEgress}).Draw(t, "enforced"),
		Failsafe: rapid.IntRange(0, 4).Draw(t, "failsafe") == 0,
	}
	if r.Protocol.HasPorts() {
		for range rapid.IntRange(0, 3).Draw(t, "ranges") {
			first := rapid.SampledFrom([]uint16{22, 67, 68, 80, 8080, 65535}).Draw(t, "port")
			r.Ports = append(r.Ports, matrix.PortRange{First: first, Last: min(first, 65000) + rapid.SampledFrom([]uint16{0, 0, 5}).Draw(t, "width")})
			if last := &r.Ports[len(r.Ports)-1]; last.Last < last.First {
				last.Last = last.First
			}
		}
	}
	if r.Protocol == matrix.ICMP || r.Protocol == matrix.ICMPv6 {
		r.ICMPTypes = rapid.SliceOfNDistinct(rapid.SampledFrom([]uint8{0, 8, 128, 135}), 0, 2, rapid.ID[uint8]).Draw(t, "types")
	}
	return r
}

// Every class of new packets, on every interface, is decided as the rows read.
func TestPoliciesSayWhatTheRowsSay(t *testing.T) {
	packets := 0
	rapid.Check(t, func(t *rapid.T) {
		m := policy.Populate(matrices().Draw(t, "matrix"))
		packets += agree(t, m)
	})
	t.Logf("%d packets", packets)
}

type fatal interface{ Fatalf(string, ...any) }

func agree(t fatal, m matrix.Matrix) int {
	c, err := policy.Compile(m)
	if err != nil {
		t.Fatalf("%v", err)
	}
	site, err := c.Site()
	if err != nil {
		t.Fatalf("%v", err)
	}
	o, n := oracle{m}, 0
	for _, h := range m.Hosts {
		host := site.Host(h.Name, nil)
		space := class.Of(site, host)
		space.Hooks = []firewall.Hook{firewall.Input, firewall.Output}
		space.States, space.SourcePorts = []firewall.State{firewall.New, firewall.Untracked}, []uint16{40000}
		for p := range space.Packets() {
			k := slices.IndexFunc(h.Interfaces, func(i matrix.Interface) bool { return i.Name == p.In+p.Out })
			if k < 0 {
				continue
			}
			n++
			got := evaluate.Packet(site, host, p)
			if want := o.allows(h.Interfaces[k], p); want != (got.Verdict == firewall.Accept) {
				t.Fatalf("host %s: %s\nrows allow it: %t; policies: %s by %s (row %q)\n%+v", h.Name, p, want, got.Verdict, got.By, got.Flow, m)
			}
		}
	}
	return n
}

func TestTheBuiltInMatrixSaysWhatItsRowsSay(t *testing.T) {
	if n := agree(t, policy.Populate(matrix.Own())); n == 0 {
		t.Error("no packet was looked at")
	}
}
