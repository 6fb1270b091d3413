package ruleset

import (
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
)

// Field is a part of a packet that a match or a map looks at.
type Field uint8

// The fields.
const (
	Protocol Field = iota
	DestinationPort
	Source
	Destination
	SourcePort
	ICMPType
	// ICMPHead is type and code as one number of 16 bits.
	ICMPHead
	// SourceService and DestinationService are an address and a port together.
	SourceService
	DestinationService
	InInterface
	OutInterface
	State
	Mark
	Family
	// Resolved is the destination's address among those of names, which come and go.
	Resolved
	// Limited is a limit of new flows, which is no part of the packet; it comes last, since looking at it counts.
	Limited
)

// Match is one condition. A packet without the field (a port in ICMP) does not match, negated or not; Compile puts a protocol match before.
type Match struct {
	Field  Field
	Negate bool
	// Values are sorted and disjoint. For State they are firewall.State numbers; for Mark nothing: the match is that the bit is set.
	Values Ranges
	// Set is the named set that holds the Values, where there are several; else nil.
	Set *Set
	// Interface is for InInterface and OutInterface.
	Interface string
	// Services are for SourceService and DestinationService, which stand in a Set too.
	Services []firewall.Service
	// Limit is for Limited, Names for Resolved.
	Limit *Limit
	Names *NameSet
}

// Action is what a rule does when its matches hold.
type Action uint8

// The actions.
const (
	// Continue looks at the next rule.
	Continue Action = iota
	Accept
	Drop
	// Goto goes on in Target and doesn't come back.
	Goto
	// Lookup goes where the map Target says, and looks at the next rule where the map has no such element.
	Lookup
	// Translate does what Translation says, and accepts; where that has no such element, it looks at the next rule.
	Translate
)

// Rule is one line of a chain.
type Rule struct {
	Matches []Match
	Action  Action
	Target  string
	// Key is the field that a Lookup asks its map with.
	Key Field
	// Log is a prefix for the kernel log, or empty; LogGroup is the netlink group that is told instead, or 0.
	Log      string
	LogGroup uint16
	// Translation is for Translate.
	Translation *Translation
	// NoTrack exempts from connection tracking; SetMark sets the mark bit, by which later hooks know that the packet was accepted.
	NoTrack, SetMark bool
	// Record is a dynamic set that notes the packet, or empty. RecordPorts says that the packet has ports.
	Record      string
	RecordPorts bool
	// ID names what decides, as package firewall does; a rule with an ID has a counter. Flow is the row of the communication matrix, or empty.
	ID, Flow string
}

// Chain is a list of rules.
type Chain struct {
	Name string
	// Hook is set on base chains: they are permanent and belong to no generation.
	Hook *Hook
	// IPv6 is the family whose packets meet the chain; base chains see both.
	IPv6  bool
	Rules []Rule
}

// Hook is where a base chain hangs. Priorities are nft's names.
type Hook struct {
	Name, Priority string
	// NAT chains see the first packet of a flow only. A Closed one drops what no rule decides.
	NAT, Closed bool
}

// Limit is a named limit of the kernel: all rules with it share its count.
type Limit struct {
	Name string
	// ID is whose it is, as package gateway names limits.
	ID        string
	PerSecond uint32
	// Over says that it matches what is over the limit; else it matches what is within.
	Over bool
}

// Translation gives a flow another source or destination.
type Translation struct {
	// Source is changed, else Destination.
	Source bool
	// To is the address; where it is invalid, Pairs are asked with the one that is changed.
	To    netip.Addr
	Pairs *Pairs
	// Local says that To is the firewall's own: the packet is not forwarded.
	Local bool
}

// Pairs is a map from addresses to addresses of one family, sorted.
type Pairs struct {
	Name     string
	IPv6     bool
	Elements []AddressPair
}

// AddressPair is one of its elements.
type AddressPair struct{ From, To netip.Addr }

// Set is a named set of addresses of one family, or of services.
type Set struct {
	Name string
	IPv6 bool
	// Values are addresses, or ranges of them if Interval.
	Values   Ranges
	Interval bool
	Services []firewall.Service
	// Comment is where the members come from: a selector, or a list of networks.
	Comment string
}

// Map is a verdict map: all its verdicts are goto.
type Map struct {
	Name  string
	Field Field
	IPv6  bool
	// Interval is set where an element is a range.
	Interval bool
	Elements []Element
}

// Element maps a range of values, or an interface, to a chain.
type Element struct {
	Range
	Interface string
	Target    string
}

// Ruleset is the tree of one host.
type Ruleset struct {
	Table      string
	Generation uint32
	MarkBit    uint32
	// Base are the permanent chains, in the order in which a packet meets them; Active are the ways from them into this generation, by family. In the
	// kernel those are chains of a few rules: see Barrier and Ways.
	Base   []*Chain
	Active []*Map
	Sets   []*Set
	Maps   []*Map
	Chains []*Chain
	// Limits and Pairs are those of gateways.
	Limits []*Limit
	Pairs  []*Pairs
	// NameSets are the sets of addresses of names. They belong to no generation: see Fill.
	NameSets []*NameSet
	// Refused and Seen say that the dynamic sets of refused and of new accepted tuples are kept.
	Refused, Seen bool
}

// Depth is the largest number of rules that a packet can meet on its way to, from or through the host. It is the measure of a packet's cost. New packets meet
// some fewer in the kernel: see Ways.
func (r *Ruleset) Depth() int {
	chains := map[string]*Chain{}
	for _, c := range r.Chains {
		chains[c.Name] = c
	}
	maps := map[string]*Map{}
	for _, m := range append(append([]*Map{}, r.Maps...), r.Active...) {
		maps[m.Name] = m
	}
	known := map[*Chain]int{}
	var depth func(c *Chain) int
	depth = func(c *Chain) int {
		if d, ok := known[c]; ok {
			return d
		}
		longest := len(c.Rules)
		for i, rule := range c.Rules {
			var targets []string
			switch rule.Action {
			case Goto:
				targets = []string{rule.Target}
			case Lookup:
				if m := maps[rule.Target]; m != nil {
					for _, e := range m.Elements {
						targets = append(targets, e.Target)
					}
				}
			case Continue, Accept, Drop, Translate: // lead nowhere
			}
			for _, t := range targets {
				longest = max(longest, i+1+depth(chains[t]))
			}
		}
		known[c] = longest
		return longest
	}
	deepest := 0
	for _, way := range []firewall.Hook{firewall.Input, firewall.Output, firewall.Forward} {
		total := 0
		for _, c := range r.Base {
			if slices.Contains(hookNames(way), c.Hook.Name) {
				total += depth(c)
			}
		}
		deepest = max(deepest, total)
	}
	return deepest
}

// hookNames are nftables' hooks on the way of a packet, in its order.
func hookNames(way firewall.Hook) []string {
	switch way {
	case firewall.Output:
		return []string{"output"}
	case firewall.Forward:
		return []string{"prerouting", "forward", "postrouting"}
	default: // firewall.Input
		return []string{"prerouting", "input"}
	}
}
