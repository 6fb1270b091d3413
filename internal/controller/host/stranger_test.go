package host_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/step"
)

// A host that is never inspected knows its machine by what its first agent said. Another machine's agent is let in, shown as the host's error, and handed nothing: not the wipe that the
// host is waiting for.
func TestAnotherMachinesAgentWipesNothing(t *testing.T) {
	const first, other = "4c4c4544-0034-4a10-8035-b4c04f465931", "4c4c4544-0034-4a10-8035-b4c04f465932"
	w := newWorld(t)
	w.start()
	m := w.addMachine("a")
	m.rename(first)
	w.addHostFor(m, func(h *metal3.BareMetalHost) {
		withImage(h)
		h.Spec.InspectionMode = metal3.InspectionModeDisabled
	})
	w.untilState("a", metal3.StateProvisioned)
	if got := w.record("a").Status.MachineUUID; got != first {
		t.Fatalf("the record knows the machine as %q, want %q", got, first)
	}
	_, wiped, _ := m.counts()
	m.rename(other)
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	w.until("the other machine is named", func() bool {
		f := w.record("a").Status.Failure
		return f != nil && f.Kind == string(step.Invalid) && strings.Contains(f.Message, other) && strings.Contains(f.Message, first) && f.Fix != ""
	})
	// The host's status is written after the record.
	w.until("the host shows the error", func() bool {
		s := w.host("a").Status
		return s.Provisioning.State == metal3.StateDeprovisioning && s.ErrorType != "" && strings.Contains(s.ErrorMessage, other)
	})
	if _, now, _ := m.counts(); now != wiped {
		t.Errorf("%d wipes, want the %d from before", now, wiped)
	}
	if got := w.record("a").Status.MachineUUID; got != first {
		t.Errorf("the record calls the machine %q now", got)
	}
}
