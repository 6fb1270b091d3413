package access_test

import (
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/access"
	"github.com/ingotmetal/ingot/matrix/identity"
)

var update = flag.Bool("update", false, "write the document anew")

var verbs = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "bind", "escalate", "impersonate", "approve", "sign"}

// TestDocument holds the document to the table.
func TestDocument(t *testing.T) {
	const file = "../../docs/rights.md"
	got := access.Document(matrix.Own())
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run the test with -update", err)
	}
	if got != string(want) {
		t.Errorf("%s is stale: run the test with -update, and look at what changed", file)
	}
}

// TestLevels holds each component's declared level to its rights, and declares every role of ours.
func TestLevels(t *testing.T) {
	declared := map[matrix.Role]access.Level{}
	for _, c := range access.Components() {
		declared[c.Role] = c.Level
		if got := access.LevelOf(access.RightsOf(matrix.Own(), c.Role)); got != c.Level {
			t.Errorf("%s is declared %s, and its rights make it %s", c.Role, c.Level, got)
		}
		if c.Why == "" {
			t.Errorf("%s: nothing says why", c.Role)
		}
	}
	for _, d := range matrix.Own().Roles {
		if _, ok := declared[d.Name]; !ok && !d.Outside {
			t.Errorf("component %s is not declared", d.Name)
		}
	}
	for _, c := range []struct {
		resources, verbs []string
		want             access.Level
	}{
		{[]string{"pods"}, []string{"get"}, access.LevelView},
		{[]string{"pods"}, []string{"get", "delete"}, access.LevelEdit},
		{[]string{"leases"}, []string{"create"}, access.LevelNone},
		{[]string{"leases", "ips"}, []string{"create"}, access.LevelEdit},
		{[]string{"clusterroles"}, []string{"escalate"}, access.LevelAdmin},
		{[]string{"users"}, []string{"impersonate"}, access.LevelAdmin},
		{[]string{"*"}, []string{"*"}, access.LevelAdmin},
	} {
		if got := access.LevelOf([]matrix.Right{{Resources: c.resources, Verbs: c.verbs}}); got != c.want {
			t.Errorf("%v %v is %s, want %s", c.verbs, c.resources, got, c.want)
		}
	}
}

// allows asks the compiled rules, as RBAC reads them.
func allows(rules []rbacv1.PolicyRule, q access.Question) bool {
	return slices.ContainsFunc(rules, func(r rbacv1.PolicyRule) bool {
		return slices.Contains(r.APIGroups, q.Group) && slices.Contains(r.Resources, q.Resource) && slices.Contains(r.Verbs, q.Verb) &&
			(len(r.ResourceNames) == 0 || slices.Contains(r.ResourceNames, q.Name))
	})
}

// questions are all about every line, and about the parts of objects.
func questions() []access.Question {
	var all []access.Question
	for _, l := range access.Lines() {
		for _, verb := range verbs {
			for _, part := range []string{"", "/status", "/token", "/scale"} {
				for _, name := range append([]string{"x"}, l.Names...) {
					all = append(all, access.Question{Verb: verb, Group: l.Group, Resource: l.Resource + part, Name: name})
				}
			}
		}
	}
	return all
}

// TestCompiledRolesSayWhatTheTableSays: every role, kind, part and verb.
func TestCompiledRolesSayWhatTheTableSays(t *testing.T) {
	objects := access.Objects(matrix.Own())
	for _, r := range access.Roles() {
		i := slices.IndexFunc(objects.ClusterRoles, func(c rbacv1.ClusterRole) bool { return c.Name == r.Object() })
		if i < 0 {
			t.Errorf("%s is not compiled", r)
			continue
		}
		for _, q := range questions() {
			if got, want := allows(objects.ClusterRoles[i].Rules, q), access.May(r, q); got != want {
				t.Errorf("%s, %+v: compiled %v, table %v", r, q, got, want)
			}
		}
		for _, rule := range objects.ClusterRoles[i].Rules {
			if slices.Contains(slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs), "*") {
				t.Errorf("%s has a wildcard: %v", r, rule)
			}
		}
	}
}

// TestWiderRolesHaveAllOfNarrowerOnes is what Kubernetes' escalation check asks for, before it lets an owner give the others.
func TestWiderRolesHaveAllOfNarrowerOnes(t *testing.T) {
	roles := access.Roles()
	for i := range roles[:len(roles)-1] {
		if roles[i].Scope != roles[i+1].Scope {
			continue
		}
		for _, q := range questions() {
			if access.May(roles[i+1], q) && !access.May(roles[i], q) {
				t.Errorf("%s may %+v, and %s may not", roles[i+1], q, roles[i])
			}
		}
	}
}

// TestWhoReadsSecrets is the whole list of those who may: a line more here is a decision.
func TestWhoReadsSecrets(t *testing.T) {
	readers := []string{}
	for _, r := range access.Roles() {
		for _, verb := range []string{"get", "list", "watch", "patch", "deletecollection"} {
			if access.May(r, access.Question{Verb: verb, Resource: "secrets", Name: "x"}) {
				readers = append(readers, r.String()+" "+verb)
			}
		}
	}
	if want := []string{"tenant:owner get", "tenant:owner patch", "tenant:editor get", "tenant:editor patch"}; !slices.Equal(readers, want) {
		t.Errorf("Secrets are read by %v, want %v", readers, want)
	}
	for _, c := range access.Components() {
		for _, right := range access.RightsOf(matrix.Own(), c.Role) {
			lists := slices.Contains(right.Verbs, "list") || slices.Contains(right.Verbs, "watch")
			if slices.Contains(right.Resources, "secrets") && lists && right.Namespace == "" {
				t.Errorf("%s lists Secrets everywhere", c.Role)
			}
			if everywhere := right.Namespace == "" && right.Scope == matrix.Everywhere; c.Role == matrix.Partition && slices.Contains(right.Resources, "secrets") && everywhere {
				t.Errorf("%s may %v Secrets everywhere", c.Role, right.Verbs)
			}
		}
	}
}

// TestTenantsStayInTheirProject: what is the provider's to say.
func TestTenantsStayInTheirProject(t *testing.T) {
	for _, r := range access.Roles() {
		if r.Scope != access.Tenant {
			continue
		}
		for _, verb := range verbs {
			for _, q := range []access.Question{
				{Verb: verb, Group: "ingot.dev", Resource: "quotas"}, {Verb: verb, Group: "ingot.dev", Resource: "sizereservations"}, {Verb: verb, Resource: "namespaces"},
				{Verb: verb, Group: "metal3.io", Resource: "baremetalhosts"}, {Verb: verb, Group: "rbac.authorization.k8s.io", Resource: "clusterrolebindings"},
				{Verb: verb, Group: "rbac.authorization.k8s.io", Resource: "roles"}, {Verb: verb, Group: "ingot.dev", Resource: "machines/status"},
			} {
				reads := q.Resource == "quotas" && access.Read.Has(verb) || q.Resource == "namespaces" && verb == "get"
				if access.May(r, q) && !reads {
					t.Errorf("%s may %+v", r, q)
				}
			}
		}
	}
}

func TestParseRole(t *testing.T) {
	for text, want := range map[string]string{
		"owner": "tenant:owner", "admin": "provider:admin", "tenant:editor": "tenant:editor", "ingot:provider:viewer": "provider:viewer", "anybody": "anybody", "ingot:catalog": "anybody",
	} {
		if r, _ := access.ParseRole(text); r.String() != want {
			t.Errorf("%q is %q, want %q", text, r, want)
		}
	}
	if _, which := access.ParseRole("editor"); !slices.Equal(which, []string{"provider:editor", "tenant:editor"}) {
		t.Errorf("editor is ambiguous, and the choice is %v", which)
	}
	if _, which := access.ParseRole("root"); len(which) != len(access.Roles()) {
		t.Errorf("an unknown role leaves the choice %v", which)
	}
}

// TestCompare changes each object of a cluster in each way, and wants it to show.
func TestCompare(t *testing.T) {
	want := access.Objects(matrix.Own())
	if d := access.Compare(want, access.Objects(matrix.Own())); len(d) > 0 {
		t.Fatalf("what was compiled differs from itself: %v", d)
	}
	group := func(name string) []rbacv1.Subject { return []rbacv1.Subject{{Kind: "Group", Name: name}} }
	bind := func(o *identity.Objects, name, role string, s []rbacv1.Subject) {
		b := rbacv1.ClusterRoleBinding{RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role}, Subjects: s}
		b.Name = name
		o.ClusterRoleBindings = append(o.ClusterRoleBindings, b)
	}
	role := func(o *identity.Objects, name string) *rbacv1.ClusterRole {
		return &o.ClusterRoles[slices.IndexFunc(o.ClusterRoles, func(c rbacv1.ClusterRole) bool { return c.Name == name })]
	}
	for name, c := range map[string]struct {
		change func(o *identity.Objects)
		says   string
		given  bool
	}{
		"a verb more": {func(o *identity.Objects) {
			r := &role(o, "ingot:tenant:guest").Rules[0]
			r.Verbs = append(r.Verbs, "delete")
		}, "ClusterRole ingot:tenant:guest: also allows delete machines.ingot.dev", false},
		"a kind more": {func(o *identity.Objects) {
			r := role(o, "ingot:provider:viewer")
			r.Rules = append(r.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"get"}})
		}, "ClusterRole ingot:provider:viewer: also allows get secrets", false},
		"a rule less":         {func(o *identity.Objects) { role(o, "ingot:boot").Rules = nil }, "ClusterRole ingot:boot: lacks get partitions.ingot.dev", false},
		"a role less":         {func(o *identity.Objects) { o.Roles = o.Roles[1:] }, "is missing", false},
		"a binding less":      {func(o *identity.Objects) { o.RoleBindings = o.RoleBindings[1:] }, "is missing", false},
		"another subject":     {func(o *identity.Objects) { o.ClusterRoleBindings[0].Subjects = group("mallory") }, "to Group mallory, not to Group ingot:boot", false},
		"another role":        {func(o *identity.Objects) { o.ClusterRoleBindings[0].RoleRef.Name = "cluster-admin" }, "gives ClusterRole cluster-admin, not ClusterRole ingot:boot", false},
		"a component's role":  {func(o *identity.Objects) { bind(o, "mine", "ingot:partition", group("ops")) }, "gives the component's role ingot:partition to Group ops", false},
		"a component's group": {func(o *identity.Objects) { bind(o, "mine", "view", group("ingot:boot")) }, "gives ClusterRole view to Group ingot:boot, which has all", false},
		"a component's role for host namespaces, to another": {func(o *identity.Objects) {
			b := identity.HostNamespacesBinding(matrix.Partition, "racks")
			b.Subjects = group("ops")
			o.RoleBindings = append(o.RoleBindings, b)
		}, "gives the component's role ingot:partition:host-namespaces to Group ops", false},
		"a component's role for host namespaces, everywhere": {func(o *identity.Objects) {
			bind(o, "mine", "ingot:partition:host-namespaces", group("ingot:partition"))
		},
			"gives ClusterRole ingot:partition:host-namespaces to Group ingot:partition, which has all", false},
		"a person": {func(o *identity.Objects) { bind(o, "mine", "ingot:provider:admin", group("ops")) }, "gives ingot:provider:admin to Group ops", true},
	} {
		t.Run(name, func(t *testing.T) {
			have := access.Objects(matrix.Own())
			c.change(&have)
			found := access.Compare(want, have)
			if !slices.ContainsFunc(found, func(d access.Difference) bool { return strings.Contains(d.String(), c.says) && d.Given == c.given }) {
				t.Errorf("want %q, have %v", c.says, found)
			}
		})
	}
	foreign := access.Objects(matrix.Own())
	bind(&foreign, "theirs", "view", group("auditors"))
	foreign.RoleBindings = append(foreign.RoleBindings, identity.HostNamespacesBinding(matrix.Partition, "racks"))
	if d := access.Compare(want, foreign); len(d) > 0 {
		t.Errorf("a binding that is none of ours is reported: %v", d)
	}
}
