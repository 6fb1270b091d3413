package lint_test

import (
	"testing"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/lint"
)

func TestOwnMatrixHasNoErrorAndNoWarning(t *testing.T) {
	for _, f := range lint.Findings(matrix.Own(), lint.Options{}) {
		if f.Severity != lint.Note {
			t.Errorf("%s\n%s; %s", f, f.Why, f.Fix)
		}
		t.Log(f)
	}
}
