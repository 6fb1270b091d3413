package access

import (
	"slices"
	"strings"
)

// Scope is where a role holds.
type Scope string

// The scopes.
const (
	// Provider roles hold for the whole site.
	Provider Scope = "provider"
	// Tenant roles hold in the namespace in which a RoleBinding gives them.
	Tenant Scope = "tenant"
	// Everybody is who logged in, for the whole site.
	Everybody Scope = "everybody"
)

// Role is one of people and of what acts for them.
type Role struct {
	Scope Scope
	// Name is "admin", "owner" and so on.
	Name string
	Text string
}

// The groups that people are put into by what the issuer says of them.
const (
	// PeopleGroup has everybody who logged in by the site's issuer.
	PeopleGroup = "ingot:people"
	// servicesGroup is Kubernetes' own: every ServiceAccount is in it.
	servicesGroup = "system:serviceaccounts"
)

// Catalog is the role of everybody.
const Catalog = "ingot:catalog"

// Roles are all of them, the widest of each scope first.
func Roles() []Role {
	return []Role{
		{Provider, "admin", "runs the site: every kind of it, namespaces and who may do what"},
		{Provider, "editor", "works with hosts, and with what tenants are offered and given"},
		{Provider, "viewer", "sees everything but Secrets"},
		{Tenant, "owner", "what an editor may, and who else may what in the project"},
		{Tenant, "editor", "makes, changes and gives up the project's machines, networks and addresses"},
		{Tenant, "viewer", "sees the project's objects, no Secrets"},
		{Tenant, "guest", "sees which machines and networks there are"},
		{Everybody, "anybody", "sees what can be asked for: sizes, images, layouts, partitions"},
	}
}

// Object is the name of the role's ClusterRole.
func (r Role) Object() string {
	if r.Scope == Everybody {
		return Catalog
	}
	return "ingot:" + string(r.Scope) + ":" + r.Name
}

// String is the role as people write it: "provider:admin".
func (r Role) String() string {
	if r.Scope == Everybody {
		return r.Name
	}
	return string(r.Scope) + ":" + r.Name
}

// ParseRole finds a role by "tenant:owner", by its ClusterRole's name, or by its name alone where that is one role's only. The second value says which there are, if it is none.
func ParseRole(text string) (Role, []string) {
	var found, all []string
	var role Role
	for _, r := range Roles() {
		all = append(all, r.String())
		if text == r.String() || text == r.Object() {
			return r, nil
		}
		if text == r.Name {
			found, role = append(found, r.String()), r
		}
	}
	switch len(found) {
	case 1:
		return role, nil
	case 0:
		return Role{}, all
	default:
		return Role{}, found
	}
}

// Of says what a role may do with what a line is about, if it was not said by a narrower role.
func (l Line) Of(r Role) Access {
	at := func(list []Access, names ...string) Access {
		i := slices.Index(names, r.Name)
		if i < 0 || i >= len(list) {
			return None
		}
		return list[i]
	}
	switch r.Scope {
	case Provider:
		return at(l.Provider[:], "admin", "editor", "viewer")
	case Tenant:
		return at(l.Tenant[:], "owner", "editor", "viewer", "guest")
	case Everybody:
		return l.Anybody
	default:
		return None
	}
}

// Question is one call of the API.
type Question struct {
	Verb string
	// Group is empty for Kubernetes' core kinds. Resource is the plural, with a subresource after a slash.
	Group, Resource string
	// Name of the object; empty: any.
	Name string
}

// May says whether a role may do something where it is bound, by the table alone: what everybody may is not asked for.
func May(r Role, q Question) bool {
	for _, l := range Lines() {
		if l.Group != q.Group || l.ByKubernetes {
			continue
		}
		if len(l.Names) > 0 && !slices.Contains(l.Names, q.Name) {
			continue
		}
		a := l.Of(r)
		if l.Resource == q.Resource && a.Has(q.Verb) {
			return true
		}
		if kind, part, ok := strings.Cut(q.Resource, "/"); ok && l.Status && part == "status" && kind == l.Resource && a == All && slices.Contains(statusVerbs(), q.Verb) {
			return true
		}
	}
	return false
}
