package access

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// Difference is one object of a cluster's RBAC that is other than compiled.
type Difference struct {
	// Kind, Namespace and Name are the object's.
	Kind, Namespace, Name string
	What                  string
	// Given is no fault: somebody was given one of the roles for people by a binding made by hand.
	Given bool
}

func (d Difference) String() string {
	where := d.Name
	if d.Namespace != "" {
		where = d.Namespace + "/" + d.Name
	}
	return d.Kind + " " + where + ": " + d.What
}

// Compare says how a cluster's RBAC differs from what is compiled: objects that are missing or were changed, and bindings made by hand that give one of our roles, or give
// one of our components more. Have are all objects of the cluster. Sorted.
func Compare(want, have identity.Objects) []Difference {
	w, h := bindingsOf(want), bindingsOf(have)
	all := slices.Concat(compareRoles(rolesOf(want), rolesOf(have)), compareBindings(w, h), foreignBindings(w, h))
	slices.SortFunc(all, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.What, b.What))
	})
	return all
}

// key is where an object is.
type key struct{ kind, namespace, name string }

func (k key) differs(format string, args ...any) Difference {
	return Difference{Kind: k.kind, Namespace: k.namespace, Name: k.name, What: fmt.Sprintf(format, args...)}
}

func rolesOf(o identity.Objects) map[key][]rbacv1.PolicyRule {
	all := map[key][]rbacv1.PolicyRule{}
	for _, r := range o.ClusterRoles {
		all[key{"ClusterRole", "", r.Name}] = r.Rules
	}
	for _, r := range o.Roles {
		all[key{"Role", r.Namespace, r.Name}] = r.Rules
	}
	return all
}

// bound is what a binding gives, and to whom.
type bound struct {
	role     string
	subjects []string
}

func bindingsOf(o identity.Objects) map[key]bound {
	all := map[key]bound{}
	of := func(ref rbacv1.RoleRef, subjects []rbacv1.Subject) bound {
		b := bound{role: ref.Kind + " " + ref.Name}
		for _, s := range subjects {
			name := s.Name
			if s.Namespace != "" {
				name = s.Namespace + "/" + name
			}
			b.subjects = append(b.subjects, s.Kind+" "+name)
		}
		slices.Sort(b.subjects)
		return b
	}
	for _, b := range o.ClusterRoleBindings {
		all[key{"ClusterRoleBinding", "", b.Name}] = of(b.RoleRef, b.Subjects)
	}
	for _, b := range o.RoleBindings {
		all[key{"RoleBinding", b.Namespace, b.Name}] = of(b.RoleRef, b.Subjects)
	}
	return all
}

func compareRoles(want, have map[key][]rbacv1.PolicyRule) []Difference {
	var all []Difference
	for k, rules := range want {
		found, ok := have[k]
		if !ok {
			all = append(all, k.differs("is missing"))
			continue
		}
		w, h := atoms(rules), atoms(found)
		for _, a := range h {
			if !slices.Contains(w, a) {
				all = append(all, k.differs("also allows %s", a))
			}
		}
		for _, a := range w {
			if !slices.Contains(h, a) {
				all = append(all, k.differs("lacks %s", a))
			}
		}
	}
	return all
}

// atoms are rules in their smallest parts, in words.
func atoms(rules []rbacv1.PolicyRule) []string {
	var all []string
	for _, r := range rules {
		for _, verb := range r.Verbs {
			for _, path := range r.NonResourceURLs {
				all = append(all, verb+" "+path)
			}
			for _, group := range r.APIGroups {
				for _, resource := range r.Resources {
					all = append(all, strings.TrimSuffix(verb+" "+strings.TrimSuffix(resource+"."+group, ".")+" "+strings.Join(r.ResourceNames, ","), " "))
				}
			}
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func compareBindings(want, have map[key]bound) []Difference {
	var all []Difference
	for k, w := range want {
		h, ok := have[k]
		switch {
		case !ok:
			all = append(all, k.differs("is missing"))
		case h.role != w.role:
			all = append(all, k.differs("gives %s, not %s", h.role, w.role))
		case !slices.Equal(h.subjects, w.subjects):
			all = append(all, k.differs("gives %s to %s, not to %s", w.role, list(h.subjects), list(w.subjects)))
		}
	}
	return all
}

func list(names []string) string {
	if len(names) == 0 {
		return "nobody"
	}
	return strings.Join(names, ", ")
}

// foreignBindings are those that somebody made: of roles for people, which is what they are for; of a component's role, or to a component's group, which is a fault.
func foreignBindings(want, have map[key]bound) []Difference {
	components := map[string]bool{}
	for _, d := range matrix.Own().Roles {
		components[identity.Group(d.Name)] = true
	}
	people := map[string]bool{}
	for _, r := range Roles() {
		people["ClusterRole "+r.Object()] = true
	}
	var all []Difference
	for k, h := range have {
		if _, ours := want[k]; ours {
			continue
		}
		_, role, _ := strings.Cut(h.role, " ")
		for _, s := range h.subjects {
			// A component's own role of a narrower scope is bound where it is needed, and nowhere else.
			kind, name, _ := strings.Cut(s, " ")
			narrower := k.kind == "RoleBinding" && strings.HasPrefix(role, name+":")
			if kind == rbacv1.GroupKind && components[name] && !narrower {
				all = append(all, k.differs("gives %s to %s, which has all that it needs by the matrix", h.role, s))
			}
		}
		switch {
		case people[h.role] && len(h.subjects) == 0:
		case people[h.role]:
			d := k.differs("gives %s to %s", role, list(h.subjects))
			d.Given = true
			all = append(all, d)
		case components[role], components[scopedRole(role)] && !slices.Equal(h.subjects, []string{rbacv1.GroupKind + " " + scopedRole(role)}):
			all = append(all, k.differs("gives the component's role %s to %s", role, list(h.subjects)))
		}
	}
	return all
}

// scopedRole is the group whose role for the namespaces with hosts this is; empty for any other role.
func scopedRole(role string) string {
	group, ok := strings.CutSuffix(role, strings.TrimPrefix(identity.HostNamespacesRole("x"), identity.Group("x")))
	if !ok {
		return ""
	}
	return group
}
