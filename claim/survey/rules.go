package survey

import (
	"slices"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim"
)

// Owner is which project a namespace is, and whose. A namespace without both labels is a project by itself; what has no label of a tenant is nobody's.
func (s *Survey) Owner(namespace string) (project, tenant string) {
	ns := s.namespaces[namespace]
	if ns == nil {
		return namespace, ""
	}
	tenant = ns.Labels[ingot.TenantLabel]
	if p := ns.Labels[ingot.ProjectLabel]; p != "" && tenant != "" {
		return projectKey(tenant, p), tenant
	}
	return namespace, tenant
}

// projectKey cannot be a namespace's name, which has no slash.
func projectKey(tenant, project string) string { return tenant + "/" + project }

// Rules are the quotas and reservations that hold.
func (s *Survey) Rules() claim.Rules {
	rules := claim.Rules{Quotas: map[string]claim.Quota{}, TenantQuotas: map[string]claim.Quota{}}
	for i := range s.facts.Quotas {
		q := &s.facts.Quotas[i]
		bound := claim.Quota{Machines: orUnbounded(q.Spec.Machines), Firewalls: orUnbounded(q.Spec.Firewalls)}
		all := rules.TenantQuotas
		owner, is := s.TenantsOwn(q.Namespace)
		if !is {
			all = rules.Quotas
			owner, _ = s.Owner(q.Namespace)
		}
		if other, given := all[owner]; given {
			bound = bound.Within(other)
		}
		all[owner] = bound
	}
	for i := range s.facts.Reservations {
		r := &s.facts.Reservations[i]
		if !r.DeletionTimestamp.IsZero() {
			continue
		}
		x := claim.Reservation{Name: r.Name, Tenant: r.Spec.Tenant, Size: r.Spec.Size, Partitions: r.Spec.Partitions, Amount: int(r.Spec.Amount)}
		if r.Spec.Project != "" {
			x.Project = projectKey(r.Spec.Tenant, r.Spec.Project)
		}
		rules.Reservations = append(rules.Reservations, x)
	}
	return rules
}

func orUnbounded(n *int32) int {
	if n == nil {
		return -1
	}
	return int(*n)
}

// TenantsOwn says whether a namespace is a tenant's own, and whose.
func (s *Survey) TenantsOwn(namespace string) (tenant string, is bool) {
	ns := s.namespaces[namespace]
	if ns == nil || ns.Labels[ingot.TenantLabel] == "" || ns.Labels[ingot.ProjectLabel] != "" {
		return "", false
	}
	return ns.Labels[ingot.TenantLabel], true
}

// Bound is a bound of a quota, and the namespaces whose claims count against it, sorted.
type Bound struct {
	Owner      string
	Most       int
	Namespaces []string
}

// Bounds are those that a project's requests of a role are under: its own, and its tenant's.
func (s *Survey) Bounds(project, tenant string, role claim.Role) []Bound {
	rules := s.Rules()
	var all []Bound
	if q, bounded := rules.Quotas[project]; bounded && q.Of(role) >= 0 {
		all = append(all, Bound{"project " + project, q.Of(role), s.where(func(p, _ string) bool { return p == project })})
	}
	if q, bounded := rules.TenantQuotas[tenant]; bounded && tenant != "" && q.Of(role) >= 0 {
		all = append(all, Bound{"tenant " + tenant, q.Of(role), s.where(func(_, t string) bool { return t == tenant })})
	}
	return all
}

// where are the namespaces of a project or a tenant.
func (s *Survey) where(is func(project, tenant string) bool) []string {
	var all []string
	for name := range s.namespaces {
		if is(s.Owner(name)) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	return all
}

// Projects are a tenant's projects by their namespaces, sorted.
func (s *Survey) Projects(tenant string) []string {
	return slices.DeleteFunc(s.where(func(_, t string) bool { return t == tenant }), func(namespace string) bool {
		return s.namespaces[namespace].Labels[ingot.ProjectLabel] == ""
	})
}
