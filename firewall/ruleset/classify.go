package ruleset

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
)

// Bounds on the size of a tree: a field is not split on where that would repeat lines more than about repeat times, or look at too many ranges.
const (
	repeat    = 32
	repeatMin = 1 << 14
	maxRanges = 1 << 21
)

// section is a tier, a profile or the failsafes, as one decision tree.
type section struct {
	lines []line
	// allow is what an Allow does, without ID. Deny, Log and Pass do the same everywhere.
	allow Rule
	// pass is where a Pass goes: the chain of the next section.
	pass string
	// end is what happens when no line decides.
	end Rule
	// ordinal tells sections of one generation apart.
	ordinal int
}

// item is a line in some place of the tree: the matches that the way there has decided are gone from rest.
type item struct {
	index int
	rest  uint16
}

type classifier struct {
	b     *builder
	s     *section
	known map[string]string
}

// tree compiles a section and gives the chain at its root.
func (b *builder) tree(s *section) string {
	b.sections++
	s.ordinal = b.sections
	c := &classifier{b, s, map[string]string{}}
	items := make([]item, len(s.lines))
	for i, l := range s.lines {
		items[i] = item{i, 1<<len(l.matches) - 1}
	}
	return c.chain(c.prune(items), 0)
}

// prune cuts behind the first line that decides whatever comes.
func (c *classifier) prune(items []item) []item {
	for i, it := range items {
		if it.rest == 0 && c.s.lines[it.index].action != calico.Log {
			return items[:i+1]
		}
	}
	return items
}

func (c *classifier) chain(items []item, tried uint16) string {
	if len(items) <= c.b.chainLines {
		tried = 0 // such a chain is the same wherever it stands
	}
	key := string(itemKey(items, tried))
	if name, ok := c.known[key]; ok {
		return name
	}
	var rules []Rule
	if len(items) > c.b.chainLines {
		if f, ok := c.choose(items, tried); ok {
			rules = c.split(f, items, tried|1<<f)
		}
	}
	if rules == nil {
		rules = c.leaf(items)
	}
	name := c.b.chain(rules)
	c.known[key] = name
	return name
}

func itemKey(items []item, tried uint16) []byte {
	key := make([]byte, 0, 6*len(items)+2)
	key = binary.LittleEndian.AppendUint16(key, tried)
	for _, it := range items {
		key = binary.LittleEndian.AppendUint32(key, uint32(it.index))
		key = binary.LittleEndian.AppendUint16(key, it.rest)
	}
	return key
}

func (c *classifier) leaf(items []item) []Rule {
	var rules []Rule
	for _, it := range items {
		l := &c.s.lines[it.index]
		r := Rule{ID: l.id, Flow: l.flow}
		for i, m := range l.matches {
			if it.rest&(1<<i) != 0 {
				r.Matches = append(r.Matches, m)
			}
		}
		switch l.action {
		case calico.Allow:
			r.Action, r.Target, r.NoTrack, r.SetMark = c.s.allow.Action, c.s.allow.Target, c.s.allow.NoTrack, c.s.allow.SetMark
		case calico.Deny:
			r.Action, r.Target = Goto, c.b.refuse
		case calico.Log:
			r.Log = "ingot " + l.id + " "
		case calico.Pass:
			r.Action, r.Target = Goto, c.s.pass
		}
		rules = append(rules, r)
	}
	if n := len(items); n == 0 || items[n-1].rest != 0 || c.s.lines[items[n-1].index].action == calico.Log {
		rules = append(rules, c.s.end)
	}
	return rules
}

// choose finds the field that leaves the fewest lines in the worst case. The protocol comes first: ports mean nothing without it.
func (c *classifier) choose(items []item, tried uint16) (Field, bool) {
	best, most := Protocol, len(items)
	found := false
	for _, f := range []Field{Protocol, DestinationPort, Source, Destination, SourcePort, ICMPType} {
		if tried&(1<<f) != 0 || !c.uses(f, items) {
			continue
		}
		worst, ok := c.measure(f, items)
		if ok && f == Protocol {
			return f, true
		}
		if ok && worst < most {
			best, most, found = f, worst, true
		}
	}
	return best, found
}

func (c *classifier) uses(f Field, items []item) bool {
	return slices.ContainsFunc(items, func(it item) bool { return c.mask(f, it) != 0 })
}

// mask are the undecided matches of a line that look at a field and nothing else.
func (c *classifier) mask(f Field, it item) uint16 {
	var mask uint16
	for i, m := range c.s.lines[it.index].matches {
		if m.Field == f && it.rest&(1<<i) != 0 {
			mask |= 1 << i
		}
	}
	return mask
}

// values are where a line's matches on a field hold.
func (c *classifier) values(f Field, it item, mask uint16) Ranges {
	all := universe(f, c.b.ipv6)
	held := Ranges{all}
	for i, m := range c.s.lines[it.index].matches {
		if mask&(1<<i) == 0 {
			continue
		}
		vs := m.Values
		if m.Negate {
			vs = complement(vs, all)
		}
		held = intersect(held, vs)
	}
	return held
}

// edge is where a line begins or stops to hold, on the axis of a field.
type edge struct {
	at     Value
	last   bool // behind the largest value: never reached
	begins bool
	item   int // place in items
}

func begin(e edge) int {
	if e.begins {
		return 1
	}
	return 0
}

// edges are sorted. Lines without a match on the field have none, and are returned as always.
func (c *classifier) edges(f Field, items []item) (edges []edge, always []int, ok bool) {
	end := universe(f, c.b.ipv6).To
	for i, it := range items {
		mask := c.mask(f, it)
		if mask == 0 {
			always = append(always, i)
			continue
		}
		for _, r := range c.values(f, it, mask) {
			edges = append(edges, edge{r.From, false, true, i}, edge{r.To.next(), r.To == end, false, i})
		}
		if len(edges) > maxRanges {
			return nil, nil, false
		}
	}
	edges = slices.DeleteFunc(edges, func(e edge) bool { return e.last })
	// Where a line stops and begins again at one value, stopping comes first.
	slices.SortFunc(edges, func(a, b edge) int {
		return cmp.Or(a.at.compare(b.at), cmp.Compare(a.item, b.item), cmp.Compare(begin(a), begin(b)))
	})
	return edges, always, true
}

// measure is the largest number of lines in a class of the field's values, and whether splitting keeps the tree small.
func (c *classifier) measure(f Field, items []item) (worst int, ok bool) {
	edges, always, ok := c.edges(f, items)
	if !ok {
		return 0, false
	}
	active, total := 0, 0
	limit := repeat*len(items) + repeatMin
	for i := 0; i <= len(edges); i++ {
		if i == len(edges) || i > 0 && edges[i].at != edges[i-1].at {
			worst = max(worst, len(always)+active)
			total += len(always) + active
			if total > limit {
				return 0, false
			}
		}
		if i < len(edges) {
			if edges[i].begins {
				active++
			} else {
				active--
			}
		}
	}
	return worst, true
}

// split makes the map of a field and the chains behind it. The class with the most segments is what the map does not name.
func (c *classifier) split(f Field, items []item, tried uint16) []Rule {
	type segment struct {
		Range
		class string
	}
	var segments []segment
	classes, count := map[string][]item{}, map[string]int{}
	c.sweep(f, items, func(r Range, within []item) {
		key := string(itemKey(within, 0))
		if n := len(segments); n > 0 && segments[n-1].class == key {
			segments[n-1].To = r.To
			return
		}
		classes[key] = within
		count[key]++
		segments = append(segments, segment{r, key})
	})
	other := segments[0].class
	for _, s := range segments { // in the order of values, so that the same rules give the same text
		if count[s.class] > count[other] || count[s.class] == count[other] && len(classes[s.class]) < len(classes[other]) {
			other = s.class
		}
	}
	// Chains get their names in the order of classes, not of values: an address more in a known class renames nothing.
	targets := map[string]string{}
	for _, key := range slices.Sorted(maps.Keys(classes)) {
		targets[key] = c.chain(classes[key], tried)
	}
	m := &Map{Field: f, IPv6: c.b.ipv6}
	for _, s := range segments {
		if s.class != other {
			m.Elements = append(m.Elements, Element{Range: s.Range, Target: targets[s.class]})
			m.Interval = m.Interval || !s.Single()
		}
	}
	rest := Rule{Action: Goto, Target: targets[other]}
	return append(c.b.lookup(m), rest)
}

// sweep visits the segments of a field's values in order, with the lines that can still match there.
func (c *classifier) sweep(f Field, items []item, visit func(Range, []item)) {
	edges, always, _ := c.edges(f, items)
	without := make([]item, len(items)) // the lines with the field's matches decided
	for i, it := range items {
		without[i] = item{it.index, it.rest &^ c.mask(f, it)}
	}
	all := universe(f, c.b.ipv6)
	active := slices.Clone(always)
	from := all.From
	emit := func(to Value) {
		within := make([]item, len(active))
		for i, at := range active {
			within[i] = without[at]
		}
		visit(Range{from, to}, c.prune(within))
	}
	for i, e := range edges {
		if e.at != from && (i == 0 || e.at != edges[i-1].at) {
			emit(e.at.before())
			from = e.at
		}
		at, there := slices.BinarySearch(active, e.item)
		switch {
		case e.begins && !there:
			active = slices.Insert(active, at, e.item)
		case !e.begins && there:
			active = slices.Delete(active, at, at+1)
		}
	}
	emit(all.To)
}
