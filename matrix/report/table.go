package report

import (
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/matrix"
)

// DefaultWidth is how many columns a table has where nobody says otherwise.
const DefaultWidth = 120

// minimum is the narrowest width at which a table still is one.
const minimum = 60

const gap = "  "

// Options are those of a table.
type Options struct {
	// Width is the longest line in characters; 0 is DefaultWidth, less than 60 is 60. With Wide there is no limit.
	Width int
	// Wide shows every field of a row.
	Wide bool
}

// column is a column of a table.
type column struct {
	header string
	// weight is the column's share where a line would be too long; a column without one keeps its width.
	weight int
	cell   func(matrix.Row) string
}

func columns(wide bool) []column {
	all := []column{
		{"ID", 0, func(r matrix.Row) string { return r.ID }},
		{"FROM", 2, func(r matrix.Row) string { return r.From.String() }},
		{"TO", 2, func(r matrix.Row) string { return r.To.String() }},
		{"WIRE", 2, Wire},
		{"C", 0, func(r matrix.Row) string { return mark(r.Confidential) }},
		{"I", 0, func(r matrix.Row) string { return mark(r.Integrity) }},
		{"AUTH", 0, func(r matrix.Row) string { return mark(r.Authenticated) }},
		{"TRUST", 0, func(r matrix.Row) string { return mark(r.Trusted) }},
		{"PURPOSE", 3, func(r matrix.Row) string { return r.Purpose }},
	}
	if !wide {
		return all
	}
	return append(all,
		column{"NAME", 0, func(r matrix.Row) string { return string(r.Name) }},
		column{"IDENTITY", 0, func(r matrix.Row) string { return arrow(r.Identity, r.ServerIdentity) }},
		column{"STAGES", 0, func(r matrix.Row) string { return strings.Join(r.Stages, ",") }},
		column{"FEATURE", 0, func(r matrix.Row) string { return r.Feature }},
		column{"READING", 0, func(r matrix.Row) string { return r.Reading }},
		column{"ENFORCED", 0, func(r matrix.Row) string { return string(r.Enforced) }},
		column{"FLAGS", 0, flags},
		column{"NOTES", 0, func(r matrix.Row) string { return r.Notes }},
	)
}

// arrow is "client -> server" of what is there.
func arrow(client, server string) string {
	if server == "" {
		return client
	}
	return strings.TrimSpace(client + " -> " + server)
}

func flags(r matrix.Row) string {
	var all []string
	if r.Failsafe {
		all = append(all, "failsafe")
	}
	if r.Management {
		all = append(all, "management")
	}
	return strings.Join(all, ",")
}

// Table is the matrix for a terminal: a table for each section, and a line that counts.
func Table(m matrix.Matrix, o Options) string {
	var b strings.Builder
	if len(m.Rows) == 0 {
		return "no rows\n"
	}
	// A column that is empty in every row of a wide table says nothing.
	var shown []column
	for _, c := range columns(o.Wide) {
		if filled(m, c) {
			shown = append(shown, c)
		}
	}
	widths := fit(m.Rows, shown, o)
	write(&b, shown, widths, func(c column) string { return c.header })
	limit := o.Width
	if limit == 0 || o.Wide {
		limit = DefaultWidth
	}
	limit = max(limit, minimum)
	for i, s := range sections(m) {
		if i > 0 || s.title != "" {
			b.WriteString("\n")
		}
		if s.title != "" {
			b.WriteString(strings.Join(wrap(s.title, limit), "\n") + "\n")
		}
		for _, r := range s.rows {
			write(&b, shown, widths, func(c column) string { return orDash(c.cell(r)) })
		}
	}
	b.WriteString("\n" + strings.Join(wrap(Count(m), limit), "\n") + "\n")
	return b.String()
}

// Count is the last line of a table.
func Count(m matrix.Matrix) string {
	excepted, gaps := 0, 0
	for _, r := range m.Rows {
		e, g := false, false
		for _, c := range r.Cells() {
			e, g = e || c.State == matrix.Excepted, g || c.Gap()
		}
		excepted, gaps = excepted+one(e), gaps+one(g)
	}
	return plural(len(m.Rows), "row", "rows") + "; " + plural(excepted, "row has", "rows have") + " exceptions, " + plural(gaps, "row has", "rows have") + " blank or unknown cells"
}

func one(b bool) int {
	if b {
		return 1
	}
	return 0
}

func filled(m matrix.Matrix, c column) bool {
	for _, r := range m.Rows {
		if c.cell(r) != "" {
			return true
		}
	}
	return false
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// fit chooses the columns' widths: natural ones, and where they are too many the column that is widest for its weight gives way, one character after the other.
func fit(rows []matrix.Row, shown []column, o Options) []int {
	widths := make([]int, len(shown))
	total := len(gap) * (len(shown) - 1)
	for i, c := range shown {
		widths[i] = utf8.RuneCountInString(c.header)
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(clean(c.cell(r))))
		}
		total += widths[i]
	}
	if o.Wide {
		return widths
	}
	limit := o.Width
	if limit == 0 {
		limit = DefaultWidth
	}
	for total > max(limit, minimum) {
		widest := -1
		for i, c := range shown {
			if c.weight > 0 && widths[i] > len(c.header) && (widest < 0 || widths[i]*shown[widest].weight >= widths[widest]*c.weight) {
				widest = i
			}
		}
		if widest < 0 {
			break
		}
		widths[widest]--
		total--
	}
	return widths
}

// write puts one row of cells, each wrapped in its column.
func write(b *strings.Builder, shown []column, widths []int, cell func(column) string) {
	cells, lines := make([][]string, len(shown)), 1
	for i, c := range shown {
		cells[i] = wrap(cell(c), widths[i])
		lines = max(lines, len(cells[i]))
	}
	writeCells(b, cells, widths, lines)
}

func itoa(n int) string { return strconv.Itoa(n) }
