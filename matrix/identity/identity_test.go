package identity_test

import (
	"bytes"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

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
				matrix.Right{Resources: []string{"secrets"}, Verbs: []string{"get", "patch"}, Scope: matrix.HostNamespaces},
				matrix.Right{Group: "rbac.authorization.k8s.io", Resources: []string{"rolebindings"}, Verbs: []string{"list", "watch"}, Names: []string{"ingot:partition:host-namespaces"}},
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
		"ingot:console:<partition>":   pki.RoleProfile("console", "<partition>"),
		"ingot:controller":            pki.RoleProfile("controller", ""),
		"ingot-apiserver":             pki.ServerProfile("ingot-apiserver"),
		"ingot:agent:<boot>":          pki.ClientProfile("ingot:agent:<boot>", identity.BootLifetime, "ingot:agent"),
		"ingot:mesh":                  pki.RoleProfile("mesh", ""),
		"ingot:relay":                 pki.RoleProfile("relay", ""),
		"ingot:node:<node>":           pki.RoleProfile("node", "<node>"),
		"ingot:firewall:<firewall>":   pki.RoleProfile("firewall", "<firewall>"),
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
