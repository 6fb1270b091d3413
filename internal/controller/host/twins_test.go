package host_test

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

// TestAMachineHasOneHost: a second host with the BMC address of a machine that runs an image does not get it, and the machine is neither restarted nor wiped.
func TestAMachineHasOneHost(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	_, wiped, systems := m.counts()
	w.createHost(m, func(h *metal3.BareMetalHost) { h.Name, h.Spec.BootMACAddress = "copy", "52:54:00:00:00:99" })
	w.until("the copy is refused", func() bool {
		h := w.host("copy")
		return h != nil && h.Status.ErrorType == metal3.RegistrationError && strings.Contains(h.Status.ErrorMessage, w.namespace+"/a already")
	})
	if s := w.host("copy").Status.Provisioning.State; s != metal3.StateRegistering {
		t.Errorf("the copy is %q", s)
	}
	if _, wipedNow, systemsNow := m.counts(); wipedNow != wiped || systemsNow != systems || !m.bmc.Powered() {
		t.Errorf("the machine was touched for its second host: %d and %d wipes, %d and %d starts", wiped, wipedNow, systems, systemsNow)
	}
	// A process that knows the first host by its record alone says the same.
	w.kill()
	w.start()
	w.nudge("copy")
	w.advance(time.Hour)
	w.until("the copy is refused again", func() bool { return w.host("copy").Status.ErrorCount > 1 })
	if err := w.admin.Delete(t.Context(), w.host("copy")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("copy")
	if w.host("a").Status.Provisioning.State != metal3.StateProvisioned || !m.bmc.Powered() {
		t.Error("the first host was touched by the copy's deletion")
	}
}

// TestABootMACHasOneHost: two hosts that claim one MAC address boot neither over it, since the wrong machine could answer.
func TestABootMACHasOneHost(t *testing.T) {
	w := newWorld(t)
	w.start()
	first := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	w.addHost("b", func(h *metal3.BareMetalHost) { h.Spec.BootMACAddress = strings.ToUpper(first.mac) })
	w.until("b is refused", func() bool {
		h := w.host("b")
		return h != nil && h.Status.ErrorType == metal3.InspectionError && strings.Contains(h.Status.ErrorMessage, "also one of host "+w.namespace+"/a")
	})
	if _, wiped, _ := w.machine("b").counts(); wiped != 0 {
		t.Errorf("b was wiped %d times", wiped)
	}
}
