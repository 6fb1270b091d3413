package lifecycle

import (
	"slices"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
)

// decision is one decision, or as many as are written together.
func (w *world) decision() journey.Decision {
	if !w.folds {
		return w.checked(w.facts(), w.now)
	}
	dec, told := Fold(w.checked, w.facts(), w.now)
	for _, earlier := range told {
		w.note("%-14s %s: %s, and at once", earlier.Host.Status.Provisioning.State, earlier.Outcome.Reason, earlier.Outcome.Message)
	}
	return dec
}

// checked is one decision, held against what holds for all.
func (w *world) checked(f journey.Facts, now time.Time) journey.Decision {
	dec := Decide(f, now)
	for _, v := range journey.Check(f, dec) {
		w.never("decision breaks %s", v)
	}
	return dec
}

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
