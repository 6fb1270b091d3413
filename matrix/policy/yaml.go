package policy

import (
	"errors"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
)

// YAML writes objects as a stream of Calico v3 manifests, which calico.Decode reads back as they were.
func YAML(o calico.Objects) ([]byte, error) { return nil, errors.New("not written yet") }

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
