package hostnet

import (
	"regexp"
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

// Chain is a table's chain by name, or nil.
func (t *Table) Chain(name string) *Chain {
	for i := range t.Chains {
		if t.Chains[i].Name == name {
			return &t.Chains[i]
		}
	}
	return nil
}

// toGeneration finds the generation in the text of a rule or an element that leads to one.
var toGeneration = regexp.MustCompile(`\bg(\d{1,10})_c\d+\b`)

// Generations are those that the table leads packets to: the one that rules, and the one on trial with the time until the kernel ends that; 0 is none.
// Where its ways disagree, or lead elsewhere, which no text of package ruleset makes, ok is false.
func (t *Table) Generations() (active, pending uint32, left time.Duration, ok bool) {
	ok = true
	note := func(into *uint32, target string) {
		m := toGeneration.FindStringSubmatch(target)
		if m == nil {
			ok = false
			return
		}
		g, err := strconv.ParseUint(m[1], 10, 32)
		if err != nil || *into != 0 && *into != uint32(g) {
			ok = false
			return
		}
		*into = uint32(g)
	}
	for _, c := range t.Chains {
		if strings.HasPrefix(c.Name, "active_") {
			for _, r := range c.Rules {
				note(&active, r.Text)
			}
		}
	}
	for _, s := range t.Sets {
		if strings.HasPrefix(s.Name, "pending_") {
			for _, m := range s.Members {
				note(&pending, m.Target)
				if left == 0 || m.Expires < left {
					left = m.Expires
				}
			}
		}
	}
	return active, pending, left, ok
}
