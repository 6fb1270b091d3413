package ruleset

import (
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// hook is a base chain and what a generation puts behind it.
type hook struct {
	name, at, priority string
	// established says that the base chain accepts established packets at once.
	established bool
	// loopback is the interface field by which the base chain knows the host's talk with itself.
	loopback Field
	contents func(*builder) string
}

// hooksFor are the hooks that a host needs: those of the filter always, the early ones only where a policy acts there.
func hooksFor(h *firewall.Host) []hook {
	var hooks []hook
	if anyHas(h, firewall.DoNotTrack) {
		hooks = append(hooks,
			hook{"raw_prerouting", "prerouting", "raw", false, InInterface, func(b *builder) string { return b.early(firewall.DoNotTrack, calico.Ingress) }},
			hook{"raw_output", "output", "raw", false, OutInterface, func(b *builder) string { return b.early(firewall.DoNotTrack, calico.Egress) }})
	}
	if anyHas(h, firewall.PreDNAT) {
		hooks = append(hooks,
			hook{"mangle_prerouting", "prerouting", "mangle", false, InInterface, func(b *builder) string { return b.early(firewall.PreDNAT, calico.Ingress) }})
	}
	return append(hooks,
		hook{"input", "input", "filter", true, InInterface, func(b *builder) string { return b.local(calico.Ingress) }},
		hook{"output", "output", "filter", true, OutInterface, func(b *builder) string { return b.local(calico.Egress) }},
		hook{"forward", "forward", "filter", true, InInterface, (*builder).forward})
}

// endpoints are the host's, by interface, in the order of names; the last one is that of all other interfaces, or nil.
func endpoints(h *firewall.Host) (names []string, any *firewall.Endpoint) {
	for name := range h.Endpoints {
		names = append(names, name)
	}
	slices.Sort(names)
	return names, h.Any
}

func anyHas(h *firewall.Host, s firewall.Stage) bool {
	names, other := endpoints(h)
	return other != nil && other.Has(s) || slices.ContainsFunc(names, func(n string) bool { return h.Endpoints[n].Has(s) })
}

// base is the permanent chain: it never changes while the generation behind it does.
func (h hook) base() *Chain {
	c := &Chain{Name: h.name, Hook: &Hook{Name: h.at, Priority: h.priority}}
	c.Rules = append(c.Rules, Rule{Matches: []Match{{Field: h.loopback, Interface: firewall.Loopback}}, Action: Accept, ID: firewall.ByLoopback})
	if h.established {
		c.Rules = append(c.Rules, Rule{Matches: []Match{inState(firewall.Established)}, Action: Accept, ID: firewall.ByEstablished})
	}
	c.Rules = append(c.Rules, Rule{Action: Lookup, Key: Family, Target: "pending_" + h.name}, Rule{Action: Lookup, Key: Family, Target: "active_" + h.name})
	return c
}

// dispatch sends a packet to its interface's chain. of gives that, or "" for an endpoint that has nothing at this hook; rest is for all others.
func (b *builder) dispatch(f Field, of func(*firewall.Endpoint) string, rest Rule) []Rule {
	names, other := endpoints(b.host)
	m := &Map{Field: f}
	for _, name := range names {
		if target := of(b.host.Endpoints[name]); target != "" {
			m.Elements = append(m.Elements, Element{Interface: name, Target: target})
			continue
		}
		if other != nil { // an interface with an endpoint of its own never meets that of all others
			m.Elements = append(m.Elements, Element{Interface: name, Target: b.chain([]Rule{rest})})
		}
	}
	rules := b.lookup(m)
	if other != nil {
		if target := of(other); target != "" {
			return append(rules, Rule{Action: Goto, Target: target})
		}
	}
	return append(rules, rest)
}

// fewElements is up to how many elements a map is written as rules: those cost less than a lookup.
const fewElements = 2

// lookup sends packets where the elements of a map say. Maps of addresses stay maps, since members come and go.
func (b *builder) lookup(m *Map) []Rule {
	if len(m.Elements) > fewElements || len(m.Elements) > 0 && (m.Field == Source || m.Field == Destination) {
		b.addMap(m)
		return []Rule{{Action: Lookup, Key: m.Field, Target: m.Name}}
	}
	var rules []Rule
	for _, e := range m.Elements {
		match := Match{Field: m.Field, Interface: e.Interface}
		if e.Interface == "" {
			match.Values = Ranges{e.Range}
		}
		rules = append(rules, Rule{Matches: []Match{match}, Action: Goto, Target: e.Target})
	}
	return rules
}

// early is the contents of the hooks before connection tracking and before DNAT. What they don't decide goes on to the later hooks.
func (b *builder) early(s firewall.Stage, d calico.Direction) string {
	f := InInterface
	if d == calico.Egress {
		f = OutInterface
	}
	on := Rule{Action: Accept}
	var rules []Rule
	if s == firewall.PreDNAT {
		rules = append(rules, Rule{Matches: []Match{marked}, Action: Accept})
	}
	return b.chain(append(rules, b.dispatch(f, func(e *firewall.Endpoint) string {
		if !e.Has(s) {
			return ""
		}
		return b.once(stageKey{e, s, d, ""}, func() string {
			allow := Rule{Action: Accept, SetMark: true, NoTrack: s == firewall.DoNotTrack}
			sections := b.tiers(e.Tiers(s, d), d, allow, false)
			open := b.failsafeLines(d, false)
			if s == firewall.DoNotTrack {
				open = append(open, b.failsafeLines(d, true)...)
			}
			sections = append([]section{{lines: unnamed(open), allow: on}}, sections...)
			first := b.link(sections, on)
			if s == firewall.DoNotTrack {
				return first
			}
			return b.chain([]Rule{
				{Matches: []Match{inState(firewall.Established)}, Action: Accept},
				b.refused(firewall.ByInvalid, inState(firewall.Invalid)),
				{Action: Goto, Target: first},
			})
		})
	}, on)...))
}

// valid is a chain that refuses invalid packets and goes on in another one. New packets go to that one at once: see past.
func (b *builder) valid(next string) string {
	return b.chain([]Rule{b.refused(firewall.ByInvalid, inState(firewall.Invalid)), {Action: Goto, Target: next}})
}

// admission is what an Allow does to a new packet: one that is noted goes to the chain that notes.
func (b *builder) admission() Rule {
	if !b.r.Seen {
		return Rule{Action: Accept}
	}
	return Rule{Action: Goto, Target: b.admit}
}

// unnamed takes the names from failsafes at the early hooks: those decide nothing there, they only keep policies away.
func unnamed(lines []line) []line {
	out := slices.Clone(lines)
	for i := range out {
		out[i].id = ""
	}
	return out
}

// local is the contents of the filter hooks for the host's own traffic.
func (b *builder) local(d calico.Direction) string {
	f := InInterface
	if d == calico.Egress {
		f = OutInterface
	}
	rules := b.acceptMarked(Rule{Action: Accept})
	return b.chain(append(rules, b.dispatch(f, func(e *firewall.Endpoint) string {
		return b.once(stageKey{e, firewall.Local, d, ""}, func() string {
			allow := b.admission()
			sections := append([]section{{lines: b.failsafeLines(d, false), allow: allow}}, b.tiers(e.Tiers(firewall.Local, d), d, allow, true)...)
			for _, p := range e.Profiles {
				sections = append(sections, b.profile(p, d, allow))
			}
			first := b.link(sections, b.refused(firewall.ByNoProfile))
			return b.valid(first)
		})
	}, Rule{Action: Accept, ID: firewall.ByNoEndpoint})...))
}

// acceptMarked is for packets that an early hook accepted. There is no such rule where no early hook exists: a foreign mark then means nothing.
func (b *builder) acceptMarked(then Rule) []Rule {
	if !anyHas(b.host, firewall.DoNotTrack) && !anyHas(b.host, firewall.PreDNAT) {
		return nil
	}
	then.Matches = []Match{marked}
	return []Rule{then}
}

// forward is the contents of the forward hook: the incoming endpoint's policies, then the outgoing one's.
func (b *builder) forward() string {
	passed := Rule{Action: Accept, ID: firewall.ByForward}
	out := b.chain(b.dispatch(OutInterface, func(e *firewall.Endpoint) string {
		return b.through(e, calico.Egress, b.admission(), passed)
	}, passed))
	on := Rule{Action: Goto, Target: out}
	return b.chain(append(b.acceptMarked(on), b.dispatch(InInterface, func(e *firewall.Endpoint) string {
		return b.through(e, calico.Ingress, on, on)
	}, on)...))
}

func (b *builder) through(e *firewall.Endpoint, d calico.Direction, allow, end Rule) string {
	return b.once(stageKey{e, firewall.Forwarded, d, end.Target}, func() string {
		first := b.link(b.tiers(e.Tiers(firewall.Forwarded, d), d, allow, true), end)
		return b.valid(first)
	})
}

func (b *builder) once(k stageKey, build func() string) string {
	if name, ok := b.stages[k]; ok {
		return name
	}
	name := build()
	b.stages[k] = name
	return name
}

// tiers are one section each. A tier that ends without a decision goes on to the next section, unless its default is Deny and endDrops is set.
func (b *builder) tiers(tiers []firewall.Tier, d calico.Direction, allow Rule, endDrops bool) []section {
	var all []section
	for _, t := range tiers {
		s := section{allow: allow}
		for _, p := range t.Policies {
			rules := firewall.Rules(p, d)
			for i := range rules {
				s.lines = append(s.lines, b.lines(&rules[i], firewall.ByRule(p.Name, d, i))...)
			}
		}
		if endDrops && t.DefaultAction == calico.Deny {
			s.end = b.refused(firewall.ByTier(t.Name))
		}
		all = append(all, s)
	}
	return all
}

func (b *builder) profile(p *calico.Profile, d calico.Direction, allow Rule) section {
	rules := p.Ingress
	if d == calico.Egress {
		rules = p.Egress
	}
	s := section{allow: allow}
	for i := range rules {
		s.lines = append(s.lines, b.lines(&rules[i], firewall.ByProfile(p.Name, d, i))...)
	}
	return s
}

// link compiles sections from the last to the first, each going on to the next, and gives the first one's chain. last is behind the last.
func (b *builder) link(sections []section, last Rule) string {
	passes := func(s section) bool {
		return slices.ContainsFunc(s.lines, func(l line) bool { return l.action == calico.Pass })
	}
	for i, s := range sections {
		if s.end.Action != Continue && !passes(s) {
			sections = sections[:i+1] // nothing comes behind it
			break
		}
	}
	next := ""
	follow := last
	for i := len(sections) - 1; i >= 0; i-- {
		s := &sections[i]
		if s.end.Action == Continue {
			s.end = follow
		}
		if len(s.lines) == 0 && s.end.ID == follow.ID && s.end.Target == follow.Target {
			continue // nothing can happen here
		}
		if passes(*s) && next == "" {
			next = b.chain([]Rule{follow})
		}
		s.pass = next
		next = b.tree(s)
		follow = Rule{Action: Goto, Target: next}
	}
	if next == "" {
		return b.chain([]Rule{last})
	}
	return next
}
