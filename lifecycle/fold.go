package lifecycle

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// foldAtOnce bounds how many decisions go into one write.
const foldAtOnce = 6

// Fold decides until there is something to do or to wait for, and gives the last decision, with those before it in told. Decisions that only change the objects would
// each be written and read back before the next one; together they cost one write, and what is written before an action is still all that was intended.
//
// It stops before anything that an observer, or a later decision, must see on its own: a second change of the provisioning state, a change of the host's
// metadata or spec, and another boot, whose window and agent are facts that have to be read. And before the proof of a wipe goes of a host that is still offered: the record is written before the host, and
// who dies in between would leave it offered without.
func Fold(decide func(journey.Facts, time.Time) journey.Decision, f journey.Facts, now time.Time) (last journey.Decision, told []journey.Decision) {
	last = decide(f, now)
	start, proved := f.Host.Status.Provisioning.State, f.Record.CleanedAt != nil
	for range foldAtOnce {
		if !goesOn(f, last) {
			break
		}
		// The result was used; a decision that saw it again would count it twice.
		f.Host, f.Record, f.Result = last.Host.DeepCopy(), *last.Record.DeepCopy(), nil
		next := decide(f, now)
		moved := last.Host.Status.Provisioning.State != start
		if moved && start == metal3.StateAvailable && proved && next.Record.CleanedAt == nil {
			break
		}
		if moved && next.Host.Status.Provisioning.State != last.Host.Status.Provisioning.State || journey.MetadataDiffers(f.Host, next.Host) {
			break
		}
		told, last = append(told, last), next
	}
	return last, told
}

// goesOn says whether the next decision can be taken on what this one changed.
func goesOn(f journey.Facts, d journey.Decision) bool {
	again := d.Outcome.Kind == journey.Wait && d.Outcome.NextAttempt.IsZero()
	if !again || d.Action != nil || d.RemoveFinalizer || journey.MetadataDiffers(f.Host, d.Host) || bootOf(f.Record) != bootOf(d.Record) {
		return false
	}
	return !equality.Semantic.DeepEqual(f.Host.Status, d.Host.Status) || !equality.Semantic.DeepEqual(f.Record, d.Record)
}

// bootOf is the boot's ID, empty where there is none.
func bootOf(r ingot.HostLifecycleStatus) string {
	if r.Boot == nil {
		return ""
	}
	return r.Boot.ID
}
