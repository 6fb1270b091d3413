package mutate

import (
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
)

// Mutant is a changed copy of a site's objects.
type Mutant struct {
	// Name says what was changed, and where: "control-plane-master/ingress/0: drop".
	Name    string
	Objects calico.Objects
}

// All gives every mutant of the objects, those of policies first, in the order in which they stand there.
func All(o calico.Objects) []Mutant {
	m := &maker{original: o}
	for i := range o.Policies {
		m.policy(i)
	}
	for i := range o.Policies[:max(len(o.Policies)-1, 0)] {
		m.swapOrders(i)
	}
	for i := range o.HostEndpoints {
		m.endpoint(i)
	}
	for i := range o.NetworkSets {
		m.set(i)
	}
	return m.all
}

type maker struct {
	original calico.Objects
	all      []Mutant
}

func (m *maker) add(o calico.Objects, format string, args ...any) {
	if calico.Check(o) == nil {
		m.all = append(m.all, Mutant{fmt.Sprintf(format, args...), o})
	}
}

// changed adds a mutant with one policy changed.
func (m *maker) changed(i int, what string, change func(*calico.Policy)) {
	o := m.original
	o.Policies = slices.Clone(o.Policies)
	p := &o.Policies[i]
	p.Ingress, p.Egress, p.Types = slices.Clone(p.Ingress), slices.Clone(p.Egress), slices.Clone(p.Types)
	change(p)
	m.add(o, "%s: %s", p.Name, what)
}

func (m *maker) policy(i int) {
	p := &m.original.Policies[i]
	o := m.original
	o.Policies = slices.Delete(slices.Clone(o.Policies), i, i+1)
	m.add(o, "%s: drop the policy", p.Name)
	m.changed(i, "apply it to forwarded packets, or no longer", func(p *calico.Policy) {
		p.ApplyOnForward = !p.ApplyOnForward || p.DoNotTrack || p.PreDNAT
	})
	for j, d := range p.Types {
		if len(p.Types) > 1 {
			m.changed(i, "drop the type "+string(d), func(p *calico.Policy) { p.Types = slices.Delete(p.Types, j, j+1) })
		}
	}
	// The selector of another policy instead of its own: it applies to other hosts.
	for k := range m.original.Policies {
		if other := m.original.Policies[k].Selector; other.String() != p.Selector.String() {
			m.changed(i, "apply it to "+other.String(), func(p *calico.Policy) { p.Selector = other })
			break
		}
	}
	m.rules(i, calico.Ingress, len(p.Ingress))
	m.rules(i, calico.Egress, len(p.Egress))
}

func rulesOf(p *calico.Policy, d calico.Direction) *[]calico.Rule {
	if d == calico.Ingress {
		return &p.Ingress
	}
	return &p.Egress
}

func (m *maker) rules(i int, d calico.Direction, n int) {
	for j := range n {
		at := fmt.Sprintf("%s rule %d: ", d, j)
		m.changed(i, at+"drop", func(p *calico.Policy) {
			rules := rulesOf(p, d)
			*rules = slices.Delete(*rules, j, j+1)
		})
		if j+1 < n {
			m.changed(i, at+"swap with the next", func(p *calico.Policy) {
				rules := *rulesOf(p, d)
				rules[j], rules[j+1] = rules[j+1], rules[j]
			})
		}
		for _, c := range ruleChanges((*rulesOf(&m.original.Policies[i], d))[j]) {
			m.changed(i, at+c.what, func(p *calico.Policy) { (*rulesOf(p, d))[j] = c.rule })
		}
	}
}

// swapOrders exchanges the orders of two neighbours.
func (m *maker) swapOrders(i int) {
	o := m.original
	o.Policies = slices.Clone(o.Policies)
	a, b := &o.Policies[i], &o.Policies[i+1]
	a.Order, b.Order = b.Order, a.Order
	m.add(o, "%s: swap the order with %s", a.Name, b.Name)
}

func (m *maker) endpoint(i int) {
	change := func(what string, change func(*calico.HostEndpoint)) {
		o := m.original
		o.HostEndpoints = slices.Clone(o.HostEndpoints)
		e := &o.HostEndpoints[i]
		change(e)
		m.add(o, "%s: %s", e.Name, what)
	}
	e := &m.original.HostEndpoints[i]
	for j, a := range e.ExpectedIPs {
		if len(e.ExpectedIPs) > 1 || e.InterfaceName != "" {
			change("drop the address "+a.String(), func(e *calico.HostEndpoint) { e.ExpectedIPs = slices.Delete(slices.Clone(e.ExpectedIPs), j, j+1) })
		}
	}
	for _, label := range sortedKeys(e.Labels) {
		change("drop the label "+label, func(e *calico.HostEndpoint) { e.Labels = without(e.Labels, label) })
	}
}

func (m *maker) set(i int) {
	for j, n := range m.original.NetworkSets[i].Nets {
		o := m.original
		o.NetworkSets = slices.Clone(o.NetworkSets)
		s := &o.NetworkSets[i]
		s.Nets = slices.Delete(slices.Clone(s.Nets), j, j+1)
		m.add(o, "%s: drop the network %s", s.Name, n)
	}
}
