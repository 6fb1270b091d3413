package report

import (
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// HTML is the matrix as one page that needs nothing else: no script, no font, no picture from elsewhere.
func HTML(m matrix.Matrix) []byte {
	var b strings.Builder
	b.WriteString(element("h1", "", text(title(m))) + "\n")
	if m.Text != "" {
		b.WriteString(element("p", "", text(m.Text)) + "\n")
	}
	b.WriteString(element("p", `class="quiet"`, text(Count(m))) + "\n")
	for _, s := range sections(m) {
		if s.title != "" {
			b.WriteString(element("h2", "", text(s.title)) + "\n")
		}
		rows := make([][]string, 0, len(s.rows))
		for _, r := range s.rows {
			rows = append(rows, htmlRow(r))
		}
		b.WriteString(grid("Flows: "+orOwn(s.title, title(m)),
			[]string{"No.", "From", "To", "Wire", "Confidential", "Integrity", "Authenticated", "Trusted networks", "Purpose"}, rows))
	}
	b.WriteString(definitions(m))
	return page("Communication matrix: "+title(m), element("main", "", "\n"+b.String())+"\n")
}

func orOwn(s, own string) string {
	if s == "" {
		return own
	}
	return s
}

func title(m matrix.Matrix) string { return orOwn(m.Title, m.Name) }

type section struct {
	title string
	rows  []matrix.Row
}

// sections are the tables of a matrix, in the order in which they begin.
func sections(m matrix.Matrix) []section {
	var all []section
	for _, r := range m.Rows {
		i := len(all) - 1
		for i >= 0 && all[i].title != r.Section {
			i--
		}
		if i < 0 {
			all = append(all, section{title: r.Section})
			i = len(all) - 1
		}
		all[i].rows = append(all[i].rows, r)
	}
	return all
}

func htmlRow(r matrix.Row) []string {
	row := []string{
		text(r.ID), end(r.From), end(r.To), element("code", "", text(Wire(r))),
	}
	for _, c := range r.Cells() {
		row = append(row, htmlCell(c.Property))
	}
	purpose := text(r.Purpose)
	for _, note := range remarks(r) {
		purpose += element("small", "", "<br>"+text(note))
	}
	return append(row, purpose)
}

// remarks are the fields of a row that only some rows have.
func remarks(r matrix.Row) []string {
	var all []string
	add := func(words, s string) {
		if s != "" {
			all = append(all, words+s)
		}
	}
	add("", r.Notes)
	add("identity: ", arrow(r.Identity, r.ServerIdentity))
	add("only while: ", strings.Join(r.Stages, ", "))
	add("only with: ", r.Feature)
	add("reading: ", r.Reading)
	add("enforced on ", strings.ToLower(string(r.Enforced)))
	add("", flags(r))
	return all
}

func end(e matrix.Endpoint) string {
	return text(string(e.Role)) + element("small", `class="quiet"`, "<br>"+text(string(e.Zone)))
}

func htmlCell(p matrix.Property) string {
	class, word := "yes", "yes"
	switch {
	case p.Gap():
		class, word = "gap", "unknown"
		if p.State == matrix.Blank {
			word = "blank"
		}
	case !p.Holds():
		class, word = "no", "no"
	}
	content := element("span", `class="`+class+`"`, word)
	if p.How != "" {
		content += element("small", "", text(p.How))
	}
	if p.Bound != "" {
		content += element("small", "", "bound: "+text(p.Bound))
	}
	return element("td", `class="state"`, content)
}

// definitions list the parties and places.
func definitions(m matrix.Matrix) string {
	var b strings.Builder
	list := func(head string, n int, item func(int) (name, words string)) {
		if n == 0 {
			return
		}
		b.WriteString(element("h2", "", head) + "\n<dl>\n")
		for i := range n {
			name, words := item(i)
			b.WriteString(element("dt", "", text(name)) + element("dd", "", text(words)) + "\n")
		}
		b.WriteString("</dl>\n")
	}
	list("Zones", len(m.Zones), func(i int) (string, string) {
		z := m.Zones[i]
		return string(z.Name), phrase(z.Title, "plane "+string(z.OnPlane()), outside(z.Outside), unlisted(z.Unlisted))
	})
	list("Roles", len(m.Roles), func(i int) (string, string) {
		r := m.Roles[i]
		return string(r.Name), phrase(r.Title, r.Purpose, outside(r.Outside))
	})
	return b.String()
}

func outside(yes bool) string {
	if yes {
		return "outside: nothing is enforced there"
	}
	return ""
}

func unlisted(yes bool) string {
	if yes {
		return "the document does not say where this is"
	}
	return ""
}

func phrase(parts ...string) string {
	var all []string
	for _, p := range parts {
		if p != "" {
			all = append(all, p)
		}
	}
	return strings.Join(all, "; ")
}
