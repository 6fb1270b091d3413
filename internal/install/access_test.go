package install_test

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/access"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// walked is one of whom the API server is asked about.
type walked struct {
	name   string
	groups []string
	// may is what the table says.
	may func(q access.Question, namespace string) bool
	// places are the namespaces that are asked about, beside none for what is in no namespace.
	places []string
}

// target is one resource, or a part of one.
type target struct {
	group, resource string
	namespaced      bool
}

// TestTheAPIServerAllowsWhatTheTableSays walks every role, kind, part and verb, and compares the authorizer's answer with the table, in the project, beside it, and in the
// components' own namespaces.
func TestTheAPIServerAllowsWhatTheTableSays(t *testing.T) {
	cp := controlplanetest.Shared(t)
	cfg := rest.CopyConfig(cp.Admin)
	cfg.ContentType = "application/vnd.kubernetes.protobuf"
	client := clientset(t, cfg)
	project, beside := projectNamespace(t, client), namespace(t, client)
	subjects := people(t, client, project, beside)
	for _, c := range access.Components() {
		if len(access.RightsOf(matrix.Own(), c.Role)) > 0 {
			subjects = append(subjects, component(c.Role, beside))
		}
	}
	targets := targets(t, client)
	var asked atomic.Int64
	ask := make(chan func())
	var workers sync.WaitGroup
	for range 12 {
		workers.Go(func() {
			for question := range ask {
				question()
				asked.Add(1)
			}
		})
	}
	for _, s := range subjects {
		for _, target := range targets {
			for _, q := range questionsAbout(target) {
				for _, place := range placesOf(s, target, project) {
					ask <- func() { compare(t, client, s, q, place) }
				}
			}
		}
	}
	close(ask)
	workers.Wait()
	t.Logf("%d questions about %d resources, asked for %d roles", asked.Load(), len(targets), len(subjects))
}

func compare(t *testing.T, client kubernetes.Interface, s walked, q access.Question, place string) {
	want := s.may(q, place)
	got, err := allowed(t.Context(), client, s, q, place)
	if err != nil {
		t.Errorf("ask about %s, %+v in %q: %v", s.name, q, place, err)
	} else if got != want {
		t.Errorf("%s may %s %s.%s %q in %q: the API server says %v, the table %v", s.name, q.Verb, q.Resource, q.Group, q.Name, place, got, want)
	}
}

func allowed(ctx context.Context, client kubernetes.Interface, s walked, q access.Question, place string) (bool, error) {
	resource, part, _ := strings.Cut(q.Resource, "/")
	review, err := client.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: "walker:" + s.name, Groups: append([]string{"system:authenticated"}, s.groups...),
		ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: q.Verb, Group: q.Group, Resource: resource, Subresource: part, Namespace: place, Name: q.Name},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

// placesOf are where a question is asked: a namespace's own rights are asked for in it.
func placesOf(s walked, target target, project string) []string {
	switch {
	case target.namespaced, target.resource == "namespaces" && target.group == "":
		return slices.Compact(append([]string{project}, s.places...))
	default:
		return []string{""}
	}
}

// questionsAbout are all verbs of a resource, with a name that nobody spoke of and with those that the table speaks of.
func questionsAbout(target target) []access.Question {
	verbs := []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}
	names := []string{"x"}
	if target.group == rbacv1.GroupName {
		verbs = append(verbs, "bind", "escalate")
		names = append(names, identity.HostNamespacesRole(matrix.Partition))
	}
	if target.group == "" {
		verbs = append(verbs, "impersonate")
	}
	if target.group == "certificates.k8s.io" {
		verbs = append(verbs, "approve", "sign")
	}
	var all []access.Question
	for _, verb := range verbs {
		if verb == "bind" {
			for _, r := range access.Roles() {
				names = append(names, r.Object())
			}
		}
		for _, name := range names {
			all = append(all, access.Question{Verb: verb, Group: target.group, Resource: target.resource, Name: name})
		}
	}
	return all
}

// targets are what the API server serves, with parts, and what the table and the matrix speak of: kinds that are not there yet, and words that are no kinds.
func targets(t *testing.T, client kubernetes.Interface) []target {
	t.Helper()
	found := map[string]target{}
	add := func(group, resource string, namespaced bool) {
		if _, there := found[group+"/"+resource]; !there {
			found[group+"/"+resource] = target{group, resource, namespaced}
		}
	}
	_, lists, err := client.Discovery().ServerGroupsAndResources()
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, l := range access.Lines() {
		add(l.Group, l.Resource, !l.Cluster)
		known[l.Group+"/"+l.Resource] = true
	}
	for _, list := range lists {
		group, _, versioned := strings.Cut(list.GroupVersion, "/")
		if !versioned {
			group = ""
		}
		for _, r := range list.APIResources {
			add(group, r.Name, r.Namespaced)
			ours := slices.Contains([]string{"ingot.dev", "metal3.io", "ipam.metal3.io", "ipam.cluster.x-k8s.io", "projectcalico.org"}, group)
			if ours && !strings.Contains(r.Name, "/") && !known[group+"/"+r.Name] {
				t.Errorf("the table of package access says nothing of %s.%s: say who may do what with it", r.Name, group)
			}
			if r.Namespaced != found[group+"/"+r.Name].namespaced {
				t.Errorf("the table says that %s.%s is in a namespace: %v, and the API server %v", r.Name, group, found[group+"/"+r.Name].namespaced, r.Namespaced)
			}
		}
	}
	for _, p := range matrix.Permissions(matrix.Own().Rows) {
		for _, right := range p.Rights {
			for _, resource := range right.Resources {
				if right.Group != "*" {
					add(right.Group, resource, right.Namespace != "")
				}
			}
		}
	}
	for _, word := range []string{"users", "groups", "uids"} {
		add("", word, false)
	}
	return slices.SortedFunc(maps.Values(found), func(a, b target) int { return strings.Compare(a.group+"/"+a.resource, b.group+"/"+b.resource) })
}

// byKubernetes is what anybody may who was authenticated.
func byKubernetes(q access.Question) bool {
	return slices.ContainsFunc(access.Lines(), func(l access.Line) bool {
		return l.ByKubernetes && l.Group == q.Group && l.Resource == q.Resource && l.Anybody.Has(q.Verb)
	})
}

// people are bound as they are on a site: providers everywhere, tenants in one namespace. Each is waited for, since the authorizer hears of bindings by watching.
func people(t *testing.T, client kubernetes.Interface, project, beside string) []walked {
	t.Helper()
	all := []walked{{name: "nobody", places: []string{beside}, may: func(q access.Question, _ string) bool { return byKubernetes(q) }}}
	for _, r := range access.Roles() {
		group := "walkers:" + r.String()
		s := walked{name: r.String(), groups: []string{group}, may: func(q access.Question, _ string) bool { return byKubernetes(q) || access.May(r, q) }}
		signal, where := access.Question{Verb: "list", Group: "ingot.dev", Resource: "machines"}, project
		subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: group}}
		ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: r.Object()}
		var err error
		switch r.Scope {
		case access.Provider:
			b := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{GenerateName: "walk-"}, Subjects: subjects, RoleRef: ref}
			b, err = client.RbacV1().ClusterRoleBindings().Create(t.Context(), b, metav1.CreateOptions{})
			t.Cleanup(func() {
				_ = client.RbacV1().ClusterRoleBindings().Delete(context.WithoutCancel(t.Context()), b.Name, metav1.DeleteOptions{})
			})
		case access.Tenant:
			b := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{GenerateName: "walk-", Namespace: project}, Subjects: subjects, RoleRef: ref}
			_, err = client.RbacV1().RoleBindings(project).Create(t.Context(), b, metav1.CreateOptions{})
			s.places = []string{beside}
			s.may = func(q access.Question, place string) bool {
				return byKubernetes(q) || place == project && access.May(r, q)
			}
		case access.Everybody:
			s.groups = []string{access.PeopleGroup}
			signal.Resource, where = "sizes", ""
		}
		if err != nil {
			t.Fatal(err)
		}
		await(t, fmt.Sprintf("%s is bound", r), func(ctx context.Context) (bool, error) { return allowed(ctx, client, s, signal, where) })
		all = append(all, s)
	}
	return all
}

// component is one of ours, with the rights of its rows.
func component(role matrix.Role, beside string) walked {
	rights := access.RightsOf(matrix.Own(), role)
	s := walked{name: string(role), groups: []string{identity.Group(role)}, places: []string{beside}}
	for _, r := range rights {
		if r.Namespace != "" && !slices.Contains(s.places, r.Namespace) {
			s.places = append(s.places, r.Namespace)
		}
	}
	has := func(list []string, word string) bool {
		return slices.Contains(list, word) || slices.Contains(list, "*")
	}
	s.may = func(q access.Question, place string) bool {
		return byKubernetes(q) || slices.ContainsFunc(rights, func(r matrix.Right) bool {
			return (r.Group == "*" || r.Group == q.Group) && has(r.Resources, q.Resource) && has(r.Verbs, q.Verb) && (r.Namespace == "" || r.Namespace == place) &&
				r.Scope == matrix.Everywhere && (len(r.Names) == 0 || slices.Contains(r.Names, q.Name)) // no place that is asked about has hosts
		})
	}
	return s
}

// projectNamespace makes the namespace of a project.
func projectNamespace(t testing.TB, client kubernetes.Interface) string {
	t.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "project-", Labels: map[string]string{"ingot.dev/tenant": "acme", "ingot.dev/project": "web"}}}
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}

func await(t testing.TB, what string, condition wait.ConditionWithContextFunc) {
	t.Helper()
	if err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, 8*time.Minute, true, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// TestRBACChangedByHandShows changes objects of a real cluster and wants each to be found, and to be put right by the next installation.
func TestRBACChangedByHandShows(t *testing.T) {
	cp := controlplanetest.Start(t)
	client := clientset(t, cp.Admin)
	if d := access.Compare(access.Objects(matrix.Own()), live(t, client)); len(d) > 0 {
		t.Fatalf("an installed cluster differs from what is compiled: %v", d)
	}
	guest, err := client.RbacV1().ClusterRoles().Get(t.Context(), "ingot:tenant:guest", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	guest.Rules = append(guest.Rules, rbacv1.PolicyRule{APIGroups: []string{""}, Resources: []string{"secrets"}, Verbs: []string{"list"}})
	if _, err := client.RbacV1().ClusterRoles().Update(t.Context(), guest, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := client.RbacV1().RoleBindings("ingot-boot").Delete(t.Context(), "ingot:boot", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	wide := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "convenient"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: "ingot:node"}},
	}
	if _, err := client.RbacV1().ClusterRoleBindings().Create(t.Context(), wide, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	var said []string
	for _, d := range access.Compare(access.Objects(matrix.Own()), live(t, client)) {
		said = append(said, d.String())
	}
	if want := []string{
		"ClusterRole ingot:tenant:guest: also allows list secrets",
		"ClusterRoleBinding convenient: gives ClusterRole cluster-admin to Group ingot:node, which has all that it needs by the matrix",
		"RoleBinding ingot-boot/ingot:boot: is missing",
	}; !slices.Equal(said, want) {
		t.Errorf("have %q\nwant %q", said, want)
	}
}

// live is all RBAC of a cluster.
func live(t testing.TB, client kubernetes.Interface) identity.Objects {
	t.Helper()
	var o identity.Objects
	roles, err := client.RbacV1().ClusterRoles().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	bindings, err := client.RbacV1().ClusterRoleBindings().List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	local, err := client.RbacV1().Roles("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	given, err := client.RbacV1().RoleBindings("").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o.ClusterRoles, o.ClusterRoleBindings, o.Roles, o.RoleBindings = roles.Items, bindings.Items, local.Items, given.Items
	return o
}
