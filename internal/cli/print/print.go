// Package print writes answers: tables for people, JSON and YAML for programs.
//
// It owns the formats and their names. It refuses to know what is printed: a caller gives the objects and, for tables, columns that turn
// one object into a cell. Invariants: the answer goes to one writer, whole; JSON and YAML hold the API's own objects; an empty cell prints as "-".
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

// The formats.
const (
	Table Format = "table"
	Wide  Format = "wide"
	JSON  Format = "json"
	YAML  Format = "yaml"
)

// Formats lists the values of -o for help and completion.
func Formats() []string { return []string{string(Table), string(Wide), string(JSON), string(YAML)} }

// ParseFormat reads a value of -o.
func ParseFormat(s string) (Format, error) {
	for _, f := range Formats() {
		if s == f {
			return Format(f), nil
		}
	}
	return "", fmt.Errorf("output format %q is not known: use one of %s", s, strings.Join(Formats(), ", "))
}

// Column is one column of a table of T. Wide columns show only with -o wide.
type Column[T any] struct {
	Header string
	Wide   bool
	Cell   func(T) string
}

// Objects writes a list: as a table of the columns, or `object` as JSON or YAML.
func Objects[T any](w io.Writer, f Format, object any, rows []T, columns []Column[T]) error {
	switch f {
	case JSON, YAML:
		return Object(w, f, object)
	case Table, Wide:
		return table(w, f == Wide, rows, columns)
	}
	return fmt.Errorf("output format %q is not known", f)
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

func table[T any](w io.Writer, wide bool, rows []T, columns []Column[T]) error {
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	var shown []Column[T]
	for _, c := range columns {
		if !c.Wide || wide {
			shown = append(shown, c)
		}
	}
	cells := make([]string, len(shown))
	for i, c := range shown {
		cells[i] = c.Header
	}
	fmt.Fprintln(tw, strings.Join(cells, "\t"))
	for _, r := range rows {
		for i, c := range shown {
			cells[i] = c.Cell(r)
			if cells[i] == "" {
				cells[i] = "-"
			}
		}
		fmt.Fprintln(tw, strings.Join(cells, "\t"))
	}
	return tw.Flush()
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
