package web

import (
	"testing"
	"time"

	"github.com/ingotmetal/ingot/matrix"
)

// TestEachFlowIsOnTheMatrixPage: every row once, with four cells that say something, between parties that the page can be asked for.
func TestEachFlowIsOnTheMatrixPage(t *testing.T) {
	c, err := flows(t.Context(), nil, ask{now: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	parties := map[string]bool{string(matrix.AnyRole): true}
	for _, r := range c.Body.(MatrixBody).Roles {
		parties[r.Name] = true
	}
	seen := map[string]bool{}
	for _, row := range c.Rows {
		r := row.(MatrixRow)
		if seen[r.ID] || !parties[r.From] || !parties[r.To] || r.Wire == "" || len(r.Cells) != 4 {
			t.Errorf("row %q: %+v", r.ID, r)
		}
		seen[r.ID] = true
		for _, cell := range r.Cells {
			if cell.State == string(matrix.Excepted) && (cell.How == "" || cell.Bound == "") {
				t.Errorf("row %s: %s is an exception without reason or bound", r.ID, cell.Name)
			}
		}
	}
	for _, r := range matrix.Own().Rows {
		if !seen[r.ID] {
			t.Errorf("row %s is not on the page", r.ID)
		}
	}
}
