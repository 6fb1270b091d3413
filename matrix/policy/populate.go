package policy

import "github.com/ingotmetal/ingot/matrix"

// Populate makes up what a matrix lacks to be proved: hosts, and addresses of outside parties and places.
func Populate(m matrix.Matrix) matrix.Matrix { return m }
