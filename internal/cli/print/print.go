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
	"slices"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"
)

// Format is a value of -o.
type Format string

// The formats: one set for lists, single objects and reports.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
	// Name is metadata.name of an object, or a report's own member "name".
	Name Format = "name"
	// Markdown has the table's words: what stands in columns or fields as Markdown's tables, anything else as it was laid out.
	Markdown Format = "markdown"
	// Template is followed by a template of Go's package text/template, which gets each object as its JSON: template={{.metadata.name}}.
	Template Format = "template="
)

// Help says in a flag's line which values -o has.
const Help = "table, wide, json, yaml, name, markdown or template=TEMPLATE"

// Formats lists the values of -o for completion.
func Formats() []string {
	return []string{string(Table), string(Wide), string(JSON), string(YAML), string(Name), string(Markdown), string(Template)}
}

// ParseFormat reads a value of -o.
func ParseFormat(s string) (Format, error) {
	if strings.HasPrefix(s, string(Template)) {
		_, err := parseTemplate(Format(s))
		return Format(s), err
	}
	if all := Formats(); !slices.Contains(all, s) {
		return "", fmt.Errorf("output format %q is not known: use one of %s", s, strings.Join(all, ", "))
	}
	return Format(s), nil
}

// Tabular says whether people read the format as a table that fits the terminal.
func (f Format) Tabular() bool { return f == Table || f == Wide }

// Structured says whether the format is made of an object's members, by Object. Others are words for people.
func (f Format) Structured() bool { return f == JSON || f == YAML || f == Name || f.template() }

func (f Format) template() bool { return strings.HasPrefix(string(f), string(Template)) }

// Objects writes a list: as a table of the columns, or `object`, by default the rows, in a structured format.
func Objects[T any](w io.Writer, f Format, object any, rows []T, columns []Column[T]) error {
	if !f.Structured() {
		return View[T]{Format: f, Columns: columns}.Write(w, rows)
	}
	if object == nil {
		object = rows
	}
	return Object(w, f, object)
}

// Object writes one object or report in a structured format. An array is one document of JSON or YAML; of its items, each has a name and a line of a template.
func Object(w io.Writer, f Format, object any) error {
	switch {
	case f == Name:
		return each(object, func(item any) error { return writeName(w, item) })
	case f.template():
		t, err := parseTemplate(f)
		if err != nil {
			return err
		}
		return each(object, func(item any) error { return execute(w, t, item) })
	case f == YAML:
		data, err := yaml.Marshal(object)
		if err != nil {
			return fmt.Errorf("render the answer as YAML: %w", err)
		}
		_, err = w.Write(data)
		return err
	case f == JSON:
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		if err := e.Encode(object); err != nil {
			return fmt.Errorf("render the answer as JSON: %w", err)
		}
		return nil
	}
	return fmt.Errorf("output format %q is not made of an object's members", f)
}

// Field is one line of a description.
type Field struct{ Name, Value string }

// Fields writes aligned "Name:  value" lines and leaves out those without a value.
func Fields(w io.Writer, fields ...Field) error {
	if p, ok := w.(*Page); ok {
		rows := [][]string{{"Field", "Value"}}
		for _, f := range fields {
			if f.Value != "" {
				rows = append(rows, []string{line(f.Name), line(f.Value)})
			}
		}
		return p.table(rows)
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, f := range fields {
		if f.Value != "" {
			fmt.Fprintf(tw, "%s:\t%s\n", f.Name, f.Value)
		}
	}
	return tw.Flush()
}
