package proof_test

import (
	"testing"

	"github.com/ingotmetal/ingot/internal/prove"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// matrixOrigin makes a site of a matrix, with hosts and addresses that are made up where it has none.
func matrixOrigin(t *testing.T, name string, m matrix.Matrix) origin {
	t.Helper()
	c, err := policy.Compile(policy.Populate(m))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return origin{c.Objects, c.Failsafes, site(t, name, c.Objects, c.Failsafes...)}
}

func TestBuiltinMatrix(t *testing.T) {
	proved(t, matrixOrigin(t, "built-in", matrix.Own()).site, prove.Options{})
}
