package host_test

import (
	"slices"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// burnIns are the plans of the burn-ins that the machine's agents began.
func (m *machine) burnIns() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.tested)
}

// TestBurnInByTheAPI: what a host's annotation asks for is done once, through a change of the process too, before the disks are wiped and the host is offered; a part that fails keeps the host back until its owner asks for
// something else.
func TestBurnInByTheAPI(t *testing.T) {
	w := newWorld(t)
	m := w.addMachine("a")
	running := make(chan struct{})
	m.hold[step.BurnIn] = running
	w.start()
	const first = "cpu=1m,disk=write"
	w.addHostFor(m, func(h *metal3.BareMetalHost) { annotate(ingot.BurnInAnnotation, first)(h) })
	w.until("the burn-in runs", func() bool { return len(m.burnIns()) == 1 })
	if _, wipes, _ := m.counts(); wipes != 0 {
		t.Errorf("%d wipes before a test that writes to the disks", wipes)
	}
	w.kill()
	w.start()
	close(running)
	w.untilState("a", metal3.StateAvailable)
	r := w.record("a").Status
	if b := r.BurnIn; b == nil || b.Result != journey.BurnInPassed || b.Attempts != 1 || b.FinishedAt == nil || len(b.Tests) != 1 || b.Tests[0].Message != m.burnIns()[0] || b.Request != m.burnIns()[0] {
		t.Errorf("the record has %+v, and the machine did %v", b, m.burnIns())
	}
	if _, wipes, _ := m.counts(); wipes != 1 || r.CleanedAt == nil || r.CleanedAt.Before(r.BurnIn.FinishedAt) {
		t.Errorf("%d wipes after it, the last at %v", wipes, r.CleanedAt)
	}

	m.mu.Lock()
	m.worn = true
	m.mu.Unlock()
	w.edit("a", annotate(ingot.BurnInAnnotation, "cpu=2m"))
	w.until("the host says which part failed", func() bool {
		o, h := w.record("a").Status.Outcome, w.host("a")
		return o.Reason == string(journey.ReasonBurnInFailed) && strings.Contains(o.Message, "3 sectors cannot be read") && strings.Contains(o.Fix, "replace the disk") &&
			h.Status.ErrorType == metal3.PreparationError && h.Status.Provisioning.State == metal3.StatePreparing
	})
	if got := m.burnIns(); len(got) != 2 {
		t.Errorf("burn-ins %v: each wish is done once", got)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, ingot.BurnInAnnotation) })
	w.untilState("a", metal3.StateAvailable)
	r = w.record("a").Status
	if b := r.BurnIn; b == nil || !b.Withdrawn || b.Result != journey.BurnInFailed || w.host("a").Status.ErrorType != "" {
		t.Errorf("after it was withdrawn the record has %+v", b)
	}
	if got := m.burnIns(); len(got) != 2 {
		t.Errorf("burn-ins %v after the wish was withdrawn", got)
	}
}
