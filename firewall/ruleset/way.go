package ruleset

import (
	"fmt"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
)

// The way of a packet into a generation, as the kernel has it. To the model a base chain is a few fixed rules, a lookup of what is on trial and a lookup of
// what rules. In the kernel a hook of the filter (input, output, forward) has for that:
//
//	X             the base chain: what is new and not the host's talk with itself goes to active_new_X, the rest to known_X
//	known_X       the fixed rules with their counters, then trial_X, then active_X
//	trial_X       empty, or a lookup in pending_X, which holds the generation on trial
//	active_X      the generation's chain for each family
//	active_new_X  the same for packets that are known to be new, past the rules that those need not meet
//
// New packets are the ones that walk rules, so each rule that they are spared counts: a jump to an empty chain costs a packet 1 % of its whole way through the
// stack, a second look at its state 2 %, a lookup in an empty map 3 % (bench/firewall). While something is on trial, everything goes to known_X.
// The base chain has no counters, so that it can be written anew.
//
// The early hooks, where there are no states yet, have no known_X and active_new_X: their base chain holds what known_X would.

// isFilter says whether a hook has the short way for new packets.
func isFilter(hook string) bool { return hook == "input" || hook == "output" || hook == "forward" }

func hookOf(m *Map) string { return strings.TrimPrefix(m.Name, "active_") }

func fixedChain(hook string) string {
	if isFilter(hook) {
		return "known_" + hook
	}
	return hook
}

func newWay(hook string) string { return "active_new_" + hook }

// Ways are the permanent chains behind a base chain, by its name: each may refer only to those after it.
func Ways(hook string) []string {
	ways := []string{"active_" + hook, "trial_" + hook}
	if isFilter(hook) {
		ways = append([]string{fixedChain(hook), newWay(hook)}, ways...)
	}
	return ways
}

// EndTrials is the text after which nothing is on trial behind these base chains of a table, and new packets take the short way again.
func EndTrials(table string, hooks []string) string {
	var b strings.Builder
	for _, hook := range hooks {
		if isFilter(hook) {
			short(&b, table, hook)
		}
		fmt.Fprintf(&b, "flush chain inet %s trial_%s\nflush map inet %s pending_%s\n", table, hook, table, hook)
	}
	return b.String()
}

// short writes a base chain for times without a trial.
func short(b *strings.Builder, table, hook string) {
	loopback := "iif"
	if hook == "output" {
		loopback = "oif"
	}
	fmt.Fprintf(b, "flush chain inet %s %s\n", table, hook)
	for _, rule := range []string{"ct state != new goto " + fixedChain(hook), fmt.Sprintf("%s %q goto %s", loopback, firewall.Loopback, fixedChain(hook)), "goto " + newWay(hook)} {
		fmt.Fprintf(b, "add rule inet %s %s %s\n", table, hook, rule)
	}
}

// long writes a base chain for times with a trial.
func long(b *strings.Builder, table, hook string) {
	fmt.Fprintf(b, "flush chain inet %s %s\nadd rule inet %s %s goto %s\n", table, hook, table, hook, fixedChain(hook))
}

// forNew writes the rules by which new packets get into the generation.
func (r *Ruleset) forNew(b *strings.Builder, m *Map) {
	chains := r.chains()
	for _, e := range m.Elements {
		for _, rule := range shortcuts(chains, e.Target) {
			match := ""
			for _, m := range rule.Matches {
				match += r.match(m, false) + " "
			}
			fmt.Fprintf(b, "add rule inet %s %s meta nfproto %s %sgoto %s\n", r.Table, newWay(hookOf(m)), familyText(e), match, rule.Target)
		}
	}
}

// shortcuts do to a new packet what a family's chain does: a rule for each interface, where that one tells a few of them apart, and one for all others.
func shortcuts(chains map[string]*Chain, from string) []Rule {
	var rules []Rule
	rest := from
	for _, rule := range chains[from].Rules {
		if rule.Action != Goto || rule.ID != "" || len(rule.Matches) > 1 {
			break
		}
		if len(rule.Matches) == 0 {
			rest = rule.Target
			break
		}
		if f := rule.Matches[0].Field; f != InInterface && f != OutInterface {
			break
		}
		rules = append(rules, Rule{Matches: rule.Matches, Action: Goto, Target: past(chains, rule.Target)})
	}
	return append(rules, Rule{Action: Goto, Target: past(chains, rest)})
}

func (r *Ruleset) chains() map[string]*Chain {
	all := make(map[string]*Chain, len(r.Chains))
	for _, c := range r.Chains {
		all[c.Name] = c
	}
	return all
}

// past is the chain in which a new packet does something, on its way from another: past rules for other states, and past mere gotos.
func past(chains map[string]*Chain, from string) string {
	for {
		rules := chains[from].Rules
		for len(rules) > 0 && neverNew(&rules[0]) {
			rules = rules[1:]
		}
		if len(rules) == 0 || rules[0].Action != Goto || rules[0].ID != "" || len(rules[0].Matches) > 0 {
			return from
		}
		from = rules[0].Target
	}
}

// neverNew says that a rule is for packets in another state.
func neverNew(r *Rule) bool {
	for _, m := range r.Matches {
		if m.Field == State && m.Values.Contains(number(uint8(firewall.New))) == m.Negate {
			return true
		}
	}
	return false
}
