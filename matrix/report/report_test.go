package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/report"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden holds an answer to the file, which -update writes.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run the test with -update, and look at what it wrote", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs: run the test with -update, and look at the difference.\n%s", name, got)
	}
}

// foreign is a matrix with everything that a document of others may have: gaps, markup, control characters, formulas.
func foreign() matrix.Matrix {
	return matrix.Matrix{
		Name: "foreign", Title: "A <script>alert(1)</script> site", Text: "said \x1b[31mred",
		Zones: []matrix.ZoneDefinition{{Name: "inside", Plane: "control"}, {Name: "unknown", Unlisted: true}, {Name: "internet", Outside: true}},
		Roles: []matrix.RoleDefinition{{Name: "web"}, {Name: "db", Title: `"quoted" & 'more'`}, {Name: "crowd", Outside: true}},
		Rows: []matrix.Row{
			{ID: "1.1", Name: "crowd-to-web", From: matrix.Endpoint{Role: "crowd", Zone: "internet"}, To: matrix.Endpoint{Role: "web", Zone: "inside"},
				Protocol: matrix.TCP, Ports: matrix.Port(443), Application: "HTTPS", Purpose: "=HYPERLINK(\"x\")", Notes: "<b>|bold|</b>", Section: "First"},
			{ID: "1.2", Name: "web-to-db", From: matrix.Endpoint{Role: "web", Zone: "inside"}, To: matrix.Endpoint{Role: "db", Zone: "inside"},
				Protocol: matrix.TCP, Ports: matrix.Ports{{First: 5432, Last: 5440}, {First: 6000, Last: 6000}}, Application: "Postgres",
				Confidential: matrix.Property{State: matrix.Unknown}, Integrity: matrix.Property{State: matrix.Excepted},
				Authenticated: matrix.Property{State: matrix.Holds, How: "password"}, Trusted: matrix.Property{State: matrix.Excepted, How: "shared", Bound: "until\nMay"},
				Section: "Second", Feature: "store", Reading: "table", Failsafe: true},
			{ID: "1.3", Name: "anybody-to-web", From: matrix.Anybody, To: matrix.Endpoint{Role: "web", Zone: "inside"}, Protocol: "112", Section: "First"},
			{ID: "1.4", Name: "ping", From: matrix.Anybody, To: matrix.Endpoint{Role: "web", Zone: "inside"}, Protocol: matrix.ICMP, ICMPTypes: []uint8{8}, Reading: "prose"},
		},
	}
}

func TestViews(t *testing.T) {
	m := foreign()
	golden(t, "foreign.txt", []byte(report.Table(m, report.Options{})))
	golden(t, "foreign.wide.txt", []byte(report.Table(m, report.Options{Wide: true})))
	golden(t, "foreign.csv", report.CSV(m))
	golden(t, "foreign.html", report.HTML(m))
	s := report.Summarize(m)
	golden(t, "foreign.summary.txt", []byte(s.Text(0)))
	golden(t, "foreign.summary.md", s.Markdown())
	golden(t, "foreign.summary.html", s.HTML())
}

// TestEveryRowIsInEveryView of the matrix that ships.
func TestEveryRowIsInEveryView(t *testing.T) {
	m := matrix.Own()
	for view, text := range map[string]string{
		"table": report.Table(m, report.Options{}), "wide": report.Table(m, report.Options{Wide: true}), "csv": string(report.CSV(m)), "html": string(report.HTML(m)),
	} {
		at := 0
		for _, r := range m.Rows {
			i := strings.Index(text[at:], r.ID)
			if i < 0 {
				t.Errorf("%s: row %s is missing, or not in its place", view, r.ID)
				continue
			}
			at += i
		}
	}
}

func TestTableFitsItsWidth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := matrix.Own()
		for i := range m.Rows {
			m.Rows[i].Purpose = rapid.StringN(0, 80, -1).Draw(t, "purpose")
		}
		width := rapid.IntRange(60, 200).Draw(t, "width")
		for line := range strings.Lines(report.Table(m, report.Options{Width: width}) + report.Summarize(m).Text(width)) {
			line = strings.TrimSuffix(line, "\n")
			if n := utf8.RuneCountInString(line); n > width {
				t.Fatalf("a line of %d characters where %d were asked for: %q", n, width, line)
			}
			if strings.ContainsFunc(line, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Fatalf("a control character reaches the terminal: %q", line)
			}
		}
	})
}

func TestForeignTextIsNoMarkup(t *testing.T) {
	m := foreign()
	for name, page := range map[string][]byte{"table": report.HTML(m), "summary": report.Summarize(m).HTML()} {
		for _, bad := range []string{"<script", "<b>", "\x1b"} {
			if bytes.Contains(page, []byte(bad)) {
				t.Errorf("%s: the page has %q in it", name, bad)
			}
		}
		wellFormed(t, name, page)
		for _, must := range []string{`<html lang="en">`, `scope="col"`, `scope="row"`, "<caption>", "prefers-color-scheme:dark", "@media print", "<main>"} {
			if !bytes.Contains(page, []byte(must)) {
				t.Errorf("%s: the page lacks %s", name, must)
			}
		}
	}
	records, err := csv.NewReader(bytes.NewReader(report.CSV(m))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range records {
		for i, cell := range record {
			if len(cell) > 1 && strings.ContainsAny(cell[:1], "=+-@") {
				t.Errorf("cell %s holds the formula %q", records[0][i], cell)
			}
		}
	}
}

// wellFormed reads a page as XML, with HTML's void elements closed by themselves: every other element has to be closed.
func wellFormed(t *testing.T, name string, page []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(page))
	d.Strict = false
	d.AutoClose = xml.HTMLAutoClose
	d.Entity = xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%s: %d elements are left open", name, depth)
	}
}

func TestFilter(t *testing.T) {
	for _, c := range []struct {
		f    report.Filter
		want string
	}{
		{report.Filter{}, "1.1 1.2 1.3 1.4"},
		{report.Filter{Role: "db"}, "1.2"},
		{report.Filter{Zone: "internet"}, "1.1"},
		{report.Filter{Plane: "control", Text: "POSTGRES"}, "1.2"},
		{report.Filter{Plane: "internet"}, "1.1"},
		{report.Filter{Feature: "store"}, "1.2"},
		{report.Filter{Section: "First"}, "1.1 1.3"},
		{report.Filter{Reading: "prose"}, "1.1 1.3 1.4"},
		{report.Filter{Text: "bold"}, "1.1"},
		{report.Filter{Text: "no such text"}, ""},
	} {
		m, err := c.f.Apply(foreign())
		if err != nil {
			t.Errorf("%+v: %v", c.f, err)
		}
		var ids []string
		for _, r := range m.Rows {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%+v keeps %q, want %q", c.f, got, c.want)
		}
	}
}

func TestFilterNamesWhatThereIs(t *testing.T) {
	for _, f := range []report.Filter{{Role: "wbe"}, {Zone: "insid"}, {Plane: "data"}, {Feature: "x"}, {Section: "Third"}, {Reading: "x"}} {
		if _, err := f.Apply(foreign()); err == nil || !strings.Contains(err.Error(), "it has: ") {
			t.Errorf("%+v: %v, want an error that lists the names", f, err)
		}
	}
	if _, err := (report.Filter{Reading: "prose"}).Apply(matrix.Own()); err == nil || !strings.Contains(err.Error(), "leave --reading out") {
		t.Errorf("a reading of a matrix that has none: %v", err)
	}
}

func TestSummaryCounts(t *testing.T) {
	s := report.Summarize(foreign())
	if s.Rows != 4 || len(s.Properties) != 4 {
		t.Fatalf("counts %d rows, %d properties", s.Rows, len(s.Properties))
	}
	for i, want := range []report.PropertyCount{
		{"confidential", 0, 0, 4}, {"integrity", 0, 1, 3}, {"authenticated", 1, 0, 3}, {"trusted", 0, 1, 3},
	} {
		if s.Properties[i] != want {
			t.Errorf("property %+v, want %+v", s.Properties[i], want)
		}
	}
	if got := fmt.Sprint(s.Doors); got != "[{db 10 [tcp 5432-5440,6000] []} {web 1 [tcp 443 ip 112 icmp type 8] []}]" {
		t.Errorf("doors %s", got)
	}
	if got := fmt.Sprint(s.Outside, s.Crossings); got != "[{crowd  [1.1] []}] [{internet inside [1.1]} {* inside [1.3 1.4]}]" {
		t.Errorf("outside and crossings %s", got)
	}
}
