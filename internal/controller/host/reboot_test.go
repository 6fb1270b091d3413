package host_test

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

// A BMC that says "off" of a machine that is on, as some do for some seconds after a change, must not pass for the power-off of a reboot: the machine would never be restarted.
func TestARebootIsNotTakenForDone(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.until("the system runs", func() bool { _, _, systems := m.counts(); return systems == 1 && m.bmc.Powered() })
	// It is turned off as its owner wants; then somebody turns it on by hand, and the BMC has not noticed yet.
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Online = false })
	w.until("it is known to be off", func() bool { return !w.host("a").Status.PoweredOn && !m.bmc.Powered() })
	m.bmc.StalePower(1)
	m.bmc.RebootByItself()
	_, _, before := m.counts()
	w.edit("a", func(h *metal3.BareMetalHost) {
		h.Spec.Online = true
		h.Annotations = map[string]string{metal3.RebootAnnotationPrefix: `{"mode":"hard"}`}
	})
	w.until("the annotation is gone", func() bool { _, asked := w.host("a").Annotations[metal3.RebootAnnotationPrefix]; return !asked })
	w.until("the system was restarted", func() bool { _, _, systems := m.counts(); return systems == before+1 && m.bmc.Powered() })
}
