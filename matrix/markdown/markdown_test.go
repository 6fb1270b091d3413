package markdown_test

import (
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/markdown"
)

var equal = cmp.Options{cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})}

// page is a page as people write them: words around, headings, a table of something else, and two tables with other titles for the same columns.
const page = "\ufeff# The matrix\r\n" + `
Some words with a | in them.

| Letter | Means |
|---|---|
| C | encrypted |

` + "```" + `
| No. | Component | Source Zone | Protocol | Destination | Destination Zone | Port |
|---|---|---|---|---|---|---|
| 9.9 | example | x | HTTPS | y | z | 1 |
` + "```" + `

## Plain ##

| No.  | Component | Source Zone | Protocol | Destination | Destination Zone | Port | C | I | Auth | Trust | Purpose | Notes |
| :--: | :-------: | :---------: | :------: | :---------: | :--------------: | :--: | :-: | :-: | :--: | :---: | :---: | :---: |
| 1.1 | client | Internet | HTTPS | Web Server | DMZ | 443 | x | x | ? | | API \| web | all  of it |
| 1.2 | client | unknown | DHCP | DHCP Server | Various | 67/68 | | | | x | | |
| 1.3 | (any) | * | tcp | Web Server | DMZ | 80, 8000 - 8010 | - | | | | | |
| 1.4 | router | DMZ | VRRP | any | DMZ | * | | | | | | |
| 1.5 | router | DMZ | DNS/tcp | web-server | DMZ | 53 | | | | | | |

### More

# | From | From Zone | Proto | To | To Zone | Ports | Encrypted
--|------|-----------|-------|----|---------|-------|---
m1 | a | b | 47 | c | d | | x
m2 | a | b | icmp | c | d | - | |
`

func TestImport(t *testing.T) {
	got, err := markdown.Import("site", []byte(page))
	if err != nil {
		t.Fatal(err)
	}
	holds, unknown := matrix.Property{State: matrix.Holds}, matrix.Property{State: matrix.Unknown}
	want := matrix.Matrix{
		Name: "site", Title: "The matrix",
		Zones: []matrix.ZoneDefinition{
			{Name: "internet", Title: "Internet", Outside: true}, {Name: "dmz", Title: "DMZ"}, {Name: "unknown", Title: "unknown", Unlisted: true},
			{Name: "various", Title: "Various", Unlisted: true}, {Name: "b", Title: "b"}, {Name: "d", Title: "d"},
		},
		Roles: []matrix.RoleDefinition{
			{Name: "client", Title: "client"}, {Name: "web-server", Title: "Web Server"}, {Name: "dhcp-server", Title: "DHCP Server"}, {Name: "router", Title: "router"},
			{Name: "web-server-2", Title: "web-server"}, {Name: "a", Title: "a"}, {Name: "c", Title: "c"},
		},
		Rows: []matrix.Row{
			{
				ID: "1.1", Name: "client-to-web-server-1-1", From: matrix.Endpoint{Role: "client", Zone: "internet"}, To: matrix.Endpoint{Role: "web-server", Zone: "dmz"},
				Protocol: matrix.TCP, Ports: matrix.Port(443), Application: "HTTPS", Confidential: holds, Integrity: holds, Authenticated: unknown,
				Purpose: "API | web", Notes: "all of it", Section: "Plain",
			},
			{
				ID: "1.2", Name: "client-to-dhcp-server-1-2", From: matrix.Endpoint{Role: "client", Zone: "unknown"}, To: matrix.Endpoint{Role: "dhcp-server", Zone: "various"},
				Protocol: matrix.UDP, Ports: matrix.Ports{{First: 67, Last: 67}, {First: 68, Last: 68}}, Application: "DHCP", Trusted: holds, Section: "Plain",
			},
			{
				ID: "1.3", Name: "any-to-web-server-1-3", From: matrix.Anybody, To: matrix.Endpoint{Role: "web-server", Zone: "dmz"},
				Protocol: matrix.TCP, Ports: matrix.Ports{{First: 80, Last: 80}, {First: 8000, Last: 8010}}, Confidential: matrix.Property{State: matrix.Excepted}, Section: "Plain",
			},
			{
				ID: "1.4", Name: "router-to-any-1-4", From: matrix.Endpoint{Role: "router", Zone: "dmz"}, To: matrix.Endpoint{Role: "*", Zone: "dmz"},
				Protocol: "112", Application: "VRRP", Section: "Plain",
			},
			{
				ID: "1.5", Name: "router-to-web-server-2-1-5", From: matrix.Endpoint{Role: "router", Zone: "dmz"}, To: matrix.Endpoint{Role: "web-server-2", Zone: "dmz"},
				Protocol: matrix.TCP, Ports: matrix.Port(53), Application: "DNS", Section: "Plain",
			},
			{
				ID: "m1", Name: "a-to-c-m1", From: matrix.Endpoint{Role: "a", Zone: "b"}, To: matrix.Endpoint{Role: "c", Zone: "d"},
				Protocol: "47", Confidential: holds, Section: "More",
			},
			{
				ID: "m2", Name: "a-to-c-m2", From: matrix.Endpoint{Role: "a", Zone: "b"}, To: matrix.Endpoint{Role: "c", Zone: "d"},
				Protocol: matrix.ICMP, Section: "More",
			},
		},
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Error(diff)
	}
	comesBack(t, got)
}

// comesBack exports, imports, and compares.
func comesBack(t *testing.T, want matrix.Matrix) {
	t.Helper()
	text := markdown.Export(want)
	got, err := markdown.Import(want.Name, text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Fatalf("%s\n%s", diff, text)
	}
}

// A matrix that no table was imported for comes back in all that a table can say: Ingot's own, and ARTESCA's with everybody and all ports.
func TestExportOfAnyMatrix(t *testing.T) {
	artesca := example(t, "artesca")
	for _, m := range []matrix.Matrix{matrix.Own(), artesca} {
		got, err := markdown.Import(m.Name, markdown.Export(m))
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Rows) != len(m.Rows) {
			t.Fatalf("%s: %d rows of %d came back", m.Name, len(got.Rows), len(m.Rows))
		}
		for i, want := range m.Rows {
			if diff := cmp.Diff(said(m, want), said(got, got.Rows[i]), equal); diff != "" {
				t.Errorf("%s: row %s: %s", m.Name, want.ID, diff)
			}
		}
		comesBack(t, got)
	}
}

// said is what a table can say of a row: titles in place of names, and cells without words.
func said(m matrix.Matrix, r matrix.Row) matrix.Row {
	title := func(e matrix.Endpoint) matrix.Endpoint {
		role, ok := m.Role(e.Role)
		if ok {
			e.Role = matrix.Role(role.Title)
		}
		zone, ok := m.Zone(e.Zone)
		if ok {
			e.Zone = matrix.Zone(zone.Title)
		}
		return e
	}
	state := func(p matrix.Property) matrix.Property { return matrix.Property{State: p.State} }
	return matrix.Row{
		ID: r.ID, From: title(r.From), To: title(r.To), Protocol: r.Protocol, Ports: r.Ports, Application: r.Application,
		Confidential: state(r.Confidential), Integrity: state(r.Integrity), Authenticated: state(r.Authenticated), Trusted: state(r.Trusted),
		Purpose: strings.Join(strings.Fields(r.Purpose), " "), Notes: r.Notes, Section: r.Section,
	}
}

func example(t testing.TB, name string) matrix.Matrix {
	t.Helper()
	text, err := os.ReadFile("../../examples/" + name + "/matrix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := document.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// Titles and texts that Markdown could take for something else.
func TestOddWords(t *testing.T) {
	for _, odd := range []string{`a|b`, `a\`, `\|`, `\\|`, `a \| b`, "#", "# a", "a #", "a ##", "```", "~~~ a", "<!-- -->", "---", ":--", "*a*", "- a", "> a", "1. a", "|", "é 漢"} {
		m := matrix.Matrix{
			Name: "odd", Title: odd, Text: odd + "\n\n" + odd + "\n|---|",
			Zones: []matrix.ZoneDefinition{{Name: "z", Title: odd}}, Roles: []matrix.RoleDefinition{{Name: "r", Title: odd}},
			Rows: []matrix.Row{
				{ID: "1", Name: "a", From: matrix.Endpoint{Role: "r", Zone: "z"}, To: matrix.Anybody, Protocol: matrix.TCP, Purpose: odd, Notes: odd},
				{ID: "2", Name: "b", From: matrix.Endpoint{Role: "r", Zone: "z"}, To: matrix.Anybody, Protocol: matrix.UDP, Section: odd + "."},
				{ID: "3", Name: "c", From: matrix.Endpoint{Role: "r", Zone: "z"}, To: matrix.Anybody, Protocol: matrix.SCTP},
				{ID: "4", Name: "d", From: matrix.Endpoint{Role: "r", Zone: "z"}, To: matrix.Anybody, Protocol: matrix.LLDP, Section: "s #"},
			},
		}
		text := markdown.Export(m)
		got, err := markdown.Import("odd", text)
		if err != nil {
			t.Fatalf("%q: %v\n%s", odd, err, text)
		}
		if got.Title != odd {
			t.Errorf("title %q came back as %q", odd, got.Title)
		}
		for i, want := range m.Rows {
			if diff := cmp.Diff(said(m, want), said(got, got.Rows[i]), equal); diff != "" {
				t.Errorf("%q: %s\n%s", odd, diff, text)
			}
		}
		comesBack(t, got)
	}
}

const head = "| No. | Component | Source Zone | Protocol | Destination | Destination Zone | Port | C | I | Auth | Trust | Purpose | Notes |\n|" +
	"---|---|---|---|---|---|---|---|---|---|---|---|---|\n"

// badRows are rows after head, and what the error has to say; the row is line 3.
var badRows = []struct {
	name, row string
	want      []string
}{
	{"cell with a word", "| 1 | a | b | HTTPS | c | d | 443 | yes | | | | | |", []string{"line 3, column C", `"yes"`, "x where it holds"}},
	{"cell with a mark", "| 1 | a | b | HTTPS | c | d | 443 | | | | ✓ | | |", []string{"line 3, column Trust", "empty where nobody said"}},
	{"unknown protocol", "| 1 | a | b | QUIC | c | d | 443 | | | | | | |", []string{"line 3, column Protocol", `"QUIC"`, "HTTPS", "1 to 255"}},
	{"no protocol", "| 1 | a | b | | c | d | 443 | | | | | | |", []string{"line 3, column Protocol"}},
	{"two protocols", "| 1 | a | b | TCP/UDP | c | d | 443 | | | | | | |", []string{"line 3, column Protocol", "two rows"}},
	{"protocol 0", "| 1 | a | b | 0 | c | d | | | | | | | |", []string{"line 3, column Protocol"}},
	{"port in words", "| 1 | a | b | HTTPS | c | d | https | | | | | | |", []string{"line 3, column Port", "67/68", "30000-32767"}},
	{"port 0", "| 1 | a | b | HTTPS | c | d | 0 | | | | | | |", []string{"line 3, column Port"}},
	{"port 65536", "| 1 | a | b | HTTPS | c | d | 443/65536 | | | | | | |", []string{"line 3, column Port", `"65536"`}},
	{"range turned round", "| 1 | a | b | HTTPS | c | d | 9-8 | | | | | | |", []string{"line 3, column Port", "smaller one first"}},
	{"only separators", "| 1 | a | b | HTTPS | c | d | / | | | | | | |", []string{"line 3, column Port"}},
	{"port of VRRP", "| 1 | a | b | VRRP | c | d | 443 | | | | | | |", []string{"line 3, column Port", "VRRP has no ports"}},
	{"no component", "| 1 | | b | HTTPS | c | d | 443 | | | | | | |", []string{"line 3, column Component", "any"}},
	{"no zone", "| 1 | a | b | HTTPS | c | | 443 | | | | | | |", []string{"line 3, column Destination Zone", "unknown"}},
	{"no number", "| | a | b | HTTPS | c | d | 443 | | | | | | |", []string{"line 3, column No.", "7.1"}},
	{"number twice", "| 1 | a | b | HTTPS | c | d | 443 | | | | | | |\n| 1 | a | b | SSH | c | d | 22 | | | | | | |", []string{"line 4, column No.", "line 3"}},
	{"too few cells", "| 1 | a | b | HTTPS | c | d | 443 |", []string{"line 3", "7 cells", "13"}},
	{"a pipe in a cell", "| 1 | a | b | HTTPS | c | d | 443 | | | | | a | b | c |", []string{"line 3", "14 cells", `\|`}},
	{"words below the table", "| 1 | a | b | HTTPS | c | d | 443 | | | | | | |\nThat is all.", []string{"line 4", "empty line"}},
	{"a long cell", "| 1 | a | b | HTTPS | c | d | 443 | | | | | " + strings.Repeat("x", 1025) + " | |", []string{"line 3, column Purpose", "1024"}},
}

func TestBadRows(t *testing.T) {
	for _, c := range badRows {
		t.Run(c.name, func(t *testing.T) {
			_, err := markdown.Import("site", []byte(head+c.row+"\n"))
			check(t, err, c.want)
		})
	}
}

func TestBadTexts(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing":        {"# Title\n", []string{"no matrix table", "Component, Protocol and Destination"}},
		"another table":  {"| a | b |\n|---|---|\n| c | d |\n", []string{"no matrix table"}},
		"unknown column": {strings.Replace(head, "Purpose", "Owner", 1), []string{"line 1", `"Owner"`, "Purpose"}},
		"missing column": {strings.Replace(head, "Protocol", "Notes", 1), []string{"line 1", "Protocol is missing", `"Notes" and "Notes"`}},
		"column twice":   {strings.Replace(head, "| I ", "| c ", 1), []string{`"C" and "c"`}},
		"few dashes":     {strings.Replace(head, "---|---", "---", 1) + "| 1 | a | b | SSH | c | d | 22 | | | | | | |", []string{"line 2", "12 cells", "13"}},
		"open block":     {head + "\n```\n", []string{"line 4", "no end"}},
		"no UTF-8":       {head + "| \xff |", []string{"UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := markdown.Import("site", []byte(c.text))
			check(t, err, c.want)
		})
	}
	if _, err := markdown.Import("Not a label", []byte(head)); err == nil || !strings.Contains(err.Error(), "no label") {
		t.Errorf("a name that is no label: %v", err)
	}
}

func check(t *testing.T, err error, want []string) {
	t.Helper()
	if err == nil {
		t.Fatal("no error")
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("the error lacks %q: %v", w, err)
		}
	}
}

// All that is wrong is said at once, in the order of the text.
func TestAllProblemsAtOnce(t *testing.T) {
	_, err := markdown.Import("site", []byte(head+"| 1 | | b | QUIC | c | d | x | yes | | no | | | |\n| 1 | a | b | HTTPS | c | | 443 | | | | | | |\n"))
	var lines []string
	for line := range strings.Lines(err.Error()) {
		lines = append(lines, strings.SplitAfter(line, ":")[0])
	}
	want := []string{
		"line 3, column Protocol:", "line 3, column Port:", "line 3, column C:", "line 3, column Auth:", "line 3, column Component:",
		"line 4, column No.:", "line 4, column Destination Zone:",
	}
	if !slices.Equal(lines, want) {
		t.Errorf("problems at %q, want %q", lines, want)
	}
}

// A table without numbers and zones is read as well: its rows are numbered, its zones are gaps.
func TestNumbersAndZonesMayBeMissing(t *testing.T) {
	m, err := markdown.Import("site", []byte("Component | Protocol | Destination\n---|---|---\na | SSH | b\n\nComponent | Protocol | Destination\n---|---|---\na | NTP | b\n"))
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Rows) != 2 || m.Rows[0].ID != "1.1" || m.Rows[1].ID != "2.1" || m.Rows[0].From.Zone != "unknown" || !m.Zones[0].Unlisted {
		t.Errorf("%+v", m)
	}
}

func FuzzImport(f *testing.F) {
	f.Add(page)
	for _, c := range badRows {
		f.Add(head + c.row)
	}
	for _, name := range []string{"metal-stack", "artesca"} {
		f.Add(string(markdown.Export(example(f, name))))
	}
	f.Add(string(markdown.Export(matrix.Own())))
	f.Fuzz(func(t *testing.T, text string) {
		m, err := markdown.Import("site", []byte(text))
		if err != nil {
			return
		}
		comesBack(t, m)
		if _, err := document.Encode(m); err != nil {
			t.Fatalf("what was imported is no document: %v", err)
		}
	})
}
