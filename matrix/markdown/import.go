package markdown

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/ingotmetal/ingot/matrix"
)

// maxCell is how many characters a cell may have: what a CommunicationMatrix holds.
const maxCell = 1024

var id = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}$`)

// Import reads every matrix table of a Markdown text. The matrix gets the name that is given; its title is the first heading of the first level, and the nearest heading above
// a table is the section of its rows. Zones that are called unknown or various become unlisted ones, the Internet one outside. Rows of a table without a column for numbers
// are numbered by table and row. The error is a Problems.
func Import(name string, text []byte) (matrix.Matrix, error) {
	if !utf8.Valid(text) {
		return matrix.Matrix{}, Problems{{Reason: "the text is not UTF-8: convert it first"}}
	}
	p, problems := read(strings.TrimPrefix(string(text), "\ufeff"))
	i := newImporter(name, p.title)
	found := 0
	for _, t := range p.tables {
		l, ok, wrong := layoutOf(t)
		problems = append(problems, wrong...)
		if !ok || wrong != nil {
			found += len(wrong)
			continue
		}
		found++
		for n, cells := range t.rows {
			i.row(source{t, l, found, n}, cells)
		}
	}
	problems = append(problems, i.problems...)
	if found == 0 {
		problems.add(0, "", "there is no matrix table: want one with at least the columns %s, %s and %s", titles[component], titles[protocol], titles[destination])
	}
	if len(problems) > 0 {
		return matrix.Matrix{}, problems
	}
	if err := matrix.Check(i.m); err != nil {
		return matrix.Matrix{}, fmt.Errorf("check the imported matrix: %w", err)
	}
	return i.m, nil
}

type importer struct {
	m            matrix.Matrix
	roles, zones names
	rows         names
	lines        map[string]int // by ID
	problems     Problems
}

func newImporter(name, title string) *importer {
	if title == "" {
		title = name
	}
	return &importer{
		m:     matrix.Matrix{Name: name, Title: title},
		roles: newNames("role"), zones: newNames("zone"), rows: newNames("flow"), lines: map[string]int{},
	}
}

// source is where a row comes from: row n (from 0) of the matrix's table number (from 1).
type source struct {
	table
	layout
	number, n int
}

func (s source) at() int { return s.line + 2 + s.n }

func (i *importer) row(s source, cells []string) {
	if len(cells) != len(s.header) {
		i.problems.add(s.at(), "", "has %d cells and the header has %d: escape a | inside of a cell as \\|, and leave an empty line after the table", len(cells), len(s.header))
		return
	}
	before := len(i.problems)
	cell := func(c column) string {
		if s.layout[c] < 0 {
			return ""
		}
		text := cells[s.layout[c]]
		if utf8.RuneCountInString(text) > maxCell {
			i.problems.add(s.at(), titles[c], "has more than %d characters: shorten it", maxCell)
		}
		return text
	}
	refuse := func(c column, reason string) {
		if reason != "" {
			i.problems.add(s.at(), titles[c], "%s", reason)
		}
	}
	r := matrix.Row{Purpose: cell(purpose), Notes: cell(notes)}
	if s.section != i.m.Title {
		r.Section = s.section
	}
	r.ID = i.id(s, cell(number))
	var reason string
	r.Protocol, r.Application, reason = wireOf(cell(protocol))
	refuse(protocol, reason)
	r.Ports, reason = portsOf(cell(port))
	refuse(port, reason)
	if reason == "" && r.Protocol != "" && len(r.Ports) > 0 && !r.Protocol.HasPorts() {
		refuse(port, fmt.Sprintf("%s has no ports: leave the cell empty", cell(protocol)))
	}
	security := [...]*matrix.Property{&r.Confidential, &r.Integrity, &r.Authenticated, &r.Trusted}
	for n, into := range security {
		c := confidential + column(n)
		*into, reason = propertyOf(cell(c))
		refuse(c, reason)
	}
	r.From = i.end(s, cell, component, sourceZone)
	r.To = i.end(s, cell, destination, destinationZone)
	if len(i.problems) > before {
		return
	}
	from, to := string(r.From.Role), string(r.To.Role)
	r.Name = matrix.FlowName(i.rows.free(strings.ReplaceAll(from+"-to-"+to, "*", "any"), "-"+ending(r.ID)))
	i.m.Rows = append(i.m.Rows, r)
}

// ending is a row's number as the end of a name.
func ending(id string) string {
	s := label(id)
	return strings.TrimRight(s[:min(len(s), 20)], "-")
}

func (i *importer) id(s source, cell string) string {
	if s.layout[number] < 0 {
		cell = strconv.Itoa(s.number) + "." + strconv.Itoa(s.n+1)
	}
	switch {
	case !id.MatchString(cell):
		i.problems.add(s.at(), titles[number], "%q is no number of a row: letters, digits and . _ : / -, like 7.1", cell)
	case i.lines[cell] > 0:
		i.problems.add(s.at(), titles[number], "%s is the number of line %d too: give each row its own", cell, i.lines[cell])
	default:
		i.lines[cell] = s.at()
	}
	return cell
}

// end reads a party and its zone, and lists both where they are new. A table without a column for zones leaves them unknown.
func (i *importer) end(s source, cell func(column) string, partyColumn, zoneColumn column) matrix.Endpoint {
	party, zone := cell(partyColumn), cell(zoneColumn)
	if s.layout[zoneColumn] < 0 {
		zone = "unknown"
	}
	if party == "" {
		i.problems.add(s.at(), titles[partyColumn], "is empty: name who it is, or write any")
	}
	if zone == "" {
		i.problems.add(s.at(), titles[zoneColumn], "is empty: name the zone, or write any or unknown")
	}
	e := matrix.Anybody
	if !isAny(party) {
		name, isNew := i.roles.name(party)
		e.Role = matrix.Role(name)
		if isNew {
			i.m.Roles = append(i.m.Roles, matrix.RoleDefinition{Name: e.Role, Title: party})
		}
	}
	if !isAny(zone) {
		name, isNew := i.zones.name(zone)
		e.Zone = matrix.Zone(name)
		if isNew {
			i.m.Zones = append(i.m.Zones, matrix.ZoneDefinition{
				Name: e.Zone, Title: zone, Unlisted: isUnlisted(zone), Outside: strings.EqualFold(zone, "internet"),
			})
		}
	}
	return e
}
