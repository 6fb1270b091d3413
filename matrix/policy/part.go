package policy

import (
	"maps"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// Part are the objects that decide about one host's packets: its own endpoints, the policies that select them with their tiers and profiles, and whatever the rules of those name:
// other endpoints and sets. The host enforces by its part what it enforces by all.
func Part(o calico.Objects, node string) calico.Objects {
	own := func(e calico.HostEndpoint) bool { return e.Node == node }
	var labels []map[string]string
	for _, e := range o.HostEndpoints {
		if own(e) {
			labels = append(labels, labelsOf(o, e))
		}
	}
	out := calico.Objects{}
	var rules []calico.Rule
	for _, p := range o.Policies {
		if slices.ContainsFunc(labels, p.Selector.Matches) {
			out.Policies = append(out.Policies, p)
			rules = append(rules, slices.Concat(p.Ingress, p.Egress)...)
		}
	}
	out.Tiers = keep(o.Tiers, func(t calico.Tier) bool {
		return slices.ContainsFunc(out.Policies, func(p calico.Policy) bool { return p.Tier == t.Name })
	})
	lends := func(e calico.HostEndpoint) []calico.Profile {
		return keep(o.Profiles, func(p calico.Profile) bool { return slices.Contains(e.Profiles, p.Name) })
	}
	for _, e := range o.HostEndpoints {
		if own(e) {
			for _, p := range lends(e) {
				rules = append(rules, slices.Concat(p.Ingress, p.Egress)...)
			}
		}
	}
	named := namedIn(rules)
	out.HostEndpoints = keep(o.HostEndpoints, func(e calico.HostEndpoint) bool {
		return own(e) || named.selects(labelsOf(o, e)) || slices.ContainsFunc(e.Ports, func(p calico.NamedPort) bool { return named.ports[p.Name] })
	})
	out.NetworkSets = keep(o.NetworkSets, func(s calico.NetworkSet) bool {
		set := maps.Clone(s.Labels)
		if s.Namespace != "" && set == nil {
			set = map[string]string{}
		}
		if s.Namespace != "" {
			set["projectcalico.org/namespace"] = s.Namespace
		}
		return named.selects(set)
	})
	out.Profiles = keep(o.Profiles, func(p calico.Profile) bool {
		return slices.ContainsFunc(out.HostEndpoints, func(e calico.HostEndpoint) bool { return slices.Contains(e.Profiles, p.Name) })
	})
	return out
}

func keep[T any](all []T, wanted func(T) bool) []T {
	var some []T
	for _, one := range all {
		if wanted(one) {
			some = append(some, one)
		}
	}
	return some
}

// labelsOf are an endpoint's own labels and those that its profiles lend it; its own win.
func labelsOf(o calico.Objects, e calico.HostEndpoint) map[string]string {
	labels := map[string]string{}
	for _, name := range e.Profiles {
		for _, p := range o.Profiles {
			if p.Name == name {
				maps.Copy(labels, p.LabelsToApply)
			}
		}
	}
	maps.Copy(labels, e.Labels)
	return labels
}

// names is what rules name.
type names struct {
	selectors map[string]*selector.Selector
	ports     map[string]bool
}

func namedIn(rules []calico.Rule) names {
	n := names{map[string]*selector.Selector{}, map[string]bool{}}
	for _, r := range rules {
		for _, peer := range []calico.Peer{r.Source, r.Destination} {
			for _, s := range []*selector.Selector{peer.Selector, peer.NotSelector} {
				if s != nil {
					n.selectors[s.String()] = s
				}
			}
			for _, p := range slices.Concat(peer.Ports, peer.NotPorts) {
				if p.Name != "" {
					n.ports[p.Name] = true
				}
			}
		}
	}
	return n
}

func (n names) selects(labels map[string]string) bool {
	for _, s := range n.selectors {
		if s.Matches(labels) {
			return true
		}
	}
	return false
}
