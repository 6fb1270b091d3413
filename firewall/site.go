package firewall

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// Site is everything that is declared, indexed.
type Site struct {
	endpoints []endpoint
	sets      []set
	profiles  map[string]*calico.Profile
	// tiers are sorted, and hold the policies that can apply to host endpoints, sorted.
	tiers     []Tier
	failsafes []Failsafe
}

type endpoint struct {
	*calico.HostEndpoint
	// labels are its own and those that its profiles lend it; its own win.
	labels map[string]string
}

type set struct {
	labels map[string]string
	global bool
	nets   []netip.Prefix
}

// Tier is a tier with those of its policies that are asked about, in the order in which they are looked at.
type Tier struct {
	Name          string
	DefaultAction calico.Action
	Policies      []*calico.Policy
}

// NewSite checks that the objects fit together and indexes them. The failsafes hold on every host of the site; nil is none.
func NewSite(o calico.Objects, failsafes []Failsafe) (*Site, error) {
	if err := calico.Check(o); err != nil {
		return nil, fmt.Errorf("the manifests do not fit together:\n%w", err)
	}
	if err := checkFailsafes(failsafes); err != nil {
		return nil, err
	}
	s := &Site{profiles: map[string]*calico.Profile{}, failsafes: slices.Clone(failsafes)}
	everything := []calico.Rule{{Action: calico.Allow}}
	s.profiles[calico.DefaultAllow] = &calico.Profile{Meta: calico.Meta{Name: calico.DefaultAllow}, Ingress: everything, Egress: everything}
	for i := range o.Profiles {
		s.profiles[o.Profiles[i].Name] = &o.Profiles[i]
	}
	for i := range o.HostEndpoints {
		e := &o.HostEndpoints[i]
		s.endpoints = append(s.endpoints, endpoint{e, s.labels(e)})
	}
	slices.SortFunc(s.endpoints, func(a, b endpoint) int { return cmp.Compare(a.Name, b.Name) })
	for _, n := range o.NetworkSets {
		labels := n.Labels
		if n.Namespace != "" {
			labels = map[string]string{"projectcalico.org/namespace": n.Namespace}
			for k, v := range n.Labels {
				labels[k] = v
			}
		}
		s.sets = append(s.sets, set{labels, n.Namespace == "", n.Nets})
	}
	s.tiers = sortTiers(o)
	return s, nil
}

func (s *Site) labels(e *calico.HostEndpoint) map[string]string {
	labels := map[string]string{}
	for _, name := range e.Profiles {
		for k, v := range s.profiles[name].LabelsToApply {
			labels[k] = v
		}
	}
	for k, v := range e.Labels {
		labels[k] = v
	}
	return labels
}

func order(o *float64) float64 {
	if o == nil {
		return math.Inf(1)
	}
	return *o
}

func sortTiers(o calico.Objects) []Tier {
	tiers := slices.Clone(o.Tiers)
	for _, fixed := range calico.FixedTiers() {
		if !slices.ContainsFunc(tiers, func(t calico.Tier) bool { return t.Name == fixed.Name }) {
			tiers = append(tiers, fixed)
		}
	}
	slices.SortFunc(tiers, func(a, b calico.Tier) int {
		return cmp.Or(cmp.Compare(order(a.Order), order(b.Order)), cmp.Compare(a.Name, b.Name))
	})
	var sorted []Tier
	for _, t := range tiers {
		var policies []*calico.Policy
		for i := range o.Policies {
			p := &o.Policies[i]
			if p.Tier == t.Name && p.Kind.Global() && !p.Kind.Staged() && !p.ForWorkloads {
				policies = append(policies, p)
			}
		}
		slices.SortFunc(policies, func(a, b *calico.Policy) int {
			return cmp.Or(cmp.Compare(order(a.Order), order(b.Order)), cmp.Compare(a.Key(), b.Key()))
		})
		if len(policies) > 0 {
			sorted = append(sorted, Tier{t.Name, t.DefaultAction, policies})
		}
	}
	return sorted
}

// Failsafes are the rows that the site was made with.
func (s *Site) Failsafes() []Failsafe { return slices.Clone(s.failsafes) }

// Members are the networks that a rule's selector stands for: the expected IPs of endpoints, and the networks of sets. globalOnly leaves out sets that
// have a namespace. The order is that of names; networks may overlap.
func (s *Site) Members(sel selector.Selector, globalOnly bool) []netip.Prefix {
	var nets []netip.Prefix
	for _, e := range s.endpoints {
		if sel.Matches(e.labels) {
			for _, a := range e.ExpectedIPs {
				nets = append(nets, netip.PrefixFrom(a, a.BitLen()))
			}
		}
	}
	for _, n := range s.sets {
		if (n.global || !globalOnly) && sel.Matches(n.labels) {
			nets = append(nets, n.nets...)
		}
	}
	return nets
}

// Selected says whether something that has the address is selected. It asks each object, so that it is as independent of Members as it can be.
func (s *Site) Selected(a netip.Addr, sel selector.Selector, globalOnly bool) bool {
	for _, e := range s.endpoints {
		if slices.Contains(e.ExpectedIPs, a) && sel.Matches(e.labels) {
			return true
		}
	}
	for _, n := range s.sets {
		if globalOnly && !n.global || !sel.Matches(n.labels) {
			continue
		}
		if slices.ContainsFunc(n.nets, func(p netip.Prefix) bool { return p.Contains(a) }) {
			return true
		}
	}
	return false
}

// Service is a named port at an address.
type Service struct {
	Address netip.Addr
	Port    uint16
}

// Services are the places that a port's name stands for in a rule: at the endpoints that the peer's selector selects, or at all, for a protocol.
func (s *Site) Services(name string, protocol uint8, peer *calico.Peer) []Service {
	var all []Service
	for _, e := range s.endpoints {
		if peer.Selector != nil && !peer.Selector.Matches(e.labels) {
			continue
		}
		for _, p := range e.Ports {
			if p.Name != name || p.Protocol.Number != protocol {
				continue
			}
			for _, a := range e.ExpectedIPs {
				all = append(all, Service{a, p.Port})
			}
		}
	}
	return all
}
