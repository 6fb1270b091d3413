package access

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// Objects are the RBAC of a matrix's components and of people: every object of ours that says who may do what. Tenants' roles are bound nowhere; a project's RoleBindings do that.
// It is empty where no row has rights.
func Objects(m matrix.Matrix) identity.Objects {
	o := identity.RBAC(m)
	if o.Empty() {
		return o
	}
	for _, r := range Roles() {
		o.ClusterRoles = append(o.ClusterRoles, rbacv1.ClusterRole{TypeMeta: typed("ClusterRole"), ObjectMeta: named(r.Object()), Rules: rules(r)})
	}
	o.ClusterRoleBindings = append(o.ClusterRoleBindings, binding(Catalog, Catalog, PeopleGroup, servicesGroup))
	return o
}

// Bindings gives provider roles to groups: by the role's name ("admin"). A role of which nothing is said is bound to nobody, so that what was bound before is taken away.
func Bindings(groups map[string][]string) []rbacv1.ClusterRoleBinding {
	var all []rbacv1.ClusterRoleBinding
	for _, r := range Roles() {
		if r.Scope == Provider {
			all = append(all, binding("ingot:issuer:"+r.Name, r.Object(), groups[r.Name]...))
		}
	}
	return all
}

func binding(name, role string, groups ...string) rbacv1.ClusterRoleBinding {
	b := rbacv1.ClusterRoleBinding{
		TypeMeta: typed("ClusterRoleBinding"), ObjectMeta: named(name),
		RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
	}
	for _, g := range groups {
		b.Subjects = append(b.Subjects, rbacv1.Subject{APIGroup: rbacv1.GroupName, Kind: rbacv1.GroupKind, Name: g})
	}
	return b
}

func typed(kind string) metav1.TypeMeta {
	return metav1.TypeMeta{APIVersion: rbacv1.SchemeGroupVersion.String(), Kind: kind}
}

func named(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Labels: map[string]string{"app.kubernetes.io/managed-by": "ingot"}}
}

// rules joins the resources of one group and access into one rule, in the order of the table.
func rules(r Role) []rbacv1.PolicyRule {
	var all []rbacv1.PolicyRule
	add := func(l Line, resource string, verbs []string) {
		for i := range all {
			same := all[i].APIGroups[0] == l.Group && slices.Equal(all[i].Verbs, verbs) && slices.Equal(all[i].ResourceNames, l.Names)
			if same {
				all[i].Resources = append(all[i].Resources, resource)
				return
			}
		}
		all = append(all, rbacv1.PolicyRule{APIGroups: []string{l.Group}, Resources: []string{resource}, Verbs: verbs, ResourceNames: l.Names})
	}
	for _, l := range Lines() {
		a := l.Of(r)
		if a == None || l.ByKubernetes {
			continue
		}
		add(l, l.Resource, a.Verbs())
		if a == All && l.Status && !strings.Contains(l.Resource, "/") {
			add(l, l.Resource+"/status", statusVerbs())
		}
	}
	return all
}
