package fake

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// interpreter runs one text.
type interpreter struct {
	tables map[string]*table
	now    time.Time
	// in is the table whose block is open; within is the set, map or chain whose block is.
	in            *table
	within, named string
}

// interpret gives the tables as they are after the text. The error is a *hostnet.Rejected.
func interpret(tables map[string]*table, text string, now time.Time) (map[string]*table, error) {
	i := &interpreter{tables: map[string]*table{}, now: now}
	for name, t := range tables {
		i.tables[name] = t.clone(now)
	}
	for n, line := range strings.Split(text, "\n") {
		if reason := i.line(strings.TrimSpace(line)); reason != "" {
			return nil, &hostnet.Rejected{Line: n + 1, Text: strings.TrimSpace(line), Reason: reason}
		}
	}
	for _, t := range i.tables {
		if reason := t.dangling(); reason != "" {
			return nil, &hostnet.Rejected{Reason: reason}
		}
	}
	return i.tables, nil
}

var (
	tableLine   = regexp.MustCompile(`^(add|delete) table inet (\w+)$`)
	setLine     = regexp.MustCompile(`^add (?:set|map) inet (\w+) (\w+) \{ (.*) \}$`)
	chainLine   = regexp.MustCompile(`^add chain inet (\w+) (\w+)(?: \{ type filter hook (\w+) priority (\w+); policy (\w+); \})?$`)
	removeLine  = regexp.MustCompile(`^(flush|delete) (chain|set|map) inet (\w+) (\w+)$`)
	ruleLine    = regexp.MustCompile(`^add rule inet (\w+) (\w+) (.+)$`)
	elementLine = regexp.MustCompile(`^(add|delete) element inet (\w+) (\w+) \{ (.*) \}$`)
	openTable   = regexp.MustCompile(`^table inet (\w+) \{$`)
	openBlock   = regexp.MustCompile(`^(set|map|chain) (\w+) \{( \})?$`)
	elements    = regexp.MustCompile(`^elements = \{ (.*) \}$`)
	elementText = regexp.MustCompile(`^(.*?)(?: timeout (\w+))?(?: : (goto \w+))?$`)
	commentText = regexp.MustCompile(` comment "([^"]*)"$`)
)

const absent = "No such file or directory"

// line runs one line and says what is wrong with it, or nothing.
func (i *interpreter) line(line string) string {
	switch {
	case line == "", strings.HasPrefix(line, "#"):
		return ""
	case i.in != nil:
		return i.block(line)
	}
	if m := tableLine.FindStringSubmatch(line); m != nil {
		return i.table(m[1], m[2])
	}
	if m := openTable.FindStringSubmatch(line); m != nil {
		if i.tables[m[1]] == nil {
			i.tables[m[1]] = newTable()
		}
		i.in = i.tables[m[1]]
		return ""
	}
	for _, command := range []struct {
		shape *regexp.Regexp
		table int
		run   func(t *table, m []string) string
	}{
		{setLine, 1, func(t *table, m []string) string { return t.addSet(m[2], m[3]) }},
		{chainLine, 1, func(t *table, m []string) string { return t.addChain(m[2], m[3], m[4], m[5]) }},
		{removeLine, 3, func(t *table, m []string) string { return t.remove(m[1], m[2], m[4]) }},
		{ruleLine, 1, func(t *table, m []string) string { return t.addRule(m[2], m[3]) }},
		{elementLine, 2, func(t *table, m []string) string { return t.element(m[1], m[3], m[4], i.now) }},
	} {
		if m := command.shape.FindStringSubmatch(line); m != nil {
			if t := i.tables[m[command.table]]; t != nil {
				return command.run(t, m)
			}
			return absent
		}
	}
	return "syntax error"
}

func (i *interpreter) table(verb, name string) string {
	switch {
	case verb == "delete" && i.tables[name] == nil:
		return absent
	case verb == "delete":
		delete(i.tables, name)
	case i.tables[name] == nil:
		i.tables[name] = newTable()
	}
	return ""
}

// block runs a line within the braces of a table.
func (i *interpreter) block(line string) string {
	switch {
	case line == "}" && i.within == "":
		i.in = nil
	case line == "}":
		if i.within != "chain" && i.in.sets[i.named] == nil {
			return "a set without a type"
		}
		i.within = ""
	case i.within == "":
		m := openBlock.FindStringSubmatch(line)
		if m == nil {
			return "syntax error"
		}
		if m[1] == "chain" {
			if reason := i.in.addChain(m[2], "", "", ""); reason != "" {
				return reason
			}
		}
		if m[3] == "" {
			i.within, i.named = m[1], m[2]
		}
	case i.within == "chain":
		return i.in.addRule(i.named, line)
	default:
		if m := elements.FindStringSubmatch(line); m != nil {
			return i.in.element("add", i.named, m[1], i.now)
		}
		return i.in.addSet(i.named, line)
	}
	return ""
}

func (t *table) addSet(name, text string) string {
	if s := t.sets[name]; s != nil && s.text != text {
		return "File exists"
	}
	if !strings.HasPrefix(text, "type") {
		return "syntax error"
	}
	if t.sets[name] == nil {
		t.sets[name] = &set{text, map[string]member{}}
	}
	return ""
}

func (t *table) addChain(name, hook, priority, policy string) string {
	if c := t.chains[name]; c != nil && (c.hook != hook || c.priority != priority) {
		return "File exists"
	}
	if t.chains[name] == nil {
		t.chains[name] = &chain{hook: hook, priority: priority, policy: policy}
	}
	return ""
}

func (t *table) addRule(name, text string) string {
	c := t.chains[name]
	if c == nil {
		return absent
	}
	r := hostnet.Rule{Text: text}
	if m := commentText.FindStringSubmatch(text); m != nil {
		r.Comment, r.Text = m[1], strings.TrimSuffix(text, m[0])
	}
	for _, word := range strings.Fields(r.Text) {
		if set, ok := strings.CutPrefix(word, "@"); ok && !strings.HasPrefix(set, "th,") && t.sets[set] == nil {
			return absent
		}
	}
	c.rules = append(c.rules, r)
	return ""
}

func (t *table) remove(verb, kind, name string) string {
	c, s := t.chains[name], t.sets[name]
	switch {
	case kind == "chain" && c == nil, kind != "chain" && s == nil:
		return absent
	case verb == "flush" && kind == "chain":
		c.rules = nil
	case verb == "flush":
		clear(s.members)
	case kind == "chain":
		if len(c.rules) > 0 || t.refers(name) {
			return "Device or resource busy"
		}
		delete(t.chains, name)
	default:
		if t.refers("@" + name) {
			return "Device or resource busy"
		}
		delete(t.sets, name)
	}
	return ""
}

func (t *table) element(verb, name, list string, now time.Time) string {
	s := t.sets[name]
	if s == nil {
		return absent
	}
	for _, text := range strings.Split(list, ", ") {
		p := elementText.FindStringSubmatch(text)
		if p == nil || p[1] == "" {
			return "syntax error"
		}
		known, there := s.members[p[1]]
		if verb == "delete" {
			if !there {
				return absent
			}
			delete(s.members, p[1])
			continue
		}
		m := member{target: p[3]}
		if p[2] != "" {
			timeout, err := time.ParseDuration(p[2])
			if err != nil {
				return fmt.Sprint("syntax error: ", err)
			}
			m.until = now.Add(timeout)
		}
		if there && known.target != m.target {
			return "File exists"
		}
		s.members[p[1]] = m
	}
	return ""
}

// dangling says what is referred to and isn't there.
func (t *table) dangling() string {
	for _, s := range t.sets {
		for _, m := range s.members {
			if to, ok := strings.CutPrefix(m.target, "goto "); ok && t.chains[to] == nil {
				return "no chain " + to + ": " + absent
			}
		}
	}
	for _, c := range t.chains {
		for _, r := range c.rules {
			words := strings.Fields(r.Text)
			for n, w := range words {
				if w == "goto" && n+1 < len(words) && t.chains[words[n+1]] == nil {
					return "no chain " + words[n+1] + ": " + absent
				}
			}
		}
	}
	return ""
}
