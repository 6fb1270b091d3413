// Package mesh compiles the policy of a WireGuard mesh from a matrix, as headscale 0.29 reads it: who may own which tag, which tag may reach which, and
// assertions that headscale itself checks before it takes the policy.
//
// A row goes through the mesh when both of its zones are on the plane called "mesh": that is how a matrix says so. A host is in the mesh when one of its
// interfaces is in such a zone; it carries the tag of each role that it has there. What carries the mesh (WireGuard, STUN, its coordinator) is no row of that plane, since it
// goes over the networks below.
//
// It owns tags, rules and assertions. It refuses users and groups (a matrix speaks of roles: who may have a one-time key for a tag is the key issuer's matter), and
// flows that a mesh does not carry.
//
// Invariants: nothing that is not a row is allowed, since rules only allow and headscale denies the rest; a policy without any flow has an empty list of rules, which denies all,
// where a missing one would allow all; assertions name only tags that have a host, since headscale 0.29 refuses a policy that asserts anything of a tag without one.
package mesh

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// Plane is the plane whose zones are joined by the mesh.
const Plane matrix.Plane = "mesh"

// Quarantine is the role of nodes that are let in no further than to the coordinator, like those whose program is too old: no rule names its tag, so that nothing reaches them and they reach nothing.
const Quarantine matrix.Role = "quarantine"

// file is headscale's policy file (its ref/policy documentation; the form with "acls"). HuJSON reads plain JSON.
type file struct {
	TagOwners map[string][]string `json:"tagOwners"`
	ACLs      []rule              `json:"acls"`
	NodeAttrs []attribute         `json:"nodeAttrs"`
	Tests     []assertion         `json:"tests,omitempty"`
}

type rule struct {
	Action string   `json:"action"`
	Proto  string   `json:"proto"`
	Src    []string `json:"src"`
	Dst    []string `json:"dst"`
}

// attribute: with cache-network-maps a node that restarts while the coordinator is away comes back by what it knew. Without disable-captive-portal-detection a node whose relay is away asks
// servers on the Internet, whose names its program has, whether they answer.
type attribute struct {
	Target []string `json:"target"`
	Attr   []string `json:"attr"`
}

type assertion struct {
	Src    string   `json:"src"`
	Proto  string   `json:"proto,omitempty"`
	Accept []string `json:"accept,omitempty"`
	Deny   []string `json:"deny,omitempty"`
}

// flow is one permission between two tags.
type flow struct {
	proto, from, to, ports string
}

// Policy is the mesh's policy as JSON. It fails for a row of the mesh that no mesh carries, and for a role whose name is no tag.
func Policy(m matrix.Matrix) ([]byte, error) {
	roles := members(m)
	var flows []flow
	var problems []error
	for _, r := range m.Rows {
		if !Carries(m, r) {
			continue
		}
		some, err := flowsOf(r, roles)
		if err != nil {
			problems = append(problems, fmt.Errorf("row %s (%s): %w", r.ID, r.Name, err))
		}
		flows = append(flows, some...)
	}
	for _, role := range sorted(roles) {
		if role == Quarantine {
			problems = append(problems, fmt.Errorf("role %q is in the mesh, and its tag is that of nodes which reach nothing: give the role another name", role))
		}
		if c := role[0]; c < 'a' || c > 'z' {
			problems = append(problems, fmt.Errorf("role %q is in the mesh, and a tag begins with a letter: give the role another name", role))
		}
	}
	if err := errors.Join(problems...); err != nil {
		return nil, err
	}
	slices.SortFunc(flows, func(a, b flow) int {
		return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(a.to, b.to), cmp.Compare(a.proto, b.proto), cmp.Compare(a.ports, b.ports))
	})
	flows = slices.Compact(flows)
	out := file{
		TagOwners: map[string][]string{}, ACLs: rules(flows), Tests: assertions(flows, roles, shared(m)),
		NodeAttrs: []attribute{{Target: []string{"*"}, Attr: []string{"cache-network-maps", "disable-captive-portal-detection"}}},
	}
	out.TagOwners[tag(Quarantine)] = []string{}
	for role := range roles {
		out.TagOwners[tag(role)] = []string{}
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(out); err != nil {
		return nil, fmt.Errorf("write the mesh's policy: %w", err)
	}
	return b.Bytes(), nil
}

// Carries says whether a row goes through the mesh.
func Carries(m matrix.Matrix, r matrix.Row) bool {
	return joined(m, r.From.Zone) && joined(m, r.To.Zone)
}

func joined(m matrix.Matrix, z matrix.Zone) bool {
	d, ok := m.Zone(z)
	return ok && d.OnPlane() == Plane
}

// Tag is the tag of a role's nodes.
func Tag(r matrix.Role) string { return tag(r) }

func tag(r matrix.Role) string { return "tag:" + string(r) }

// members are the roles in the mesh, by zone, each with whether a host has it there.
func members(m matrix.Matrix) map[matrix.Role]map[matrix.Zone]bool {
	roles := map[matrix.Role]map[matrix.Zone]bool{}
	add := func(r matrix.Role, z matrix.Zone, host bool) {
		if r == matrix.AnyRole || !joined(m, z) {
			return
		}
		if roles[r] == nil {
			roles[r] = map[matrix.Zone]bool{}
		}
		roles[r][z] = roles[r][z] || host
	}
	for _, r := range m.Rows {
		add(r.From.Role, r.From.Zone, false)
		add(r.To.Role, r.To.Zone, false)
	}
	for _, h := range m.Hosts {
		for _, i := range h.Interfaces {
			for _, r := range i.Roles {
				add(r, i.Zone, true)
			}
		}
	}
	return roles
}

// shared are the tags of hosts that have more than one.
func shared(m matrix.Matrix) map[string]bool {
	all := map[string]bool{}
	for _, h := range m.Hosts {
		var tags []string
		for _, i := range h.Interfaces {
			for _, r := range i.Roles {
				if joined(m, i.Zone) && !slices.Contains(tags, tag(r)) {
					tags = append(tags, tag(r))
				}
			}
		}
		for _, t := range tags {
			all[t] = all[t] || len(tags) > 1
		}
	}
	return all
}

func sorted(roles map[matrix.Role]map[matrix.Zone]bool) []matrix.Role {
	all := make([]matrix.Role, 0, len(roles))
	for r := range roles {
		all = append(all, r)
	}
	slices.Sort(all)
	return all
}

// flowsOf is a row between tags. "*@zone" is every role of the zone.
func flowsOf(r matrix.Row, roles map[matrix.Role]map[matrix.Zone]bool) ([]flow, error) {
	proto, ports, err := wire(r)
	if err != nil {
		return nil, err
	}
	expand := func(e matrix.Endpoint) []matrix.Role {
		if e.Role != matrix.AnyRole {
			return []matrix.Role{e.Role}
		}
		return slices.DeleteFunc(sorted(roles), func(r matrix.Role) bool {
			_, in := roles[r][e.Zone]
			return !in
		})
	}
	var all []flow
	for _, from := range expand(r.From) {
		for _, to := range expand(r.To) {
			all = append(all, flow{proto, tag(from), tag(to), ports})
		}
	}
	return all, nil
}

// wire is a row's protocol by the name or number that policies use, and its ports.
func wire(r matrix.Row) (proto, ports string, err error) {
	switch r.Protocol {
	case matrix.TCP, matrix.UDP, matrix.SCTP:
		if len(r.Ports) == 0 {
			return string(r.Protocol), "*", nil
		}
		return string(r.Protocol), r.Ports.String(), nil
	case matrix.ICMP:
		return "icmp", "*", nil
	case matrix.ICMPv6:
		return "ipv6-icmp", "*", nil
	default:
		return "", "", fmt.Errorf("a mesh carries tcp, udp, sctp and ICMP, not %s: put one of its zones on another plane than %q", r.Protocol, Plane)
	}
}

// rules joins the flows of one pair of tags and protocol.
func rules(flows []flow) []rule {
	all := []rule{}
	for _, f := range flows {
		if n := len(all); n > 0 && all[n-1].Src[0] == f.from && all[n-1].Proto == f.proto && strings.HasPrefix(all[n-1].Dst[0], f.to+":") {
			all[n-1].Dst = append(all[n-1].Dst, f.to+":"+f.ports)
			continue
		}
		all = append(all, rule{Action: "accept", Proto: f.proto, Src: []string{f.from}, Dst: []string{f.to + ":" + f.ports}})
	}
	return all
}

// assertions say for every tag with a host which TCP ports of others it reaches, and which of those that anybody is allowed it does not.
func assertions(flows []flow, roles map[matrix.Role]map[matrix.Zone]bool, shared map[string]bool) []assertion {
	populated := map[string]bool{}
	for r, zones := range roles {
		for _, host := range zones {
			populated[tag(r)] = populated[tag(r)] || host
		}
	}
	// An assertion names single ports: the first of each list stands for it.
	single := func(f flow) string {
		first, _, _ := strings.Cut(f.ports, ",")
		first, _, _ = strings.Cut(first, "-")
		return f.to + ":" + first
	}
	allowed := map[string]map[string]bool{}
	var targets []string
	for _, f := range flows {
		if f.proto != "tcp" || f.ports == "*" || !populated[f.to] {
			continue
		}
		targets = append(targets, single(f))
	}
	slices.Sort(targets)
	targets = slices.Compact(targets)
	for t := range populated {
		allowed[t] = map[string]bool{}
		for _, target := range targets {
			allowed[t][target] = slices.ContainsFunc(flows, func(f flow) bool { return f.from == t && f.opens(target) })
		}
	}
	all := []assertion{}
	for _, r := range sorted(roles) {
		a := assertion{Src: tag(r), Proto: "tcp"}
		for _, target := range targets {
			switch {
			case allowed[tag(r)][target]:
				a.Accept = append(a.Accept, target)
			case strings.HasPrefix(target, tag(r)+":") || shared[tag(r)] || shared[target[:strings.LastIndex(target, ":")]]:
				// A host that has another tag too may be reached, or reach, by that one.
			default:
				a.Deny = append(a.Deny, target)
			}
		}
		if populated[tag(r)] && len(a.Accept)+len(a.Deny) > 0 {
			all = append(all, a)
		}
	}
	return all
}

// opens says whether a flow allows TCP to one "tag:port".
func (f flow) opens(target string) bool {
	port, ok := strings.CutPrefix(target, f.to+":")
	if !ok || f.proto != "tcp" {
		return false
	}
	if f.ports == "*" {
		return true
	}
	for part := range strings.SplitSeq(f.ports, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		if number(first) <= number(port) && number(port) <= number(last) {
			return true
		}
	}
	return false
}

// number reads a port that this package wrote.
func number(s string) int {
	n := 0
	for _, c := range s {
		n = n*10 + int(c-'0')
	}
	return n
}
