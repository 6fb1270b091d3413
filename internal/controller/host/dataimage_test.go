package host_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/step"
)

const dataISO = "https://images.test/data.iso"

func (w *world) dataImage(name string) *metal3.DataImage {
	d := &metal3.DataImage{}
	if err := w.admin.Get(w.t.Context(), w.key(name), d); err != nil {
		return nil
	}
	return d
}

func (w *world) createDataImage(name, url string) {
	w.t.Helper()
	w.create(&metal3.DataImage{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: name}, Spec: metal3.DataImageSpec{URL: url}})
	w.until("the DataImage of "+name+" is held", func() bool {
		d := w.dataImage(name)
		return d != nil && len(d.Finalizers) == 1 && d.Finalizers[0] == metal3.DataImageFinalizer
	})
}

// reboot asks for one and waits until the machine is on again.
func (w *world) reboot(name string, m *machine) {
	w.t.Helper()
	before := len(m.bmc.Boots())
	w.edit(name, annotate(metal3.RebootAnnotationPrefix, `{"mode":"hard"}`))
	w.until(name+" was rebooted", func() bool {
		_, asked := w.host(name).Annotations[metal3.RebootAnnotationPrefix]
		return !asked && len(m.bmc.Boots()) > before && m.bmc.Powered()
	})
}

// A DataImage comes into the drive at the next start and goes at the one after its deletion; the running system sees neither before.
func TestDataImage(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.createDataImage("a", dataISO)
	if m.bmc.Medium() != "" || w.dataImage("a").Status.AttachedImage.URL != "" {
		t.Errorf("medium %q, status %+v before a reboot", m.bmc.Medium(), w.dataImage("a").Status)
	}
	w.reboot("a", m)
	w.until("it is attached", func() bool {
		s := w.dataImage("a").Status
		return s.AttachedImage.URL == dataISO && s.LastReconciled != nil && s.Error == metal3.DataImageError{}
	})
	if m.bmc.Medium() != dataISO {
		t.Errorf("medium %q", m.bmc.Medium())
	}
	if _, _, systems := m.counts(); systems != 2 {
		t.Errorf("the system started %d times, want 2: a DataImage is not booted from", systems)
	}
	if err := w.admin.Delete(t.Context(), w.dataImage("a")); err != nil {
		t.Fatal(err)
	}
	w.nudge("a")
	if w.dataImage("a") == nil || m.bmc.Medium() != dataISO {
		t.Error("it went before a reboot")
	}
	w.reboot("a", m)
	w.until("it is gone", func() bool { return w.dataImage("a") == nil })
	if m.bmc.Medium() != "" || w.record("a").Status.Drive != nil {
		t.Errorf("medium %q, drive %+v", m.bmc.Medium(), w.record("a").Status.Drive)
	}
}

// A medium that cannot be read is an error of the DataImage, counted; another URL is tried at once. Deprovisioning takes it out.
func TestDataImageThatTheBMCCannotFetch(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.createDataImage("a", "https://images.test/missing.iso")
	m.bmc.FailNext(fake.Fault{Op: "insert virtual medium", Kind: step.Internal, Message: "404 from the image server"})
	w.edit("a", annotate(metal3.RebootAnnotationPrefix, `{"mode":"hard"}`))
	w.until("it says why", func() bool {
		e := w.dataImage("a").Status.Error
		return e.Count == 1 && strings.Contains(e.Message, "404 from the image server")
	})
	w.until("it is corrected", func() bool {
		d := w.dataImage("a")
		d.Spec.URL = dataISO
		return w.admin.Update(t.Context(), d) == nil
	})
	w.until("it is attached", func() bool {
		s := w.dataImage("a").Status
		return s.AttachedImage.URL == dataISO && s.Error == metal3.DataImageError{} && m.bmc.Powered() && w.host("a").Status.ErrorMessage == ""
	})
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	w.untilState("a", metal3.StateAvailable)
	if m.bmc.Medium() == dataISO {
		t.Error("it is still in the drive")
	}
	w.until("it says so", func() bool { return w.dataImage("a").Status.AttachedImage.URL == "" })
	if err := w.admin.Delete(t.Context(), w.dataImage("a")); err != nil {
		t.Fatal(err)
	}
	w.until("it is gone", func() bool { return w.dataImage("a") == nil })
}

func TestDataImageThatCannotBeAttached(t *testing.T) {
	w := newWorld(t)
	w.lacks = []bmc.Capability{bmc.CanVirtualMedia}
	w.start()
	w.addHost("a", func(h *metal3.BareMetalHost) { h.Spec.ExternallyProvisioned = true })
	w.untilState("a", metal3.StateExternallyProvisioned)
	w.createDataImage("a", dataISO)
	w.until("it says why", func() bool {
		e := w.dataImage("a").Status.Error
		return e.Count == 1 && strings.Contains(e.Message, "no virtual media")
	})
	if err := w.admin.Delete(t.Context(), w.dataImage("a")); err != nil {
		t.Fatal(err)
	}
	w.until("it is gone", func() bool { return w.dataImage("a") == nil })

	// Nothing holds one whose host does not exist.
	w.create(&metal3.DataImage{ObjectMeta: metav1.ObjectMeta{Namespace: w.namespace, Name: "nobody", Finalizers: []string{metal3.DataImageFinalizer}}, Spec: metal3.DataImageSpec{URL: dataISO}})
	if err := w.admin.Delete(t.Context(), w.dataImage("nobody")); err != nil {
		t.Fatal(err)
	}
	w.until("it is gone", func() bool { return w.dataImage("nobody") == nil })
}
