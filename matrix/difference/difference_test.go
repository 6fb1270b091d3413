package difference_test

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/difference"
	"github.com/ingotmetal/ingot/matrix/matrixtest"
	"github.com/ingotmetal/ingot/matrix/policy"
)

func siteOf(t *rapid.T, m matrix.Matrix) *firewall.Site {
	c, err := policy.Compile(m)
	if err != nil {
		t.Fatal(err)
	}
	s, err := c.Site()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// pair draws two matrices: unrelated ones, or one with some rows changed.
func pair(t *rapid.T) (matrix.Matrix, matrix.Matrix) {
	a, b := matrixtest.Matrices().Draw(t, "old"), matrixtest.Matrices().Draw(t, "new")
	if rapid.Bool().Draw(t, "related") {
		b.Zones, b.Roles, b.Hosts = a.Zones, a.Roles, a.Hosts
		b.Rows = slices.Concat(b.Rows[:1], a.Rows[1:])
		for n := range b.Rows {
			b.Rows[n].ID, b.Rows[n].Name = strconv.Itoa(n), matrix.FlowName("flow-"+strconv.Itoa(n))
		}
	}
	if len(b.Hosts) == 0 && rapid.Bool().Draw(t, "moved") { // what was outside is ours, and the other way round
		b.Zones, b.Roles = slices.Clone(b.Zones), slices.Clone(b.Roles)
		z, r := rapid.IntRange(0, len(b.Zones)-1).Draw(t, "zone"), rapid.IntRange(0, len(b.Roles)-1).Draw(t, "role")
		b.Zones[z].Outside, b.Roles[r].Outside = !b.Zones[z].Outside, !b.Roles[r].Outside
	}
	return a, b
}

// The report against the model, packet by packet, over the classes of both sites. An interface that one matrix has not refuses everything there.
func TestReportIsTheDifferenceOfTheVerdicts(t *testing.T) {
	packets, changed := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		a, b := pair(t)
		report, err := difference.Of(a, b)
		if err != nil {
			t.Fatal(err)
		}
		before := changed
		a, b = difference.Together(a, b)
		sa, sb := siteOf(t, a), siteOf(t, b)
		verdict := func(m matrix.Matrix, s *firewall.Site, host, iface string, p firewall.Packet) firewall.Verdict {
			for _, h := range m.Hosts {
				if h.Name == host && slices.ContainsFunc(h.Interfaces, func(i matrix.Interface) bool { return i.Name == iface }) {
					return evaluate.Packet(s, s.Host(host, nil), p).Verdict
				}
			}
			return firewall.Drop
		}
		for _, h := range slices.Concat(a.Hosts, b.Hosts) {
			for _, space := range []class.Space{class.Of(sa, sa.Host(h.Name, nil)), class.Of(sb, sb.Host(h.Name, nil))} {
				space.Hooks, space.States, space.SourcePorts = []firewall.Hook{firewall.Input, firewall.Output}, []firewall.State{firewall.New}, []uint16{40000}
				for p := range space.Packets() {
					iface := p.In + p.Out
					if !slices.ContainsFunc(h.Interfaces, func(i matrix.Interface) bool { return i.Name == iface }) {
						continue
					}
					packets++
					want := difference.Change("")
					was, is := verdict(a, sa, h.Name, iface, p), verdict(b, sb, h.Name, iface, p)
					switch {
					case was < is:
						want, changed = difference.Allowed, changed+1
					case was > is:
						want, changed = difference.Denied, changed+1
					}
					if got := says(report, h.Name, iface, p); got != want {
						t.Fatalf("%s: %s: %s before, %s after, report says %q\n%v", h.Name, p, was, is, got, report.Statements)
					}
				}
			}
		}
		if some := changed > before; some == report.Same() || some != (report.Allowed+report.Denied > 0) {
			t.Fatalf("packets changed: %t, and the report has %d and %d classes in %v", some, report.Allowed, report.Denied, report.Statements)
		}
	})
	t.Logf("%d packets, %d changed", packets, changed)
}

func says(r difference.Report, host, iface string, p firewall.Packet) difference.Change {
	d, peer, number := calico.Ingress, p.Source, p.DestinationPort
	if p.Hook == firewall.Output {
		d, peer = calico.Egress, p.Destination
	}
	protocol := matrix.ProtocolOf(p.Protocol)
	switch {
	case protocol == matrix.ICMP && peer.Is4(), protocol == matrix.ICMPv6 && peer.Is6():
		number = uint16(p.ICMPType)
	case protocol == matrix.ICMP, protocol == matrix.ICMPv6:
		return "" // no packet of the protocol
	}
	return r.Says(host, iface, d, peer, protocol, number)
}

func TestEqualMatricesDoNotDiffer(t *testing.T) {
	m := matrix.Own()
	other := matrix.Own()
	slices.Reverse(other.Rows)
	for n := range other.Rows {
		other.Rows[n].ID = "x" + other.Rows[n].ID
	}
	report, err := difference.Of(m, other)
	if err != nil {
		t.Fatal(err)
	}
	if !report.Same() || report.Allowed+report.Denied != 0 {
		t.Errorf("a matrix differs from itself with other IDs and order: %v", report.Statements)
	}
}

func TestStatementsAreReadable(t *testing.T) {
	old := matrix.Matrix{
		Name:  "m",
		Zones: []matrix.ZoneDefinition{{Name: "a"}, {Name: "b"}},
		Roles: []matrix.RoleDefinition{{Name: "db"}, {Name: "web"}},
		Hosts: []matrix.Host{
			{Name: "db1", Interfaces: []matrix.Interface{{Name: "e0", Zone: "a", Roles: []matrix.Role{"db"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}},
			{Name: "web1", Interfaces: []matrix.Interface{{Name: "e0", Zone: "a", Roles: []matrix.Role{"web"}, Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.2")}}}},
			{Name: "b1", Interfaces: []matrix.Interface{{Name: "e0", Zone: "b", Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}}},
		},
		Rows: []matrix.Row{{ID: "1", Name: "sql", From: matrix.Anybody, To: matrix.Endpoint{Role: "db", Zone: "a"}, Protocol: matrix.TCP, Ports: matrix.Ports{{First: 5000, Last: 5010}}}},
	}
	changed := old
	changed.Rows = []matrix.Row{{ID: "2", Name: "sql", From: matrix.Endpoint{Role: matrix.AnyRole, Zone: "a"}, To: matrix.Endpoint{Role: "db", Zone: "a"}, Protocol: matrix.TCP, Ports: matrix.Ports{{First: 5001, Last: 5012}}}}
	report, err := difference.Of(old, changed)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range report.Statements {
		got = append(got, s.String()+" by "+s.Rows[0]+" ("+strconv.Itoa(s.Classes)+")")
	}
	want := []string{
		"now allowed: Ingress at db@a from *@a: tcp 5011-5012 by 2 (2)",
		"now denied: Ingress at db@a from *@a: tcp 5000 by 1 (2)",
		"now denied: Ingress at db@a from *@* except *@a: tcp 5000-5010 by 1 (4)",
		"now allowed: Egress at *@a to db@a: tcp 5001-5012 by 2 (4)",
	}
	if !slices.Equal(got, want) {
		t.Errorf("have\n%q\nwant\n%q", got, want)
	}
	if report.Allowed != 6 || report.Denied != 6 {
		t.Errorf("%d allowed, %d denied", report.Allowed, report.Denied)
	}
}
