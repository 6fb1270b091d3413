package policy

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
	"github.com/ingotmetal/ingot/matrix"
)

// zoneOf is the zone that labels place something in: the label zone, else the plane's.
func zoneOf(labels map[string]string) (matrix.Zone, bool) {
	for _, key := range []string{zoneLabel, planeLabel} {
		if v := labels[key]; v != "" {
			return matrix.Zone(v), true
		}
	}
	return ZoneUnlabelled, false
}

func rolesOf(labels map[string]string) []matrix.Role {
	var roles []matrix.Role
	for key := range labels {
		if r, ok := strings.CutPrefix(key, rolePrefix); ok {
			roles = append(roles, matrix.Role(r))
		}
	}
	slices.Sort(roles)
	return roles
}

// places finds the zones and roles: those of endpoints and policies are ours, those of sets and of rules' peers alone are outside.
func (i *importer) places(o calico.Objects) {
	for _, e := range o.HostEndpoints {
		z, labelled := zoneOf(e.Labels)
		if !labelled {
			i.leave("HostEndpoint/"+e.Name, "metadata.labels", "it has neither a zone nor a plane: put into zone %s, which no row names", ZoneUnlabelled)
		}
		i.zone(z, e.Labels[planeLabel], false)
		for _, r := range rolesOf(e.Labels) {
			i.role(r, false)
		}
	}
	for n := range o.Policies {
		i.mentioned(&o.Policies[n].Selector, false)
	}
	for _, s := range o.NetworkSets {
		if z, ok := zoneOf(s.Labels); ok {
			i.zone(z, s.Labels[planeLabel], true)
		}
		for _, r := range rolesOf(s.Labels) {
			i.role(r, true)
		}
	}
	for _, p := range o.Policies {
		for _, r := range slices.Concat(p.Ingress, p.Egress) {
			i.mentioned(r.Source.Selector, true)
			i.mentioned(r.Destination.Selector, true)
		}
	}
}

func (i *importer) zone(z matrix.Zone, plane string, outside bool) {
	if i.zones[z] {
		return
	}
	i.zones[z] = true
	if plane == string(z) {
		plane = ""
	}
	i.m.Zones = append(i.m.Zones, matrix.ZoneDefinition{Name: z, Plane: matrix.Plane(plane), Outside: outside})
}

func (i *importer) role(r matrix.Role, outside bool) {
	if !i.roles[r] {
		i.roles[r] = true
		i.m.Roles = append(i.m.Roles, matrix.RoleDefinition{Name: r, Outside: outside})
	}
}

// mentioned adds what only a selector names.
func (i *importer) mentioned(s *selector.Selector, outside bool) {
	if s == nil {
		return
	}
	terms, ok := alternatives(s.String())
	if !ok {
		return
	}
	for _, conjunction := range terms {
		for _, t := range conjunction {
			switch t.kind {
			case termAll:
			case termZone:
				i.zone(matrix.Zone(t.name), "", outside)
			case termRole:
				i.role(matrix.Role(t.name), outside)
			case termPlane:
				if len(i.onPlane(matrix.Plane(t.name))) == 0 {
					i.zone(matrix.Zone(t.name), t.name, outside)
				}
			}
		}
	}
}

func (i *importer) onPlane(p matrix.Plane) []matrix.Zone {
	var zones []matrix.Zone
	for _, z := range i.m.Zones {
		if z.OnPlane() == p && z.Name != ZoneUnlabelled && z.Name != zoneNetworks {
			zones = append(zones, z.Name)
		}
	}
	return zones
}

// hosts makes a host of the endpoints of a node. An address of several endpoints is virtual.
func (i *importer) hosts(o calico.Objects) {
	owners := map[netip.Addr]int{}
	for _, e := range o.HostEndpoints {
		for _, a := range e.ExpectedIPs {
			owners[a]++
		}
	}
	names := map[string]string{}
	for _, e := range o.HostEndpoints {
		object := "HostEndpoint/" + e.Name
		if len(e.Profiles) > 0 {
			i.leave(object, "spec.profiles", "profiles let through what no policy decides, and rows are all that is let through: left out")
		}
		if e.InterfaceName == "" || e.InterfaceName == calico.AllInterfaces {
			i.leave(object, "spec.interfaceName", "a host's place in a zone is one interface: left out, its addresses too")
			continue
		}
		name := e.Node
		if labelOf(name) != name {
			name = labelOf(name)
			i.leave(object, "spec.node", "a host's name is a label: it became %s", name)
		}
		if was, ok := names[name]; ok && was != e.Node {
			i.leave(object, "spec.node", "nodes %s and %s have one name as a label: left out", was, e.Node)
			continue
		}
		names[name] = e.Node
		n := slices.IndexFunc(i.m.Hosts, func(h matrix.Host) bool { return h.Name == name })
		if n < 0 {
			n = len(i.m.Hosts)
			i.m.Hosts = append(i.m.Hosts, matrix.Host{Name: name})
		}
		h := &i.m.Hosts[n]
		if slices.ContainsFunc(h.Interfaces, func(x matrix.Interface) bool { return x.Name == e.InterfaceName }) {
			i.leave(object, "spec.interfaceName", "another endpoint is for the same interface: left out")
			continue
		}
		zone, _ := zoneOf(e.Labels)
		iface := matrix.Interface{Name: e.InterfaceName, Zone: zone, Roles: rolesOf(e.Labels)}
		for _, a := range e.ExpectedIPs {
			if owners[a] > 1 {
				iface.Virtual = append(iface.Virtual, a)
			} else {
				iface.Addresses = append(iface.Addresses, a)
			}
		}
		h.Interfaces = append(h.Interfaces, iface)
	}
}

// networks gives zones and roles the networks of sets. A role has one list: sets of one role that differ are only said where each has its zone's.
func (i *importer) networks(o calico.Objects) {
	byRole := map[matrix.Role][]calico.NetworkSet{}
	for _, s := range o.NetworkSets {
		roles := rolesOf(s.Labels)
		zone, placed := zoneOf(s.Labels)
		switch {
		case s.Namespace != "" || !placed && len(roles) == 0:
			i.leave("NetworkSet/"+s.Name, "metadata.labels", "it is placed in no zone and has no role: what selects it by other labels is left out")
		case len(roles) == 0:
			n := slices.IndexFunc(i.m.Zones, func(z matrix.ZoneDefinition) bool { return z.Name == zone })
			i.m.Zones[n].Networks = append(i.m.Zones[n].Networks, s.Nets...)
		}
		for _, r := range roles {
			byRole[r] = append(byRole[r], s)
		}
	}
	for n := range i.m.Roles {
		d := &i.m.Roles[n]
		sets := byRole[d.Name]
		if len(sets) == 0 {
			continue
		}
		same := !slices.ContainsFunc(sets, func(s calico.NetworkSet) bool { return !slices.Equal(s.Nets, sets[0].Nets) })
		ofZones := !slices.ContainsFunc(sets, func(s calico.NetworkSet) bool {
			zone, _ := zoneOf(s.Labels)
			z, _ := i.m.Zone(zone)
			return len(z.Networks) == 0 || !slices.Equal(s.Nets, z.Networks)
		})
		switch {
		case ofZones:
		case same:
			d.Networks = slices.Clone(sets[0].Nets)
		default:
			for _, s := range sets {
				i.leave("NetworkSet/"+s.Name, "spec.nets", "role %s has other networks in another set, and a role has one list: only those of all are kept", d.Name)
			}
			d.Networks = common(sets)
		}
	}
}

// common are the networks that stand in every set.
func common(sets []calico.NetworkSet) []netip.Prefix {
	return slices.DeleteFunc(slices.Clone(sets[0].Nets), func(n netip.Prefix) bool {
		return slices.ContainsFunc(sets[1:], func(s calico.NetworkSet) bool { return !slices.Contains(s.Nets, n) })
	})
}
