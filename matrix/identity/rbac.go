package identity

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

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

// labels mark what is compiled.
func labels() map[string]string { return map[string]string{"app.kubernetes.io/managed-by": "ingot"} }

// RBAC is what each role of the matrix may do, bound to the role's group, and the three roles for people, bound to nobody. It is empty where no row has rights.
func RBAC(m matrix.Matrix) Objects {
	o := RBACOf(m, func(matrix.Role) bool { return true })
	o.ClusterRoles = append(o.ClusterRoles, people(m)...)
	return o
}

// RBACOf is what some roles may do, each wholly, without the roles for people.
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

// permission adds a role and its binding. All are called like the role's group.
func (o *Objects) permission(p matrix.Permission) {
	version, name := rbacv1.SchemeGroupVersion.String(), Group(p.Role)
	meta := metav1.ObjectMeta{Name: name, Namespace: p.Namespace, Labels: labels()}
	subjects := []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: name}}
	kind := func(k string) metav1.TypeMeta { return metav1.TypeMeta{APIVersion: version, Kind: k} }
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
		out = append(out, rbacv1.PolicyRule{APIGroups: []string{r.Group}, Resources: r.Resources, Verbs: r.Verbs})
	}
	return out
}

// kinds are the resources of one API group.
type kinds struct {
	group string
	// all has every resource, edited those that people make, parts the status and finalizers of all.
	all, edited, parts []string
}

// people compiles View, Edit and Admin from the kinds that the rights speak of. Groups of Kubernetes itself are left to Kubernetes' own roles.
func people(m matrix.Matrix) []rbacv1.ClusterRole {
	var view, edit, admin []rbacv1.PolicyRule
	for _, k := range kindsOf(m) {
		view = append(view, rbacv1.PolicyRule{APIGroups: []string{k.group}, Resources: k.all, Verbs: []string{"get", "list", "watch"}})
		if len(k.edited) > 0 {
			edit = append(edit, rbacv1.PolicyRule{APIGroups: []string{k.group}, Resources: k.edited, Verbs: []string{"create", "update", "patch", "delete"}})
		}
		admin = append(admin, rbacv1.PolicyRule{APIGroups: []string{k.group}, Resources: slices.Concat(k.all, k.parts), Verbs: []string{"*"}})
	}
	if len(view) == 0 {
		return nil
	}
	role := func(name string, rules []rbacv1.PolicyRule) rbacv1.ClusterRole {
		l := labels()
		l["rbac.authorization.k8s.io/aggregate-to-"+name] = "true"
		return rbacv1.ClusterRole{
			TypeMeta:   metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: "ClusterRole"},
			ObjectMeta: metav1.ObjectMeta{Name: "ingot:people:" + name, Labels: l}, Rules: rules,
		}
	}
	return []rbacv1.ClusterRole{role("view", view), role("edit", slices.Concat(view, edit)), role("admin", admin)}
}

// peoplesToo says which kinds people make although a role of ours makes some: a host is an operator's word, also where it was made of what an operator accepted, and so is
// what becomes of a find.
func peoplesToo(group, resource string) bool {
	return group == "metal3.io" && resource == "baremetalhosts" || group == "ingot.dev" && resource == "discoveredhosts"
}

func kindsOf(m matrix.Matrix) []kinds {
	var all []kinds
	made := map[string]bool{}
	for _, p := range matrix.Permissions(m.Rows) {
		for _, r := range p.Rights {
			if r.Group == "" || r.Group == "*" || strings.HasSuffix(r.Group, ".k8s.io") {
				continue
			}
			i := slices.IndexFunc(all, func(k kinds) bool { return k.group == r.Group })
			if i < 0 {
				all = append(all, kinds{group: r.Group})
				i = len(all) - 1
			}
			for _, resource := range r.Resources {
				list := &all[i].all
				if strings.Contains(resource, "/") {
					list = &all[i].parts
				}
				if !slices.Contains(*list, resource) {
					*list = append(*list, resource)
				}
				made[r.Group+"/"+resource] = made[r.Group+"/"+resource] || slices.Contains(r.Verbs, "create") && !peoplesToo(r.Group, resource)
			}
		}
	}
	slices.SortFunc(all, func(a, b kinds) int { return strings.Compare(a.group, b.group) })
	for i := range all {
		k := &all[i]
		slices.Sort(k.all)
		slices.Sort(k.parts)
		for _, resource := range k.all {
			if !made[k.group+"/"+resource] {
				k.edited = append(k.edited, resource)
			}
		}
	}
	return all
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
