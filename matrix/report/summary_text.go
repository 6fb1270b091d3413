package report

import (
	"strings"
	"unicode/utf8"
)

// block is one part of a summary: a title, what it means, and a table. All forms of a summary are made of the same blocks.
type block struct {
	title, meaning, none string
	headers              []string
	rows                 [][]string
	// numbers are the columns that are numbers.
	numbers []int
}

func (s Summary) blocks() []block {
	properties := block{title: "Properties", meaning: "how many flows have each property", headers: []string{"property", "holds", "excepted", "gap"}, numbers: []int{1, 2, 3}}
	for _, p := range s.Properties {
		properties.rows = append(properties.rows, []string{p.Property, itoa(p.Holds), itoa(p.Excepted), itoa(p.Gap)})
	}
	exceptions := block{title: "Exceptions", meaning: "what does not hold, why, and what bounds it", none: "none", headers: []string{"property", "rows", "reason", "bound"}}
	for _, e := range s.Exceptions {
		exceptions.rows = append(exceptions.rows, []string{e.Property, list(e.Rows), orOwn(e.Reason, "(no reason is given)"), orOwn(e.Bound, "(no bound is given)")})
	}
	gaps := block{title: "Gaps", meaning: "cells that nobody answered", none: "none: every cell is answered", headers: []string{"property", "state", "rows"}}
	for _, g := range s.Gaps {
		gaps.rows = append(gaps.rows, []string{g.Property, orOwn(string(g.State), "Blank"), list(g.Rows)})
	}
	crossings := block{title: "Borders", meaning: "flows that cross from one zone into another", none: "none", headers: []string{"from", "to", "flows", "rows"}, numbers: []int{2}}
	for _, c := range s.Crossings {
		crossings.rows = append(crossings.rows, []string{string(c.From), string(c.To), itoa(len(c.Rows)), list(c.Rows)})
	}
	outside := block{title: "Outside parties", meaning: "who is not ours, and what they dial and serve", none: "none", headers: []string{"party", "dials", "serves"}}
	for _, p := range s.Outside {
		outside.rows = append(outside.rows, []string{string(p.Role), orOwn(list(p.Dials), "-"), orOwn(list(p.Serves), "-")})
	}
	return []block{
		properties, exceptions, gaps, crossings,
		flows("Anonymous", "flows whose caller shows no identity, or is not known to", s.Anonymous),
		flows("Plain text", "flows that are not encrypted, or not known to be", s.Plain),
		outside, s.doorBlock(),
	}
}

func flows(title, meaning string, ids []string) block {
	b := block{title: title, meaning: meaning, none: "none", headers: []string{"flows", "rows"}, numbers: []int{0}}
	if len(ids) > 0 {
		b.rows = [][]string{{itoa(len(ids)), list(ids)}}
	}
	return b
}

func (s Summary) doorBlock() block {
	b := block{title: "Open ports", meaning: "what each of our roles opens, most first", none: "none", headers: []string{"role", "ports", "open", "without a port"}, numbers: []int{1}}
	for _, d := range s.Doors {
		b.rows = append(b.rows, []string{string(d.Role), itoa(d.Ports), list(d.Open), orOwn(list(d.Unbounded), "-")})
	}
	return b
}

func list(all []string) string { return strings.Join(all, ", ") }

func (s Summary) heading() string {
	return orOwn(s.Title, s.Name) + ": " + plural(s.Rows, "flow", "flows")
}

// Text is the summary for a terminal of the given width; 0 is DefaultWidth.
func (s Summary) Text(width int) string {
	if width == 0 {
		width = DefaultWidth
	}
	width = max(width, minimum)
	var b strings.Builder
	b.WriteString(strings.Join(wrap(s.heading(), width), "\n") + "\n")
	for _, part := range s.blocks() {
		b.WriteString("\n" + strings.Join(wrap(strings.ToUpper(part.title)+": "+part.meaning, width), "\n") + "\n")
		if len(part.rows) == 0 {
			b.WriteString("  " + part.none + "\n")
			continue
		}
		for _, line := range Lines(part.headers, part.rows, width-2) {
			b.WriteString("  " + line + "\n")
		}
	}
	return b.String()
}

// Lines lays out any table in at most width characters: the widest columns give way, text is wrapped.
func Lines(headers []string, rows [][]string, width int) []string {
	widths := make([]int, len(headers))
	for i, h := range headers {
		widths[i] = utf8.RuneCountInString(h)
		for _, r := range rows {
			widths[i] = max(widths[i], utf8.RuneCountInString(clean(r[i])))
		}
	}
	squeeze(widths, headers, width)
	var b strings.Builder
	for n := -1; n < len(rows); n++ {
		cells := make([][]string, len(headers))
		lines := 1
		for i := range headers {
			cell := strings.ToUpper(headers[i])
			if n >= 0 {
				cell = orDash(rows[n][i])
			}
			cells[i] = wrap(cell, widths[i])
			lines = max(lines, len(cells[i]))
		}
		writeCells(&b, cells, widths, lines)
	}
	return strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
}

// squeeze makes the widest columns narrower until all fit, but none narrower than its header or a short word.
func squeeze(widths []int, headers []string, limit int) {
	const shortest = 8
	total := len(gap) * (len(widths) - 1)
	for _, w := range widths {
		total += w
	}
	for total > limit {
		widest := -1
		for i, w := range widths {
			if w > max(shortest, len(headers[i])) && (widest < 0 || w >= widths[widest]) {
				widest = i
			}
		}
		if widest < 0 {
			return
		}
		widths[widest]--
		total--
	}
}

// writeCells puts cells of at most so many lines beside each other, without blanks at the lines' ends.
func writeCells(b *strings.Builder, cells [][]string, widths []int, lines int) {
	for n := range lines {
		var line strings.Builder
		for i := range cells {
			text := ""
			if n < len(cells[i]) {
				text = cells[i][n]
			}
			line.WriteString(text + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(text)) + gap)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}
