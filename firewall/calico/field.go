package calico

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Problem is one thing that is wrong with a manifest.
type Problem struct {
	// Object is "kind/name" as far as they are known, else "document 3".
	Object string
	// Path is the field, like spec.ingress[0].source.nets[1]; empty for the object as a whole.
	Path   string
	Reason string
}

func (p Problem) Error() string {
	if p.Path == "" {
		return p.Object + ": " + p.Reason
	}
	return p.Object + ": " + p.Path + ": " + p.Reason
}

// Problems is all that is wrong.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, one := range p {
		lines[i] = one.Error()
	}
	return strings.Join(lines, "\n")
}

// collector gathers the problems of one object.
type collector struct {
	object   string
	problems Problems
}

// field is a place in a manifest and what stands there: nil, bool, json.Number, string, []any or map[string]any.
type field struct {
	path  string
	value any
	c     *collector
}

func (f field) problem(format string, args ...any) {
	f.c.problems = append(f.c.problems, Problem{f.c.object, f.path, fmt.Sprintf(format, args...)})
}

func (f field) kindOf() string {
	switch f.value.(type) {
	case nil:
		return "nothing"
	case bool:
		return "a boolean"
	case json.Number:
		return "a number"
	case string:
		return "a string"
	case []any:
		return "a list"
	}
	return "an object"
}

// readers are the fields that an object may have.
type readers map[string]func(field)

// ignored is a field whose value means nothing to a host firewall.
func ignored(field) {}

// object gives each field to its reader, in the order of names, and reports fields that nobody reads. An absent or null object has no fields.
func (f field) object(fields readers) {
	if f.value == nil {
		return
	}
	m, ok := f.value.(map[string]any)
	if !ok {
		f.problem("want an object, found %s", f.kindOf())
		return
	}
	for _, name := range slices.Sorted(maps.Keys(m)) {
		child := field{join(f.path, name), m[name], f.c}
		read, known := fields[name]
		if !known {
			child.problem("there is no such field here: the fields are %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
			continue
		}
		if m[name] != nil {
			read(child)
		}
	}
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// get returns one field, perhaps an absent one.
func (f field) get(name string) field {
	m, ok := f.value.(map[string]any)
	if !ok {
		return field{join(f.path, name), nil, f.c}
	}
	return field{join(f.path, name), m[name], f.c}
}

// list gives each item to its reader, at most limit of them.
func (f field) list(limit int, read func(field)) {
	l, ok := f.value.([]any)
	if !ok {
		f.problem("want a list, found %s", f.kindOf())
		return
	}
	if len(l) > limit {
		f.problem("has %d items, at most %d are allowed", len(l), limit)
		return
	}
	for i, v := range l {
		read(field{fmt.Sprintf("%s[%d]", f.path, i), v, f.c})
	}
}

func (f field) str() (string, bool) {
	s, ok := f.value.(string)
	if _, boolean := f.value.(bool); boolean {
		f.problem("want a string, found a boolean: y, n, yes, no, on and off are booleans in YAML unless they stand in quotes")
	} else if !ok {
		f.problem("want a string, found %s", f.kindOf())
	}
	return s, ok
}

func (f field) boolean(into *bool) {
	b, ok := f.value.(bool)
	if !ok {
		f.problem("want true or false, found %s", f.kindOf())
		return
	}
	*into = b
}

// integer reads a whole number within bounds, both included.
func (f field) integer(low, high int64) (int64, bool) {
	n, ok := f.value.(json.Number)
	if !ok {
		f.problem("want a whole number from %d to %d, found %s", low, high, f.kindOf())
		return 0, false
	}
	v, err := n.Int64()
	if err != nil || v < low || v > high {
		f.problem("want a whole number from %d to %d, found %s", low, high, n)
		return 0, false
	}
	return v, true
}

func (f field) float() *float64 {
	n, ok := f.value.(json.Number)
	if !ok {
		f.problem("want a number, found %s", f.kindOf())
		return nil
	}
	v, err := n.Float64()
	if err != nil {
		f.problem("want a number, found %s", n)
		return nil
	}
	return &v
}

// oneOf reads one of a closed set of words.
func (f field) oneOf(words ...string) string {
	s, ok := f.str()
	if ok && !slices.Contains(words, s) {
		f.problem("%q is none of %s", s, strings.Join(words, ", "))
		return ""
	}
	return s
}

// texts reads an object of strings.
func (f field) texts(check func(field, string)) map[string]string {
	m, ok := f.value.(map[string]any)
	if !ok {
		f.problem("want an object of strings, found %s", f.kindOf())
		return nil
	}
	all := make(map[string]string, len(m))
	for _, k := range slices.Sorted(maps.Keys(m)) {
		child := field{fmt.Sprintf("%s[%s]", f.path, k), m[k], f.c}
		if s, ok := child.str(); ok {
			all[k] = s
			check(child, k)
		}
	}
	return all
}
