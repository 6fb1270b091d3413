package lifecycle

import (
	"slices"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
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

// The proof of a wipe does not go in the write by which a host stops being offered: the record is written before the host, and the process may die in between.
func TestFoldKeepsTheProofOfWhatIsOffered(t *testing.T) {
	decide := func(f journey.Facts, now time.Time) journey.Decision {
		d := journey.Begin(f, now)
		if d.State() == metal3.StateAvailable {
			d.MoveTo(metal3.StatePreparing)
			return d.Again(journey.ReasonStageChanged, "other settings")
		}
		d.Record.CleanedAt = nil
		return d.Act(journey.ReadPower{}, journey.ReasonReadingPower, "something that voids the proof")
	}
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now)
	host := &metal3.BareMetalHost{}
	host.Status.Provisioning.State = metal3.StateAvailable
	for name, proof := range map[string]*metav1.Time{"with a proof": &at, "without one": nil} {
		last, told := Fold(decide, journey.Facts{Host: host.DeepCopy(), Record: ingot.HostLifecycleStatus{CleanedAt: proof}}, now)
		if last.Host.Status.Provisioning.State != metal3.StatePreparing || (last.Action == nil) != (proof != nil) || len(told) == 1 != (proof == nil) {
			t.Errorf("%s: %d decisions before %+v", name, len(told), last.Outcome)
		}
		if proof != nil && last.Record.CleanedAt == nil {
			t.Errorf("%s: it is gone with the state", name)
		}
	}
}
