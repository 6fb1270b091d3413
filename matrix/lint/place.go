package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
	"github.com/ingotmetal/ingot/matrix/reach"
)

// effect: rows that no firewall of ours does anything about.
func (c *checker) effect() {
	open := map[string]bool{}
	for _, o := range policy.Openings(c.m) {
		open[o.Row] = true
	}
	for _, r := range c.m.Rows {
		_, ip := r.Protocol.Number()
		switch {
		case open[r.ID]:
		case !ip || r.Protocol == matrix.UDPLite && len(r.Ports) > 0:
			c.add(Finding{
				Code: LeftOut, Rows: []string{r.ID}, What: fmt.Sprintf("%s from %s to %s is nothing that a host firewall can let through or refuse", wire(r), r.From, r.To),
				Why: "the row documents the flow, and nothing enforces it", Fix: "nothing, where that is known",
			})
		default:
			c.add(Finding{
				Code: UnenforcedFlow, Rows: []string{r.ID}, What: fmt.Sprintf("%s to %s: no end that the row opens is a host of ours", r.From, r.To),
				Why: "the row documents the flow, and nothing enforces it", Fix: "nothing where both ends are foreign; else list the zone and the role among ours",
			})
		}
	}
}

// places looks at zones and roles.
func (c *checker) places() {
	unlisted := map[matrix.Zone][]string{}
	used := map[matrix.Role]bool{}
	var purpose []string
	for _, r := range c.m.Rows {
		for _, e := range []matrix.Endpoint{r.From, r.To} {
			used[e.Role] = true
			if c.zones[e.Zone].Unlisted && !slices.Contains(unlisted[e.Zone], r.ID) {
				unlisted[e.Zone] = append(unlisted[e.Zone], r.ID)
			}
		}
		if r.Purpose == "" {
			purpose = append(purpose, r.ID)
		}
	}
	for _, z := range c.m.Zones {
		if rows := unlisted[z.Name]; len(rows) > 0 {
			c.add(Finding{
				Code: UnlistedZone, Rows: rows, What: fmt.Sprintf("%s in zone %s, which is no place", countRows(len(rows)), z.Name),
				Why: "nobody can open a firewall towards a place that nobody knows: it is opened towards everybody", Fix: "say which zone it is",
			})
		}
	}
	for _, r := range c.m.Roles {
		if !used[r.Name] && !c.interfaceHas(r.Name) {
			c.add(Finding{
				Code: UnusedRole, What: fmt.Sprintf("no row and no host has the role %s", r.Name), Why: "it is closed, or was forgotten", Fix: "add its rows, or remove it",
			})
		}
	}
	if len(purpose) > 0 {
		c.add(Finding{
			Code: NoPurpose, Rows: purpose, What: countRows(len(purpose)) + " without a purpose", Why: "nobody will dare to remove them", Fix: "say what each is for",
		})
	}
	c.alike()
	c.nobody()
}

// alike: a document that writes one role in two ways has made two of it, with rules and certificates of their own.
func (c *checker) alike() {
	first := map[string]matrix.RoleDefinition{}
	for _, r := range c.m.Roles {
		title := cmp.Or(r.Title, string(r.Name))
		other, known := first[strings.ToLower(title)]
		if !known {
			first[strings.ToLower(title)] = r
			continue
		}
		var rows []string
		for _, row := range c.m.Rows {
			if slices.ContainsFunc([]matrix.Role{row.From.Role, row.To.Role}, func(one matrix.Role) bool { return one == r.Name || one == other.Name }) {
				rows = append(rows, row.ID)
			}
		}
		c.add(Finding{
			Code: NamesAlike, Rows: rows, What: fmt.Sprintf("%s (%q) and %s (%q) are two roles whose names differ in case only", other.Name, cmp.Or(other.Title, string(other.Name)), r.Name, title),
			Why: "if they are one, each lacks the rows of the other", Fix: "write both the same way, or give them names that differ",
		})
	}
}

func countRows(n int) string {
	if n == 1 {
		return "1 row"
	}
	return count(n, "rows")
}

func (c *checker) interfaceHas(role matrix.Role) bool {
	return c.any(func(i matrix.Interface) bool { return slices.Contains(i.Roles, role) })
}

func (c *checker) any(is func(matrix.Interface) bool) bool {
	return slices.ContainsFunc(c.m.Hosts, func(h matrix.Host) bool { return slices.ContainsFunc(h.Interfaces, is) })
}

// nobody: where a matrix knows its hosts, an end without any of them, and a party without addresses, are names for nobody.
func (c *checker) nobody() {
	if len(c.m.Hosts) == 0 {
		return
	}
	there := map[matrix.Endpoint]bool{}
	for _, h := range c.m.Hosts {
		for _, i := range h.Interfaces {
			there[matrix.Endpoint{Role: matrix.AnyRole, Zone: i.Zone}] = true
			for _, r := range i.Roles {
				there[matrix.Endpoint{Role: r, Zone: i.Zone}], there[matrix.Endpoint{Role: r, Zone: matrix.AnyZone}] = true, true
			}
		}
	}
	rows := map[matrix.Endpoint][]string{}
	var ends []matrix.Endpoint
	for _, r := range c.m.Rows {
		for _, e := range []matrix.Endpoint{r.From, r.To} {
			known := there[e] || e == matrix.Anybody || !c.ours(e) && len(c.zones[e.Zone].Networks)+len(c.roles[e.Role].Networks) > 0 ||
				e.Role == matrix.AnyRole && len(c.zones[e.Zone].Networks) > 0
			if known {
				continue
			}
			if rows[e] == nil {
				ends = append(ends, e)
			}
			if !slices.Contains(rows[e], r.ID) {
				rows[e] = append(rows[e], r.ID)
			}
		}
	}
	for _, e := range ends {
		c.add(Finding{
			Code: EndWithoutHosts, Rows: rows[e], What: fmt.Sprintf("no host and no network is %s", e),
			Why: "no packet comes from there or goes there, so that the rows open nothing", Fix: "list its hosts, or the networks of the zone or the party",
		})
	}
}

// management: whoever gets a firewall must stay in reach of those who can mend it.
func (c *checker) management() {
	var managed []matrix.Endpoint
	for _, r := range c.m.Rows {
		if r.Management {
			managed = append(managed, r.From, r.To)
		}
	}
	is := func(e matrix.Endpoint) bool {
		return slices.ContainsFunc(managed, func(m matrix.Endpoint) bool { return m != matrix.Anybody && reach.Within(e, m) })
	}
	var lost []string
	for _, h := range c.m.Hosts {
		if !slices.ContainsFunc(h.Interfaces, func(i matrix.Interface) bool {
			return is(matrix.Endpoint{Role: matrix.AnyRole, Zone: i.Zone}) ||
				slices.ContainsFunc(i.Roles, func(r matrix.Role) bool { return is(matrix.Endpoint{Role: r, Zone: i.Zone}) })
		}) {
			lost = append(lost, h.Name)
		}
	}
	if len(c.m.Hosts) == 0 {
		lost = c.unmanagedRoles(is)
	}
	if len(lost) > 0 {
		c.add(Finding{
			Code: NoManagement, What: fmt.Sprintf("no row marked as management reaches %s", some(lost, "others")),
			Why: "once the policies hold, a mistake in them can only be mended at the machine itself", Fix: "mark the row by which people or controllers reach each host (SSH from a bastion), or add it",
		})
	}
}

// unmanagedRoles: without hosts, a role is one: it is in reach if it is in one of its zones.
func (c *checker) unmanagedRoles(is func(matrix.Endpoint) bool) []string {
	zones := map[matrix.Role][]matrix.Endpoint{}
	for _, r := range c.m.Rows {
		for _, e := range []matrix.Endpoint{r.From, r.To} {
			if e.Role != matrix.AnyRole && c.ours(e) {
				zones[e.Role] = append(zones[e.Role], e)
			}
		}
	}
	var lost []string
	for _, d := range c.m.Roles {
		if ends := zones[d.Name]; len(ends) > 0 && !slices.ContainsFunc(ends, is) {
			lost = append(lost, string(d.Name))
		}
	}
	return lost
}

// mesh: a coordinator of a mesh needs more rows than its own.
func (c *checker) mesh() {
	var coordinators []matrix.Role
	for _, d := range c.m.Roles {
		text := strings.ToLower(string(d.Name) + " " + d.Title)
		if slices.ContainsFunc([]string{"headscale", "tailscale", "wireguard", "vpn"}, func(s string) bool { return strings.Contains(text, s) }) {
			coordinators = append(coordinators, d.Name)
		}
	}
	if len(coordinators) == 0 {
		return
	}
	rows := func(is func(matrix.Row) bool) []string {
		var ids []string
		for _, r := range c.m.Rows {
			if is(r) {
				ids = append(ids, r.ID)
			}
		}
		return ids
	}
	near := rows(func(r matrix.Row) bool {
		return slices.Contains(coordinators, r.To.Role) || slices.Contains(coordinators, r.From.Role)
	})
	udp := func(a matrix.Application, ports ...uint16) func(matrix.Row) bool {
		return func(r matrix.Row) bool {
			return r.Application == a || r.Protocol == matrix.UDP && slices.ContainsFunc(ports, r.Ports.Contains)
		}
	}
	joins := func(r matrix.Row) bool {
		return slices.Contains(coordinators, r.To.Role) && r.Protocol == matrix.TCP && r.Ports.Contains(443)
	}
	relays := func(r matrix.Row) bool {
		text := strings.ToLower(strings.Join([]string{string(r.To.Role), c.roles[r.To.Role].Title, r.Purpose}, " "))
		return strings.Contains(text, "derp") || strings.Contains(text, "relay")
	}
	for _, need := range []struct {
		is        func(matrix.Row) bool
		what, why string
	}{
		{joins, "tcp 443 to the coordinator", "members join and learn of each other over it"},
		{udp("WireGuard", 51820, 41641), "WireGuard between members (udp)", "it is the mesh: without it everything is relayed, or nothing is"},
		{udp("STUN", 3478), "STUN (udp 3478)", "members behind address translation find their address by it"},
		{relays, "a relay (DERP)", "members that cannot reach each other have no other way"},
	} {
		if len(rows(need.is)) == 0 {
			c.add(Finding{
				Code: MissingVPN, Rows: near, What: fmt.Sprintf("there is a mesh (%s), and no row for %s", coordinators[0], need.what), Why: need.why, Fix: "add the row, from each zone with members",
			})
		}
	}
}
