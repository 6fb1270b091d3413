package identity_test

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := "testdata/" + name
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
		t.Errorf("%s differs: run the test with -update, and look at the difference.\n%s", name, got)
	}
}

// site is a small matrix with every kind of profile and right.
func site() matrix.Matrix {
	zone := func(r matrix.Role) matrix.Endpoint { return matrix.Endpoint{Role: r, Zone: "inside"} }
	row := func(id string, from, to matrix.Role, client, server string, rights ...matrix.Right) matrix.Row {
		return matrix.Row{ID: id, Name: matrix.FlowName("flow-" + strings.ReplaceAll(id, ".", "-")), From: zone(from), To: zone(to), Protocol: matrix.TCP, Ports: matrix.Port(443),
			Identity: client, ServerIdentity: server, Rights: rights}
	}
	return matrix.Matrix{
		Name: "site", Zones: []matrix.ZoneDefinition{{Name: "inside"}},
		Roles: []matrix.RoleDefinition{{Name: "apiserver"}, {Name: "partition"}, {Name: "agent"}, {Name: "operator", Outside: true}, {Name: "web"}},
		Rows: []matrix.Row{
			row("1.1", "operator", "apiserver", "ingot:operator:<name>", "ingot-apiserver", matrix.Right{Group: "*", Resources: []string{"*"}, Verbs: []string{"*"}}),
			row("1.2", "partition", "apiserver", "ingot:partition:<partition>", "ingot-apiserver",
				matrix.Right{Group: "metal3.io", Resources: []string{"baremetalhosts", "baremetalhosts/status"}, Verbs: []string{"get", "update"}},
				matrix.Right{Group: "metal3.io", Resources: []string{"hardwaredata"}, Verbs: []string{"get", "create"}},
				matrix.Right{Resources: []string{"secrets"}, Verbs: []string{"get"}},
				matrix.Right{Paths: []string{"/metrics"}, Verbs: []string{"get"}},
				matrix.Right{Group: "coordination.k8s.io", Resources: []string{"leases"}, Verbs: []string{"create"}, Namespace: "ingot-system"}),
			row("1.3", "agent", "partition", "ingot:agent:<boot>", "ingot:partition:<partition>"),
			row("1.4", "operator", "web", "", "web.example.org"),
		},
	}
}

func TestGolden(t *testing.T) {
	profiles, err := identity.YAML(identity.Profiles(site()))
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "profiles.yaml", profiles)
	objects, err := identity.RBAC(site()).YAML()
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "rbac.yaml", objects)
	for i, document := range bytes.Split(objects, []byte("---\n")) {
		var head struct{ APIVersion, Kind string }
		if err := yaml.UnmarshalStrict(document, &head, yaml.DisallowUnknownFields); head.Kind == "" {
			t.Errorf("document %d has no kind: %v", i, err)
		}
	}
}

// TestOurSignersHoldToTheMatrix compares what internal/pki issues with what the matrix calls for.
func TestOurSignersHoldToTheMatrix(t *testing.T) {
	m := matrix.Own()
	issued := map[string]pki.Profile{
		"ingot:operator:<name>":       pki.OperatorProfile("<name>"),
		"ingot:partition:<partition>": pki.RoleProfile("partition", "<partition>"),
		"ingot:boot:<partition>":      pki.RoleProfile("boot", "<partition>"),
		"ingot:controller":            pki.RoleProfile("controller", ""),
		"ingot-apiserver":             pki.ServerProfile("ingot-apiserver"),
		"ingot:agent:<boot>":          pki.ClientProfile("ingot:agent:<boot>", identity.BootLifetime, "ingot:agent"),
		"ingot:node:<node>":           pki.RoleProfile("node", "<node>"),
	}
	for _, p := range identity.Profiles(m) {
		have, ok := issued[p.Name]
		if !ok {
			t.Errorf("rows %v call for %s, which no signer of internal/pki issues: add it here and there", p.Rows, p.Name)
			continue
		}
		delete(issued, p.Name)
		if have.CommonName != p.Name || !slices.Equal(have.Organizations, p.Groups) || have.Lifetime != p.Lifetime {
			t.Errorf("%s: issued as %q in %v for %v, and the matrix says %v for %v", p.Name, have.CommonName, have.Organizations, have.Lifetime, p.Groups, p.Lifetime)
		}
		if p.Client && !have.Client || p.Server && !have.Server {
			t.Errorf("%s: issued for client %v and server %v, and the matrix needs %v and %v", p.Name, have.Client, have.Server, p.Client, p.Server)
		}
	}
	for name := range issued {
		t.Errorf("internal/pki issues %s, and no row calls for it", name)
	}
}

func TestSignersIssueWhatRowsCallFor(t *testing.T) {
	for _, c := range []struct {
		signer identity.Signer
		name   string
		want   bool
	}{
		{identity.SignerSite, "ingot:partition:site1", true},
		{identity.SignerSite, "ingot:operator:alice", true},
		{identity.SignerSite, "ingot-apiserver", true},
		{identity.SignerAgents, "ingot:agent:b-1", true},
		{identity.SignerAgents, "ingot:partition:site1", false},
		{identity.SignerAgents, "ingot:operator:alice", false},
		{identity.SignerSite, "ingot:agent:b-1", false},
		{identity.SignerSite, "ingot:partition:", false},
		{identity.SignerSite, "ingot:partition", false},
		{identity.SignerSite, "ingot:partition:a:b", false},
		{identity.SignerSite, "system:masters", false},
		{identity.SignerSite, "", false},
	} {
		if got := identity.MayIssue(site(), c.signer, c.name); got != c.want {
			t.Errorf("%s may issue %q: %v, want %v", c.signer, c.name, got, c.want)
		}
	}
}

// TestPeople holds the three roles to what is said of them, for the matrix that ships.
func TestPeople(t *testing.T) {
	may := map[string]func(verb, group, resource string) bool{}
	for _, role := range identity.RBAC(matrix.Own()).ClusterRoles {
		may[role.Name] = func(verb, group, resource string) bool {
			return slices.ContainsFunc(role.Rules, func(r rbacv1.PolicyRule) bool {
				return slices.Contains(r.APIGroups, group) && slices.Contains(r.Resources, resource) && (slices.Contains(r.Verbs, verb) || slices.Contains(r.Verbs, "*"))
			})
		}
	}
	for _, c := range []struct {
		role, verb, group, resource string
		want                        bool
	}{
		{"ingot:people:view", "list", "metal3.io", "baremetalhosts", true},
		{"ingot:people:view", "list", "ingot.dev", "hostlifecycles", true},
		{"ingot:people:view", "update", "metal3.io", "baremetalhosts", false},
		{"ingot:people:view", "get", "", "secrets", false},
		{"ingot:people:edit", "list", "metal3.io", "hardwaredata", true},
		{"ingot:people:edit", "create", "metal3.io", "baremetalhosts", true},
		{"ingot:people:edit", "delete", "metal3.io", "hardwaredata", false},
		{"ingot:people:edit", "patch", "ingot.dev", "discoveredhosts", true},
		{"ingot:people:edit", "update", "ingot.dev", "netbootrecords", false},
		{"ingot:people:edit", "create", "ingot.dev", "bootwindows", false},
		{"ingot:people:edit", "update", "metal3.io", "baremetalhosts/status", false},
		{"ingot:people:admin", "delete", "metal3.io", "hardwaredata", true},
		{"ingot:people:admin", "update", "metal3.io", "baremetalhosts/status", true},
		{"ingot:people:admin", "get", "", "secrets", false},
	} {
		if may[c.role] == nil {
			t.Fatalf("there is no %s", c.role)
		}
		if got := may[c.role](c.verb, c.group, c.resource); got != c.want {
			t.Errorf("%s may %s %s: %v, want %v", c.role, c.verb, c.resource, got, c.want)
		}
	}
}
