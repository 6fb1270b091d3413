package ruleset

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/firewall"
)

// Barrier stands between the steps of a text. Each step is a transaction of its own, and one that deletes must not begin before every packet that was
// under way in the rules has left them (an RCU grace period). To nft it is a comment.
//
// Why one transaction is not enough: a packet chooses between old and new rules once, when it enters a base chain, but between old and new elements at
// each lookup. One that is under way while a transaction swaps rules and deletes their maps finds those maps empty, and is decided by what stands behind
// them. One that finds a new element can be led to chains that are still empty in the rules that it has chosen. So contents come first, then the way to
// them, which is rules and no elements, and the old contents go when nobody can be in them. Measured under 1,000 replacements with continuous traffic:
// in one transaction about every second replacement lost a packet, in steps none did.
const Barrier = "# barrier\n"

// Steps are the transactions of a text.
func Steps(text string) []string { return strings.Split(text, Barrier) }

// Install is the text that replaces whatever generation rules by this one. old is the ruleset that is in the kernel, to be deleted, or nil. It may be
// given to a kernel that knows nothing of the table.
func (r *Ruleset) Install(old *Ruleset) string {
	var b strings.Builder
	r.permanent(&b)
	r.contents(&b)
	b.WriteString(Barrier)
	r.activate(&b)
	b.WriteString(Barrier)
	r.endTrials(&b)
	if old != nil {
		old.remove(&b, r)
	}
	return b.String()
}

// Try is the text that puts this generation before the one that rules, until the timeout: then the kernel takes it away by itself, whoever has died.
// Confirm makes it permanent; Abandon ends the trial at once. The permanent part is not written anew, so a trial needs a table that is installed and
// has the same base chains.
func (r *Ruleset) Try(timeout time.Duration) string {
	var b strings.Builder
	r.contents(&b)
	b.WriteString(Barrier)
	r.endTrials(&b)
	for _, m := range r.Active {
		elements := make([]string, len(m.Elements))
		for i, e := range m.Elements {
			elements[i] = fmt.Sprintf("%s timeout %dms : goto %s", familyText(e), timeout.Milliseconds(), e.Target)
		}
		fmt.Fprintf(&b, "add element inet %s %s { %s }\n", r.Table, pending(m), strings.Join(elements, ", "))
		fmt.Fprintf(&b, "add rule inet %s %s meta nfproto vmap @%s\n", r.Table, trial(m), pending(m))
		if isFilter(hookOf(m)) {
			long(&b, r.Table, hookOf(m))
		}
	}
	return b.String()
}

// Confirm makes the generation on trial the one that rules, and deletes the old one.
func (r *Ruleset) Confirm(old *Ruleset) string {
	var b strings.Builder
	r.activate(&b)
	b.WriteString(Barrier)
	r.endTrials(&b)
	if old != nil {
		old.remove(&b, r)
	}
	return b.String()
}

// Abandon ends a trial, or cleans up behind one that expired: the generation's objects are deleted.
func (r *Ruleset) Abandon() string {
	var b strings.Builder
	r.endTrials(&b)
	b.WriteString(Barrier)
	r.remove(&b, nil)
	return b.String()
}

// Open is the text that lets everything through: no generation rules and none is on trial. Activate with Confirm.
func (r *Ruleset) Open() string {
	var b strings.Builder
	r.endTrials(&b)
	for _, m := range r.Active {
		r.flushWays(&b, m)
	}
	return b.String()
}

// flushWays makes the ways into what rules lead nowhere.
func (r *Ruleset) flushWays(b *strings.Builder, m *Map) {
	fmt.Fprintf(b, "flush chain inet %s %s\n", r.Table, m.Name)
	if isFilter(hookOf(m)) {
		fmt.Fprintf(b, "flush chain inet %s %s\n", r.Table, newWay(hookOf(m)))
	}
}

// activate leads packets into the generation. A packet sees all of it or nothing: these are rules.
func (r *Ruleset) activate(b *strings.Builder) {
	for _, m := range r.Active {
		r.flushWays(b, m)
		for _, e := range m.Elements {
			fmt.Fprintf(b, "add rule inet %s %s meta nfproto %s goto %s\n", r.Table, m.Name, familyText(e), e.Target)
		}
		if isFilter(hookOf(m)) {
			r.forNew(b, m)
		}
	}
}

func (r *Ruleset) endTrials(b *strings.Builder) {
	hooks := make([]string, len(r.Active))
	for i, m := range r.Active {
		hooks[i] = hookOf(m)
	}
	b.WriteString(EndTrials(r.Table, hooks))
}

// pending is the map of trials that stands before an active chain, and trial the chain that asks it, empty while nothing is on trial.
func pending(m *Map) string { return strings.Replace(m.Name, "active_", "pending_", 1) }

func trial(m *Map) string { return strings.Replace(m.Name, "active_", "trial_", 1) }

func familyText(e Element) string {
	if e.From == number(uint8(6)) {
		return "ipv6"
	}
	return "ipv4"
}

// permanent writes the table, its base chains and their maps. All of it may be there already: chains are flushed and filled, which loses no packet,
// and not deleted, which would.
func (r *Ruleset) permanent(b *strings.Builder) {
	fmt.Fprintf(b, "add table inet %s\n", r.Table)
	recorded := func(wanted bool, name string) {
		if !wanted {
			return
		}
		for _, family := range []string{"4", "6"} {
			fmt.Fprintf(b, "add set inet %s %s%s { typeof %s . %s . meta l4proto . th dport; flags dynamic,timeout; timeout 1d; size 65535; counter; }\n",
				r.Table, name, family, fieldText(Source, family == "6"), fieldText(Destination, family == "6"))
			fmt.Fprintf(b, "add set inet %s %s_plain%s { typeof %s . %s . meta l4proto; flags dynamic,timeout; timeout 1d; size 65535; counter; }\n",
				r.Table, name, family, fieldText(Source, family == "6"), fieldText(Destination, family == "6"))
		}
	}
	for _, s := range r.NameSets {
		s.declare(b, r.Table)
	}
	recorded(r.Refused, "refused")
	recorded(r.Seen, "seen")
	for _, m := range r.Active {
		for _, way := range Ways(hookOf(m)) {
			fmt.Fprintf(b, "add chain inet %s %s\n", r.Table, way)
		}
		fmt.Fprintf(b, "add map inet %s %s { type nf_proto : verdict; flags timeout; }\n", r.Table, pending(m))
	}
	for _, c := range r.Base {
		kind, policy := "filter", "accept"
		if c.Hook.NAT {
			kind = "nat"
		}
		if c.Hook.Closed {
			policy = "drop"
		}
		fmt.Fprintf(b, "add chain inet %s %s { type %s hook %s priority %s; policy %s; }\n", r.Table, c.Name, kind, c.Hook.Name, c.Hook.Priority, policy)
		fixed := fixedChain(c.Name)
		fmt.Fprintf(b, "flush chain inet %s %s\n", r.Table, fixed)
		for i := range c.Rules {
			fmt.Fprintf(b, "add rule inet %s %s %s\n", r.Table, fixed, r.rule(&c.Rules[i], false))
		}
		if fixed != c.Name {
			short(b, r.Table, c.Name)
		}
	}
}

// contents writes the generation. Chains come first, empty, so that every map finds what it names.
func (r *Ruleset) contents(b *strings.Builder) {
	fmt.Fprintf(b, "table inet %s {\n", r.Table)
	for _, s := range r.Sets {
		r.setText(b, s)
	}
	for _, c := range r.Chains {
		fmt.Fprintf(b, "\tchain %s { }\n", c.Name)
	}
	for _, m := range r.Maps {
		r.mapText(b, m)
	}
	for _, p := range r.Pairs {
		pairsText(b, p)
	}
	for _, l := range r.Limits {
		limitText(b, l)
	}
	b.WriteString("}\n")
	// A block with the same chains again adds their rules.
	fmt.Fprintf(b, "table inet %s {\n", r.Table)
	for _, c := range r.Chains {
		fmt.Fprintf(b, "\tchain %s {\n", c.Name)
		for i := range c.Rules {
			fmt.Fprintf(b, "\t\t%s\n", r.rule(&c.Rules[i], c.IPv6))
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
}

// remove writes the end of a generation: references first, then what they named. Where another one follows, the base chains and inventories that it
// doesn't have go too.
func (r *Ruleset) remove(b *strings.Builder, next *Ruleset) {
	if next != nil {
		r.removeHooks(b, next)
	}
	for _, c := range r.Chains {
		fmt.Fprintf(b, "flush chain inet %s %s\n", r.Table, c.Name)
	}
	for _, m := range r.Maps {
		fmt.Fprintf(b, "delete map inet %s %s\n", r.Table, m.Name)
	}
	for _, s := range r.Sets {
		fmt.Fprintf(b, "delete set inet %s %s\n", r.Table, s.Name)
	}
	for _, c := range r.Chains {
		fmt.Fprintf(b, "delete chain inet %s %s\n", r.Table, c.Name)
	}
	for _, p := range r.Pairs {
		fmt.Fprintf(b, "delete map inet %s %s\n", r.Table, p.Name)
	}
	for _, l := range r.Limits {
		fmt.Fprintf(b, "delete limit inet %s %s\n", r.Table, l.Name)
	}
	if next != nil {
		r.removeInventories(b, next)
		r.removeNames(b, next)
	}
}

// removeHooks takes away the permanent parts that the next generation doesn't need.
func (r *Ruleset) removeHooks(b *strings.Builder, next *Ruleset) {
	for i, m := range r.Active {
		if !slices.ContainsFunc(next.Active, func(n *Map) bool { return n.Name == m.Name }) {
			fmt.Fprintf(b, "flush chain inet %s %s\ndelete chain inet %s %s\n", r.Table, r.Base[i].Name, r.Table, r.Base[i].Name)
			for _, name := range Ways(hookOf(m)) {
				fmt.Fprintf(b, "flush chain inet %s %s\ndelete chain inet %s %s\n", r.Table, name, r.Table, name)
			}
			fmt.Fprintf(b, "delete map inet %s %s\n", r.Table, pending(m))
		}
	}
}

// removeInventories takes away the dynamic sets that the next generation doesn't keep, when no chain fills them any more.
func (r *Ruleset) removeInventories(b *strings.Builder, next *Ruleset) {
	for _, i := range []struct {
		gone bool
		name string
	}{{r.Refused && !next.Refused, "refused"}, {r.Seen && !next.Seen, "seen"}} {
		if i.gone {
			for _, suffix := range []string{"4", "_plain4", "6", "_plain6"} {
				fmt.Fprintf(b, "delete set inet %s %s%s\n", r.Table, i.name, suffix)
			}
		}
	}
}

func (r *Ruleset) setText(b *strings.Builder, s *Set) {
	family, elements := "ipv4_addr", make([]string, 0, len(s.Values)+len(s.Services))
	if s.IPv6 {
		family = "ipv6_addr"
	}
	for _, v := range s.Values {
		elements = append(elements, rangeText(v, Source, s.IPv6))
	}
	for _, v := range s.Services {
		elements = append(elements, serviceText(v))
	}
	if len(s.Services) > 0 {
		family += " . inet_service"
	}
	fmt.Fprintf(b, "\tset %s {\n\t\ttype %s;%s comment %s;\n", s.Name, family, interval(s.Interval), quoted(s.Comment))
	if len(elements) > 0 { // nft knows no empty list
		fmt.Fprintf(b, "\t\telements = { %s }\n", strings.Join(elements, ", "))
	}
	b.WriteString("\t}\n")
}

func pairsText(b *strings.Builder, p *Pairs) {
	family, elements := "ipv4_addr", make([]string, len(p.Elements))
	if p.IPv6 {
		family = "ipv6_addr"
	}
	for i, e := range p.Elements {
		elements[i] = e.From.String() + " : " + e.To.String()
	}
	fmt.Fprintf(b, "\tmap %s {\n\t\ttype %s : %s;\n\t\telements = { %s }\n\t}\n", p.Name, family, family, strings.Join(elements, ", "))
}

// limitText writes a limit; a second's worth of packets may come at once.
func limitText(b *strings.Builder, l *Limit) {
	over := ""
	if l.Over {
		over = "over "
	}
	fmt.Fprintf(b, "\tlimit %s {\n\t\trate %s%d/second burst %d packets\n\t}\n", l.Name, over, l.PerSecond, l.PerSecond)
}

func serviceText(s firewall.Service) string { return fmt.Sprintf("%s . %d", s.Address, s.Port) }

func (e Element) text(f Field, ipv6 bool) string {
	key := rangeText(e.Range, f, ipv6)
	if e.Interface != "" {
		key = fmt.Sprintf("%q", e.Interface)
	}
	return key + " : goto " + e.Target
}

func interval(on bool) string {
	if on {
		return " flags interval;"
	}
	return ""
}

func (r *Ruleset) mapText(b *strings.Builder, m *Map) {
	types := map[Field]string{
		Protocol: "inet_proto", DestinationPort: "inet_service", SourcePort: "inet_service", ICMPType: "icmp_type", InInterface: "ifname", OutInterface: "ifname",
		Source: "ipv4_addr", Destination: "ipv4_addr",
	}
	kind := types[m.Field]
	if m.IPv6 {
		kind = strings.NewReplacer("ipv4", "ipv6", "icmp_", "icmpv6_").Replace(kind)
	}
	elements := make([]string, 0, len(m.Elements))
	for _, e := range m.Elements {
		elements = append(elements, e.text(m.Field, m.IPv6))
	}
	fmt.Fprintf(b, "\tmap %s {\n\t\ttype %s : verdict;%s\n\t\telements = { %s }\n\t}\n", m.Name, kind, interval(m.Interval), strings.Join(elements, ", "))
}

// maxComment is nft's bound on a comment, and maxLog the kernel's on a log prefix, without the zero byte.
const (
	maxComment = 127
	maxLog     = 126
)

// shorten keeps a text within nft's bounds and still its own: the end of a long one is a hash of the whole.
func shorten(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s)) // never fails
	return fmt.Sprintf("%s~%016x", s[:limit-17], h.Sum64())
}

// quoted is a text as an nft string.
func quoted(s string) string { return `"` + plain(s) + `"` }

// plain is a text as it can stand in an nft string, which has no escapes: quotes of a selector become single ones.
func plain(s string) string {
	clean := strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r > '~' || r == '\\':
			return '?'
		}
		return r
	}, s)
	return shorten(clean, maxComment)
}

var stateNames = map[firewall.State]string{
	firewall.New: "new", firewall.Established: "established,related", firewall.Invalid: "invalid", firewall.Untracked: "untracked",
}
