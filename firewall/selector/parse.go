package selector

import (
	"fmt"
	"slices"
	"strings"
)

// MaxLength is the number of bytes that Calico's API accepts in a selector.
const MaxLength = 1024

// maxDepth bounds the nesting of parentheses and negations, so that a hostile text can't exhaust the stack.
const maxDepth = 128

// Error says where a selector is wrong. Position counts bytes from 0; Reason says what was expected there.
type Error struct {
	Input    string
	Position int
	Reason   string
}

func (e *Error) Error() string {
	return fmt.Sprintf("selector %q: at position %d: %s", e.Input, e.Position, e.Reason)
}

// Parse reads a selector. The empty text is all(). The error is always an *Error.
func Parse(text string) (Selector, error) {
	if len(text) > MaxLength {
		return Selector{}, &Error{text[:32] + "…", MaxLength, fmt.Sprintf("it has %d bytes, at most %d are allowed: split the policy", len(text), MaxLength)}
	}
	p := &parser{text: text}
	p.space()
	if p.at == len(text) {
		return All(), nil
	}
	n, err := p.or()
	if err != nil {
		return Selector{}, err
	}
	if p.at < len(text) {
		return Selector{}, p.fail("expected && or ||, found %s", p.found())
	}
	return Selector{n}, nil
}

type parser struct {
	text  string
	at    int
	depth int
}

func (p *parser) fail(format string, args ...any) error {
	return &Error{p.text, p.at, fmt.Sprintf(format, args...)}
}

func (p *parser) space() {
	for p.at < len(p.text) && (p.text[p.at] == ' ' || p.text[p.at] == '\t') {
		p.at++
	}
}

// found names what stands at the position, for errors.
func (p *parser) found() string {
	if p.at >= len(p.text) {
		return "the end"
	}
	rest := p.text[p.at:]
	if i := strings.IndexAny(rest, " \t"); i > 0 {
		rest = rest[:i]
	}
	if len(rest) > 16 {
		rest = rest[:16]
	}
	return fmt.Sprintf("%q", rest)
}

// take consumes a mark and the space behind it.
func (p *parser) take(mark string) bool {
	if !strings.HasPrefix(p.text[p.at:], mark) {
		return false
	}
	p.at += len(mark)
	p.space()
	return true
}

func (p *parser) or() (node, error) {
	return p.chain("||", p.and, func(n []node) node { return or(n) })
}
func (p *parser) and() (node, error) {
	return p.chain("&&", p.term, func(n []node) node { return and(n) })
}

func (p *parser) chain(mark string, operand func() (node, error), join func([]node) node) (node, error) {
	first, err := operand()
	if err != nil {
		return nil, err
	}
	all := []node{first}
	for p.take(mark) {
		next, err := operand()
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	if len(all) == 1 {
		return first, nil
	}
	return join(all), nil
}

func (p *parser) term() (node, error) {
	p.depth++
	defer func() { p.depth-- }()
	if p.depth > maxDepth {
		return nil, p.fail("more than %d parentheses or negations within each other", maxDepth)
	}
	switch {
	case p.take("!"):
		n, err := p.term()
		return not{n}, err
	case p.take("("):
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if !p.take(")") {
			return nil, p.fail("expected ), found %s", p.found())
		}
		return n, nil
	}
	start := p.at
	word := p.word()
	if word == "" {
		return nil, p.fail("expected a label, has(), all(), global(), ! or (, found %s", p.found())
	}
	// A call has its parenthesis directly behind the word; "all == 'x'" is about a label named all.
	if p.at < len(p.text) && p.text[p.at] == '(' {
		return p.call(word, start)
	}
	p.space()
	return p.comparison(word)
}

func (p *parser) call(word string, start int) (node, error) {
	if !slices.Contains([]string{"all", "global", "has"}, word) {
		p.at = start
		return nil, p.fail("there is no function %s(): has(), all() and global() are the functions", word)
	}
	p.take("(")
	var n node
	switch word {
	case "all":
		n = all{}
	case "global":
		n = global{}
	case "has":
		label := p.word()
		if label == "" {
			return nil, p.fail("expected a label in has(), found %s", p.found())
		}
		p.space()
		n = has{label}
	}
	if !p.take(")") {
		return nil, p.fail("expected ), found %s", p.found())
	}
	return n, nil
}

func (p *parser) word() string {
	start := p.at
	for p.at < len(p.text) && isLabelByte(p.text[p.at]) {
		p.at++
	}
	return p.text[start:p.at]
}

func isLabelByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_./-", c) >= 0
}

func (p *parser) comparison(label string) (node, error) {
	op, ok := p.operator()
	if !ok {
		return nil, p.fail("expected ==, !=, in, not in, contains, starts with or ends with after label %s, found %s", label, p.found())
	}
	if op == in || op == notIn {
		values, err := p.set()
		return compare{label, op, values}, err
	}
	value, err := p.quoted()
	return compare{label, op, []string{value}}, err
}

func (p *parser) operator() (operator, bool) {
	if p.take("==") {
		return equal, true
	}
	if p.take("!=") {
		return notEqual, true
	}
	start := p.at
	word := p.word()
	p.space()
	switch word {
	case "in":
		return in, true
	case "contains":
		return contains, true
	case "notin":
		return notIn, true
	case "startswith":
		return startsWith, true
	case "endswith":
		return endsWith, true
	}
	second := p.word()
	p.space()
	switch word + " " + second {
	case "not in":
		return notIn, true
	case "starts with":
		return startsWith, true
	case "ends with":
		return endsWith, true
	}
	p.at = start
	return "", false
}

func (p *parser) set() ([]string, error) {
	if !p.take("{") {
		return nil, p.fail("expected { and strings, found %s", p.found())
	}
	values := []string{}
	for !p.take("}") {
		if len(values) > 0 && !p.take(",") {
			return nil, p.fail("expected , or }, found %s", p.found())
		}
		v, err := p.quoted()
		if err != nil {
			return nil, err
		}
		values = append(values, v)
	}
	slices.Sort(values)
	return slices.Compact(values), nil
}

func (p *parser) quoted() (string, error) {
	if p.at >= len(p.text) || p.text[p.at] != '"' && p.text[p.at] != '\'' {
		return "", p.fail("expected a string in quotes, found %s", p.found())
	}
	quote := p.text[p.at]
	end := strings.IndexByte(p.text[p.at+1:], quote)
	if end < 0 {
		return "", p.fail("the string that begins here has no closing %c", quote)
	}
	value := p.text[p.at+1 : p.at+1+end]
	p.at += end + 2
	p.space()
	return value, nil
}
