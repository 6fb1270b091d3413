// Package metalstack_test holds the example to what metal-stack published: testdata/cells.tsv has every cell of its four tables, taken from them by another program.
package metalstack_test

import (
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/markdown"
)

func readMatrix(t *testing.T) matrix.Matrix {
	t.Helper()
	text, err := os.ReadFile("matrix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := document.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// published are the cells of each row, the number of its table first.
func published(t *testing.T) [][]string {
	t.Helper()
	text, err := os.ReadFile("testdata/cells.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var rows [][]string
	for line := range strings.Lines(string(text)) {
		rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "\t"))
	}
	return rows
}

// cells reads a Markdown text without package markdown: what is between the pipes.
func cells(text []byte) [][]string {
	rows, table := [][]string(nil), 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "|") || strings.HasPrefix(line, "| :") {
			continue
		}
		row := []string{""}
		for cell := range strings.SplitSeq(strings.Trim(line, "|"), "|") {
			row = append(row, strings.TrimSpace(cell))
		}
		if row[1] == "No." {
			table++
			row[0] = "Table"
			if table > 1 {
				continue
			}
		} else {
			row[0] = fmt.Sprint(table)
		}
		rows = append(rows, row)
	}
	return rows
}

func TestExportGivesThePublishedTables(t *testing.T) {
	want := published(t)
	if len(want) != 1+60 {
		t.Fatalf("%d published rows, want 60 and the header", len(want)-1)
	}
	if diff := cmp.Diff(want, cells(markdown.Export(readMatrix(t)))); diff != "" {
		t.Error(diff)
	}
}

// What was exported and imported again is the same matrix, but for what no table says.
func TestImportGivesTheMatrix(t *testing.T) {
	want := readMatrix(t)
	got, err := markdown.Import(want.Name, markdown.Export(want))
	if err != nil {
		t.Fatal(err)
	}
	want.Text = ""
	for i := range want.Roles {
		want.Roles[i].Outside = false
	}
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{})); diff != "" {
		t.Error(diff)
	}
}
