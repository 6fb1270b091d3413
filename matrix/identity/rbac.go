package identity

import (
	"bytes"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/ingotmetal/ingot/matrix"
)

// Objects are RBAC objects, in the order in which they are applied: a binding after what it binds.
type Objects struct {
	ClusterRoles        []rbacv1.ClusterRole
	ClusterRoleBindings []rbacv1.ClusterRoleBinding
	Roles               []rbacv1.Role
	RoleBindings        []rbacv1.RoleBinding
}

// Group is the group that all processes of a role are in, by their certificates.
func Group(r matrix.Role) string { return "ingot:" + string(r) }

// HostNamespacesRole is the name of the ClusterRole with a role's rights in the namespaces with hosts, and of the RoleBindings to it.
func HostNamespacesRole(r matrix.Role) string { return Group(r) + ":host-namespaces" }

// labels mark what is compiled.
func labels() map[string]string { return map[string]string{"app.kubernetes.io/managed-by": "ingot"} }

// HostNamespacesBinding gives a role its rights in one namespace with hosts.
func HostNamespacesBinding(r matrix.Role, namespace string) rbacv1.RoleBinding {
	return rbacv1.RoleBinding{
		TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "RoleBinding"},
		ObjectMeta: metav1.ObjectMeta{Name: HostNamespacesRole(r), Namespace: namespace, Labels: labels()},
		Subjects:   []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: Group(r)}},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: HostNamespacesRole(r)},
	}
}

// RBAC is what each role of the matrix may do, bound to the role's group. It is empty where no row has rights.
func RBAC(m matrix.Matrix) Objects {
	return RBACOf(m, func(matrix.Role) bool { return true })
}

// RBACOf is what some roles may do, each wholly.
func RBACOf(m matrix.Matrix, wanted func(matrix.Role) bool) Objects {
	var o Objects
	for _, p := range matrix.Permissions(m.Rows) {
		if wanted(p.Role) {
			o.permission(p)
		}
	}
	return o
}

// Empty says that there is nothing in it.
func (o Objects) Empty() bool {
	return len(o.ClusterRoles)+len(o.ClusterRoleBindings)+len(o.Roles)+len(o.RoleBindings) == 0
}

// permission adds a role and its binding. All are called like the role's group, but for the one that is bound in the namespaces with hosts.
func (o *Objects) permission(p matrix.Permission) {
	version, name := rbacv1.SchemeGroupVersion.String(), Group(p.Role)
	meta := metav1.ObjectMeta{Name: name, Namespace: p.Namespace, Labels: labels()}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}}
	kind := func(k string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: version, Kind: k} }
	if p.Scope == matrix.HostNamespaces {
		// Bound by HostNamespacesBinding where there are hosts, and nowhere else.
		meta.Name = HostNamespacesRole(p.Role)
		o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: meta, Rules: rules(p.Rights)})
		return
	}
	if p.Namespace == "" {
		o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{TypeMeta: kind("ClusterRole"), ObjectMeta: meta, Rules: rules(p.Rights)})
		o.ClusterRoleBindings = append(o.ClusterRoleBindings, rbacv1.ClusterRoleBinding{
			TypeMeta: kind("ClusterRoleBinding"), ObjectMeta: meta, Subjects: subjects,
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name},
		})
		return
	}
	o.Roles = append(o.Roles, rbacv1.Role{TypeMeta: kind("Role"), ObjectMeta: meta, Rules: rules(p.Rights)})
	o.RoleBindings = append(o.RoleBindings, rbacv1.RoleBinding{
		TypeMeta: kind("RoleBinding"), ObjectMeta: meta, Subjects: subjects,
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: name},
	})
}

func rules(rights []matrix.Right) []rbacv1.PolicyRule {
	var out []rbacv1.PolicyRule
	for _, r := range rights {
		if len(r.Paths) > 0 {
			out = append(out, rbacv1.PolicyRule{NonResourceURLs: r.Paths, Verbs: r.Verbs})
			continue
		}
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: r.Resources, ResourceNames: r.Names, Verbs: r.Verbs})
	}
	return out
}

// YAML writes the objects as a stream of documents.
func (o Objects) YAML() ([]byte, error) {
	var all []any
	for i := range o.ClusterRoles {
		all = append(all, o.ClusterRoles[i])
	}
	for i := range o.ClusterRoleBindings {
		all = append(all, o.ClusterRoleBindings[i])
	}
	for i := range o.Roles {
		all = append(all, o.Roles[i])
	}
	for i := range o.RoleBindings {
		all = append(all, o.RoleBindings[i])
	}
	var b bytes.Buffer
	for i, object := range all {
		if i > 0 {
			b.WriteString("---\n")
		}
		text, err := yaml.Marshal(object)
		if err != nil {
			return nil, fmt.Errorf("write an RBAC object as YAML: %w", err)
		}
		b.Write(text)
	}
	return b.Bytes(), nil
}
