// Package print writes answers: tables for people, JSON and YAML for programs.
//
// It owns the formats and their names, and what every list can do with its rows: order, filter, pick columns. It refuses to know what is printed: a caller gives the objects and, for tables,
// columns that turn one object into a cell. Invariants: the answer goes to one writer, whole; JSON and YAML hold the API's own objects; an empty cell prints as "-"; a cell is one line
// without control characters, whoever wrote its text (a BMC may have).
package print

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// Format is a value of -o.
type Format string

// The formats. Those of the second group are lists' only.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"

	Name     Format = "name"
	Markdown Format = "markdown"
	// Template is followed by a template of Go's package text/template, which gets each object as its JSON: template={{.metadata.name}}.
	Template Format = "template="
)

// Formats lists the values of -o for help and completion.
func Formats() []string { return []string{string(Table), string(Wide), string(JSON), string(YAML)} }

// ListFormats lists the values of -o of a list.
func ListFormats() []string {
	return append(Formats(), string(Name), string(Markdown), string(Template))
}

// ParseFormat reads a value of -o.
func ParseFormat(s string) (Format, error) { return parse(s, Formats()) }

// ParseListFormat reads a value of a list's -o.
func ParseListFormat(s string) (Format, error) {
	if strings.HasPrefix(s, string(Template)) {
		_, err := parseTemplate(Format(s))
		return Format(s), err
	}
	return parse(s, ListFormats())
}

func parse(s string, all []string) (Format, error) {
	for _, f := range all {
		if s == f {
			return Format(f), nil
		}
	}
	return "", fmt.Errorf("output format %q is not known: use one of %s", s, strings.Join(all, ", "))
}

// Tabular says whether people read the format as a table.
func (f Format) Tabular() bool { return f == Table || f == Wide }

// Objects writes a list: as a table of the columns, or `object` as JSON or YAML.
func Objects[T any](w io.Writer, f Format, object any, rows []T, columns []Column[T]) error {
	switch f {
	case JSON, YAML:
		return Object(w, f, object)
	case Table, Wide:
		return write(w, Lines(cells(rows, Shown(columns, f == Wide)), nil))
	default:
		return fmt.Errorf("output format %q is not known", f)
	}
}

// Object writes one object as JSON or YAML.
func Object(w io.Writer, f Format, object any) error {
	if f == YAML {
		data, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("render the answer as YAML: %w", err)
		}
		_, err = w.Write(data)
		return err
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(object); err != nil {
		return fmt.Errorf("render the answer as JSON: %w", err)
	}
	return nil
}

// Field is one line of a description.
type Field struct{ Name, Value string }

// Fields writes aligned "Name:  value" lines and leaves out those without a value.
func Fields(w io.Writer, fields ...Field) error {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if f.Value != "" {
			fmt.Fprintf(tw, "%s:\t%s\n", f.Name, f.Value)
		}
	}
	return tw.Flush()
}
