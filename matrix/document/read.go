package document

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/ingotmetal/ingot/api/v1alpha1"
)

// reader fills structs from nodes by the names in their JSON tags, and reports every field and value that does not fit.
type reader struct {
	row      string
	problems Problems
}

var portType = reflect.TypeFor[v1alpha1.MatrixPort]()

func valueOf[T any](p *T) reflect.Value { return reflect.ValueOf(p).Elem() }

func (r *reader) problem(n *yaml.Node, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{Line: n.Line, Path: path, Row: r.row, Reason: fmt.Sprintf(format, args...)})
}

// fields gives each value of a mapping to its reader, in the order of the text.
func (r *reader) fields(n *yaml.Node, path string, readers map[string]func(*yaml.Node, string)) {
	if n.Kind != yaml.MappingNode {
		r.problem(n, path, "want an object, found %s", kindOf(n))
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		at := join(path, key.Value)
		read, known := readers[key.Value]
		switch {
		case !known || key.Kind != yaml.ScalarNode:
			r.problem(key, at, "there is no such field: want one of %s", strings.Join(slices.Sorted(maps.Keys(readers)), ", "))
		case seen[key.Value]:
			r.problem(key, at, "stands here twice: remove one of them")
		default:
			read(n.Content[i+1], at)
		}
		seen[key.Value] = true
	}
}

func (r *reader) read(n *yaml.Node, path string, into reflect.Value) {
	switch {
	case n.Kind == yaml.AliasNode || n.Anchor != "":
		r.problem(n, path, "anchors and aliases are not read: write the value out")
	case n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null":
		r.problem(n, path, "has no value: give it one, or leave the field out")
	case into.Type() == portType:
		r.port(n, path, into)
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.read(n, path, into.Elem())
	case into.Kind() == reflect.Struct:
		r.object(n, path, into)
	case into.Kind() == reflect.Slice:
		r.list(n, path, into)
	default:
		r.scalar(n, path, into)
	}
}

func (r *reader) object(n *yaml.Node, path string, into reflect.Value) {
	if into.Type() == flowType {
		r.row = scalar(n, "id")
		defer func() { r.row = "" }()
	}
	readers := map[string]func(*yaml.Node, string){}
	for i := range into.NumField() {
		field := into.Field(i)
		readers[nameOf(into.Type().Field(i))] = func(n *yaml.Node, path string) { r.read(n, path, field) }
	}
	r.fields(n, path, readers)
}

func (r *reader) list(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		r.problem(n, path, "want a list, found %s", kindOf(n))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		r.read(item, path+"["+strconv.Itoa(i)+"]", into.Index(i))
	}
}

func (r *reader) scalar(n *yaml.Node, path string, into reflect.Value) {
	tag := n.ShortTag()
	if n.Kind != yaml.ScalarNode {
		tag = ""
	}
	switch into.Kind() {
	case reflect.Bool:
		if tag != "!!bool" {
			r.problem(n, path, "want true or false, found %s", kindOf(n))
			return
		}
		into.SetBool(strings.EqualFold(n.Value, "true"))
	case reflect.Int32:
		number, err := strconv.ParseInt(n.Value, 10, 32)
		if tag != "!!int" || err != nil {
			r.problem(n, path, "want a whole number, found %s", kindOf(n))
			return
		}
		into.SetInt(number)
	default:
		if tag != "!!str" {
			r.problem(n, path, "want a text, found %s%s", kindOf(n), quoteHint(n))
			return
		}
		into.SetString(n.Value)
	}
}

// port takes a number as well as a text.
func (r *reader) port(n *yaml.Node, path string, into reflect.Value) {
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" && n.ShortTag() != "!!str" {
		r.problem(n, path, "want a port like 443 or a range like 30000-32767, found %s", kindOf(n))
		return
	}
	into.Set(reflect.ValueOf(v1alpha1.ParseMatrixPort(n.Value)))
}

// quoteHint says what helps where YAML sees no text: 1.1, 112 and yes are none.
func quoteHint(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode {
		return ""
	}
	return fmt.Sprintf(": put it in quotes, %q", n.Value)
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "an object"
	case yaml.SequenceNode:
		return "a list"
	case yaml.AliasNode:
		return "an alias"
	default:
	}
	switch n.ShortTag() {
	case "!!str":
		return "the text " + strconv.Quote(n.Value)
	case "!!int", "!!float":
		return "the number " + n.Value
	case "!!bool":
		return "the boolean " + n.Value
	case "!!null":
		return "nothing"
	}
	return "a " + n.ShortTag()
}

// scalar is the text of one field; empty where there is none.
func scalar(n *yaml.Node, field string) string {
	if child := childOf(n, field); child != nil && child.Kind == yaml.ScalarNode {
		return child.Value
	}
	return ""
}

func childOf(n *yaml.Node, field string) *yaml.Node {
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == field {
			return n.Content[i+1]
		}
	}
	return nil
}

// lineOf finds the line of a path, or of the nearest thing around it that is there.
func lineOf(root *yaml.Node, path string) int {
	n := root
	for part := range strings.FieldsFuncSeq(path, func(c rune) bool { return c == '.' || c == '[' || c == ']' }) {
		next := childOf(n, part)
		if i, err := strconv.Atoi(part); err == nil && n.Kind == yaml.SequenceNode && i < len(n.Content) {
			next = n.Content[i]
		}
		if next == nil {
			break
		}
		n = next
	}
	return n.Line
}

// nameOf is the field's name in JSON.
func nameOf(f reflect.StructField) string {
	name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
	return name
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}
