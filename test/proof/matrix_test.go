package proof_test

import (
	"os"
	"testing"

	"github.com/ingotmetal/ingot/internal/prove"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/document"
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

func metalStack(t *testing.T) origin {
	t.Helper()
	text, err := os.ReadFile("../../examples/metal-stack/matrix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	m, err := document.Decode(text)
	if err != nil {
		t.Fatal(err)
	}
	return matrixOrigin(t, "metal-stack", m)
}

func TestMetalStack(t *testing.T) {
	proved(t, metalStack(t).site, prove.Options{})
}

func TestBuiltinMatrix(t *testing.T) {
	proved(t, matrixOrigin(t, "built-in", matrix.Own()).site, prove.Options{})
}
