package host_test

import (
	"encoding/json"
	"slices"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// A provisioned host moves from one API server to another the way that clusterctl and CAPM3 do it: paused, its status in an annotation, its objects made anew, let go where it came from. Nobody
// touches its machine.
func TestProvisionedHostIsMoved(t *testing.T) {
	from := newWorld(t)
	from.start()
	m := from.addHost("a", withImage)
	from.untilState("a", metal3.StateProvisioned)
	from.edit("a", func(h *metal3.BareMetalHost) {
		text, err := json.Marshal(h.Status)
		if err != nil {
			t.Fatal(err)
		}
		annotate(metal3.PausedAnnotation, "metal3.io/capm3")(h)
		annotate(metal3.StatusAnnotation, string(text))(h)
	})
	before, boots := from.host("a"), len(m.bmc.Boots())

	to := newWorldOn(t, controlplanetest.Start(t))
	to.bmcs = from.bmcs
	to.start()
	const finalizer = metal3.BareMetalHostFinalizer + "/hardwareData"
	to.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: to.namespace, Name: "a-bmc"}, StringData: map[string]string{"username": "admin", "password": "secret"}})
	to.createHost(m, func(h *metal3.BareMetalHost) {
		h.Spec, h.Annotations = before.Spec, before.Annotations
	})
	to.create(&metal3.HardwareData{
		ObjectMeta: metav1.ObjectMeta{Namespace: to.namespace, Name: "a", Finalizers: []string{finalizer},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(to.host("a"), metal3.GroupVersion.WithKind("BareMetalHost"))}},
		Spec: metal3.HardwareDataSpec{HardwareDetails: before.Status.HardwareDetails},
	})
	// clusterctl takes the finalizers off and the objects away.
	from.edit("a", func(h *metal3.BareMetalHost) { h.Finalizers = nil })
	if err := from.admin.Delete(t.Context(), before); err != nil {
		t.Fatal(err)
	}
	from.untilGone("a")
	to.edit("a", func(h *metal3.BareMetalHost) { delete(h.Annotations, metal3.PausedAnnotation) })
	to.until("a is known as provisioned", func() bool {
		h := to.host("a")
		_, left := h.Annotations[metal3.StatusAnnotation]
		return !left && h.Status.Provisioning.State == metal3.StateProvisioned && to.record("a").Status.Outcome.Reason == "Provisioned"
	})
	h := to.host("a")
	if writes, wiped, systems := m.counts(); writes != 1 || wiped != 1 || systems != 1 || len(m.bmc.Boots()) != boots || !m.bmc.Powered() {
		t.Errorf("%d writes, %d wipes, %d starts of the system, %d boots (%d before), powered %v", writes, wiped, systems, len(m.bmc.Boots()), boots, m.bmc.Powered())
	}
	if p := h.Status.Provisioning; p.Image.URL != before.Spec.Image.URL || p.ID != before.Status.Provisioning.ID || !h.Status.PoweredOn || h.Status.ErrorMessage != "" ||
		h.Status.HardwareDetails == nil || !slices.Contains(h.Finalizers, metal3.BareMetalHostFinalizer) {
		t.Errorf("status %+v", h.Status)
	}

	// Let go of without touching the machine, it goes with all that came with it.
	to.edit("a", annotate(metal3.DetachedAnnotation, ""))
	to.until("a is detached", func() bool { return to.host("a").Status.OperationalStatus == metal3.OperationalStatusDetached })
	if err := to.admin.Delete(t.Context(), to.host("a")); err != nil {
		t.Fatal(err)
	}
	to.untilGone("a")
	to.nothingLeft("a")
	if !m.bmc.Powered() {
		t.Error("the machine was turned off")
	}
}
