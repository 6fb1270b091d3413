package selector

import (
	"slices"
	"strings"
)

// Selector is a parsed expression. The zero Selector is all().
type Selector struct{ root node }

// All selects everything that has labels, and what has none.
func All() Selector { return Selector{} }

// Matches says whether something with these labels is selected. A nil map is something without labels.
func (s Selector) Matches(labels map[string]string) bool {
	return s.root == nil || s.root.matches(labels)
}

// IsGlobal says whether the selector is exactly global(): what belongs to no namespace. Only a rule's namespaceSelector may be that.
func (s Selector) IsGlobal() bool {
	_, ok := s.root.(global)
	return ok
}

// UsesGlobal says whether global() stands anywhere in the selector.
func (s Selector) UsesGlobal() bool { return s.root != nil && usesGlobal(s.root) }

// String is the canonical spelling: double quotes, one space around operators, sets sorted, no parenthesis that isn't needed.
func (s Selector) String() string {
	if s.root == nil {
		return "all()"
	}
	var b strings.Builder
	s.root.print(&b)
	return b.String()
}

// Equal says whether both have the same tree. Selectors of one meaning may have different trees.
func (s Selector) Equal(o Selector) bool { return s.String() == o.String() }

type node interface {
	matches(labels map[string]string) bool
	print(b *strings.Builder)
}

type (
	all    struct{}
	global struct{}
	has    struct{ label string }
	not    struct{ of node }
	and    []node
	or     []node
	// compare holds one string, or any number of them, sorted and each once, for in and not in.
	compare struct {
		label  string
		op     operator
		values []string
	}
)

type operator string

const (
	equal      operator = "=="
	notEqual   operator = "!="
	contains   operator = "contains"
	startsWith operator = "starts with"
	endsWith   operator = "ends with"
	in         operator = "in"
	notIn      operator = "not in"
)

func (all) matches(map[string]string) bool { return true }

// global is about namespaces, which labels don't tell: the caller asks IsGlobal. Among labels it excludes nothing.
func (global) matches(map[string]string) bool { return true }

func (n has) matches(labels map[string]string) bool {
	_, ok := labels[n.label]
	return ok
}

func (n not) matches(labels map[string]string) bool { return !n.of.matches(labels) }

func (n and) matches(labels map[string]string) bool {
	return !slices.ContainsFunc(n, func(c node) bool { return !c.matches(labels) })
}

func (n or) matches(labels map[string]string) bool {
	return slices.ContainsFunc(n, func(c node) bool { return c.matches(labels) })
}

func (n compare) matches(labels map[string]string) bool {
	v, present := labels[n.label]
	switch n.op {
	case equal:
		return present && v == n.values[0]
	case notEqual:
		return !present || v != n.values[0]
	case contains:
		return present && strings.Contains(v, n.values[0])
	case startsWith:
		return present && strings.HasPrefix(v, n.values[0])
	case endsWith:
		return present && strings.HasSuffix(v, n.values[0])
	case in:
		return present && slices.Contains(n.values, v)
	case notIn:
		return !present || !slices.Contains(n.values, v)
	}
	return false
}

func (all) print(b *strings.Builder)    { b.WriteString("all()") }
func (global) print(b *strings.Builder) { b.WriteString("global()") }
func (n has) print(b *strings.Builder)  { b.WriteString("has(" + n.label + ")") }

func (n not) print(b *strings.Builder) {
	b.WriteByte('!')
	group(b, n.of)
}

func (n and) print(b *strings.Builder) {
	for i, c := range n {
		if i > 0 {
			b.WriteString(" && ")
		}
		group(b, c)
	}
}

func (n or) print(b *strings.Builder) {
	for i, c := range n {
		if i > 0 {
			b.WriteString(" || ")
		}
		if _, nested := c.(or); nested {
			parenthesise(b, c)
			continue
		}
		c.print(b)
	}
}

func (n compare) print(b *strings.Builder) {
	b.WriteString(n.label + " " + string(n.op) + " ")
	if n.op != in && n.op != notIn {
		b.WriteString(quote(n.values[0]))
		return
	}
	b.WriteByte('{')
	for i, v := range n.values {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(quote(v))
	}
	b.WriteByte('}')
}

// group prints an operand of && or !, which bind closer than what they may hold. "!a == 'b'" is the negation of the comparison, so that needs none.
func group(b *strings.Builder, n node) {
	switch n.(type) {
	case and, or:
		parenthesise(b, n)
	default:
		n.print(b)
	}
}

func parenthesise(b *strings.Builder, n node) {
	b.WriteByte('(')
	n.print(b)
	b.WriteByte(')')
}

func quote(s string) string {
	if strings.Contains(s, `"`) {
		return "'" + s + "'"
	}
	return `"` + s + `"`
}

func usesGlobal(n node) bool {
	switch n := n.(type) {
	case global:
		return true
	case not:
		return usesGlobal(n.of)
	case and:
		return slices.ContainsFunc(n, usesGlobal)
	case or:
		return slices.ContainsFunc(n, usesGlobal)
	}
	return false
}
