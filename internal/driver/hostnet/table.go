package hostnet

import (
	"strconv"
	"strings"
	"time"
)

// Table is the contents of a table of the packet filter. Chains and Sets are sorted by name.
type Table struct {
	Name   string
	Chains []Chain
	Sets   []Set
}

// Chain is a chain with its rules in order.
type Chain struct {
	Name string
	// Hook, Priority and Policy are those of a base chain, else empty.
	Hook, Priority, Policy string
	Rules                  []Rule
}

// Rule is a rule without what changes by itself: counters and handles.
type Rule struct {
	// Comment names the rule: see Counter. Empty for rules that only lead on.
	Comment string
	// Text is the rule in the implementation's words: good to be compared and shown, not to be parsed.
	Text string
}

// Set is a named set, or a map.
type Set struct {
	Name string
	// Text is its type and flags in the implementation's words.
	Text string
	// Dynamic sets are filled by packets: Members is empty.
	Dynamic bool
	// Members are sorted by key.
	Members []Member
}

// Member is an element of a set or map.
type Member struct {
	Key string
	// Target is what the element of a map leads to ("goto g7_c3"), else empty.
	Target string
	// Expires is when the kernel removes it by itself, from now; 0 is never. Compare does not look at it.
	Expires time.Duration
}

// Set is a table's set or map by name, or nil.
func (t *Table) Set(name string) *Set {
	for i := range t.Sets {
		if t.Sets[i].Name == name {
			return &t.Sets[i]
		}
	}
	return nil
}

// Generations are those that the table's maps lead to: the one that rules, and the one on trial with the time until the kernel ends that; 0 is none.
// Where the maps disagree, which no text of package ruleset makes, ok is false.
func (t *Table) Generations() (active, pending uint32, left time.Duration, ok bool) {
	ok = true
	note := func(into *uint32, target string) {
		name, found := strings.CutPrefix(target, "goto g")
		number, _, chain := strings.Cut(name, "_")
		g, err := strconv.ParseUint(number, 10, 32)
		if !found || !chain || err != nil || *into != 0 && *into != uint32(g) {
			ok = false
			return
		}
		*into = uint32(g)
	}
	for _, s := range t.Sets {
		for _, m := range s.Members {
			switch {
			case strings.HasPrefix(s.Name, "active_"):
				note(&active, m.Target)
			case strings.HasPrefix(s.Name, "pending_"):
				note(&pending, m.Target)
				if left == 0 || m.Expires < left {
					left = m.Expires
				}
			}
		}
	}
	return active, pending, left, ok
}
