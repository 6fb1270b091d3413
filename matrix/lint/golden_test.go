package lint_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
	"github.com/ingotmetal/ingot/matrix/lint"
	"github.com/ingotmetal/ingot/matrix/policy"
)

var update = flag.Bool("update", false, "write the golden files anew")

func example(t *testing.T, path ...string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(append([]string{"..", "..", "examples"}, path...)...))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func decoded(t *testing.T, name string) matrix.Matrix {
	t.Helper()
	m, err := document.Decode(example(t, name, "matrix.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// imported are ARTESCA's policies as they are, without the names and readings that matrix.yaml adds.
func imported(t *testing.T) matrix.Matrix {
	t.Helper()
	var parts []calico.Objects
	for _, file := range []string{"endpoints.yaml", "policies-prose.yaml"} {
		o, err := calico.Decode(example(t, "artesca", file))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, o)
	}
	m, _, err := policy.Import(calico.Merge(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestFindingsOfTheExamples(t *testing.T) {
	for name, m := range map[string]matrix.Matrix{"artesca": decoded(t, "artesca"), "artesca-imported": imported(t), "metal-stack": decoded(t, "metal-stack")} {
		t.Run(name, func(t *testing.T) {
			var lines []string
			for _, f := range lint.Findings(m, lint.Options{CalicoFailsafes: true}) {
				lines = append(lines, f.String())
			}
			got := strings.Join(lines, "\n") + "\n"
			golden := filepath.Join("testdata", name+".txt")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// What the reference computed by hand must be among the findings.
func TestKnownDefectsAreFound(t *testing.T) {
	has := func(m matrix.Matrix, code lint.Code, rows ...string) {
		t.Helper()
		for _, f := range lint.Findings(m, lint.Options{Only: []lint.Code{code}}) {
			found := 0
			for _, r := range rows {
				if strings.Contains(" "+strings.Join(f.Rows, " ")+" ", " "+r+" ") {
					found++
				}
			}
			if found == len(rows) {
				return
			}
		}
		t.Errorf("%s: no %s about %v", m.Name, code, rows)
	}
	m := decoded(t, "metal-stack")
	has(m, lint.UnprotectedApplication, "2.3")
	has(m, lint.UnprotectedApplication, "3.4")
	has(m, lint.UnprotectedApplication, "18.2")
	has(m, lint.PortsDiffer, "2.2", "3.3")
	has(m, lint.ApplicationOnPort, "2.6")
	has(m, lint.ProtectionDiffer, "2.1", "3.2")
	has(m, lint.ZonesDiffer, "2.4", "10.2")
	has(m, lint.UnlistedZone, "11.2")
	has(m, lint.UnknownCell, "2.8")
	has(m, lint.MissingVPN)
	has(m, lint.NoManagement)
	dead := 0
	for _, f := range lint.Findings(imported(t), lint.Options{Only: []lint.Code{lint.ShadowedFlow}}) {
		if !strings.Contains(f.What, "makes no difference") {
			t.Error(f)
		}
		dead++
	}
	// Every egress rule of the prose but those for all of TCP and UDP and for VRRP, one finding a rule.
	if want := 17; dead != want {
		t.Errorf("%d dead rules, want %d", dead, want)
	}
}
