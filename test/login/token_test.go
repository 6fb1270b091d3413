package login

import (
	"context"
	"strings"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// may asks the API server about somebody.
func (w *world) may(ctx context.Context, user string, groups []string, verb, group, resource, namespace string) (bool, error) {
	resource, part, _ := strings.Cut(resource, "/")
	review, err := w.admin.AuthorizationV1().SubjectAccessReviews().Create(ctx, &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: append(groups, "system:authenticated"), ResourceAttributes: &authorizationv1.ResourceAttributes{Verb: verb, Group: group, Resource: resource, Subresource: part, Namespace: namespace},
	}}, metav1.CreateOptions{})
	if err != nil {
		return false, err
	}
	return review.Status.Allowed, nil
}

func binding(name, namespace, role string, subject rbacv1.Subject) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace}, Subjects: []rbacv1.Subject{subject},
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role}}
}

func user(name string) rbacv1.Subject {
	return rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}
}

// project makes one with alice as owner and bob as editor.
func (w *world) project(t *testing.T) string {
	t.Helper()
	ns, err := w.admin.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: "web", Labels: map[string]string{"ingot.dev/tenant": "acme", "ingot.dev/project": "web"},
	}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for name, role := range map[string]string{"alice": "ingot:tenant:owner", "bob": "ingot:tenant:editor"} {
		if _, err := w.admin.RbacV1().RoleBindings(ns.Name).Create(t.Context(), binding(name, ns.Name, role, user("oidc:"+name)), metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		await(t, name+" is bound", func(ctx context.Context) (bool, error) {
			return w.may(ctx, "oidc:"+name, nil, "create", "ingot.dev", "machines", ns.Name)
		})
	}
	return ns.Name
}

// tokens are made by owners, for no more than their own rights, and end when they are told to.
func tokens(t *testing.T, w *world) {
	project := w.project(t)
	alice, bob := w.person(t, "alice"), w.person(t, "bob")
	for _, p := range []*person{alice, bob} {
		w.issuer.Do(t, "groups %s none", p.name)
		if _, err := p.login(t, w.byBrowser(t, p.name)); err != nil {
			t.Fatal(err)
		}
	}
	out, err := alice.run(t, "token", "create", "pipeline", "--project", project, "--role", "editor", "--ttl", "10m")
	if err != nil {
		t.Fatal(err)
	}
	token := strings.TrimSpace(out)
	who, err := w.who(t, token)
	if err != nil || who.Username != "system:serviceaccount:"+project+":pipeline" {
		t.Fatalf("the token is %q, %v", who.Username, err)
	}
	for right, want := range map[string]bool{
		"create ingot.dev machines": true, "get ingot.dev quotas": true, "create ingot.dev quotas": false, "create rbac.authorization.k8s.io rolebindings": false,
		"create  serviceaccounts/token": false, "list  secrets": false,
	} {
		q := strings.Split(right, " ")
		await(t, right, func(ctx context.Context) (bool, error) {
			got, err := w.may(ctx, who.Username, who.Groups, q[0], q[1], q[2], project)
			return got == want, err
		})
	}
	if got, err := w.may(t.Context(), who.Username, who.Groups, "create", "ingot.dev", "machines", "default"); err != nil || got {
		t.Errorf("the token is good in another namespace: %v %v", got, err)
	}
	if out, err := alice.run(t, "token", "list", "--project", project); err != nil || !strings.Contains(out, "pipeline") || !strings.Contains(out, "oidc:alice") || !strings.Contains(out, "good") {
		t.Errorf("token list: %s %v", out, err)
	}

	refusals(t, w, project, alice, bob)
	escalations(t, w, project)

	if out, err := alice.run(t, "token", "explain", "pipeline", "--project", project); err != nil || !strings.Contains(out, "editor: ") || !strings.Contains(out, "oidc:alice") || !strings.Contains(out, "ingot auth can --list --as tenant:editor") {
		t.Errorf("token explain: %s %v", out, err)
	}
	if out, err := alice.run(t, "token", "explain", "pipelin", "--project", project); err == nil {
		t.Errorf("a token that is not there is explained: %s", out)
	}
	if _, err := alice.run(t, "token", "revoke", "pipelin", "--project", project); err == nil {
		t.Error("a token that is not there is revoked")
	}
	if out, err := alice.run(t, "token", "revoke", "pipeline", "--project", project); err != nil || !strings.Contains(out, "revoked") {
		t.Errorf("revoke: %s %v", out, err)
	}
	await(t, "the revoked token is refused", func(context.Context) (bool, error) {
		_, err := w.who(t, token)
		return apierrors.IsUnauthorized(err), nil
	})
}

// refusals: who holds no such rights makes no such token, and leaves nothing behind.
func refusals(t *testing.T, w *world, project string, alice, bob *person) {
	t.Helper()
	for name, c := range map[string]struct {
		who  *person
		args []string
		want string
	}{
		"by an editor":       {bob, []string{"--role", "guest", "--project", project}, "forbidden"},
		"in another project": {alice, []string{"--role", "guest", "--project", "default"}, "forbidden"},
		"of the provider":    {alice, []string{"--role", "provider:admin", "--project", project}, "use one of owner, editor, viewer, guest"},
		"for a year":         {alice, []string{"--role", "guest", "--project", project, "--ttl", "8760h"}, "write 10m0s to 24h0m0s"},
		"for no time":        {alice, []string{"--role", "guest", "--project", project, "--ttl", "1s"}, "write 10m0s"},
	} {
		out, err := c.who.run(t, append([]string{"token", "create"}, c.args...)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || out != "" {
			t.Errorf("%s: want %q, have %q %v", name, c.want, out, err)
		}
	}
	// An editor who may make accounts, and nothing more, still can't give what an owner has: the account goes again.
	maker := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "maker", Namespace: project}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"serviceaccounts", "serviceaccounts/token"}, Verbs: []string{"create", "delete"}},
		{APIGroups: []string{rbacv1.GroupName}, Resources: []string{"rolebindings"}, Verbs: []string{"create", "delete"}},
	}}
	if _, err := w.admin.RbacV1().Roles(project).Create(t.Context(), maker, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	given := binding("maker", project, "maker", user("oidc:bob"))
	given.RoleRef.Kind = "Role"
	if _, err := w.admin.RbacV1().RoleBindings(project).Create(t.Context(), given, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	await(t, "bob makes bindings", func(ctx context.Context) (bool, error) {
		return w.may(ctx, "oidc:bob", nil, "create", rbacv1.GroupName, "rolebindings", project)
	})
	out, err := bob.run(t, "token", "create", "wide", "--role", "owner", "--project", project)
	if err == nil || !strings.Contains(err.Error(), "attempting to grant RBAC permissions not currently held") || out != "" {
		t.Errorf("an editor makes an owner's token: %q %v", out, err)
	}
	if _, err := w.admin.CoreV1().ServiceAccounts(project).Get(t.Context(), "wide", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the refused token left its account behind: %v", err)
	}
	if out, err := bob.run(t, "token", "create", "narrow", "--role", "editor", "--project", project); err != nil || out == "" {
		t.Errorf("what he has himself, he gives: %q %v", out, err)
	}
}

// escalations are the ways around: each is refused by the API server itself.
func escalations(t *testing.T, w *world, project string) {
	t.Helper()
	as := func(name string) *world {
		c := w.bearer(t, w.issuer.Do(t, "mint %s", w.claims(name, nil)))
		return &world{admin: c}
	}
	alice, bob := as("alice").admin, as("bob").admin
	ctx, none := t.Context(), metav1.CreateOptions{}
	binds := func(namespace, role string) error {
		_, err := alice.RbacV1().RoleBindings(namespace).Create(ctx, binding("mallory", namespace, role, user("oidc:mallory")), none)
		return err
	}
	for _, role := range []string{"ingot:provider:viewer", "ingot:provider:admin", "cluster-admin", "edit", "ingot:partition"} {
		if err := binds(project, role); !apierrors.IsForbidden(err) {
			t.Errorf("an owner gives %s: %v", role, err)
		}
	}
	if err := binds(project, "ingot:tenant:owner"); err != nil {
		t.Errorf("an owner gives what an owner has: %v", err)
	}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-", Annotations: map[string]string{corev1.ServiceAccountNameKey: "pipeline"}}, Type: corev1.SecretTypeServiceAccountToken}
	if _, err := bob.CoreV1().Secrets(project).Create(ctx, secret, none); !apierrors.IsInvalid(err) {
		t.Errorf("an editor makes a Secret with an account's token: %v", err)
	}
	if _, err := w.admin.CoreV1().Secrets(project).Create(ctx, secret, none); !apierrors.IsInvalid(err) {
		t.Errorf("a token without an end is made in a project: %v", err)
	}
	for name, b := range map[string]*rbacv1.RoleBinding{
		"an owner of the site's namespace": binding("x", "ingot-system", "ingot:tenant:owner", user("oidc:mallory")),
		"an editor of no project":          binding("x", "default", "ingot:tenant:editor", user("oidc:mallory")),
	} {
		if _, err := w.admin.RbacV1().RoleBindings(b.Namespace).Create(ctx, b, none); !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	everywhere := &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "x"}, Subjects: []rbacv1.Subject{user("oidc:mallory")}, RoleRef: binding("", "", "ingot:tenant:guest", user("")).RoleRef}
	if _, err := w.admin.RbacV1().ClusterRoleBindings().Create(ctx, everywhere, none); !apierrors.IsInvalid(err) {
		t.Errorf("a tenant role everywhere: %v", err)
	}
	ns, err := w.admin.CoreV1().Namespaces().Get(ctx, "ingot-bmc", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ns.Labels["ingot.dev/tenant"] = "acme"
	if _, err := w.admin.CoreV1().Namespaces().Update(ctx, ns, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("the site's own namespace becomes a tenant's: %v", err)
	}
	own, err := alice.CoreV1().Namespaces().Get(ctx, project, metav1.GetOptions{})
	if err != nil {
		t.Fatalf("an owner reads the own project's namespace: %v", err)
	}
	own.Labels["ingot.dev/tenant"] = "other"
	if _, err := alice.CoreV1().Namespaces().Update(ctx, own, metav1.UpdateOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("an owner gives the project to another tenant: %v", err)
	}
}
