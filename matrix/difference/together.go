package difference

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// together gives both matrices the hosts and addresses that they lack, the same ones for the same roles and zones. What only one of them knows stays its own: a host that is in one
// only has all its rows in the difference, and a party whose addresses only one knows is nobody in the other.
func together(old, new matrix.Matrix) (matrix.Matrix, matrix.Matrix) {
	joint := matrix.Matrix{Name: "joint", Rows: slices.Concat(old.Rows, new.Rows)}
	known := map[string]bool{}
	for _, m := range []matrix.Matrix{old, new} {
		for _, z := range m.Zones {
			joint.Zones = merge(joint.Zones, z, func(d matrix.ZoneDefinition) bool { return d.Name == z.Name }, func(d *matrix.ZoneDefinition) { d.Networks = either(d.Networks, z.Networks) })
		}
		for _, r := range m.Roles {
			joint.Roles = merge(joint.Roles, r, func(d matrix.RoleDefinition) bool { return d.Name == r.Name }, func(d *matrix.RoleDefinition) { d.Networks = either(d.Networks, r.Networks) })
		}
		for _, h := range m.Hosts {
			known[h.Name] = true
			joint.Hosts = merge(joint.Hosts, h, func(d matrix.Host) bool { return d.Name == h.Name }, func(*matrix.Host) {})
		}
	}
	full := policy.Populate(joint)
	return fill(old, joint, full, known), fill(new, joint, full, known)
}

func merge[T any](all []T, one T, same func(T) bool, join func(*T)) []T {
	n := slices.IndexFunc(all, same)
	if n < 0 {
		return append(all, one)
	}
	join(&all[n])
	return all
}

func either(a, b []netip.Prefix) []netip.Prefix {
	if len(a) > 0 {
		return a
	}
	return b
}

// fill takes what was made up for both.
func fill(m, joint, full matrix.Matrix, known map[string]bool) matrix.Matrix {
	m.Zones, m.Roles, m.Hosts = slices.Clone(m.Zones), slices.Clone(m.Roles), slices.Clone(m.Hosts)
	for n := range m.Zones {
		if was, _ := joint.Zone(m.Zones[n].Name); len(was.Networks) == 0 {
			now, _ := full.Zone(was.Name)
			m.Zones[n].Networks = now.Networks
		}
	}
	for n := range m.Roles {
		if was, _ := joint.Role(m.Roles[n].Name); len(was.Networks) == 0 {
			now, _ := full.Role(was.Name)
			m.Roles[n].Networks = now.Networks
		}
	}
	for _, h := range full.Hosts {
		if known[h.Name] {
			continue
		}
		h.Interfaces = slices.Clone(h.Interfaces)
		h.Interfaces = slices.DeleteFunc(h.Interfaces, func(i matrix.Interface) bool {
			z, ok := m.Zone(i.Zone)
			return !ok || z.Outside
		})
		for n := range h.Interfaces {
			h.Interfaces[n].Roles = slices.DeleteFunc(slices.Clone(h.Interfaces[n].Roles), func(r matrix.Role) bool {
				d, ok := m.Role(r)
				return !ok || d.Outside
			})
		}
		if len(h.Interfaces) > 0 {
			m.Hosts = append(m.Hosts, h)
		}
	}
	return policy.Populate(m)
}
