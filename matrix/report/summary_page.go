package report

import (
	"slices"
	"strings"
)

// Markdown is the summary with tables as GitHub writes them.
func (s Summary) Markdown() []byte {
	var b strings.Builder
	b.WriteString("# " + escape(s.heading()) + "\n")
	for _, part := range s.blocks() {
		b.WriteString("\n## " + part.title + "\n\n" + capital(part.meaning) + ".\n\n")
		if len(part.rows) == 0 {
			b.WriteString(capital(part.none) + ".\n")
			continue
		}
		rule := make([]string, len(part.headers))
		for i := range rule {
			rule[i] = "---"
			if slices.Contains(part.numbers, i) {
				rule[i] = "--:"
			}
		}
		b.WriteString("| " + strings.Join(part.headers, " | ") + " |\n| " + strings.Join(rule, " | ") + " |\n")
		for _, r := range part.rows {
			cells := make([]string, len(r))
			for i := range r {
				cells[i] = escape(r[i])
			}
			b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
		}
	}
	return []byte(b.String())
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}

// escape keeps foreign text from being Markdown or HTML.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, "|", `\|`, "<", "&lt;", ">", "&gt;", "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`).Replace(clean(s))
}

// HTML is the summary as one page that needs nothing else.
func (s Summary) HTML() []byte {
	var b strings.Builder
	b.WriteString(element("h1", "", text(s.heading())) + "\n")
	for _, part := range s.blocks() {
		b.WriteString(element("h2", "", text(part.title)) + "\n")
		if len(part.rows) == 0 {
			b.WriteString(element("p", "", text(capital(part.meaning))+": "+text(part.none)+".") + "\n")
			continue
		}
		rows := make([][]string, len(part.rows))
		for i, r := range part.rows {
			for j, cell := range r {
				cell = text(cell)
				if j > 0 && slices.Contains(part.numbers, j) {
					cell = element("td", `class="number"`, cell)
				}
				rows[i] = append(rows[i], cell)
			}
		}
		b.WriteString(grid(capital(part.meaning), part.headers, rows))
	}
	return page("Security summary: "+orOwn(s.Title, s.Name), element("main", "", "\n"+b.String())+"\n")
}
