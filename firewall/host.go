package firewall

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
)

// Interface is what the host itself says of one of its interfaces. The addresses find endpoints that are declared by expected IPs alone.
type Interface struct {
	Name      string
	Addresses []netip.Addr
	// MAC is in lower case with colons, empty where it has none. VLAN is the tag of what it carries, where it is a VLAN of another interface.
	MAC  string
	VLAN int
}

// Host is what the site's objects mean for one host.
type Host struct {
	Node string
	// Endpoints are the active ones by interface.
	Endpoints map[string]*Endpoint
	// Any is the endpoint of all interfaces that are not in Endpoints, except Loopback; nil if there is none.
	Any *Endpoint
	// Inactive are endpoints of this host that lost their interface to one with a smaller name, or whose interface isn't there.
	Inactive []string
}

// Endpoint is an active host endpoint.
type Endpoint struct {
	Name     string
	Profiles []*calico.Profile
	tiers    map[stageDirection][]Tier
}

// Stage is when a policy looks at a packet.
type Stage uint8

// The stages, in the order in which a packet meets them.
const (
	// Untracked is before connection tracking: doNotTrack policies.
	DoNotTrack Stage = iota
	// PreDNAT is before destination NAT, for what comes in: preDNAT policies.
	PreDNAT
	// Forwarded is for what goes through the host: policies with applyOnForward.
	Forwarded
	// Local is for what goes to or from the host: all policies that are neither doNotTrack nor preDNAT.
	Local
)

type stageDirection struct {
	stage     Stage
	direction calico.Direction
}

// Tiers are the tiers that have a policy for this endpoint, stage and direction, in order.
func (e *Endpoint) Tiers(s Stage, d calico.Direction) []Tier { return e.tiers[stageDirection{s, d}] }

// Has says whether any policy of a stage applies, in either direction.
func (e *Endpoint) Has(s Stage) bool {
	return len(e.Tiers(s, calico.Ingress))+len(e.Tiers(s, calico.Egress)) > 0
}

// Endpoint is the one that an interface's packets meet, or nil: then nothing is decided about them.
func (h *Host) Endpoint(name string) *Endpoint {
	if name == Loopback {
		return nil
	}
	if e, ok := h.Endpoints[name]; ok {
		return e
	}
	return h.Any
}

// Host resolves the site for one host with these interfaces. An interface that an endpoint names need not be there: it may appear later.
func (s *Site) Host(node string, interfaces []Interface) *Host {
	h := &Host{Node: node, Endpoints: map[string]*Endpoint{}}
	for _, e := range s.endpoints { // sorted by name: the first one wins
		if e.Node != node {
			continue
		}
		names := owners(e.HostEndpoint, interfaces)
		active := false
		for _, name := range names {
			if _, taken := h.Endpoints[name]; !taken && name != Loopback {
				h.Endpoints[name] = s.resolve(e)
				active = true
			}
		}
		if e.InterfaceName == calico.AllInterfaces && h.Any == nil {
			h.Any = s.resolve(e)
			active = true
		}
		if !active {
			h.Inactive = append(h.Inactive, e.Name)
		}
	}
	return h
}

// owners are the interfaces that an endpoint is for: the one that it names, or those that own one of its expected IPs.
func owners(e *calico.HostEndpoint, interfaces []Interface) []string {
	switch e.InterfaceName {
	case calico.AllInterfaces:
		return nil
	case "":
		var names []string
		for _, i := range interfaces {
			if slices.ContainsFunc(i.Addresses, func(a netip.Addr) bool { return slices.Contains(e.ExpectedIPs, a) }) {
				names = append(names, i.Name)
			}
		}
		return names
	}
	return []string{e.InterfaceName}
}

func (s *Site) resolve(e endpoint) *Endpoint {
	r := &Endpoint{Name: e.Name, tiers: map[stageDirection][]Tier{}}
	for _, name := range e.Profiles {
		r.Profiles = append(r.Profiles, s.profiles[name])
	}
	for _, stage := range []Stage{DoNotTrack, PreDNAT, Forwarded, Local} {
		for _, direction := range []calico.Direction{calico.Ingress, calico.Egress} {
			for _, t := range s.tiers {
				var policies []*calico.Policy
				for _, p := range t.Policies {
					if stageHas(stage, p) && slices.Contains(p.Types, direction) && p.Selector.Matches(e.labels) {
						policies = append(policies, p)
					}
				}
				if len(policies) > 0 {
					at := stageDirection{stage, direction}
					r.tiers[at] = append(r.tiers[at], Tier{t.Name, t.DefaultAction, policies})
				}
			}
		}
	}
	return r
}

func stageHas(s Stage, p *calico.Policy) bool {
	switch s {
	case DoNotTrack:
		return p.DoNotTrack
	case PreDNAT:
		return p.PreDNAT
	case Forwarded:
		return p.ApplyOnForward && !p.DoNotTrack && !p.PreDNAT
	default: // Local
		return !p.DoNotTrack && !p.PreDNAT
	}
}

// Rules are a policy's rules of a direction.
func Rules(p *calico.Policy, d calico.Direction) []calico.Rule {
	if d == calico.Ingress {
		return p.Ingress
	}
	return p.Egress
}
