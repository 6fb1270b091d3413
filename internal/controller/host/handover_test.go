package host_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

// TestHandOverByKexec: the machine is never turned off between the agent and its system, the BMC has the disk for the next boot, and a kernel that cannot be made ready is the firmware's to start.
func TestHandOverByKexec(t *testing.T) {
	for name, c := range map[string]struct {
		failure *step.Failure
		method  ingot.HandOverMethod
		done    string
	}{
		"kexec":       {nil, ingot.HandOverByKexec, "set disk for the next boot"},
		"locked down": {&step.Failure{Kind: step.Internal, Message: "kexec_file_load(2): it is locked down"}, ingot.HandOverByReboot, "boot from disk"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			m := w.addMachine("a")
			w.start()
			m.failStep(step.LoadSystem, c.failure)
			w.addHostFor(m, func(h *metal3.BareMetalHost) {
				withImage(h)
				h.Spec.InspectionMode = metal3.InspectionModeDisabled
				annotate(ingot.HandOverAnnotation, "kexec")(h)
			})
			w.untilState("a", metal3.StateProvisioned)
			r := w.record("a").Status
			h := r.HandOver
			if h == nil || h.Method != c.method || (c.failure != nil) != strings.Contains(h.Reason, "locked down") {
				t.Fatalf("%+v", h)
			}
			done := map[string]bool{}
			for _, e := range r.Timeline {
				if e.Stage == string(metal3.StateProvisioning) {
					done[e.Step] = true
				}
			}
			if !done[c.done] || done["set power"] != (c.failure != nil) {
				t.Errorf("timeline %+v", r.Timeline)
			}
			w.until("one system was started", func() bool { _, _, systems := m.counts(); return systems == 1 })
		})
	}
}
