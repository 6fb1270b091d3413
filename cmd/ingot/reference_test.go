package main

import (
	"io"
	"testing"

	"github.com/ingotmetal/ingot/internal/cli/reference"
	"github.com/ingotmetal/ingot/internal/cli/session"
)

// TestReference holds the reference and the manual to what the program says of itself; make generate writes them (-update).
func TestReference(t *testing.T) {
	t.Setenv("HOME", "/nowhere")
	if err := reference.Check(command(session.New(io.Discard, io.Discard)), "../../docs", *update); err != nil {
		t.Error(err)
	}
}
