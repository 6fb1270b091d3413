package fake

import (
	"cmp"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// kept is how long an inventory keeps a tuple: what the compiled sets say.
const kept = 24 * time.Hour

// table is a table of the packet filter.
type table struct {
	chains   map[string]*chain
	sets     map[string]*set
	counters map[string]hostnet.Counter
	notes    map[noted]note
}

type chain struct {
	hook, priority, policy string
	rules                  []hostnet.Rule
}

type set struct {
	text    string
	members map[string]member
}

type member struct {
	target string
	// until is when the member expires; zero is never.
	until time.Time
}

type noted struct {
	kind                hostnet.Kind
	source, destination netip.Addr
	protocol            uint8
	port                uint16
}

type note struct {
	packets, bytes uint64
	last           time.Time
}

func newTable() *table {
	return &table{map[string]*chain{}, map[string]*set{}, map[string]hostnet.Counter{}, map[noted]note{}}
}

// clone is a copy for a transaction, without what has expired.
func (t *table) clone(now time.Time) *table {
	c := &table{map[string]*chain{}, map[string]*set{}, maps.Clone(t.counters), maps.Clone(t.notes)}
	for name, ch := range t.chains {
		copied := *ch
		copied.rules = slices.Clone(ch.rules)
		c.chains[name] = &copied
	}
	for name, s := range t.sets {
		copied := &set{s.text, map[string]member{}}
		for key, m := range s.members {
			if m.alive(now) {
				copied.members[key] = m
			}
		}
		c.sets[name] = copied
	}
	return c
}

func (m member) alive(now time.Time) bool { return m.until.IsZero() || now.Before(m.until) }

func (s *set) dynamic() bool { return strings.Contains(s.text, "dynamic") }

// refers says whether anything refers to a chain or, with "@" before its name, to a set.
func (t *table) refers(to string) bool {
	for _, c := range t.chains {
		for _, r := range c.rules {
			if slices.Contains(strings.Fields(r.Text), to) {
				return true
			}
		}
	}
	for _, s := range t.sets {
		for _, m := range s.members {
			if m.target == "goto "+to {
				return true
			}
		}
	}
	return false
}

// state is the table in the contract's words.
func (t *table) state(name string, now time.Time) hostnet.Table {
	state := hostnet.Table{Name: name}
	for name, c := range t.chains {
		state.Chains = append(state.Chains, hostnet.Chain{Name: name, Hook: c.hook, Priority: c.priority, Policy: c.policy, Rules: slices.Clone(c.rules)})
	}
	for name, s := range t.sets {
		listed := hostnet.Set{Name: name, Text: s.text, Dynamic: s.dynamic()}
		for key, m := range s.members {
			if !m.alive(now) {
				continue
			}
			one := hostnet.Member{Key: key, Target: m.target}
			if !m.until.IsZero() {
				one.Expires = m.until.Sub(now)
			}
			listed.Members = append(listed.Members, one)
		}
		slices.SortFunc(listed.Members, func(a, b hostnet.Member) int { return cmp.Compare(a.Key, b.Key) })
		state.Sets = append(state.Sets, listed)
	}
	slices.SortFunc(state.Chains, func(a, b hostnet.Chain) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(state.Sets, func(a, b hostnet.Set) int { return cmp.Compare(a.Name, b.Name) })
	return state
}
