package evaluate

import (
	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// Decision is what happens to a packet.
type Decision struct {
	Verdict firewall.Verdict
	// By is what decided: the name of a rule (firewall.ByRule), failsafe, tier's end or fixed reason.
	By string
	// Flow is the row of the communication matrix that the deciding rule is annotated with, or empty.
	Flow string
	// Trace holds what matched before, in order: Log and Pass rules, Allow rules of earlier stages, and By at the end.
	Trace []string
}

// Packet evaluates one packet on one host of a site.
func Packet(s *firewall.Site, h *firewall.Host, p firewall.Packet) Decision {
	w := &walk{site: s, packet: p}
	verdict := w.run(h)
	return Decision{verdict, w.by, w.flow, append(w.trace, w.by)}
}

// outcome of a stage.
type outcome uint8

const (
	undecided outcome = iota
	accepted
	dropped
)

type walk struct {
	site   *firewall.Site
	packet firewall.Packet
	by     string
	flow   string
	trace  []string
}

func (w *walk) run(h *firewall.Host) firewall.Verdict {
	p := w.packet
	if p.In == firewall.Loopback || p.Out == firewall.Loopback {
		return w.fixed(firewall.ByLoopback, firewall.Accept)
	}
	in, out := h.Endpoint(p.In), h.Endpoint(p.Out)
	switch p.Hook {
	case firewall.Input:
		if r := w.before(in); r != undecided {
			return verdict(r)
		}
		return w.local(in, calico.Ingress)
	case firewall.Output:
		if out != nil {
			if r := w.untracked(out, calico.Egress); r != undecided {
				return verdict(r)
			}
		}
		return w.local(out, calico.Egress)
	case firewall.Forward:
		return w.forward(in, out)
	}
	return firewall.Drop
}

func verdict(o outcome) firewall.Verdict {
	if o == accepted {
		return firewall.Accept
	}
	return firewall.Drop
}

// before runs the two stages before routing.
func (w *walk) before(in *firewall.Endpoint) outcome {
	if in == nil {
		return undecided
	}
	if r := w.untracked(in, calico.Ingress); r != undecided {
		return r
	}
	return w.preDNAT(in)
}

func (w *walk) untracked(e *firewall.Endpoint, d calico.Direction) outcome {
	tiers := e.Tiers(firewall.DoNotTrack, d)
	if !e.Has(firewall.DoNotTrack) || w.failsafe(d, false) != "" || w.failsafe(d, true) != "" {
		return undecided
	}
	r := w.tiers(tiers, d, false)
	if r == accepted {
		w.packet.State = firewall.Untracked // for the stages behind, which the outgoing side of a forwarded packet still meets
		w.trace = append(w.trace, w.by)
	}
	return r
}

func (w *walk) preDNAT(e *firewall.Endpoint) outcome {
	if !e.Has(firewall.PreDNAT) || w.packet.State == firewall.Established {
		return undecided
	}
	if w.packet.State == firewall.Invalid {
		w.fixed(firewall.ByInvalid, firewall.Drop)
		return dropped
	}
	if w.failsafe(calico.Ingress, false) != "" {
		return undecided
	}
	return w.tiers(e.Tiers(firewall.PreDNAT, calico.Ingress), calico.Ingress, false)
}

func (w *walk) local(e *firewall.Endpoint, d calico.Direction) firewall.Verdict {
	switch {
	case w.packet.State == firewall.Established:
		return w.fixed(firewall.ByEstablished, firewall.Accept)
	case e == nil:
		return w.fixed(firewall.ByNoEndpoint, firewall.Accept)
	case w.packet.State == firewall.Invalid:
		return w.fixed(firewall.ByInvalid, firewall.Drop)
	}
	if id := w.failsafe(d, false); id != "" {
		return w.fixed(id, firewall.Accept)
	}
	if r := w.tiers(e.Tiers(firewall.Local, d), d, true); r != undecided {
		return verdict(r)
	}
	for _, profile := range e.Profiles {
		rules := profile.Ingress
		if d == calico.Egress {
			rules = profile.Egress
		}
		name := func(i int) string { return firewall.ByProfile(profile.Name, d, i) }
		if r, _ := w.rules(rules, name); r != undecided {
			return verdict(r)
		}
	}
	return w.fixed(firewall.ByNoProfile, firewall.Drop)
}

// forward: an Allow of the stages before routing replaces the incoming endpoint's policies, not those of the outgoing one.
func (w *walk) forward(in, out *firewall.Endpoint) firewall.Verdict {
	early := w.before(in)
	switch {
	case early == dropped:
		return firewall.Drop
	case w.packet.State == firewall.Established:
		return w.fixed(firewall.ByEstablished, firewall.Accept)
	case early == undecided && w.through(in, calico.Ingress) == dropped:
		return firewall.Drop
	}
	if r := w.through(out, calico.Egress); r != undecided {
		return verdict(r)
	}
	return w.fixed(firewall.ByForward, firewall.Accept)
}

func (w *walk) through(e *firewall.Endpoint, d calico.Direction) outcome {
	if e == nil {
		return undecided
	}
	if w.packet.State == firewall.Invalid {
		w.fixed(firewall.ByInvalid, firewall.Drop)
		return dropped
	}
	return w.tiers(e.Tiers(firewall.Forwarded, d), d, true)
}

// fixed decides without a rule of a policy.
func (w *walk) fixed(by string, v firewall.Verdict) firewall.Verdict {
	w.by, w.flow = by, ""
	return v
}

// tiers looks at each tier until one decides. A tier that doesn't, and whose default is Deny, drops where endDrops is set.
func (w *walk) tiers(tiers []firewall.Tier, d calico.Direction, endDrops bool) outcome {
	for _, t := range tiers {
		r, passed := w.tier(t, d)
		if r != undecided {
			return r
		}
		if endDrops && !passed && t.DefaultAction == calico.Deny {
			w.fixed(firewall.ByTier(t.Name), firewall.Drop)
			return dropped
		}
	}
	return undecided
}

func (w *walk) tier(t firewall.Tier, d calico.Direction) (result outcome, passed bool) {
	for _, policy := range t.Policies {
		name := func(i int) string { return firewall.ByRule(policy.Name, d, i) }
		r, passed := w.rules(firewall.Rules(policy, d), name)
		if r != undecided || passed {
			return r, passed
		}
	}
	return undecided, false
}

func (w *walk) rules(rules []calico.Rule, name func(int) string) (result outcome, passed bool) {
	for i := range rules {
		r := &rules[i]
		if !w.matches(r) {
			continue
		}
		switch r.Action {
		case calico.Allow, calico.Deny:
			w.by, w.flow = name(i), r.Annotations[calico.FlowAnnotation]
			if r.Action == calico.Allow {
				return accepted, false
			}
			return dropped, false
		case calico.Pass:
			w.trace = append(w.trace, name(i))
			return undecided, true
		case calico.Log:
			w.trace = append(w.trace, name(i))
		}
	}
	return undecided, false
}
