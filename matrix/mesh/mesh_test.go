package mesh_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/mesh"
)

var update = flag.Bool("update", false, "write the golden files anew")

// site has operators and firewalls in the mesh, a relay that no host is yet, and a flow below the mesh.
func site() matrix.Matrix {
	at := func(r matrix.Role, z matrix.Zone) matrix.Endpoint { return matrix.Endpoint{Role: r, Zone: z} }
	row := func(id string, from, to matrix.Endpoint, p matrix.Protocol, ports ...matrix.PortRange) matrix.Row {
		return matrix.Row{ID: id, Name: matrix.FlowName("flow-" + strings.ReplaceAll(id, ".", "-")), From: from, To: to, Protocol: p, Ports: ports}
	}
	one := func(n uint16) matrix.PortRange { return matrix.PortRange{First: n, Last: n} }
	return matrix.Matrix{
		Name: "site",
		Zones: []matrix.ZoneDefinition{
			{Name: "people", Plane: mesh.Plane}, {Name: "edge", Plane: mesh.Plane}, {Name: "internet", Outside: true},
		},
		Roles: []matrix.RoleDefinition{{Name: "operator"}, {Name: "firewall"}, {Name: "console"}, {Name: "relay"}, {Name: "anyone", Outside: true}},
		Hosts: []matrix.Host{
			{Name: "laptop", Interfaces: []matrix.Interface{{Name: "ts0", Zone: "people", Roles: []matrix.Role{"operator"}}}},
			{Name: "fw1", Interfaces: []matrix.Interface{{Name: "ts0", Zone: "edge", Roles: []matrix.Role{"firewall"}}}},
			{Name: "mgmt", Interfaces: []matrix.Interface{{Name: "ts0", Zone: "edge", Roles: []matrix.Role{"console"}}}},
		},
		Rows: []matrix.Row{
			row("1.1", at("operator", "people"), at("firewall", "edge"), matrix.TCP, one(22)),
			row("1.2", at("operator", "people"), at("console", "edge"), matrix.TCP, one(443), matrix.PortRange{First: 8000, Last: 8100}),
			row("1.3", at("console", "edge"), at("firewall", "edge"), matrix.TCP, one(22)),
			row("1.4", at("operator", "people"), at("*", "edge"), matrix.ICMP),
			row("1.5", at("relay", "edge"), at("console", "edge"), matrix.UDP),
			row("1.6", at("operator", "people"), at("relay", "edge"), matrix.TCP, one(80)),
			row("2.1", at("anyone", "internet"), at("relay", "edge"), matrix.TCP, one(443)),
			row("2.2", matrix.Anybody, at("firewall", "edge"), matrix.UDP, one(41641)),
		},
	}
}

type policy struct {
	TagOwners map[string][]string `json:"tagOwners"`
	ACLs      []struct {
		Action, Proto string
		Src, Dst      []string
	} `json:"acls"`
	NodeAttrs []struct{ Target, Attr []string } `json:"nodeAttrs"`
	Tests     []struct {
		Src, Proto   string
		Accept, Deny []string
	} `json:"tests"`
}

func read(t *testing.T, m matrix.Matrix) (policy, []byte) {
	t.Helper()
	text, err := mesh.Policy(m)
	if err != nil {
		t.Fatal(err)
	}
	var p policy
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&p); err != nil {
		t.Fatal(err)
	}
	return p, text
}

func TestGolden(t *testing.T) {
	_, got := read(t, site())
	const file = "testdata/policy.json"
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run the test with -update, and look at what it wrote", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: run the test with -update, and look at the difference.\n%s", file, got)
	}
}

// TestRulesAreTheRows evaluates the policy for each pair of roles and port that any row names, and asks the rows the same.
func TestRulesAreTheRows(t *testing.T) {
	m := site()
	p, _ := read(t, m)
	allowed := func(from, to, port string) bool {
		for _, a := range p.ACLs {
			if a.Proto != "tcp" || !slices.Contains(a.Src, from) {
				continue
			}
			for _, d := range a.Dst {
				if name, ports, _ := cutLast(d); name == to && (ports == "*" || slices.Contains(strings.Split(ports, ","), port)) {
					return true
				}
			}
		}
		return false
	}
	for _, from := range m.Roles {
		for _, to := range m.Roles {
			for _, port := range []string{"22", "80", "443"} {
				want := slices.ContainsFunc(m.Rows, func(r matrix.Row) bool {
					return r.Protocol == matrix.TCP && mesh.Carries(m, r) && r.From.Role == from.Name && r.To.Role == to.Name && slices.Contains(strings.Split(r.Ports.String(), ","), port)
				})
				if got := allowed("tag:"+string(from.Name), "tag:"+string(to.Name), port); got != want {
					t.Errorf("%s to %s:%s: allowed %v, want %v", from.Name, to.Name, port, got, want)
				}
			}
		}
	}
	// What headscale checks before it takes the policy must be what the policy says, and of tags with a host only.
	for _, a := range p.Tests {
		for _, target := range slices.Concat(a.Accept, a.Deny) {
			name, port, _ := cutLast(target)
			if a.Src == "tag:relay" || name == "tag:relay" {
				t.Errorf("the assertion %s to %s names a tag without a host", a.Src, target)
			}
			if want := slices.Contains(a.Accept, target); allowed(a.Src, name, port) != want {
				t.Errorf("the assertion that %s reaches %s is %v, and the rules say otherwise", a.Src, target, want)
			}
		}
	}
	if len(p.Tests) != 3 {
		t.Errorf("%d tags have assertions, want the 3 with a host", len(p.Tests))
	}
}

func cutLast(s string) (before, after string, ok bool) {
	i := strings.LastIndex(s, ":")
	return s[:i], s[i+1:], true
}

func TestNothingInTheMeshIsAllowedByAbsence(t *testing.T) {
	m := matrix.Own()
	m.Rows = slices.DeleteFunc(m.Rows, func(r matrix.Row) bool { return mesh.Carries(m, r) })
	p, text := read(t, m)
	if len(p.ACLs) != 0 || !bytes.Contains(text, []byte(`"acls": []`)) {
		t.Errorf("a matrix without a mesh must deny all: %s", text)
	}
}

func TestRefusals(t *testing.T) {
	for want, change := range map[string]func(*matrix.Matrix){
		"a mesh carries tcp":         func(m *matrix.Matrix) { m.Rows[0].Protocol, m.Rows[0].Ports = "112", nil },
		"nodes which reach nothing":  func(m *matrix.Matrix) { m.Rows[0].From.Role = mesh.Quarantine },
		"a tag begins with a letter": func(m *matrix.Matrix) { m.Rows[0].From.Role = "9operator" },
	} {
		m := site()
		change(&m)
		if _, err := mesh.Policy(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestSharedHostsAreNotDenied: headscale asserts by addresses, and a host with two tags has one address for both.
func TestSharedHostsAreNotDenied(t *testing.T) {
	m := site()
	m.Hosts[1].Interfaces[0].Roles = []matrix.Role{"firewall", "console"}
	p, _ := read(t, m)
	for _, a := range p.Tests {
		if len(a.Deny) > 0 {
			t.Errorf("%s is denied %v, which a host reaches or serves by its other tag", a.Src, a.Deny)
		}
	}
	if len(p.Tests) == 0 {
		t.Error("what is accepted is asserted no more")
	}
}
