package lifecycle

import (
	"slices"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

// A host that is folded goes through the same provisioning states as one that is not, each of which an observer of the API can see, in fewer writes.
func TestFoldSkipsNoState(t *testing.T) {
	life := func(folds bool) (states []metal3.ProvisioningState, writes int) {
		w := newWorld(3, nil)
		w.folds = folds
		edits()["image"](w)
		for range maxPasses {
			before := w.record
			dec := w.pass()
			w.compare()
			if s := w.host.Status.Provisioning.State; len(states) == 0 || states[len(states)-1] != s {
				states = append(states, s)
			}
			if dec.Action != nil || before.Stage != w.record.Stage || before.Outcome.Reason != w.record.Outcome.Reason {
				writes++
			}
			if atRest(dec) || w.wrong != "" {
				break
			}
			w.advance(dec)
		}
		if w.wrong != "" {
			t.Fatal(w.report())
		}
		return states, writes
	}
	single, singleWrites := life(false)
	folded, foldedWrites := life(true)
	if !slices.Equal(single, folded) || single[len(single)-1] != metal3.StateProvisioned {
		t.Errorf("states one by one %v\nfolded            %v", single, folded)
	}
	if foldedWrites >= singleWrites {
		t.Errorf("%d writes folded, %d one by one", foldedWrites, singleWrites)
	}
}
