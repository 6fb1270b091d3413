package print_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/cli/print"
)

type machine struct {
	Name  string `json:"name"`
	State string `json:"state"`
	Bytes int64  `json:"bytes"`
	born  time.Time
}

var day = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

func machines() []machine {
	return []machine{
		{"rack10-a", "available", 2 << 30, day},
		{"rack2-b", "provisioned", 512 << 20, day.Add(time.Hour)},
		{"rack2-a", "", 16 << 30, day.Add(2 * time.Hour)},
	}
}

func listColumns() []print.Column[machine] {
	return []print.Column[machine]{
		{Header: "NAME", Cell: func(m machine) string { return m.Name }},
		{Header: "STATE", Cell: func(m machine) string { return m.State }},
		{Header: "DISK SIZE", Wide: true, Cell: func(m machine) string { return print.Bytes(m.Bytes) }, Order: print.By(func(m machine) int64 { return m.Bytes })},
		{Header: "AGE", Hidden: true, Cell: func(m machine) string { return m.born.String() }, Order: print.ByTime(func(m machine) time.Time { return m.born })},
	}
}

func names(rows []machine) string {
	var all []string
	for _, m := range rows {
		all = append(all, m.Name)
	}
	return strings.Join(all, " ")
}

func TestSort(t *testing.T) {
	for keys, want := range map[string]string{
		"name":            "rack2-a rack2-b rack10-a",
		"-name":           "rack10-a rack2-b rack2-a",
		"disk-size":       "rack2-b rack10-a rack2-a",
		"-disk-size":      "rack2-a rack10-a rack2-b",
		"state":           "rack10-a rack2-b rack2-a",
		"-state":          "rack2-b rack10-a rack2-a", // without a state: last all the same
		"age":             "rack2-a rack2-b rack10-a",
		"state,-name":     "rack10-a rack2-b rack2-a",
		"STATE,DISK-SIZE": "rack10-a rack2-b rack2-a",
	} {
		compare, err := print.ParseSort(listColumns(), strings.Split(keys, ","))
		if err != nil {
			t.Fatal(err)
		}
		rows := machines()
		slices.SortStableFunc(rows, compare)
		if got := names(rows); got != want {
			t.Errorf("--sort-by %s: %s, want %s", keys, got, want)
		}
	}
	if _, err := print.ParseSort(listColumns(), []string{"size"}); err == nil || !strings.Contains(err.Error(), "name, state, disk-size, age") {
		t.Errorf("an unknown column: %v", err)
	}
}

func TestByCell(t *testing.T) {
	sorted := []string{"", "1", "2", "02", "10", "10a", "a", "a1b2", "a1b10", "a2", "aa"}
	for i, a := range sorted {
		for j, b := range sorted {
			if got := print.ByCell(a, b); (got < 0) != (i < j) || (got > 0) != (i > j) {
				t.Errorf("ByCell(%q, %q) = %d", a, b, got)
			}
		}
	}
}

func TestFilter(t *testing.T) {
	for text, want := range map[string]string{
		"name=rack2-*":           "rack2-b rack2-a",
		"name!=rack2-*":          "rack10-a",
		"name=*-a":               "rack10-a rack2-a",
		"name=rack?-a":           "rack2-a",
		"NAME=RACK2-A,rack10*":   "rack10-a rack2-a",
		"state=":                 "rack2-a",
		"state!=":                "rack10-a rack2-b",
		"state=available,prov*d": "rack10-a rack2-b",
		"disk-size=512.0 MiB":    "rack2-b",
		"name=*":                 "rack10-a rack2-b rack2-a",
		"name=a*c":               "",
		"name=**k**2**b**":       "rack2-b",
	} {
		f, err := print.ParseFilter(listColumns(), text)
		if err != nil {
			t.Fatal(err)
		}
		if got := names(slices.DeleteFunc(machines(), func(m machine) bool { return !f(m) })); got != want {
			t.Errorf("--filter %s: %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"name": "column=glob", "size=1": "name, state, disk-size, age", "": "column=glob"} {
		if _, err := print.ParseFilter(listColumns(), text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("--filter %q: %v, want %q", text, err, want)
		}
	}
}

func TestViews(t *testing.T) {
	rows := machines()[1:]
	rows[1].State = "a|b\\\x1b[2J\nc"
	for format, want := range map[string]string{
		"table":                         "NAME      STATE\nrack2-b   provisioned\nrack2-a   a|b\\ [2J c\n",
		"wide":                          "NAME      STATE         DISK SIZE\nrack2-b   provisioned   512.0 MiB\nrack2-a   a|b\\ [2J c    16.0 GiB\n",
		"markdown":                      "| NAME | STATE | DISK SIZE |\n| --- | --- | --- |\n| rack2-b | provisioned | 512.0 MiB |\n| rack2-a | a\\|b\\\\ [2J c | 16.0 GiB |\n",
		"name":                          "rack2-b\nrack2-a\n",
		"template={{.name}}/{{.bytes}}": "rack2-b/536870912\nrack2-a/17179869184\n",
	} {
		f, err := print.ParseFormat(format)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		v := print.View[machine]{Format: f, Columns: listColumns(), Name: func(m machine) string { return m.Name }}
		if err := v.Write(&b, rows); err != nil {
			t.Fatal(err)
		}
		if b.String() != want {
			t.Errorf("-o %s:\n%q\nwant:\n%q", format, b.String(), want)
		}
	}
	for format, want := range map[string]string{"template=": "for example", "template={{.name": "unclosed", "xml": "markdown, template="} {
		if _, err := print.ParseFormat(format); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("-o %s: %v, want %q", format, err, want)
		}
	}
}

// Any pattern on any text ends, and a star alone matches all.
func FuzzFilter(f *testing.F) {
	f.Add("a*b?c", "aXbYc")
	f.Add("*", "")
	f.Add("**a**a**a**b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		filter, err := print.ParseFilter(listColumns(), "name="+pattern+",*")
		if err != nil {
			t.Fatal(err)
		}
		if !filter(machine{Name: text}) {
			t.Errorf("* does not match %q", text)
		}
	})
}
