package host_test

import (
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
)

func TestHostIsProvisionedAndReleased(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	writes, _, systems := m.counts()
	if writes != 1 || systems != 1 {
		t.Errorf("%d writes and %d boots of the system, want 1 and 1\n%s", writes, systems, w.describe())
	}
	t.Log(w.describe())
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("a")
	if _, wiped, _ := m.counts(); wiped == 0 || m.bmc.Powered() {
		t.Errorf("wiped %d times, powered %v: want a wiped machine that is off", wiped, m.bmc.Powered())
	}
}
