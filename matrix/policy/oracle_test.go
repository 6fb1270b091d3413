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
	"github.com/ingotmetal/ingot/matrix/matrixtest"
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
	case p.Protocol == 17 && p.DestinationPort == 68:
		return false
	case p.Protocol == 17 && p.DestinationPort == 547 && !incoming:
		return link || is("ff02::1:2")
	case p.Protocol == 17 && (p.DestinationPort == 546 || p.DestinationPort == 547):
		return link
	case p.Protocol != 58 || !p.Source.Is6():
		return false
	case incoming:
		return link && slices.Contains([]uint8{130, 133, 134, 135, 136, 143}, p.ICMPType) || is("::") && slices.Contains([]uint8{133, 135, 143}, p.ICMPType)
	}
	switch p.ICMPType {
	case 133:
		return link || is("ff02::2")
	case 134, 136:
		return link || is("ff02::1")
	case 135:
		return link || netip.MustParsePrefix("ff02::1:ff00:0/104").Contains(a)
	case 130:
		return is("ff02::1")
	case 143:
		return is("ff02::16")
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

// Every class of new packets, on every interface, is decided as the rows read.
func TestPoliciesSayWhatTheRowsSay(t *testing.T) {
	packets := 0
	rapid.Check(t, func(t *rapid.T) {
		m := policy.Populate(matrixtest.Matrices().Draw(t, "matrix"))
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
				t.Fatalf("host %s: %s\nrows allow it: %t; policies: %s by %s (row %q)\n%s", h.Name, p, want, got.Verdict, got.By, got.Flow, text(m))
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

// text is what of a matrix decides packets.
func text(m matrix.Matrix) string {
	all := fmt.Sprintf("%+v\n%+v\n%+v", m.Zones, m.Roles, m.Hosts)
	for _, r := range m.Rows {
		all += fmt.Sprintf("\n%s: %s to %s %s %s %v enforced %q failsafe %t", r.ID, r.From, r.To, r.Protocol, r.Ports, r.ICMPTypes, r.Enforced, r.Failsafe)
	}
	return all
}
