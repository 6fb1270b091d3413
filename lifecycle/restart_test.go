package lifecycle

import (
	"fmt"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// crashPoints are the places in a pass where a process may die.
const crashPoints = 4

// crashingPass is a pass of which only the first writes happen: 0 nothing at all, 1 the record, 2 the metadata, 3 the status, 4 the action without its result.
func (w *world) crashingPass(point int) {
	dec := w.decision()
	w.note("dies at point %d of: %s", point, dec.Outcome.Message)
	if point >= 1 {
		w.record = roundTrip(dec.Record)
	}
	if point >= 2 {
		h := w.host.DeepCopy()
		h.ObjectMeta, h.Spec = *dec.Host.ObjectMeta.DeepCopy(), *dec.Host.Spec.DeepCopy()
		w.host = h
	}
	if point >= 3 {
		w.host.Status = roundTrip(dec.Host.Status)
	}
	if point >= 4 && dec.Action != nil {
		w.do(dec.Action)
	}
	w.mem = memory{}
}

// TestRestartAtEveryStep kills the process in every pass of a whole life, at every place in it, and expects the same end: one write, one boot of the image, a provisioned host; then
// the same for the way to its deletion.
func TestRestartAtEveryStep(t *testing.T) {
	for n := range 4 {
		deleting, folds := n&1 != 0, n&2 != 0
		for pass := 0; ; pass++ {
			over := false
			for point := range crashPoints + 1 {
				over = !liveWithCrash(t, deleting, folds, pass, point) || over
			}
			if over {
				if pass < 7 {
					t.Fatalf("a life of %d passes is too short to be true", pass)
				}
				break
			}
		}
	}
}

// liveWithCrash says whether the life was long enough to crash in that pass.
func liveWithCrash(t *testing.T, deleting, folds bool, pass, point int) bool {
	t.Helper()
	w := newWorld(9, nil)
	w.folds = folds
	edits()["image"](w)
	if deleting {
		w.settle(atRest)
		w.deleteHost()
	}
	writes, crashed := countWrites(w, pass, point, deleting)
	name := fmt.Sprintf("deleting %v, folds %v, pass %d, point %d", deleting, folds, pass, point)
	switch {
	case w.wrong != "":
		t.Fatalf("%s: %s", name, w.report())
	case deleting && !w.gone:
		t.Fatalf("%s: the host does not go\n%s", name, w.report())
	case deleting:
		if w.disks[0].content != "" || w.power {
			t.Fatalf("%s: gone with data on the disk or power on\n%s", name, w.report())
		}
	case w.host.Status.Provisioning.State != metal3.StateProvisioned || w.machine != osRuns:
		t.Fatalf("%s: %s, the machine runs %q\n%s", name, w.host.Status.Provisioning.State, w.machine, w.report())
	case writes != 1 || w.osBoots != 1:
		t.Fatalf("%s: %d writes, %d boots of the image\n%s", name, writes, w.osBoots, w.report())
	}
	return crashed
}

// countWrites lives on to the end and counts the writes that the agent began.
func countWrites(w *world, pass, point int, deleting bool) (writes int, crashed bool) {
	lastWrite := ""
	for i := range maxPasses {
		if w.gone || w.wrong != "" {
			break
		}
		var dec journey.Decision
		if i == pass {
			w.crashingPass(point)
			crashed = true
		} else {
			dec = w.pass()
			w.compare()
		}
		if a := w.agent; a != nil && a.kind == step.WriteImage && a.stepID != lastWrite {
			lastWrite = a.stepID
			writes++
		}
		if !deleting && i != pass && atRest(dec) && i > pass {
			break
		}
		if !deleting && !crashed && i < pass && atRest(dec) {
			break
		}
		w.advance(dec)
	}
	return writes, crashed
}
