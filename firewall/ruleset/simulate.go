package ruleset

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
)

// Outcome is what a ruleset does with a packet.
type Outcome struct {
	Verdict firewall.Verdict
	// By is the ID of the last rule with one that the packet met: what decided it.
	By string
	// Met are the rules with a counter that the packet met, in order; By is the last one's ID.
	Met []*Rule
	// Rules is how many rules the packet met.
	Rules int
	// Source and Destination are the packet's when it leaves.
	Source, Destination netip.Addr
}

// Simulator runs packets through a tree as nftables would.
type Simulator struct {
	r      *Ruleset
	chains map[string]*Chain
	maps   map[string]*Map
	// Resolved says whether names of patterns have an address; nil: none has.
	Resolved func(patterns []string, a netip.Addr) bool
}

// NewSimulator prepares a tree. The pending maps are empty: the generation is confirmed.
func NewSimulator(r *Ruleset) *Simulator {
	s := &Simulator{r: r, chains: map[string]*Chain{}, maps: map[string]*Map{}}
	for _, c := range r.Chains {
		s.chains[c.Name] = c
	}
	for _, m := range slices.Concat(r.Maps, r.Active) {
		s.maps[m.Name] = m
	}
	return s
}

// journey is a packet with what the rules change about it.
type journey struct {
	firewall.Packet
	marked bool
	// local: the packet is not forwarded.
	local    bool
	over     func(limit string) bool
	resolved func(patterns []string, a netip.Addr) bool
	out      Outcome
}

// Run takes the packet through all base chains of its hook. A packet that no chain drops is accepted: the policy of the base chains.
func (s *Simulator) Run(p firewall.Packet) Outcome { return s.RunWithin(p, nil) }

// RunWithin is Run where some limits are spent, by their IDs.
func (s *Simulator) RunWithin(p firewall.Packet, over func(limit string) bool) Outcome {
	j := &journey{Packet: p, over: over, resolved: s.Resolved}
	for _, c := range s.r.Base { // in the order of priorities
		if c.Hook.NAT && p.State != firewall.New || !slices.Contains(hookNames(p.Hook), c.Hook.Name) {
			continue
		}
		if s.chain(c, j) == Drop {
			j.out.Verdict = firewall.Drop
			return j.out
		}
		if j.local {
			break
		}
	}
	j.out.Verdict, j.out.Source, j.out.Destination = firewall.Accept, j.Source, j.Destination
	return j.out
}

// chain gives Accept or Drop. No chain returns to its caller, so the end of a chain is the end of the base chain.
func (s *Simulator) chain(c *Chain, j *journey) Action {
next:
	for {
		for i := range c.Rules {
			r := &c.Rules[i]
			j.out.Rules++
			if !s.holds(r, j) {
				continue
			}
			if r.ID != "" {
				j.out.By = r.ID
				j.out.Met = append(j.out.Met, r)
			}
			if r.NoTrack {
				j.State = firewall.Untracked
			}
			j.marked = j.marked || r.SetMark
			target := r.Target
			switch r.Action {
			case Accept, Drop:
				return r.Action
			case Translate:
				if j.translate(r.Translation) {
					return Accept
				}
				continue
			case Continue:
				continue
			case Lookup:
				if target = s.lookup(s.maps[r.Target], j); target == "" {
					continue
				}
			case Goto:
			}
			c = s.chains[target]
			continue next
		}
		if c.Hook != nil && c.Hook.Closed {
			return Drop
		}
		return Accept
	}
}

// translate says whether there was something to translate to.
func (j *journey) translate(t *Translation) bool {
	changed := &j.Destination
	if t.Source {
		changed = &j.Source
	}
	to := t.To
	j.local = j.local || t.Local
	if t.Pairs != nil {
		i, found := slices.BinarySearchFunc(t.Pairs.Elements, *changed, func(e AddressPair, a netip.Addr) int { return e.From.Compare(a) })
		if !found {
			return false
		}
		to = t.Pairs.Elements[i].To
	}
	*changed = to
	return true
}

func (s *Simulator) holds(r *Rule, j *journey) bool {
	for i := range r.Matches {
		if !j.matches(&r.Matches[i]) {
			return false
		}
	}
	return true
}

func (j *journey) matches(m *Match) bool {
	switch m.Field {
	case InInterface:
		return (j.In == m.Interface) != m.Negate
	case OutInterface:
		return (j.Out == m.Interface) != m.Negate
	case Resolved:
		return j.resolved != nil && j.resolved(m.Names.Patterns, j.Destination)
	case Limited:
		return (j.over != nil && j.over(m.Limit.ID)) == m.Limit.Over
	case Mark:
		return j.marked
	case SourceService:
		return j.isService(m, firewall.Service{Address: j.Source, Port: j.SourcePort})
	case DestinationService:
		return j.isService(m, firewall.Service{Address: j.Destination, Port: j.DestinationPort})
	default: // a number of the packet, below
	}
	v, ok := j.value(m.Field)
	return ok && m.Values.Contains(v) != m.Negate
}

func (j *journey) isService(m *Match, at firewall.Service) bool {
	_, found := slices.BinarySearchFunc(m.Services, at, compareServices)
	return firewall.HasPorts(j.Protocol) && found != m.Negate
}

// value is a packet's number in a field, or false where it has no such field.
func (j *journey) value(f Field) (Value, bool) {
	ported, icmp := firewall.HasPorts(j.Protocol), j.Protocol == 1 && j.Source.Is4() || j.Protocol == 58 && j.Source.Is6()
	switch f {
	case Protocol:
		return number(j.Protocol), true
	case SourcePort:
		return number(j.SourcePort), ported
	case DestinationPort:
		return number(j.DestinationPort), ported
	case Source:
		return address(j.Source), true
	case Destination:
		return address(j.Destination), true
	case ICMPType:
		return number(j.ICMPType), icmp
	case ICMPHead:
		return number(uint16(j.ICMPType)<<8 | uint16(j.ICMPCode)), icmp
	case State:
		return number(uint8(j.State)), true
	case Family:
		if j.Source.Is4() {
			return number(uint8(4)), true
		}
		return number(uint8(6)), true
	default: // interfaces, services and the mark are no numbers of the packet
		return Value{}, false
	}
}

func (s *Simulator) lookup(m *Map, j *journey) string {
	if m == nil {
		return "" // a pending map: nothing is on trial
	}
	name := j.In
	switch m.Field {
	case OutInterface:
		name = j.Out
		fallthrough
	case InInterface:
		for _, e := range m.Elements {
			if e.Interface == name {
				return e.Target
			}
		}
		return ""
	default: // by a number of the packet, below
	}
	v, ok := j.value(m.Field)
	if !ok {
		return ""
	}
	i, found := slices.BinarySearchFunc(m.Elements, v, func(e Element, v Value) int {
		switch {
		case e.To.compare(v) < 0:
			return -1
		case e.From.compare(v) > 0:
			return 1
		}
		return 0
	})
	if !found {
		return ""
	}
	return m.Elements[i].Target
}
