package journey

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Seal finishes a decision: the outcome goes into the record, conditions and lastUpdated into the status, and a decision that edits the host's metadata
// or spec leaves the status to the next pass, since the two are written by two calls of which either may be the last.
func Seal(f Facts, dec Decision, now time.Time) Decision {
	switch {
	case dec.Outcome.Reason == ReasonPaused, dec.Outcome.Reason == ReasonGone:
		dec.Host = f.Host.DeepCopy()
	case MetadataDiffers(f.Host, dec.Host):
		f.Host.Status.DeepCopyInto(&dec.Host.Status)
	default:
		setConditions(dec.Host, dec.Record.Health, now)
		if !equality.Semantic.DeepEqual(f.Host.Status, dec.Host.Status) {
			t := metav1.NewTime(now)
			dec.Host.Status.LastUpdated = &t
		}
	}
	sealRecord(&f.Record, &dec, now)
	return dec
}

// sealRecord writes the outcome. Since is when this reason began in this stage; it is for people, and no deadline counts from it.
func sealRecord(before *ingot.HostLifecycleStatus, dec *Decision, now time.Time) {
	o := dec.Outcome
	stage := string(dec.Host.Status.Provisioning.State)
	if _, reading := dec.Action.(ReadPower); reading && before.Stage == stage && before.Outcome.Kind != "" {
		// A reading is a glance in the middle of what the record says already.
		dec.Record.Stage, dec.Record.Outcome = stage, *before.Outcome.DeepCopy()
		return
	}
	if o.Kind == Done {
		// A routine look each minute is no news: it would be a write per host and minute.
		o.NextAttempt = time.Time{}
	}
	out := ingot.OutcomeStatus{
		Kind: string(o.Kind), Reason: string(o.Reason), Message: o.Message, Fix: o.Fix,
		Deadline: optionalTime(o.Deadline), NextAttempt: optionalTime(o.NextAttempt), Since: before.Outcome.Since,
	}
	if before.Stage != stage || before.Outcome.Reason != out.Reason || out.Since == nil {
		t := metav1.NewTime(now)
		out.Since = &t
	}
	dec.Record.Stage = stage
	dec.Record.Outcome = out
}

func optionalTime(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	m := metav1.NewTime(t)
	return &m
}

// MetadataDiffers says whether a decision changes a host outside of its status. Such a change is a write of its own, after which the host has to be read again.
func MetadataDiffers(a, b *metal3.BareMetalHost) bool {
	return !equality.Semantic.DeepEqual(a.Spec, b.Spec) || !equality.Semantic.DeepEqual(a.ObjectMeta, b.ObjectMeta)
}
