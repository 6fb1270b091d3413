package hostnet

import (
	"cmp"
	"fmt"
	"slices"
)

// What says what is other than it should be.
type What string

// The kinds of difference.
const (
	// Missing should be there and isn't.
	Missing What = "missing"
	// Foreign is there and shouldn't.
	Foreign What = "foreign"
	// Changed is there, but other than it should be, or in another place.
	Changed What = "changed"
)

// Difference is one thing that is other than it should be.
type Difference struct {
	What What
	// Object is "chain", "rule", "set" or "member".
	Object string
	// Name is where: the chain or the set.
	Name string
	// Comment is that of a rule, if it has one.
	Comment string
	// Want and Got are the texts; one of them is empty where nothing is there.
	Want, Got string
}

// String says it in a line.
func (d Difference) String() string {
	at := d.Name
	if d.Comment != "" {
		at += " (" + d.Comment + ")"
	}
	switch d.What {
	case Missing:
		return fmt.Sprintf("%s of %s is missing: %s", d.Object, at, d.Want)
	case Foreign:
		return fmt.Sprintf("%s of %s is not ours: %s", d.Object, at, d.Got)
	default:
		return fmt.Sprintf("%s of %s has changed: %s, should be %s", d.Object, at, d.Got, d.Want)
	}
}

// Compare finds what got has other than want, sorted by name. A rule in the wrong place is Changed. Expiry and the contents of dynamic sets don't count.
func Compare(want, got Table) []Difference {
	var all []Difference
	pair(want.Chains, got.Chains, func(c Chain) string { return c.Name }, func(name string, w, g *Chain) {
		switch {
		case g == nil:
			all = append(all, Difference{What: Missing, Object: "chain", Name: name, Want: w.text()})
		case w == nil:
			all = append(all, Difference{What: Foreign, Object: "chain", Name: name, Got: g.text()})
		default:
			if w.Hook != g.Hook || w.Priority != g.Priority || w.Policy != g.Policy {
				all = append(all, Difference{What: Changed, Object: "chain", Name: name, Want: w.text(), Got: g.text()})
			}
			all = append(all, compareRules(name, w.Rules, g.Rules)...)
		}
	})
	pair(want.Sets, got.Sets, func(s Set) string { return s.Name }, func(name string, w, g *Set) {
		switch {
		case g == nil:
			all = append(all, Difference{What: Missing, Object: "set", Name: name, Want: w.Text})
		case w == nil:
			all = append(all, Difference{What: Foreign, Object: "set", Name: name, Got: g.Text})
		case w.Text != g.Text:
			all = append(all, Difference{What: Changed, Object: "set", Name: name, Want: w.Text, Got: g.Text})
		case !w.Dynamic:
			all = append(all, compareMembers(name, w.Members, g.Members)...)
		}
	})
	slices.SortStableFunc(all, func(a, b Difference) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

func (c *Chain) text() string {
	if c.Hook == "" {
		return fmt.Sprintf("chain with %d rules", len(c.Rules))
	}
	return fmt.Sprintf("hook %s, priority %s, policy %s", c.Hook, c.Priority, c.Policy)
}

// pair walks two sorted lists together. What only one has is met with nil for the other.
func pair[T any](want, got []T, name func(T) string, meet func(name string, w, g *T)) {
	for len(want)+len(got) > 0 {
		switch {
		case len(got) == 0 || len(want) > 0 && name(want[0]) < name(got[0]):
			meet(name(want[0]), &want[0], nil)
			want = want[1:]
		case len(want) == 0 || name(got[0]) < name(want[0]):
			meet(name(got[0]), nil, &got[0])
			got = got[1:]
		default:
			meet(name(want[0]), &want[0], &got[0])
			want, got = want[1:], got[1:]
		}
	}
}

// compareRules finds the rules that both have in the same order, as many as equal texts allow from both ends, and pairs what is between by comment.
func compareRules(chain string, want, got []Rule) []Difference {
	for len(want) > 0 && len(got) > 0 && want[0] == got[0] {
		want, got = want[1:], got[1:]
	}
	for len(want) > 0 && len(got) > 0 && want[len(want)-1] == got[len(got)-1] {
		want, got = want[:len(want)-1], got[:len(got)-1]
	}
	got = slices.Clone(got)
	var all []Difference
	place := 0
	for _, w := range want {
		d := Difference{What: Missing, Object: "rule", Name: chain, Comment: w.Comment, Want: w.Text}
		at := slices.Index(got, w)
		switch {
		case at >= place:
			got = slices.Delete(got, at, at+1)
			place = at
			continue
		case at >= 0:
			d.What, d.Got = Changed, "in another place: "+w.Text
		default:
			at = slices.IndexFunc(got, func(g Rule) bool { return w.Comment != "" && g.Comment == w.Comment && !slices.Contains(want, g) })
			if at >= 0 {
				d.What, d.Got = Changed, got[at].Text
			}
		}
		if at >= 0 {
			got = slices.Delete(got, at, at+1)
			if at < place {
				place--
			}
		}
		all = append(all, d)
	}
	for _, g := range got {
		all = append(all, Difference{What: Foreign, Object: "rule", Name: chain, Comment: g.Comment, Got: g.Text})
	}
	return all
}

func compareMembers(set string, want, got []Member) []Difference {
	var all []Difference
	pair(want, got, func(m Member) string { return m.Key }, func(_ string, w, g *Member) {
		switch {
		case g == nil:
			all = append(all, Difference{What: Missing, Object: "member", Name: set, Want: w.text()})
		case w == nil:
			all = append(all, Difference{What: Foreign, Object: "member", Name: set, Got: g.text()})
		case w.Target != g.Target:
			all = append(all, Difference{What: Changed, Object: "member", Name: set, Want: w.text(), Got: g.text()})
		}
	})
	return all
}

func (m *Member) text() string {
	if m.Target == "" {
		return m.Key
	}
	return m.Key + " : " + m.Target
}
