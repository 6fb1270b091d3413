package policy

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// ours is Matrix.Ours with an index: a matrix may have a thousand roles.
type ours struct {
	zones map[matrix.Zone]matrix.ZoneDefinition
	roles map[matrix.Role]matrix.RoleDefinition
}

func newOurs(m matrix.Matrix) ours {
	o := ours{map[matrix.Zone]matrix.ZoneDefinition{}, map[matrix.Role]matrix.RoleDefinition{}}
	for _, z := range m.Zones {
		o.zones[z.Name] = z
	}
	for _, r := range m.Roles {
		o.roles[r.Name] = r
	}
	return o
}

// has says whether an end is enforced: as Matrix.Ours, and a role of ours in whatever zone.
func (o ours) has(e matrix.Endpoint) bool {
	if e.Zone == matrix.AnyZone {
		return e.Role != matrix.AnyRole && !o.roles[e.Role].Outside
	}
	z, ok := o.zones[e.Zone]
	return ok && !z.Outside && !z.Unlisted && !o.roles[e.Role].Outside
}

// endpoints makes one HostEndpoint an interface.
func (c *compiler) endpoints() error {
	for _, h := range c.m.Hosts {
		names := map[string]bool{}
		for n, i := range h.Interfaces {
			if i.Name == "." || i.Name == ".." || strings.ContainsFunc(i.Name, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`/:"\*`, r) }) {
				return fmt.Errorf("host %s: %q is no interface's name: want no space, slash, colon, quote and *", h.Name, i.Name)
			}
			name := h.Name + "." + objectName(i.Name)
			if names[name] {
				name += "." + strconv.Itoa(n)
			}
			names[name] = true
			labels := c.labels(i.Zone)
			for _, r := range i.Roles {
				labels[rolePrefix+string(r)] = ""
			}
			c.out.Objects.HostEndpoints = append(c.out.Objects.HostEndpoints, calico.HostEndpoint{
				Meta: calico.Meta{Name: name, Labels: labels}, Node: h.Name, InterfaceName: i.Name, ExpectedIPs: slices.Concat(i.Addresses, i.Virtual),
			})
		}
	}
	return nil
}

// objectName makes a part of an object's name of an interface's.
func objectName(s string) string {
	safe := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			return r
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return '-'
	}, s)
	return cmp.Or(strings.Trim(safe, "-"), "interface")
}

func (c *compiler) labels(z matrix.Zone) map[string]string {
	return map[string]string{zoneLabel: string(z), planeLabel: string(c.ours.zones[z].OnPlane())}
}

// sets makes a GlobalNetworkSet for each outside party in each zone that a rule names it in, and one for each zone with networks.
func (c *compiler) sets() {
	add := func(name string, labels map[string]string, nets []netip.Prefix) {
		if len(nets) > 0 {
			c.out.Objects.NetworkSets = append(c.out.Objects.NetworkSets, calico.NetworkSet{Meta: calico.Meta{Name: name, Labels: labels}, Nets: masked(nets)})
		}
	}
	for _, z := range c.m.Zones {
		add(c.m.Name+"."+string(z.Name), c.labels(z.Name), z.Networks)
	}
	for _, e := range sorted(c.peers) {
		if e.Role == matrix.AnyRole || c.ours.has(e) && e.Zone != matrix.AnyZone {
			continue
		}
		networks := c.ours.roles[e.Role].Networks
		if e.Zone == matrix.AnyZone {
			add(c.m.Name+"."+string(e.Role)+".every.zone", map[string]string{rolePrefix + string(e.Role): ""}, networks)
			continue
		}
		if len(networks) == 0 {
			networks = c.ours.zones[e.Zone].Networks
		}
		labels := c.labels(e.Zone)
		labels[rolePrefix+string(e.Role)] = ""
		add(c.m.Name+"."+string(e.Role)+"."+string(e.Zone), labels, networks)
	}
}

// parties are all ends of all rows, each once, sorted.
func parties(m matrix.Matrix) []matrix.Endpoint {
	seen := map[matrix.Endpoint]bool{}
	for _, r := range m.Rows {
		seen[r.From], seen[r.To] = true, true
	}
	return sorted(seen)
}

func sorted(ends map[matrix.Endpoint]bool) []matrix.Endpoint {
	return slices.SortedFunc(maps.Keys(ends), func(a, b matrix.Endpoint) int {
		return cmp.Or(cmp.Compare(a.Zone, b.Zone), cmp.Compare(a.Role, b.Role))
	})
}

func masked(nets []netip.Prefix) []netip.Prefix {
	all := make([]netip.Prefix, len(nets))
	for i, n := range nets {
		all[i] = n.Masked()
	}
	return all
}

// PartyOf is the end that a network set stands for, as its labels say.
func PartyOf(s calico.NetworkSet) matrix.Endpoint {
	e := matrix.Anybody
	if z := s.Labels[zoneLabel]; z != "" {
		e.Zone = matrix.Zone(z)
	}
	if roles := rolesOf(s.Labels); len(roles) > 0 {
		e.Role = roles[0]
	}
	return e
}
