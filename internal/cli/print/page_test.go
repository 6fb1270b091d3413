package print_test

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/print"
)

// A page keeps the order of what is said, and each kind of it in Markdown's own form.
func TestPage(t *testing.T) {
	var b strings.Builder
	err := print.Text(&b, print.Markdown, func(w io.Writer) error {
		if err := print.Fields(w, print.Field{Name: "Host", Value: "a|b\nc"}, print.Field{Name: "Empty"}); err != nil {
			return err
		}
		fmt.Fprint(w, "\nit waits:\n")
		fmt.Fprint(w, "  for ``` power\n\n")
		if err := print.Objects(w, print.Table, nil, machines()[:1], listColumns()[:1]); err != nil {
			return err
		}
		_, err := fmt.Fprintln(w, "that is all")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	want := "| Field | Value |\n| --- | --- |\n| Host | a\\|b c |\n\n````\nit waits:\n  for ``` power\n````\n\n| NAME |\n| --- |\n| " + machines()[0].Name + " |\n\n```\nthat is all\n```\n"
	if b.String() != want {
		t.Errorf("%q, want\n%q", b.String(), want)
	}
	b.Reset()
	say := func(w io.Writer) error { _, err := io.WriteString(w, "plain\n"); return err }
	if err := print.Text(&b, print.Table, say); err != nil || b.String() != "plain\n" {
		t.Errorf("%v: %q", err, b.String())
	}
}

// Each structured format of an object, of a report, and of an array.
func TestObject(t *testing.T) {
	type meta struct {
		Name string `json:"name"`
	}
	object := struct {
		Metadata meta   `json:"metadata"`
		Name     string `json:"name"`
		Bytes    int64  `json:"bytes"`
	}{meta{"rack1-a"}, "another", 1 << 40}
	report := map[string]any{"name": "rep\nort", "bytes": 7}
	for _, c := range []struct {
		format, want string
		object       any
	}{
		{"name", "rack1-a\n", object},
		{"name", "rep ort\n", report},
		{"name", "rack1-a\nrep ort\n", []any{object, report}},
		{"name", "", []string{}},
		{"template={{.bytes}} of {{.metadata.name}}", "1099511627776 of rack1-a\n", object},
		{"template={{.bytes}}", "1099511627776\n7\n", []any{object, report}},
		{"json", "{\n  \"bytes\": 7,\n  \"name\": \"rep\\nort\"\n}\n", report},
		{"yaml", "- a\n- b\n", []string{"a", "b"}},
	} {
		f, err := print.ParseFormat(c.format)
		if err != nil || !f.Structured() {
			t.Fatalf("-o %s: %v", c.format, err)
		}
		var b strings.Builder
		if err := print.Object(&b, f, c.object); err != nil || b.String() != c.want {
			t.Errorf("-o %s: %v, %q, want %q", c.format, err, b.String(), c.want)
		}
	}
	for format, want := range map[print.Format]string{"name": "no name of its own", "template={{.a.b.c}}": "-o json shows", print.Markdown: "markdown"} {
		if err := print.Object(io.Discard, format, map[string]any{"a": 1}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("-o %s: %v, want %q", format, err, want)
		}
	}
}
