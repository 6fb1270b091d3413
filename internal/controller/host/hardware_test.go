package host_test

import (
	"slices"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/controller/host/hardware"
)

func (w *world) hardwareData(name string) *metal3.HardwareData {
	d := &metal3.HardwareData{}
	if err := w.admin.Get(w.t.Context(), w.key(name), d); err != nil {
		return nil
	}
	return d
}

// A HardwareData is held as Metal3 holds it, and by nothing longer than its host: another inspection writes into it, and it goes by hand, and with its host, even where that was taken away by force.
func TestHardwareDataIsHeld(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	first := w.hardwareData("a")
	if first == nil || !slices.Contains(first.Finalizers, hardware.Finalizer) {
		t.Fatalf("HardwareData %+v", first)
	}
	found := first.Spec.HardwareDetails.RAMMebibytes
	first.Spec.HardwareDetails.RAMMebibytes = found + 1
	if err := w.admin.Update(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.edit("a", annotate(metal3.InspectAnnotationPrefix, ""))
	w.until("another inspection says in it what it found", func() bool {
		d := w.hardwareData("a")
		return d != nil && d.Spec.HardwareDetails.RAMMebibytes == found && w.host("a").Status.Provisioning.State == metal3.StateAvailable
	})
	if d := w.hardwareData("a"); d.UID != first.UID || !slices.Contains(d.Finalizers, hardware.Finalizer) {
		t.Errorf("HardwareData %+v after another inspection, %s before", d.ObjectMeta, first.UID)
	}
	if err := w.admin.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	w.until("what was deleted by hand goes", func() bool { d := w.hardwareData("a"); return d == nil || d.UID != first.UID })

	w.addHost("b", nil)
	w.untilState("b", metal3.StateAvailable)
	if err := w.admin.Delete(t.Context(), w.host("b")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("b")
	w.until("it goes with its host", func() bool { return w.hardwareData("b") == nil })

	w.addHost("c", nil)
	w.untilState("c", metal3.StateAvailable)
	w.edit("c", func(h *metal3.BareMetalHost) { h.Finalizers = nil })
	if err := w.admin.Delete(t.Context(), w.host("c")); err != nil {
		t.Fatal(err)
	}
	w.until("it goes after a host that was taken away", func() bool { return w.host("c") == nil && w.hardwareData("c") == nil })
}
