package command_test

import (
	"errors"
	"flag"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/reference"
	"github.com/ingotmetal/ingot/mesh/command"
	"github.com/ingotmetal/ingot/mesh/command/joining"
)

var update = flag.Bool("update", false, "write the reference and the manual anew")

// TestReference holds the reference and the manual to what the programs say of themselves; make generate writes them (-update).
func TestReference(t *testing.T) {
	if err := errors.Join(reference.Check(command.Root(), "../../docs", *update), reference.Check(joining.Root(), "../../docs", *update)); err != nil {
		t.Error(err)
	}
}
