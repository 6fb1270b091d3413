package print

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// View is a list in one format.
type View[T any] struct {
	Format  Format
	Columns []Column[T]
	// Name is what -o name says of a row.
	Name func(T) string
	// Object is what JSON, YAML and templates show of a row; nil: the row.
	Object func(T) any
}

func (v View[T]) object(row T) any {
	if v.Object == nil {
		return row
	}
	return v.Object(row)
}

// Write writes all rows.
func (v View[T]) Write(w io.Writer, rows []T) error {
	page, isPage := w.(*Page)
	switch v.Format {
	case Table, Wide:
		if isPage {
			return page.table(v.Cells(rows))
		}
		return write(w, Lines(v.Cells(rows), nil))
	case Markdown:
		all := cells(rows, Shown(v.Columns, true))
		if isPage {
			return page.table(all)
		}
		return write(w, pipes(all))
	case JSON, YAML:
		all := make([]any, len(rows))
		for i, r := range rows {
			all[i] = v.object(r)
		}
		return Object(w, v.Format, all)
	default:
		for _, r := range rows {
			if err := v.One(w, r); err != nil {
				return err
			}
		}
		return nil
	}
}

// One writes one row by itself, for lists that grow while they are watched: a document of JSON or YAML, a name, a line of a template. Tables are of whole lists.
func (v View[T]) One(w io.Writer, row T) error {
	switch {
	case v.Format == Name:
		_, err := fmt.Fprintln(w, v.Name(row))
		return err
	case v.Format == YAML:
		if _, err := io.WriteString(w, "---\n"); err != nil {
			return err
		}
		return Object(w, YAML, v.object(row))
	case v.Format.Structured():
		return Object(w, v.Format, v.object(row))
	}
	return fmt.Errorf("output format %q is a table's", v.Format)
}

// Cells are the table's, the header first.
func (v View[T]) Cells(rows []T) [][]string { return cells(rows, Shown(v.Columns, v.Format == Wide)) }

func cells[T any](rows []T, columns []Column[T]) [][]string {
	all := make([][]string, 0, len(rows)+1)
	header := make([]string, len(columns))
	for i, c := range columns {
		header[i] = c.Header
	}
	all = append(all, header)
	for _, r := range rows {
		one := make([]string, len(columns))
		for i, c := range columns {
			one[i] = line(c.Cell(r))
			if one[i] == "" {
				one[i] = "-"
			}
		}
		all = append(all, one)
	}
	return all
}

// gap is between two columns.
const gap = 3

// Lines are the cells as lines of aligned columns. widths, where it is not nil, says how wide columns are at least and is raised to what they are now, so that later lines stand below earlier ones.
func Lines(rows [][]string, widths *[]int) []string {
	var own []int
	if widths == nil {
		widths = &own
	}
	for _, r := range rows {
		for len(*widths) < len(r) {
			*widths = append(*widths, 0)
		}
		for i, c := range r {
			(*widths)[i] = max((*widths)[i], utf8.RuneCountInString(c))
		}
	}
	lines := make([]string, len(rows))
	var b strings.Builder
	for n, r := range rows {
		b.Reset()
		for i, c := range r {
			b.WriteString(c)
			if i < len(r)-1 {
				b.WriteString(strings.Repeat(" ", (*widths)[i]-utf8.RuneCountInString(c)+gap))
			}
		}
		lines[n] = b.String()
	}
	return lines
}

func write(w io.Writer, lines []string) error {
	if len(lines) == 0 {
		return nil
	}
	_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
	return err
}
