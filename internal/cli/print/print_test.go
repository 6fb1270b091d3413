package print_test

import (
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/cli/print"
)

type thing struct {
	Name string `json:"name"`
	Size int64  `json:"size"`
}

func columns() []print.Column[thing] {
	return []print.Column[thing]{
		{Header: "NAME", Cell: func(t thing) string { return t.Name }},
		{Header: "SIZE", Wide: true, Cell: func(t thing) string { return print.Bytes(t.Size) }},
	}
}

func TestObjectsInEveryFormat(t *testing.T) {
	rows := []thing{{"a", 1536}, {"", 12}}
	for format, want := range map[print.Format]string{
		print.Table: "NAME\na\n-\n",
		print.Wide:  "NAME   SIZE\na      1.5 KiB\n-      12 B\n",
		print.JSON:  "[\n  {\n    \"name\": \"a\",\n    \"size\": 1536\n  },\n  {\n    \"name\": \"\",\n    \"size\": 12\n  }\n]\n",
		print.YAML:  "- name: a\n  size: 1536\n- name: \"\"\n  size: 12\n",
	} {
		var out strings.Builder
		if err := print.Objects(&out, format, rows, rows, columns()); err != nil {
			t.Fatalf("%s: %v", format, err)
		}
		if out.String() != want {
			t.Errorf("%s:\n%s\nwant:\n%s", format, out.String(), want)
		}
	}
}

func TestParseFormatNamesTheChoices(t *testing.T) {
	_, err := print.ParseFormat("xml")
	if err == nil || !strings.Contains(err.Error(), "table, wide, json, yaml") {
		t.Fatalf("ParseFormat(xml) = %v, want an error that names the formats", err)
	}
}

func TestUnits(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", 192 * time.Second: "3m12s",
		25*time.Hour + time.Minute: "1d1h", 3*time.Hour + 5*time.Minute: "3h5m",
	} {
		if got := print.Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1 << 20: "1.0 MiB", 5 << 30: "5.0 GiB"} {
		if got := print.Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
	if got := print.Bar(5, 10, 4); got != "[##..]" {
		t.Errorf("Bar = %q", got)
	}
	if got := print.Bar(20, 10, 4); got != "[####]" {
		t.Errorf("Bar over the total = %q", got)
	}
	if got := print.Bar(5, 0, 4); got != "" {
		t.Errorf("Bar of an unknown total = %q", got)
	}
}
