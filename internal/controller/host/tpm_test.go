package host_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// TestTPMIsPinnedAndPinnedAgain: the first agent's TPM is the host's; the agent of another one, or of none, is refused, the host shows it and what to do, and goes on when the operator names the new
// key, or says that there is none.
func TestTPMIsPinnedAndPinnedAgain(t *testing.T) {
	first, second := strings.Repeat("a1", 32), strings.Repeat("b2", 32)
	w := newWorld(t)
	m := w.addMachine("a")
	m.putTPM(first)
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) {
		withImage(h)
		h.Spec.InspectionMode = metal3.InspectionModeDisabled
	})
	w.untilState("a", metal3.StateProvisioned)
	r := w.record("a").Status.TPM
	if r == nil || r.EndorsementKey != first || r.PinnedAt.IsZero() || r.BootID == "" || len(r.PCRs) != 1 {
		t.Fatalf("the record has %+v", r)
	}
	pinned := r.PinnedAt

	refuses := func(what string, says ...string) {
		t.Helper()
		w.until(what, func() bool {
			o := w.record("a").Status.Outcome
			for _, s := range says {
				if !strings.Contains(o.Message+" "+o.Fix, s) {
					return false
				}
			}
			return o.Reason == string(journey.ReasonWaitingForAgent) && o.Fix != ""
		})
		if got := w.record("a").Status.TPM; got == nil || got.EndorsementKey != r.EndorsementKey {
			t.Fatalf("%s: the record has %+v", what, got)
		}
	}
	_, wiped, _ := m.counts()
	m.putTPM(second)
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	refuses("the other TPM is refused, and shown", first, second, ingot.EndorsementKeyAnnotation+" to "+second)
	if _, now, _ := m.counts(); now != wiped {
		t.Errorf("%d wipes, want the %d from before", now, wiped)
	}
	w.edit("a", annotate(ingot.EndorsementKeyAnnotation, "sha256:"+strings.ToUpper(second)))
	w.untilState("a", metal3.StateAvailable)
	r = w.record("a").Status.TPM
	if r == nil || r.EndorsementKey != second || r.PinnedAt.Before(&pinned) {
		t.Fatalf("after the operator's word the record has %+v", r)
	}

	// It is pinned now without the operator's word, too; and a machine that hides its TPM is refused.
	w.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, ingot.EndorsementKeyAnnotation) })
	w.edit("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	m.putTPM("")
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	refuses("an agent without a TPM is refused, and shown", "shows no TPM", second, `to "none"`)
	w.edit("a", annotate(ingot.EndorsementKeyAnnotation, "none"))
	w.untilState("a", metal3.StateAvailable)
	if r := w.record("a").Status.TPM; r != nil {
		t.Errorf("the record still has %+v", r)
	}
}

// TestTPMPolicyOfAHost: what cannot be read blocks, what is required is asked for before anything is done.
func TestTPMPolicyOfAHost(t *testing.T) {
	w := newWorld(t)
	m := w.addMachine("a")
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) { annotate(ingot.TPMAnnotation, "always")(h) })
	w.until("the annotation is refused", func() bool {
		o := w.record("a").Status.Outcome
		return o.Reason == string(journey.ReasonAnnotationInvalid) && strings.Contains(o.Message, ingot.TPMAnnotation)
	})
	w.edit("a", annotate(ingot.TPMAnnotation, "require"))
	w.until("the machine without a TPM is refused", func() bool {
		return strings.Contains(w.record("a").Status.Outcome.Message, "the policy requires one")
	})
	w.edit("a", annotate(ingot.TPMAnnotation, "never"))
	w.untilState("a", metal3.StateAvailable)
	m.putTPM(strings.Repeat("a1", 32))
	w.edit("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	if r := w.record("a").Status.TPM; r != nil {
		t.Errorf("a TPM that nobody asked for is pinned: %+v", r)
	}
}
