package ruleset

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
)

// Options are what a ruleset is compiled with.
type Options struct {
	// Table is the name of the nftables table, of family inet; "ingot" where empty.
	Table string
	// Generation names the contents: two rulesets that are in the kernel at the same time need two numbers.
	Generation uint32
	// MarkBit is the one bit of the packet mark by which an early hook tells a later one that it accepted. Nobody else may use it; DefaultMarkBit
	// where 0. Only doNotTrack and preDNAT policies need it.
	MarkBit uint32
	// Refused keeps the set of tuples that were dropped, Seen that of new tuples that were accepted. Each costs one set update a packet.
	Refused, Seen bool
	// ChainLines is how many lines a chain may hold before it is worth a lookup; DefaultChainLines where 0.
	ChainLines int
}

// DefaultChainLines: a lookup costs about as much as four rules, and keeping short chains whole keeps peers in sets, where adding one is a single
// element.
const DefaultChainLines = 8

// DefaultMarkBit is outside of what kube-proxy (0x4000, 0x8000), Tailscale (0xff0000) and Calico (0xffff0000) use by default.
const DefaultMarkBit = 0x00001000

type builder struct {
	site *firewall.Site
	host *firewall.Host
	r    *Ruleset
	ipv6 bool
	// refuse and admit are the chains of the family in which refused and new accepted packets end.
	refuse, admit string
	// sets are those of the family by origin.
	sets map[string]*Set
	// stages are compiled once for all interfaces with one endpoint.
	stages     map[stageKey]string
	sections   int
	chainLines int
}

type stageKey struct {
	endpoint  *firewall.Endpoint
	stage     firewall.Stage
	direction calico.Direction
	next      string
}

// Compile makes the tree of one host.
func Compile(s *firewall.Site, h *firewall.Host, o Options) *Ruleset {
	r := &Ruleset{Table: o.Table, Generation: o.Generation, MarkBit: o.MarkBit, Refused: o.Refused, Seen: o.Seen}
	if r.Table == "" {
		r.Table = "ingot"
	}
	if r.MarkBit == 0 {
		r.MarkBit = DefaultMarkBit
	}
	if o.ChainLines == 0 {
		o.ChainLines = DefaultChainLines
	}
	hooks := hooksFor(h)
	for _, hook := range hooks {
		r.Base = append(r.Base, hook.base())
		r.Active = append(r.Active, &Map{Name: "active_" + hook.name, Field: Family})
	}
	for _, ipv6 := range []bool{false, true} {
		b := &builder{site: s, host: h, r: r, ipv6: ipv6, sets: map[string]*Set{}, stages: map[stageKey]string{}, chainLines: o.ChainLines}
		b.refuse = b.chain(b.recorded(o.Refused, "refused", Drop))
		b.admit = b.chain(b.recorded(o.Seen, "seen", Accept))
		for i, hook := range hooks {
			family := number(uint8(4))
			if ipv6 {
				family = number(uint8(6))
			}
			r.Active[i].Elements = append(r.Active[i].Elements, Element{Range: single(family), Target: hook.contents(b)})
		}
	}
	return r
}

// chain adds a chain and gives its name.
func (b *builder) chain(rules []Rule) string {
	name := fmt.Sprintf("g%d_c%d", b.r.Generation, len(b.r.Chains)+1)
	b.r.Chains = append(b.r.Chains, &Chain{Name: name, IPv6: b.ipv6, Rules: rules})
	return name
}

func (b *builder) addMap(m *Map) {
	m.Name = fmt.Sprintf("g%d_m%d", b.r.Generation, len(b.r.Maps)+1)
	b.r.Maps = append(b.r.Maps, m)
}

// set gives the named set of an origin: a selector, or the owners of named ports. Its name follows the origin and not the members, so that a member
// more or less is no other set.
func (b *builder) set(origin string, values Ranges, services []firewall.Service, comment string) *Set {
	if known, ok := b.sets[origin]; ok {
		return known
	}
	set := &Set{
		Name: fmt.Sprintf("g%d_s%d", b.r.Generation, len(b.r.Sets)+1), IPv6: b.ipv6, Values: values, Services: services, Comment: comment,
		Interval: slices.ContainsFunc(values, func(r Range) bool { return !r.Single() }),
	}
	b.sets[origin] = set
	b.r.Sets = append(b.r.Sets, set)
	return set
}

// listOrigin is the origin of a list that a rule spells out: its members, so that one set serves all rules with the same list.
func listOrigin(values Ranges) string {
	key := []byte("list ")
	for _, v := range values {
		for _, n := range []uint64{v.From.High, v.From.Low, v.To.High, v.To.Low} {
			key = binary.BigEndian.AppendUint64(key, n)
		}
	}
	return string(key)
}

// recorded are the rules of a family's last chain: note the tuple, then decide. A set that is full does not stop the decision.
func (b *builder) recorded(wanted bool, set string, verdict Action) []Rule {
	decide := Rule{Action: verdict}
	if !wanted {
		return []Rule{decide}
	}
	family := "4"
	if b.ipv6 {
		family = "6"
	}
	withPorts := Ranges{single(number(uint8(6))), single(number(uint8(17))), single(number(uint8(33))), single(number(uint8(132))), single(number(uint8(136)))}
	return []Rule{
		{Matches: []Match{{Field: Protocol, Values: withPorts}}, Record: set + family, RecordPorts: true},
		{Matches: []Match{{Field: Protocol, Negate: true, Values: withPorts}}, Record: set + "_plain" + family},
		decide,
	}
}

// refused is a rule that drops, by name.
func (b *builder) refused(id string, matches ...Match) Rule {
	return Rule{Matches: matches, Action: Goto, Target: b.refuse, ID: id}
}

// inState and marked are the matches of the fixed rules.
func inState(s firewall.State) Match {
	return Match{Field: State, Values: Ranges{single(number(uint8(s)))}}
}

var marked = Match{Field: Mark}
