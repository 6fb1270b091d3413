package ruleset

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
)

// Delta is how one ruleset becomes another of the same generation, where they differ in nothing but members of sets and elements of maps.
type Delta struct {
	Table string
	// Changes are sorted as the rulesets have their sets and maps. None: there is nothing to do.
	Changes []Change
}

// Change is what one set or map loses and gains. What it loses goes first.
type Change struct {
	// Name is the set's or the map's.
	Name string
	IPv6 bool
	// Interval is set where the set or map holds ranges.
	Interval bool
	// Remove and Add are addresses of a set.
	Remove, Add Ranges
	// RemoveServices and AddServices are those of a set of services.
	RemoveServices, AddServices []firewall.Service
	// Field is what a map is asked with; RemoveElements and AddElements are its elements. None of them is removed and added.
	Field                       Field
	RemoveElements, AddElements []Element
}

// Difference is the delta from one ruleset to another, or false where they differ in more than who is a member of what: then the new one has to be
// installed as a generation of its own. Both must be compiled with the same options, the generation included. A delta holds at once, without a trial: a
// caller that must not lose a member (the operator's own address) looks at what is removed.
//
// A host that joins or leaves a selector is a delta, from the first host to the last. A range among members that were all single addresses is none: the
// kernel keeps those in a set of another type. Nor is what moves an address that stays: a range that grows, shrinks or is cut, a map's element with another
// target, a host that leaves one selector for another. The kernel has no change of an element, only its end and a new one, and a packet that looks between
// the two, or into the one set before and into the other one after, finds neither.
func Difference(old, new *Ruleset) (Delta, bool) {
	d := Delta{Table: new.Table}
	same := old.Table == new.Table && old.Generation == new.Generation && old.MarkBit == new.MarkBit && old.Refused == new.Refused && old.Seen == new.Seen &&
		slices.EqualFunc(old.Base, new.Base, sameChain) && slices.EqualFunc(old.Chains, new.Chains, sameChain) &&
		slices.EqualFunc(old.Active, new.Active, sameMap) && slices.EqualFunc(old.Maps, new.Maps, sameMap) && slices.EqualFunc(old.Sets, new.Sets, sameSet)
	if !same {
		return Delta{}, false
	}
	for i := range old.Active {
		if !slices.Equal(old.Active[i].Elements, new.Active[i].Elements) {
			return Delta{}, false // what rules is moved by a generation
		}
	}
	for i, m := range old.Maps {
		if m.Field != Source && m.Field != Destination && !slices.Equal(m.Elements, new.Maps[i].Elements) {
			return Delta{}, false // a rule's port or an interface is no member
		}
	}
	for i, s := range old.Sets {
		c := Change{Name: s.Name, IPv6: s.IPv6, Interval: s.Interval}
		c.Remove, c.Add = differ(s.Values, new.Sets[i].Values, func(a, b Range) int { return cmp.Or(a.From.compare(b.From), a.To.compare(b.To)) })
		c.RemoveServices, c.AddServices = differ(s.Services, new.Sets[i].Services, compareServices)
		d.add(c)
	}
	for i, m := range old.Maps {
		c := Change{Name: m.Name, IPv6: m.IPv6, Interval: m.Interval, Field: m.Field}
		c.RemoveElements, c.AddElements = differ(m.Elements, new.Maps[i].Elements, compareElements)
		d.add(c)
	}
	if d.moves(false) || d.moves(true) {
		return Delta{}, false
	}
	return d, true
}

// moves says whether an address of a family goes in one place and comes in another, or in the same one.
func (d *Delta) moves(ipv6 bool) bool {
	var gone, come Ranges
	for i := range d.Changes {
		c := &d.Changes[i]
		if c.IPv6 != ipv6 {
			continue
		}
		gone, come = append(gone, c.Remove...), append(come, c.Add...)
		for _, e := range c.RemoveElements {
			gone = append(gone, e.Range)
		}
		for _, e := range c.AddElements {
			come = append(come, e.Range)
		}
	}
	return len(intersect(union(gone), union(come))) > 0
}

func (d *Delta) add(c Change) {
	if len(c.Remove)+len(c.Add)+len(c.RemoveServices)+len(c.AddServices)+len(c.RemoveElements)+len(c.AddElements) > 0 {
		d.Changes = append(d.Changes, c)
	}
}

// differ walks two sorted lists together: what only the old one has, and what only the new one has.
func differ[S ~[]T, T any](old, new S, compare func(a, b T) int) (gone, come S) {
	for len(old)+len(new) > 0 {
		switch {
		case len(new) == 0 || len(old) > 0 && compare(old[0], new[0]) < 0:
			gone, old = append(gone, old[0]), old[1:]
		case len(old) == 0 || compare(old[0], new[0]) > 0:
			come, new = append(come, new[0]), new[1:]
		default:
			old, new = old[1:], new[1:]
		}
	}
	return gone, come
}

func compareElements(a, b Element) int {
	return cmp.Or(cmp.Compare(a.Interface, b.Interface), a.From.compare(b.From), a.To.compare(b.To), cmp.Compare(a.Target, b.Target))
}

func sameChain(a, b *Chain) bool {
	sameHook := a.Hook == nil && b.Hook == nil || a.Hook != nil && b.Hook != nil && *a.Hook == *b.Hook
	return a.Name == b.Name && a.IPv6 == b.IPv6 && sameHook && slices.EqualFunc(a.Rules, b.Rules, sameRule)
}

func sameRule(a, b Rule) bool {
	same := a.Action == b.Action && a.Target == b.Target && a.Key == b.Key && a.Log == b.Log && a.NoTrack == b.NoTrack && a.SetMark == b.SetMark &&
		a.Record == b.Record && a.RecordPorts == b.RecordPorts && a.ID == b.ID && a.Flow == b.Flow && a.LogGroup == b.LogGroup && a.Translation == nil && b.Translation == nil
	return same && slices.EqualFunc(a.Matches, b.Matches, sameMatch)
}

// sameMatch compares by name what looks into a set.
func sameMatch(a, b Match) bool {
	if a.Field != b.Field || a.Negate != b.Negate || a.Interface != b.Interface || (a.Set == nil) != (b.Set == nil) || a.Limit != nil || b.Limit != nil {
		return false
	}
	if a.Set != nil {
		return a.Set.Name == b.Set.Name
	}
	return slices.Equal(a.Values, b.Values) && slices.Equal(a.Services, b.Services)
}

func sameSet(a, b *Set) bool {
	return a.Name == b.Name && a.IPv6 == b.IPv6 && a.Interval == b.Interval && a.Comment == b.Comment && (len(a.Services) == 0) == (len(b.Services) == 0)
}

func sameMap(a, b *Map) bool {
	return a.Name == b.Name && a.Field == b.Field && a.IPv6 == b.IPv6 && a.Interval == b.Interval
}

// Text is the delta for `nft -f -`, in one transaction. Through netlink it costs less: nft reads the whole of an interval set first.
func (d Delta) Text() string {
	var b strings.Builder
	write := func(verb, name string, elements []string) {
		if len(elements) > 0 {
			fmt.Fprintf(&b, "%s element inet %s %s { %s }\n", verb, d.Table, name, strings.Join(elements, ", "))
		}
	}
	for _, c := range d.Changes {
		write("delete", c.Name, c.texts(c.Remove, c.RemoveServices, c.RemoveElements))
		write("add", c.Name, c.texts(c.Add, c.AddServices, c.AddElements))
	}
	return b.String()
}

func (c *Change) texts(values Ranges, services []firewall.Service, elements []Element) []string {
	var all []string
	for _, v := range values {
		all = append(all, rangeText(v, Source, c.IPv6))
	}
	for _, s := range services {
		all = append(all, serviceText(s))
	}
	for _, e := range elements {
		all = append(all, e.text(c.Field, c.IPv6))
	}
	return all
}
