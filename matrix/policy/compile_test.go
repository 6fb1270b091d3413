package policy_test

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/mesh"
	"github.com/ingotmetal/ingot/matrix/policy"
)

func own(t *testing.T) (*firewall.Site, policy.Compiled) {
	t.Helper()
	return siteOf(t, policy.Populate(matrix.Own()))
}

// Packets as machines really send them, at the boot role's host: its provisioning interface is eth2, in Populate's order of zones.
func TestRealBootPacketsPass(t *testing.T) {
	site, _ := own(t)
	host := site.Host("boot", nil)
	m := policy.Populate(matrix.Own())
	machine, _ := m.Role(matrix.Machine)
	relay, _ := m.Role(matrix.Switch)
	address := func(d matrix.RoleDefinition) string { return d.Networks[0].Addr().Next().String() }
	const boot = "10.2.0.2"
	cases := []struct {
		name         string
		hook         firewall.Hook
		from, to     string
		protocol     uint8
		source, port uint16
		icmp         uint8
		row          string // empty: refused
	}{
		{"DHCP request", firewall.Input, "0.0.0.0", "255.255.255.255", 17, 68, 67, 0, "3.2"},
		{"DHCP offer to everybody", firewall.Output, boot, "255.255.255.255", 17, 67, 68, 0, "3.9"},
		{"DHCP offer to the machine", firewall.Output, boot, address(machine), 17, 67, 68, 0, "3.9"},
		{"DHCP request of a relay", firewall.Input, address(relay), boot, 17, 67, 67, 0, "3.11"},
		{"DHCP answer to a relay", firewall.Output, boot, address(relay), 17, 67, 67, 0, "3.12"},
		{"TFTP request", firewall.Input, address(machine), boot, 17, 2070, 69, 0, "3.4"},
		{"TFTP data from a new port", firewall.Output, boot, address(machine), 17, 49152, 2070, 0, "3.7"},
		{"router solicitation", firewall.Input, "fe80::1", "ff02::2", 58, 0, 0, 133, "3.6"},
		{"router advertisement", firewall.Output, "fe80::2", "fe80::1", 58, 0, 0, 134, "3.8"},
		{"router advertisement to the link", firewall.Output, "fe80::2", "ff02::1", 58, 0, 0, 134, "3.8"},
		{"neighbour solicitation", firewall.Output, "fe80::2", "ff02::1:ff00:1", 58, 0, 0, 135, ""}, // by a failsafe
		{"DHCPv6 solicitation", firewall.Input, "fe80::1", "ff02::1:2", 17, 546, 547, 0, "3.14"},
		{"DHCPv6 advertisement", firewall.Output, "fe80::2", "fe80::1", 17, 547, 546, 0, "3.15"},
		{"DHCPv6 to another port", firewall.Output, "fe80::2", "fe80::1", 17, 547, 548, 0, "refused"},
		{"broadcast to another port", firewall.Output, boot, "255.255.255.255", 17, 67, 69, 0, "refused"},
		{"DHCP request from a stranger", firewall.Input, "203.0.113.1", boot, 17, 68, 67, 0, "refused"},
		{"TFTP to a system port", firewall.Output, boot, address(machine), 17, 49152, 514, 0, "refused"},
	}
	for _, c := range cases {
		p := firewall.Packet{Hook: c.hook, Source: netip.MustParseAddr(c.from), Destination: netip.MustParseAddr(c.to), Protocol: c.protocol, SourcePort: c.source, DestinationPort: c.port, ICMPType: c.icmp}
		if c.hook == firewall.Input {
			p.In = "eth2"
		} else {
			p.Out = "eth2"
		}
		got := evaluate.Packet(site, host, p)
		if accepted := got.Verdict == firewall.Accept; accepted != (c.row != "refused") || accepted && got.Flow != c.row {
			t.Errorf("%s: %s by %s (row %q), want row %q", c.name, got.Verdict, got.By, got.Flow, c.row)
		}
	}
}

func TestVRRPSpeaksToItsGroup(t *testing.T) {
	router := matrix.Endpoint{Role: "router", Zone: "z"}
	m := policy.Populate(matrix.Matrix{
		Name: "m", Zones: []matrix.ZoneDefinition{{Name: "z"}}, Roles: []matrix.RoleDefinition{{Name: "router"}},
		Rows: []matrix.Row{{ID: "1", Name: "vrrp", From: router, To: router, Protocol: "112"}},
	})
	site, _ := siteOf(t, m)
	host := site.Host("router", nil)
	for to, want := range map[string]firewall.Verdict{"224.0.0.18": firewall.Accept, "ff02::12": firewall.Accept, "224.0.0.5": firewall.Drop} {
		p := firewall.Packet{Hook: firewall.Output, Out: "eth0", Source: netip.MustParseAddr("10.0.0.1"), Destination: netip.MustParseAddr(to), Protocol: 112}
		if p.Destination.Is6() {
			p.Source = netip.MustParseAddr("fe80::1")
		}
		if got := evaluate.Packet(site, host, p); got.Verdict != want {
			t.Errorf("VRRP to %s: %s by %s", to, got.Verdict, got.By)
		}
	}
}

func TestWhatNoFirewallSaysIsLeft(t *testing.T) {
	_, c := own(t)
	var rows []string
	m := matrix.Own()
	for _, l := range c.Left {
		// What goes through the mesh is for its own policy.
		if r, _ := m.Row(l.Row); !mesh.Carries(m, r) {
			rows = append(rows, l.Row)
		}
	}
	if diff := cmp.Diff([]string{"4.6", "7.1", "7.4", "8.16", "9.2", "9.3", "9.4", "9.5", "9.6", "9.7"}, rows); diff != "" {
		t.Error(diff)
	}
	var failsafes []string
	for _, f := range c.Failsafes {
		failsafes = append(failsafes, f.ID)
	}
	if diff := cmp.Diff([]string{"5.1-in", "5.1-out"}, failsafes); diff != "" {
		t.Error(diff)
	}
}

// Each row that opens something is named by a rule, and each rule names a row.
func TestRulesNameRows(t *testing.T) {
	m := policy.Populate(matrix.Own())
	_, c := siteOf(t, m)
	named := map[string]bool{}
	for _, p := range c.Objects.Policies {
		for _, r := range slices.Concat(p.Ingress, p.Egress) {
			id := r.Annotations[calico.FlowAnnotation]
			if _, ok := m.Row(id); !ok || r.Action != calico.Allow {
				t.Errorf("%s has a rule %s of row %q", p.Name, r.Action, id)
			}
			named[id] = true
		}
	}
	open := map[string]bool{}
	for _, o := range policy.Openings(m) {
		open[o.Row] = true
	}
	below := len(slices.DeleteFunc(slices.Clone(m.Rows), func(r matrix.Row) bool { return mesh.Carries(m, r) }))
	if diff := cmp.Diff(open, named); diff != "" || len(open) != below-10 { // all but the mesh's, LLDP, DNS and neighbours of tenants' firewalls, and what is between outside parties
		t.Errorf("what is opened and what has rules differ, or too little is: %s", diff)
	}
}

// A policy has at most 1024 rules, and a rule 50 ports: what is longer is split, and none of it is lost.
func TestLongMatricesAreSplit(t *testing.T) {
	web := matrix.Endpoint{Role: "web", Zone: "z"}
	m := matrix.Matrix{Name: "m", Zones: []matrix.ZoneDefinition{{Name: "z"}}, Roles: []matrix.RoleDefinition{{Name: "web"}}}
	for n := range 1500 {
		m.Rows = append(m.Rows, matrix.Row{ID: strconv.Itoa(n), Name: matrix.FlowName("flow-" + strconv.Itoa(n)), From: matrix.Anybody, To: web, Protocol: matrix.TCP, Ports: matrix.Port(uint16(1 + n))})
	}
	long := matrix.Row{ID: "long", Name: "long", From: matrix.Anybody, To: web, Protocol: matrix.UDP}
	for n := range 120 {
		long.Ports = append(long.Ports, matrix.PortRange{First: uint16(1 + 2*n), Last: uint16(1 + 2*n)})
	}
	m.Rows = append(m.Rows, long)
	site, c := siteOf(t, policy.Populate(m))
	readBack(t, c.Objects)
	if len(c.Objects.Policies) != 2 {
		t.Fatalf("%d policies, want 2", len(c.Objects.Policies))
	}
	for protocol, ports := range map[uint8][]uint16{6: {1, 1024, 1025, 1500}, 17: {1, 99, 101, 239}} {
		for _, port := range ports {
			p := firewall.Packet{In: "eth0", Source: netip.MustParseAddr("192.0.2.1"), Destination: netip.MustParseAddr("10.0.0.1"), Protocol: protocol, DestinationPort: port}
			if got := evaluate.Packet(site, site.Host("web", nil), p); got.Verdict != firewall.Accept {
				t.Errorf("%d/%d: %s by %s", protocol, port, got.Verdict, got.By)
			}
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	cases := map[string]func(*matrix.Matrix){
		"is unknown":             func(m *matrix.Matrix) { m.Rows[0].To.Zone = "moon" },
		"choose one":             func(m *matrix.Matrix) { m.Rows[0].Reading, m.Rows[1].Reading = "a", "b" },
		"is no interface's name": func(m *matrix.Matrix) { m.Hosts[0].Interfaces[0].Name = `a"b` },
		"two of its names become": func(m *matrix.Matrix) {
			m.Name = "failsafe" // the failsafe policy of a zone with the name of another's role
			m.Zones = append(m.Zones, matrix.ZoneDefinition{Name: "x"})
			m.Roles = append(m.Roles, matrix.RoleDefinition{Name: "failsafe"})
			m.Rows[0].To, m.Rows[0].Failsafe = matrix.Endpoint{Role: matrix.AnyRole, Zone: "x"}, true
			m.Rows[1].To = matrix.Endpoint{Role: "failsafe", Zone: "x"}
		},
	}
	for want, spoil := range cases {
		m := policy.Populate(matrix.Own())
		m.Rows = slices.Clone(m.Rows)
		for n := range m.Rows {
			m.Rows[n].Rights = nil
		}
		spoil(&m)
		if _, err := policy.Compile(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, have %v", want, err)
		}
	}
}

// A party may be all of a private network: hosts are made up within it rather than searched for ever.
func TestPopulateInAWideNetwork(t *testing.T) {
	m := matrix.Own()
	m.Roles = slices.Clone(m.Roles)
	for n := range m.Roles {
		if m.Roles[n].Name == matrix.Operator {
			m.Roles[n].Networks = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("2001:db8::/32")}
		}
	}
	if agree(t, policy.Populate(m)) == 0 {
		t.Error("no packet was looked at")
	}
}

func TestPopulateChangesNothingThatIsThere(t *testing.T) {
	m := policy.Populate(matrix.Own())
	if diff := cmp.Diff(m, policy.Populate(m), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("a populated matrix is changed again:\n%s", diff)
	}
	if err := matrix.Check(m); err != nil {
		t.Error(err)
	}
	if len(matrix.Own().Hosts) != 0 {
		t.Error("the built-in matrix was changed")
	}
}
