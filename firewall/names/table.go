package names

import (
	"cmp"
	"net/netip"
	"slices"
	"time"
)

// Bounds are those of a Table.
type Bounds struct {
	// Least and Most bound how long an answer counts; Grace is added, since a client connects some time after it was told.
	Least, Most, Grace time.Duration
	// PerName is how many addresses a name has at most: of more, the one that would go first goes. Total is how many there are in all: then nothing more is learned until one goes.
	PerName, Total int
	// Remember is how long an address is known after it went, for connections that were begun in its time.
	Remember time.Duration
}

// DefaultBounds are those of a firewall.
var DefaultBounds = Bounds{Least: time.Minute, Most: time.Hour, Grace: time.Minute, PerName: 64, Total: 4096, Remember: 24 * time.Hour}

// Element is an address in the sets of rules whose patterns match the name.
type Element struct {
	Name    string
	Address netip.Addr
	// Until is when it goes.
	Until time.Time
}

// Table is what was learned. It is for one goroutine at a time.
type Table struct {
	b     Bounds
	names map[string][]Element
}

// NewTable begins with what was kept, as far as it is within the bounds at now: a clock that was wrong keeps nothing forever.
func NewTable(b Bounds, kept []Element, now time.Time) *Table {
	t := &Table{b: b, names: map[string][]Element{}}
	for _, e := range kept {
		if latest := now.Add(b.Most + b.Grace); e.Until.After(latest) {
			e.Until = latest
		}
		if Check(e.Name) == nil && e.Address.IsValid() && !Special(e.Address) && len(t.names[e.Name]) < b.PerName && t.count() < b.Total {
			t.names[e.Name] = append(t.names[e.Name], e)
		}
	}
	t.forget(now)
	return t
}

// Clamp is a TTL within the bounds.
func (b Bounds) Clamp(ttl time.Duration) time.Duration { return min(max(ttl, b.Least), b.Most) }

// Learned is what an answer changes.
type Learned struct {
	// Add are new ones, and those that stay longer than was said. Gone are those that had to go for them.
	Add, Gone []Element
	// Full: there was no room, and nothing has changed.
	Full bool
}

// Learn takes an answer for a name. What the table has for as long as is needed, give or take half of the grace, changes nothing: most answers come from a cache, again and again.
func (t *Table) Learn(name string, addresses []netip.Addr, ttl time.Duration, now time.Time) Learned {
	var l Learned
	ttl = t.b.Clamp(ttl)
	until := now.Add(ttl + t.b.Grace)
	have := slices.Clone(t.names[name])
	for _, a := range addresses {
		i := slices.IndexFunc(have, func(e Element) bool { return e.Address == a })
		switch {
		case i >= 0 && have[i].Until.Sub(now) >= ttl+t.b.Grace/2:
		case i >= 0:
			have[i].Until = until
			l.Add = append(l.Add, have[i])
		default:
			have = append(have, Element{name, a, until})
			l.Add = append(l.Add, have[len(have)-1])
		}
	}
	// What goes first stands first; of those of this answer, the first ones of the message stay.
	slices.SortStableFunc(have, func(x, y Element) int { return x.Until.Compare(y.Until) })
	for len(have) > t.b.PerName {
		i := 0
		if !slices.ContainsFunc(have, func(e Element) bool { return !slices.Contains(addresses, e.Address) }) {
			i = len(have) - 1
		}
		l.Gone = append(l.Gone, have[i])
		have = slices.Delete(have, i, i+1)
	}
	l.Add = slices.DeleteFunc(l.Add, func(e Element) bool { return !slices.Contains(have, e) })
	if grown := len(have) - len(t.names[name]); grown > 0 && t.count()+grown > t.b.Total {
		if t.forget(now.Add(t.b.Remember)); t.count()+len(have)-len(t.names[name]) > t.b.Total { // first what is only remembered
			return Learned{Full: true}
		}
	}
	if len(have) > 0 {
		t.names[name] = have
	}
	return l
}

// Forget takes a name out.
func (t *Table) Forget(name string) { delete(t.names, name) }

// Tidy takes out what is not remembered any more, and the names that none of the patterns matches.
func (t *Table) Tidy(patterns []string, now time.Time) {
	for name := range t.names {
		if !Any(patterns, name) {
			delete(t.names, name)
		}
	}
	t.forget(now)
}

func (t *Table) forget(now time.Time) {
	for name, all := range t.names {
		all = slices.DeleteFunc(all, func(e Element) bool { return !e.Until.Add(t.b.Remember).After(now) })
		if t.names[name] = all; len(all) == 0 {
			delete(t.names, name)
		}
	}
}

func (t *Table) count() int {
	n := 0
	for _, all := range t.names {
		n += len(all)
	}
	return n
}

// All is everything, remembered addresses included, sorted by name and address.
func (t *Table) All() []Element {
	var all []Element
	for _, one := range t.names {
		all = append(all, one...)
	}
	slices.SortFunc(all, func(x, y Element) int { return cmp.Or(cmp.Compare(x.Name, y.Name), x.Address.Compare(y.Address)) })
	return all
}

// Of are the addresses that names have now of which one of the patterns matches, each for as long as one of them has it; sorted by address.
func (t *Table) Of(patterns []string, now time.Time) []Element {
	var all []Element
	for name, one := range t.names {
		for _, e := range one {
			if e.Until.After(now) && Any(patterns, name) {
				all = append(all, e)
			}
		}
	}
	slices.SortFunc(all, func(x, y Element) int {
		return cmp.Or(x.Address.Compare(y.Address), y.Until.Compare(x.Until), cmp.Compare(x.Name, y.Name))
	})
	return slices.CompactFunc(all, func(x, y Element) bool { return x.Address == y.Address })
}

// Had says whether a name that one of the patterns matches has an address, or had it lately.
func (t *Table) Had(patterns []string, a netip.Addr) bool {
	for name, one := range t.names {
		if Any(patterns, name) && slices.ContainsFunc(one, func(e Element) bool { return e.Address == a }) {
			return true
		}
	}
	return false
}
