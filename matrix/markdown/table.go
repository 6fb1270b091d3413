package markdown

import (
	"regexp"
	"strings"
)

// table is one table of a text.
type table struct {
	section string
	// line is the header's, from 1; row i stands at line+2+i.
	line   int
	header []string
	rows   [][]string
}

// page is what a text has of interest.
type page struct {
	// title is the first heading of the first level.
	title  string
	tables []table
}

var (
	heading   = regexp.MustCompile(`^(#{1,6})(?:[ \t]+(.*))?$`)
	closing   = regexp.MustCompile(`(^|[ \t]+)#+$`)
	delimiter = regexp.MustCompile(`^:?-+:?$`)
)

// read finds headings and tables. Code blocks are skipped: a table in one is an example.
func read(text string) (page, Problems) {
	var p page
	var problems Problems
	lines := strings.Split(text, "\n")
	section, fence, fenceLine := "", "", 0
	for i := 0; i < len(lines); i++ {
		line := strings.TrimSpace(lines[i])
		switch {
		case fence != "":
			if strings.HasPrefix(line, fence) {
				fence = ""
			}
		case strings.HasPrefix(line, "```") || strings.HasPrefix(line, "~~~"):
			fence, fenceLine = line[:3], i+1
		case isTable(lines, i):
			t := table{section: section, line: i + 1, header: split(line)}
			if below := split(lines[i+1]); len(below) != len(t.header) {
				// No reader of Markdown takes this for a table; it would be lost without a word.
				problems.add(i+2, "", "has %d cells and the header above has %d: give it one :---: for each column", len(below), len(t.header))
				continue
			}
			for i += 2; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
				t.rows = append(t.rows, split(lines[i]))
			}
			i--
			p.tables = append(p.tables, t)
		case heading.MatchString(line):
			parts := heading.FindStringSubmatch(line)
			section = words(closing.ReplaceAllString(strings.TrimSpace(parts[2]), ""))
			if len(parts[1]) == 1 && p.title == "" {
				p.title = section
			}
		}
	}
	if fence != "" {
		problems.add(fenceLine, "", "this code block has no end: close it with %s, or what follows is not read", fence)
	}
	return p, problems
}

// isTable says whether a header stands at a line: titles, and below them delimiters. Where these are not as many, the titles have to be a matrix's.
func isTable(lines []string, i int) bool {
	header := split(lines[i])
	if len(header) < 2 || i+1 >= len(lines) {
		return false
	}
	below := split(lines[i+1])
	for _, cell := range below {
		if !delimiter.MatchString(cell) {
			return false
		}
	}
	known := 0
	for _, title := range header {
		if _, ok := columnOf(title); ok {
			known++
		}
	}
	return len(below) == len(header) || known >= 3
}

// split cuts a line into cells. A pipe after a backslash is text; the outer pipes may be missing.
func split(line string) []string {
	line = strings.TrimSpace(line)
	line = strings.TrimPrefix(line, "|")
	var cells []string
	start := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '|':
			cells = append(cells, unescape(line[start:i]))
			start = i + 1
		}
	}
	if strings.TrimSpace(line[start:]) != "" || start == 0 {
		cells = append(cells, unescape(line[start:]))
	}
	return cells
}

var (
	unescaper = strings.NewReplacer(`\\`, `\`, `\|`, `|`)
	escaper   = strings.NewReplacer(`\`, `\\`, `|`, `\|`)
)

func unescape(cell string) string { return words(unescaper.Replace(cell)) }

// words is a text with single spaces, as a browser shows it.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
