package matrix

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/matrix"
)

func site() matrix.Matrix {
	at := func(r matrix.Role, z matrix.Zone) matrix.Endpoint { return matrix.Endpoint{Role: r, Zone: z} }
	row := func(id string, from, to matrix.Endpoint, p matrix.Protocol, ports matrix.Ports) matrix.Row {
		return matrix.Row{ID: id, Name: matrix.FlowName("r" + strings.ReplaceAll(id, ".", "-")), From: from, To: to, Protocol: p, Ports: ports}
	}
	optional := row("1.4", at("operator", "office"), at("web", "front"), matrix.TCP, matrix.Port(9000))
	optional.Feature = "metrics"
	egress := row("1.6", at("web", "front"), at("db", "back"), matrix.TCP, matrix.Port(7777))
	egress.Enforced = matrix.EnforcedEgress
	return matrix.Matrix{
		Name: "site", Zones: []matrix.ZoneDefinition{{Name: "front"}, {Name: "back"}, {Name: "office", Outside: true, Networks: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}},
		Roles: []matrix.RoleDefinition{{Name: "web"}, {Name: "db"}, {Name: "operator", Outside: true}, {Name: "dns", Outside: true}},
		Hosts: []matrix.Host{
			{Name: "web1", Interfaces: []matrix.Interface{{Name: "eth0", Zone: "front", Roles: []matrix.Role{"web"}, Addresses: []netip.Addr{netip.MustParseAddr("10.1.0.1")}}}},
			{Name: "db1", Interfaces: []matrix.Interface{{Name: "eth0", Zone: "back", Roles: []matrix.Role{"db"}, Addresses: []netip.Addr{netip.MustParseAddr("10.1.1.1")}}}},
		},
		Rows: []matrix.Row{
			row("1.1", matrix.Anybody, at("web", "front"), matrix.TCP, matrix.Port(443)),
			row("1.2", at("web", "front"), at("db", "back"), matrix.TCP, matrix.Port(5432)),
			row("1.3", at("operator", "office"), at("*", "front"), matrix.TCP, matrix.Port(22)),
			optional,
			row("1.5", at("web", "front"), at("dns", "office"), matrix.UDP, matrix.Port(67)),
			egress,
			row("1.7", matrix.Anybody, at("web", "front"), "112", nil),
		},
	}
}

func web1(t *testing.T) place {
	t.Helper()
	p, err := verifying{host: "web1"}.place(site())
	if err != nil {
		t.Fatal(err)
	}
	p.own = []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fe80::1"), netip.MustParseAddr("127.0.0.1")}
	return p
}

// rowsOf says which rows the findings of a kind belong to, and which are wrong.
func rowsOf(findings []finding, kind string) (rows []string, wrong []string) {
	for _, f := range findings {
		if f.Kind != kind {
			continue
		}
		rows = append(rows, strings.Join(f.Rows, "+"))
		if f.Wrong {
			wrong = append(wrong, f.What)
		}
	}
	return rows, wrong
}

func TestListeners(t *testing.T) {
	socket := func(protocol uint8, address string, port uint16) hostnet.Socket {
		return hostnet.Socket{Protocol: protocol, Address: netip.MustParseAddr(address), Port: port, Process: "x"}
	}
	findings := web1(t).listeners([]hostnet.Socket{
		socket(6, "0.0.0.0", 443), socket(6, "10.1.0.1", 22), socket(6, "127.0.0.1", 8080), socket(6, "::", 5432), socket(17, "0.0.0.0", 443), socket(17, "0.0.0.0", 68),
		{Protocol: 112, Raw: true, Address: netip.IPv4Unspecified(), Process: "vrrpd"},
	})
	rows, wrong := rowsOf(findings, "listener")
	if want := []string{"1.1", "1.3", "", "", "1.5", "1.7"}; !slices.Equal(rows, want) {
		t.Errorf("the listeners belong to %q, want %q", rows, want)
	}
	if want := []string{"tcp 5432 on all addresses by x", "udp 443 on all addresses by x"}; !slices.Equal(wrong, want) {
		t.Errorf("undeclared are %q, want %q", wrong, want)
	}
	if rows, wrong = rowsOf(findings, "row"); !slices.Equal(rows, []string{"1.4"}) || len(wrong) > 0 {
		t.Errorf("rows without a listener are %q (%q wrong), want 1.4, which need not be there", rows, wrong)
	}
}

func TestFlows(t *testing.T) {
	flow := func(from, to string, protocol uint8, port uint16) hostnet.Flow {
		return hostnet.Flow{Protocol: protocol, Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr(to), DestinationPort: port}
	}
	findings := web1(t).flows([]hostnet.Flow{
		flow("203.0.113.9", "10.1.0.1", 6, 443), flow("203.0.113.9", "10.1.0.1", 6, 443), // anybody to web, twice
		flow("10.1.0.1", "10.1.1.1", 6, 5432),    // web to its database
		flow("10.1.0.1", "10.9.9.9", 6, 5432),    // to a database that is none
		flow("192.0.2.7", "10.1.0.1", 6, 22),     // an operator
		flow("198.51.100.1", "10.1.0.1", 6, 22),  // no operator
		flow("10.1.0.1", "10.1.0.1", 6, 1),       // to itself
		flow("127.0.0.1", "127.0.0.1", 6, 1),     // loopback
		flow("10.7.0.1", "10.8.0.1", 6, 1),       // forwarded
		flow("10.1.0.1", "10.1.1.1", 6, 7777),    // let out by an egress row
		flow("10.1.1.1", "10.1.0.1", 6, 5432),    // the database dials back, which is no row
		flow("203.0.113.9", "10.1.0.1", 112, 0),  // VRRP
		flow("203.0.113.9", "10.1.0.1", 132, 22), // another protocol on a row's port
	})
	_, wrong := rowsOf(findings, "flow")
	want := []string{
		"tcp 22 from 198.51.100.1 to 10.1.0.1, 1 open", "tcp 5432 from 10.1.1.1 to 10.1.0.1, 1 open", "sctp 22 from 203.0.113.9 to 10.1.0.1, 1 open",
		"tcp 5432 from 10.1.0.1 to 10.9.9.9, 1 open",
	}
	if !slices.Equal(wrong, want) {
		t.Errorf("undeclared flows are\n%q, want\n%q", wrong, want)
	}
	i := slices.IndexFunc(findings, func(f finding) bool { return f.What == "tcp 443 from 203.0.113.9 to 10.1.0.1, 2 open" })
	if i < 0 || !slices.Equal(findings[i].Rows, []string{"1.1"}) || len(findings) != 9 {
		t.Errorf("the findings are %+v", findings)
	}
}

func TestRolesStandForAHost(t *testing.T) {
	p, err := verifying{host: "x", roles: []string{"db"}}.place(site())
	if err != nil {
		t.Fatal(err)
	}
	rows, _ := rowsOf(p.listeners(nil), "row")
	if !slices.Equal(rows, []string{"1.2", "1.3"}) {
		t.Errorf("a host with the role db serves %q", rows)
	}
}

func TestEndpoints(t *testing.T) {
	of := func(s calico.HostEndpointStatus) *calico.HostEndpoint {
		return &calico.HostEndpoint{
			ObjectMeta: metav1.ObjectMeta{Name: "web1-eth0", Annotations: map[string]string{calico.RevisionAnnotation: "r2"}},
			Spec:       calico.HostEndpointSpec{Node: "web1", InterfaceName: "eth0"}, Status: s,
		}
	}
	for _, c := range []struct {
		status calico.HostEndpointStatus
		want   string
		wrong  bool
	}{
		{calico.HostEndpointStatus{Phase: calico.PhaseConfirmed, Revision: "r2"}, "declared", false},
		{calico.HostEndpointStatus{Phase: calico.PhaseConfirmed, Revision: "r1"}, "older revision", true},
		{calico.HostEndpointStatus{Phase: calico.PhaseTrial, Revision: "r2"}, "on trial", true},
		{calico.HostEndpointStatus{Phase: calico.PhaseReverted}, "reverted", true},
		{calico.HostEndpointStatus{Phase: calico.PhaseFailed}, "journalctl", true},
		{calico.HostEndpointStatus{Phase: calico.PhaseNone}, "open", true},
		{calico.HostEndpointStatus{}, "is it running", true},
	} {
		f := endpoint(of(c.status))
		if len(f) != 1 || f[0].Wrong != c.wrong || !strings.Contains(f[0].Verdict, c.want) || f[0].Where != "web1/eth0" {
			t.Errorf("%+v: %+v, want %q", c.status, f, c.want)
		}
	}
	drifted := endpoint(of(calico.HostEndpointStatus{Phase: calico.PhaseConfirmed, Revision: "r2", Drift: []calico.Drift{
		{Kind: "Listener", What: "x listens"}, {Kind: "Unused", What: "row 1.1 met nothing", Row: "1.1"},
	}}))
	if len(drifted) != 3 || !drifted[1].Wrong || drifted[2].Wrong || !slices.Equal(drifted[2].Rows, []string{"1.1"}) {
		t.Errorf("drift is told as %+v", drifted)
	}
}
