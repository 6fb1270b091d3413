package ruleset

import (
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
	"strings"
	"time"
)

// nameSetSize is the kernel's bound on a set of names' addresses: four times what is learned at most, since a change may have an address three times for a moment.
const nameSetSize = 1 << 14

// NameSet is the set of the addresses in one family of the names that some patterns match. It is not written anew with a generation: what is learned stands there through a change of rules.
type NameSet struct {
	Name     string
	IPv6     bool
	Patterns []string
}

// nameSet is the one of patterns, whatever their order.
func (b *builder) nameSet(patterns []string) *NameSet {
	sorted := slices.Clone(patterns)
	slices.Sort(sorted)
	sorted = slices.Compact(sorted)
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.Join(sorted, " "))) // never fails
	name := fmt.Sprintf("names%d_%016x", map[bool]int{false: 4, true: 6}[b.ipv6], h.Sum64())
	if i := slices.IndexFunc(b.r.NameSets, func(s *NameSet) bool { return s.Name == name }); i >= 0 {
		return b.r.NameSets[i]
	}
	s := &NameSet{name, b.ipv6, sorted}
	b.r.NameSets = append(b.r.NameSets, s)
	return s
}

func (s *NameSet) declare(b *strings.Builder, table string) {
	family := "ipv4_addr"
	if s.IPv6 {
		family = "ipv6_addr"
	}
	fmt.Fprintf(b, "add set inet %s %s { type %s; flags dynamic,timeout; size %d; }\n", table, s.Name, family, nameSetSize)
}

// removeNames takes away the sets that the next generation doesn't have.
func (r *Ruleset) removeNames(b *strings.Builder, next *Ruleset) {
	for _, s := range r.NameSets {
		if !slices.ContainsFunc(next.NameSets, func(n *NameSet) bool { return n.Name == s.Name }) {
			fmt.Fprintf(b, "delete set inet %s %s\n", r.Table, s.Name)
		}
	}
}

// Learned is an address of a name for a time.
type Learned struct {
	Address netip.Addr
	For     time.Duration
}

// Fill is the text that puts addresses into the sets, in one transaction, which makes the sets where they aren't there. of gives the addresses of a set's patterns; where one is there already, its time begins anew.
func (r *Ruleset) Fill(of func(patterns []string) []Learned) string {
	var b strings.Builder
	fmt.Fprintf(&b, "add table inet %s\n", r.Table)
	for _, s := range r.NameSets {
		s.declare(&b, r.Table)
		var once, timed []string
		for _, l := range of(s.Patterns) {
			if l.Address.Is6() != s.IPv6 || l.For <= 0 {
				continue
			}
			once = append(once, l.Address.String())
			timed = append(timed, fmt.Sprintf("%s timeout %ds", l.Address, max(1, int64(l.For/time.Second))))
		}
		if len(once) == 0 {
			continue
		}
		// To add what is there changes nothing, its time neither; to delete what is not there fails. So it is added, deleted, and added, and a packet sees it all the time.
		all := strings.Join(once, ", ")
		fmt.Fprintf(&b, "add element inet %[1]s %[2]s { %[3]s }\ndelete element inet %[1]s %[2]s { %[3]s }\nadd element inet %[1]s %[2]s { %[4]s }\n", r.Table, s.Name, all, strings.Join(timed, ", "))
	}
	return b.String()
}

// Take is the text that takes addresses out of the sets in which of says that they are not to be any more.
func (r *Ruleset) Take(of func(patterns []string) []netip.Addr) string {
	var b strings.Builder
	for _, s := range r.NameSets {
		for _, a := range of(s.Patterns) {
			if a.Is6() == s.IPv6 {
				fmt.Fprintf(&b, "add element inet %[1]s %[2]s { %[3]s }\ndelete element inet %[1]s %[2]s { %[3]s }\n", r.Table, s.Name, a)
			}
		}
	}
	return b.String()
}
