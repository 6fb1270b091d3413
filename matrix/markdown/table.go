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
		case heading.MatchString(line):
			parts := heading.FindStringSubmatch(line)
			section = words(closing.ReplaceAllString(strings.TrimSpace(parts[2]), ""))
			if len(parts[1]) == 1 && p.title == "" {
				p.title = section
			}
		case isTable(lines, i):
			t := table{section: section, line: i + 1, header: split(line)}
			for i += 2; i < len(lines) && strings.TrimSpace(lines[i]) != ""; i++ {
				t.rows = append(t.rows, split(lines[i]))
			}
			i--
			p.tables = append(p.tables, t)
		}
	}
	if fence != "" {
		problems.add(fenceLine, "", "this code block has no end: close it with %s, or what follows is not read", fence)
	}
	return p, problems
}

// isTable says whether a header stands at a line: cells, and below them as many delimiters.
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
	return len(below) == len(header)
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
