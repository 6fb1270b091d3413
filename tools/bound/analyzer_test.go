package bound_test

import (
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/go/analysis/analysistest"

	"github.com/ingotmetal/ingot/tools/bound"
)

// The packages say themselves what is to be found in them, and where nothing is.
func TestAnalyzer(t *testing.T) {
	analysistest.Run(t, analysistest.TestData(), bound.Analyzer,
		"plain", "local", "disguised", "literals", "kubernetes", "flows",
		bound.Module+"/internal/driver/socket/kernel", bound.Module+"/internal/driver/socketry", bound.Module+"/internal/past", bound.Module+"/matrix/document")
}

func TestResultsTellWhatWasNamedAndExcepted(t *testing.T) {
	for pkg, want := range map[string]struct {
		flows []string
		place string
	}{
		"flows": {flows: []string{"AgentToPartition", "BootHealth"}},
		bound.Module + "/internal/driver/socket/kernel": {place: "internal/driver/socket"},
		bound.Module + "/matrix/document":               {place: "matrix"},
		"local":                                         {},
	} {
		results := analysistest.Run(t, analysistest.TestData(), bound.Analyzer, pkg)
		got := results[0].Result.(*bound.Found)
		if !slices.Equal(got.Flows, want.flows) {
			t.Errorf("%s names the flows %v, want %v", pkg, got.Flows, want.flows)
		}
		place := ""
		if len(got.Used) > 0 {
			place = got.Used[0].Path
		}
		if place != want.place {
			t.Errorf("%s used the exception of %q, want %q", pkg, place, want.place)
		}
	}
}

func TestEachExceptionHasAReason(t *testing.T) {
	seen := map[string]bool{}
	for _, p := range bound.Places {
		key := string(p.Rule) + " " + p.Path
		if strings.TrimSpace(p.Reason) == "" || seen[key] {
			t.Errorf("exception %s has no reason or is there twice", key)
		}
		seen[key] = true
	}
	for name, reason := range bound.Unopened {
		if strings.TrimSpace(reason) == "" {
			t.Errorf("flow %s is excepted without a reason", name)
		}
	}
}
