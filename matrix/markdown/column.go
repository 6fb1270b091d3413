package markdown

import (
	"slices"
	"strings"
)

// column is what a column of a matrix table holds.
type column int

// The columns, in the order of a published matrix.
const (
	number column = iota
	component
	sourceZone
	protocol
	destination
	destinationZone
	port
	confidential
	integrity
	authenticated
	trusted
	purpose
	notes
	columns // how many there are
)

// titles are those that Export writes.
var titles = [columns]string{"No.", "Component", "Source Zone", "Protocol", "Destination", "Destination Zone", "Port", "C", "I", "Auth", "Trust", "Purpose", "Notes"}

// headers are the titles that Import reads, without case and without all that is no letter or digit.
var headers = [columns][]string{
	number:          {"no", "nr", "number", "id", "row"},
	component:       {"component", "source", "from", "client", "initiator", "sourcecomponent"},
	sourceZone:      {"sourcezone", "fromzone", "clientzone", "componentzone", "sourcenetwork"},
	protocol:        {"protocol", "proto", "application"},
	destination:     {"destination", "to", "target", "server", "destinationcomponent"},
	destinationZone: {"destinationzone", "tozone", "targetzone", "serverzone", "destzone", "destinationnetwork"},
	port:            {"port", "ports", "destinationport", "destinationports", "serverport"},
	confidential:    {"c", "confidentiality", "confidential", "encryption", "encrypted"},
	integrity:       {"i", "integrity"},
	authenticated:   {"auth", "authentication", "authenticated"},
	trusted:         {"trust", "trusted", "trustednetwork", "trustednetworks"},
	purpose:         {"purpose", "reason", "description"},
	notes:           {"notes", "note", "remark", "remarks", "comment", "comments"},
}

// needed columns make a table a matrix.
var needed = []column{component, protocol, destination}

// columnOf finds the column that a title means.
func columnOf(title string) (column, bool) {
	if title == "#" {
		return number, true
	}
	word := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			return c
		case c >= 'A' && c <= 'Z':
			return c + 'a' - 'A'
		}
		return -1
	}, title)
	for c := range columns {
		if slices.Contains(headers[c], word) {
			return c, true
		}
	}
	return 0, false
}

// layout says which cell of a row holds which column; -1 for a column that the table does not have.
type layout [columns]int

// layoutOf reads a table's header. It is no layout where the table is about something else; problems are those of a table that is meant as a matrix.
func layoutOf(t table) (layout, bool, Problems) {
	var l layout
	for c := range l {
		l[c] = -1
	}
	var problems Problems
	known := 0
	for i, title := range t.header {
		c, ok := columnOf(title)
		switch {
		case !ok:
			problems.add(t.line, "", "there is no column %q: want %s", title, strings.Join(titles[:], ", "))
		case l[c] >= 0:
			problems.add(t.line, "", "columns %q and %q mean the same: keep one of them", t.header[l[c]], title)
		default:
			l[c] = i
			known++
		}
	}
	for _, c := range needed {
		if l[c] < 0 {
			problems.add(t.line, "", "the column %s is missing", titles[c])
		}
	}
	// A legend or a table of something else has none or few of these words.
	if known < 3 {
		return l, false, nil
	}
	return l, true, problems
}
