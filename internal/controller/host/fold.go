package host

import (
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// foldAtOnce bounds how many decisions go into one write.
const foldAtOnce = 6

// fold decides until there is something to do or to wait for, and gives the last decision, with those before it in told. Decisions that only change the objects would
// each be written and read back before the next one; together they cost one write, and what is written before an action is still all that was intended.
//
// It stops before anything that an observer, or a later decision, must see on its own: a second change of the provisioning state, a change of the host's
// metadata or spec, and another boot, whose window and agent are facts that have to be read.
func (r *Reconciler) fold(f journey.Facts, now time.Time) (d journey.Decision, told []journey.Decision) {
	d = r.checked(f, now)
	start := f.Host.Status.Provisioning.State
	for range foldAtOnce {
		if !goesOn(f, d) {
			break
		}
		// The result was used; a decision that saw it again would count it twice.
		f.Host, f.Record, f.Result = d.Host.DeepCopy(), *d.Record.DeepCopy(), nil
		next := r.checked(f, now)
		moved := d.Host.Status.Provisioning.State != start
		if moved && next.Host.Status.Provisioning.State != d.Host.Status.Provisioning.State || metaDiffers(f, next) {
			break
		}
		told, d = append(told, d), next
	}
	return d, told
}

// goesOn says whether the next decision can be taken on what this one changed.
func goesOn(f journey.Facts, d journey.Decision) bool {
	asked := d.Outcome.Kind == journey.Wait && d.Outcome.NextAttempt.IsZero()
	if !asked || d.Action != nil || d.RemoveFinalizer || metaDiffers(f, d) || bootOf(f.Record.Boot) != bootOf(d.Record.Boot) {
		return false
	}
	return !equality.Semantic.DeepEqual(f.Host.Status, d.Host.Status) || !equality.Semantic.DeepEqual(f.Record, d.Record)
}

// bootOf is the boot's ID, empty where there is none.
func bootOf(b *ingot.BootStatus) string {
	if b == nil {
		return ""
	}
	return b.ID
}

func metaDiffers(f journey.Facts, d journey.Decision) bool {
	return len(metaOperations(f.Host, d.Host)) > 0 || !equality.Semantic.DeepEqual(f.Host.Spec, d.Host.Spec)
}

// checked decides, and refuses a decision that breaks what always holds. A defect in the decisions then costs a host its progress, never a disk its data.
func (r *Reconciler) checked(f journey.Facts, now time.Time) journey.Decision {
	d := r.decide(f, now)
	broken := journey.Check(f, d)
	if len(broken) == 0 {
		return d
	}
	for _, v := range broken {
		r.metrics.refused(v.Invariant)
	}
	refusal := journey.Refuse(f, d, broken, now)
	r.log.Error("decision refused", "machine", keyOf(f.Host).String(), "stage", string(f.Host.Status.Provisioning.State), "err", refusal.Outcome.Message)
	return refusal
}
