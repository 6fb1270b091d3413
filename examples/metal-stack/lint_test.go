package metalstack_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/matrix/lint"
)

// The gap list is the published tables': each row with an empty cell, each with a question mark, each with a zone that is none.
func TestLintListsEveryGap(t *testing.T) {
	want := map[lint.Code][]string{}
	for _, row := range published(t)[1:] {
		id, zones, security := row[1], []string{row[3], row[6]}, row[8:12]
		if slices.Contains(security, "") {
			want[lint.BlankCell] = append(want[lint.BlankCell], id)
		}
		if slices.Contains(security, "?") {
			want[lint.UnknownCell] = append(want[lint.UnknownCell], id)
		}
		if slices.Contains(zones, "unknown") || slices.Contains(zones, "Various") {
			want[lint.UnlistedZone] = append(want[lint.UnlistedZone], id)
		}
	}
	got := map[lint.Code][]string{}
	for _, f := range lint.Findings(readMatrix(t), lint.Options{}) {
		if want[f.Code] == nil {
			continue
		}
		for _, id := range f.Rows {
			if !slices.Contains(got[f.Code], id) {
				got[f.Code] = append(got[f.Code], id)
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// What the README says that lint says.
func TestLintNamesTheContradictions(t *testing.T) {
	findings := lint.Findings(readMatrix(t), lint.Options{})
	for _, want := range []struct {
		code lint.Code
		rows []string
	}{
		{lint.ZonesDiffer, []string{"2.4", "10.2"}},
		{lint.PortsDiffer, []string{"2.2", "3.3"}},
		{lint.ProtectionDiffer, []string{"2.1", "3.2"}},
		{lint.UnprotectedApplication, []string{"2.3"}},
		{lint.UnprotectedApplication, []string{"3.4"}},
		{lint.UnprotectedApplication, []string{"18.2"}},
		{lint.ApplicationOnPort, []string{"2.6"}},
		{lint.ApplicationOnPort, []string{"3.5"}},
		{lint.MissingVPN, []string{"2.7", "3.6"}},
		{lint.MissingAnswer, []string{"15.1"}},
		{lint.NoManagement, nil},
	} {
		if !slices.ContainsFunc(findings, func(f lint.Finding) bool { return f.Code == want.code && slices.Equal(f.Rows, want.rows) }) {
			t.Errorf("no finding %s of the rows %v", want.code, want.rows)
		}
	}
}
