package host_test

import (
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

const liveISO = "https://images.test/live.iso"

func withLiveISO(url string) func(*metal3.BareMetalHost) {
	return func(h *metal3.BareMetalHost) { h.Spec.Image = &metal3.Image{URL: url, DiskFormat: ptr.To("live-iso")} }
}

// A live ISO's life: booted from the virtual CD, again after a reboot, taken out and cleaned after.
func TestLiveISO(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withLiveISO(liveISO))
	w.untilState("a", metal3.StateProvisioned)
	h, record := w.host("a"), w.record("a").Status
	if p := h.Status.Provisioning.Image; p.URL != liveISO || !p.IsLiveISO() || h.Status.ErrorMessage != "" || !meta.IsStatusConditionTrue(h.Status.Conditions, metal3.ProvisionedCondition) {
		t.Errorf("image %+v, error %q, conditions %+v", p, h.Status.ErrorMessage, h.Status.Conditions)
	}
	if record.Drive == nil || record.Drive.InsertedAt == nil || record.CleanedAt != nil || record.Disk != nil || record.FirstBoot != nil {
		t.Errorf("the record says %+v", record)
	}
	if s := m.bmc.Override(); s.Device != bmc.BootCD || s.Once || m.bmc.Medium() != liveISO {
		t.Errorf("override %+v, medium %q", s, m.bmc.Medium())
	}
	writes, wiped, _ := m.counts()
	if writes != 0 || wiped != 1 {
		t.Errorf("%d writes, %d wipes: want none, and the one before it was offered", writes, wiped)
	}

	w.edit("a", annotate(metal3.RebootAnnotationPrefix, `{"mode":"hard"}`))
	w.until("the live ISO is booted again", func() bool { return len(m.liveBoots()) == 2 && m.bmc.Powered() })

	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	w.until("a is available again", func() bool {
		h := w.host("a")
		return h.Status.Provisioning.State == metal3.StateAvailable && h.Status.Provisioning.Image.URL == ""
	})
	if _, wiped, _ := m.counts(); wiped != 2 || m.bmc.Medium() == liveISO || w.record("a").Status.Drive != nil {
		t.Errorf("%d wipes, medium %q, drive %+v", wiped, m.bmc.Medium(), w.record("a").Status.Drive)
	}
}

// A detached host's window is closed; the medium that its system runs from is its owner's, and stays.
func TestLiveISOStaysWhenDetached(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", withLiveISO(liveISO))
	w.untilState("a", metal3.StateProvisioned)
	w.edit("a", annotate(metal3.DetachedAnnotation, ""))
	w.until("a is left alone", func() bool {
		o := w.record("a").Status.Outcome
		return o.Kind == string(journey.Done) && o.Reason == string(journey.ReasonDetached)
	})
	if m.bmc.Medium() != liveISO {
		t.Errorf("the drive holds %q", m.bmc.Medium())
	}
}

// Where cleaning is disabled nothing replaces the medium: it is ejected all the same.
func TestLiveISOIsEjectedWithoutCleaning(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", func(h *metal3.BareMetalHost) {
		withLiveISO(liveISO)(h)
		h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled
	})
	w.untilState("a", metal3.StateProvisioned)
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("a")
	if _, wiped, _ := m.counts(); wiped != 0 || m.bmc.Medium() != "" || m.bmc.Powered() || m.bmc.Override().Device != bmc.BootNone {
		t.Errorf("%d wipes, medium %q, powered %v, override %+v", wiped, m.bmc.Medium(), m.bmc.Powered(), m.bmc.Override())
	}
}

// An ISO that the BMC cannot fetch is an error that names it; another one is tried at once.
func TestLiveISOThatTheBMCCannotFetch(t *testing.T) {
	w := newWorld(t)
	w.start()
	m := w.addHost("a", nil)
	w.untilState("a", metal3.StateAvailable)
	m.bmc.FailNext(fake.Fault{Op: "insert virtual medium", Kind: step.Internal, Message: "404 from the image server"})
	w.edit("a", withLiveISO("https://images.test/missing.iso"))
	w.until("a says that the ISO cannot be read", func() bool {
		s := w.host("a").Status
		return s.ErrorType == metal3.ProvisioningError && strings.Contains(s.ErrorMessage, "404 from the image server")
	})
	if n := len(m.liveBoots()); n != 0 {
		t.Errorf("%d boots of it", n)
	}
	w.edit("a", withLiveISO(liveISO))
	w.until("a runs the other one", func() bool {
		s := w.host("a").Status
		return s.Provisioning.State == metal3.StateProvisioned && s.Provisioning.Image.URL == liveISO && s.ErrorMessage == ""
	})
	if boots := m.liveBoots(); len(boots) != 1 || boots[0] != liveISO {
		t.Errorf("booted %v", boots)
	}
}

func TestLiveISOWithoutVirtualMedia(t *testing.T) {
	w := newWorld(t)
	w.lacks = []bmc.Capability{bmc.CanVirtualMedia}
	w.start()
	m := w.addMachine("a")
	w.addHostFor(m, func(h *metal3.BareMetalHost) {
		withLiveISO(liveISO)(h)
		h.Spec.BMC.Address = m.address
		h.Spec.InspectionMode, h.Spec.AutomatedCleaningMode = metal3.InspectionModeDisabled, metal3.CleaningModeDisabled
	})
	w.until("a says that its BMC has no virtual media", func() bool {
		h := w.host("a")
		return h != nil && h.Status.ErrorType == metal3.ProvisioningError && strings.Contains(h.Status.ErrorMessage, "virtual media")
	})
	if h := w.host("a"); h.Status.Provisioning.State != metal3.StateAvailable || len(m.bmc.Boots()) != 0 {
		t.Errorf("state %q, boots %+v", h.Status.Provisioning.State, m.bmc.Boots())
	}
}
