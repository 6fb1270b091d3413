package proof_test

import (
	"testing"

	"github.com/ingotmetal/ingot/internal/prove"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// populated makes a site of a matrix, with hosts that are made up where it has none.
func populated(t *testing.T, name string, m matrix.Matrix) prove.Site {
	t.Helper()
	c, err := policy.Compile(policy.Populate(m))
	if err != nil {
		t.Fatal(err)
	}
	return site(t, name, c.Objects, c.Failsafes...)
}

func TestBuiltinMatrix(t *testing.T) {
	proved(t, populated(t, "built-in", matrix.Own()), prove.Options{})
}
