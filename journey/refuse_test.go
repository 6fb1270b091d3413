package journey

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// A refused decision leaves everything as it is, but for the record's words, and is itself a decision that can be carried out.
func TestRefuseDoesNothing(t *testing.T) {
	f, dec := written()
	f.Record.Disk.Written = true
	dec.Host.Status.Provisioning.State = metal3.StateProvisioned
	dec.RemoveFinalizer = true
	broken := Check(f, dec)
	if len(broken) == 0 {
		t.Fatal("the decision should break something")
	}
	got := Refuse(f, dec, broken, noon)
	if got.Action != nil || got.RemoveFinalizer || !equality.Semantic.DeepEqual(got.Host, f.Host) {
		t.Errorf("it does something: %+v", got)
	}
	record := got.Record
	if record.Outcome.Kind != string(Blocked) || record.Outcome.Reason != string(ReasonUnsafeDecision) {
		t.Errorf("the record says %+v", record.Outcome)
	}
	record.Outcome, record.Stage = ingot.OutcomeStatus{}, f.Record.Stage
	if !equality.Semantic.DeepEqual(record, f.Record) {
		t.Errorf("the record changes from %+v to %+v", f.Record, record)
	}
	for _, v := range broken {
		if !strings.Contains(got.Outcome.Message, v.Invariant) {
			t.Errorf("the message %q does not name %q", got.Outcome.Message, v.Invariant)
		}
	}
	if again := Check(f, got); len(again) != 0 {
		t.Errorf("the refusal breaks %v", again)
	}
	if !got.Outcome.NextAttempt.After(noon) {
		t.Error("the next look follows at once")
	}
}
