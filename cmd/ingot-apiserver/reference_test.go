package main

import (
	"flag"

	"testing"

	"github.com/ingotmetal/ingot/internal/cli/reference"
)

var update = flag.Bool("update", false, "write the reference and the manual anew")

// TestReference holds the reference and the manual to what the program says of itself; make generate writes them (-update).
func TestReference(t *testing.T) {
	if err := reference.Check(command(), "../../docs", *update); err != nil {
		t.Error(err)
	}
}
