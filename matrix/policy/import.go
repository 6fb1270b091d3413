package policy

import (
	"errors"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// Unsaid is what a manifest says and a matrix cannot.
type Unsaid struct {
	// Object is "Kind/name", Path the field in it, like "spec.ingress[3].notSelector".
	Object, Path string
	// Why is a sentence.
	Why string
}

// Import reads rows from Calico's objects: the Allow rules of policies in the default tier.
func Import(o calico.Objects) (matrix.Matrix, []Unsaid, error) {
	return matrix.Matrix{}, nil, errors.New("not written yet")
}
