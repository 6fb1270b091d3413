package markdown

import (
	"strings"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/matrix"
)

// legend says what the security cells mean.
const legend = `**Legend**:

- C: confidential, the flow is encrypted.
- I: integrity, a change on the way is noticed.
- Auth: authenticated, each side knows who the other is.
- Trust: the flow crosses trusted networks only.

An x says that it holds, a - that it does not, for a reason that the matrix gives. A ? says that nobody knows, an empty cell that nobody said.
`

// Export writes a matrix as Markdown: its title and text, and a table for every run of rows of one section.
func Export(m matrix.Matrix) []byte {
	e := exporter{m: m, roles: map[matrix.Role]string{}, zones: map[matrix.Zone]string{}}
	e.name()
	e.line("# ", e.title)
	for paragraph := range strings.SplitSeq(m.Text, "\n\n") {
		if text := words(paragraph); text != "" {
			e.b.WriteString("\n" + guard(text) + "\n")
		}
	}
	e.b.WriteString("\n" + legend)
	if len(m.Rows) == 0 {
		e.table(nil) // so that a matrix without rows is one when it is read back
	}
	for start := 0; start < len(m.Rows); {
		section, end := words(m.Rows[start].Section), start
		for end < len(m.Rows) && words(m.Rows[end].Section) == section {
			end++
		}
		switch {
		case section != "" && section != e.title:
			e.b.WriteByte('\n')
			e.line("## ", section)
		case start > 0:
			// Back from a section to the matrix's own table.
			e.b.WriteByte('\n')
			e.line("# ", e.title)
		}
		e.table(m.Rows[start:end])
		start = end
	}
	return []byte(e.b.String())
}

type exporter struct {
	b     strings.Builder
	m     matrix.Matrix
	title string
	roles map[matrix.Role]string
	zones map[matrix.Zone]string
}

// name decides what each party and zone is called: its title, or its name where it has none of its own.
func (e *exporter) name() {
	if e.title = words(e.m.Title); e.title == "" {
		e.title = e.m.Name
	}
	roles, zones := map[string]int{}, map[string]int{}
	for _, r := range e.m.Roles {
		roles[words(r.Title)]++
	}
	for _, z := range e.m.Zones {
		zones[words(z.Title)]++
	}
	for _, r := range e.m.Roles {
		e.roles[r.Name] = ownTitle(r.Title, string(r.Name), roles)
	}
	for _, z := range e.m.Zones {
		e.zones[z.Name] = ownTitle(z.Title, string(z.Name), zones)
	}
	e.roles[matrix.AnyRole], e.zones[matrix.AnyZone] = "any", "any"
}

func ownTitle(title, name string, used map[string]int) string {
	if title = words(title); title == "" || used[title] > 1 || isAny(title) {
		return name
	}
	return title
}

// line writes a heading. One that ends with # would lose it without the closing marks.
func (e *exporter) line(marks, text string) {
	e.b.WriteString(marks + text)
	if strings.HasSuffix(text, "#") {
		e.b.WriteString(" #")
	}
	e.b.WriteByte('\n')
}

// guard keeps a paragraph a paragraph: it could look like a heading, a code block or a table.
func guard(text string) string {
	text = strings.ReplaceAll(text, "|", `\|`)
	if strings.ContainsRune("#`~", rune(text[0])) {
		return `\` + text
	}
	return text
}

func (e *exporter) table(rows []matrix.Row) {
	cells := [][columns]string{titles}
	for _, r := range rows {
		cells = append(cells, e.cells(r))
	}
	var width [columns]int
	for _, row := range cells {
		for c, text := range row {
			width[c] = max(width[c], utf8.RuneCountInString(text), 4)
		}
	}
	e.b.WriteByte('\n')
	for n, row := range cells {
		e.b.WriteString("|")
		for c, text := range row {
			e.b.WriteString(" " + text + strings.Repeat(" ", width[c]-utf8.RuneCountInString(text)) + " |")
		}
		e.b.WriteByte('\n')
		if n > 0 {
			continue
		}
		e.b.WriteString("|")
		for _, w := range width {
			e.b.WriteString(" :" + strings.Repeat("-", w-2) + ": |")
		}
		e.b.WriteByte('\n')
	}
}

func (e *exporter) cells(r matrix.Row) [columns]string {
	out := [columns]string{
		number: r.ID, component: e.roles[r.From.Role], sourceZone: e.zones[r.From.Zone], protocol: wireText(r.Protocol, r.Application),
		destination: e.roles[r.To.Role], destinationZone: e.zones[r.To.Zone], port: portsText(r.Ports),
		confidential: propertyText(r.Confidential), integrity: propertyText(r.Integrity),
		authenticated: propertyText(r.Authenticated), trusted: propertyText(r.Trusted),
		purpose: r.Purpose, notes: r.Notes,
	}
	for c := range out {
		out[c] = escaper.Replace(words(out[c]))
	}
	return out
}
