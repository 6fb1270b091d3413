package matrix

import (
	"fmt"
	"slices"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/lint"
)

// meaningless are the findings with which a matrix is not applied. The others are for people to look at: a gap in a security cell opens and closes nothing. A matrix
// without a management row for one of its hosts would have that host try rules that nobody can confirm, again and again.
func meaningless() []lint.Code { return []lint.Code{lint.NoManagement} }

// statusRows bounds how many rows of a finding stand in the status.
const statusRows = 16

// findings lints a matrix for its status, and says with which of them it has no meaning; empty: with none.
func findings(m matrix.Matrix) (all []ingot.MatrixFinding, refused string) {
	var reasons []string
	for _, f := range lint.Findings(m, lint.Options{}) {
		all = append(all, ingot.MatrixFinding{
			Code: string(f.Code), Severity: string(f.Severity), Flows: f.Rows[:min(len(f.Rows), statusRows)], What: f.What, Why: f.Why, Fix: f.Fix,
		})
		if slices.Contains(meaningless(), f.Code) && len(m.Hosts) > 0 {
			reasons = append(reasons, fmt.Sprintf("%s: %s: %s", f.Code, f.What, f.Fix))
		}
	}
	return all, strings.Join(reasons, "; ")
}
