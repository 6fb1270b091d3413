package seeded

import (
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/test/sim/seeded/store"
)

// check looks at every write since the last time, and at the truth as it is now.
func (w *world) check() {
	w.mu.Lock()
	changes := w.changes
	w.changes = nil
	w.mu.Unlock()
	for _, c := range changes {
		w.checkSecrets(c)
		if l, is := c.Object.(*ingot.HostLifecycle); is && l.Status.Outcome.Reason == string(journey.ReasonUnsafeDecision) {
			w.wrong("%s: a decision was unsafe: %s", c.ID.Key, l.Status.Outcome.Message)
		}
	}
	for _, m := range w.machines {
		w.checkHost(m)
	}
}

// checkHost holds what the objects say of a host against its disks.
func (w *world) checkHost(m *machine) {
	h, l := w.hostOf(m.key), w.recordOf(m.key)
	if h == nil {
		m.offered = false
	}
	if h == nil || l == nil || !metav1.IsControlledBy(l, h) {
		return
	}
	s, p := &l.Status, &h.Status.Provisioning
	m.adopted = p.State == metal3.StateProvisioned && (m.adopted || m.state == metal3.StateExternallyProvisioned)
	m.state = p.State
	if s.CleanedAt != nil && s.Step == nil && m.runs != "live" {
		for _, d := range m.disks {
			if d.content != "" {
				w.wrong("%s is proved clean, and its disks hold %s", m.name, m.contents())
			}
		}
	}
	if d := s.Drive; d != nil && p.State == metal3.StateAvailable {
		w.wrong("%s is available with %s in its drive", m.name, d.URL)
	}
	if p.State == metal3.StateProvisioned && p.Image.URL != "" && s.Disk != nil && p.Image.URL != liveISO {
		if d := m.disk(s.Disk.SerialNumber); d == nil || d.content != imageOf(p.Image.URL) {
			w.wrong("%s is provisioned with %s, and its disks hold %s", m.name, p.Image.URL, m.contents())
		}
	}
	offered := p.State == metal3.StateAvailable
	if offered && !m.offered && h.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled {
		w.checkEvidence(m, s)
	}
	if offered && m.offered && m.proof == l.UID && s.CleanedAt == nil && h.Spec.AutomatedCleaningMode != metal3.CleaningModeDisabled {
		w.wrong("%s is still offered, and was not cleaned any more", m.name)
	}
	m.offered, m.proof = offered, ""
	if s.CleanedAt != nil {
		m.proof = l.UID
	}
}

// checkEvidence: a host that becomes available has the proof that each of its disks was wiped.
func (w *world) checkEvidence(m *machine, s *ingot.HostLifecycleStatus) {
	if s.CleanedAt == nil {
		w.wrong("%s is offered, and was not cleaned; its disks hold %s", m.name, m.contents())
		return
	}
	proved := map[string]bool{}
	for _, r := range s.Wipes {
		proved[r.SerialNumber] = r.Result == "clean"
	}
	for _, d := range m.disks {
		if !proved[d.SerialNumber] {
			w.wrong("%s is offered without proof that %s was wiped", m.name, d.Name)
		}
		if d.content != "" {
			w.wrong("%s is offered with old data: %s holds %s", m.name, d.Name, d.content)
		}
	}
}

// checkStep is looked at in the moment in which an agent begins a step: what it does to disks must be claimed in the objects as they are.
func (w *world) checkStep(m *machine, boot string, s *protocol.Step) {
	if s.Kind != step.Clean && s.Kind != step.WriteImage && s.Kind != step.BurnIn {
		return
	}
	h, l := w.hostOf(m.key), w.recordOf(m.key)
	if h == nil || l == nil || l.Status.Boot == nil || l.Status.Boot.ID != boot || l.Status.Step == nil || l.Status.Step.ID != s.ID {
		w.wrong("%s: %s %s begins, and the objects know nothing of it", m.name, s.Kind, s.ID)
		return
	}
	state := h.Status.Provisioning.State
	if s.Kind == step.BurnIn {
		w.checkBurnIn(m, h, s.BurnIn.Plan)
		return
	}
	if s.Kind == step.Clean {
		if state != metal3.StatePreparing && state != metal3.StateDeprovisioning || h.Spec.AutomatedCleaningMode == metal3.CleaningModeDisabled {
			w.wrong("%s: disks are wiped in state %q, with cleaning %q", m.name, state, h.Spec.AutomatedCleaningMode)
		}
		return
	}
	d, c := l.Status.Disk, s.WriteImage.Claim
	switch {
	case d == nil || d.StepID != s.ID || d.SerialNumber != c.SerialNumber || c.SerialNumber == "":
		w.wrong("%s: a write to %q without a claim on it", m.name, c.SerialNumber)
	case c.SerialNumber != m.chosen:
		w.wrong("%s: the image goes to another disk than was chosen: %q, not %q", m.name, c.SerialNumber, m.chosen)
	case h.DeletionTimestamp != nil || state != metal3.StateProvisioning || h.Spec.Image == nil || h.Spec.Image.URL != s.WriteImage.Image.URL:
		w.wrong("%s: an image is written that nobody wants any more (state %q)", m.name, state)
	}
	if r := h.Spec.RootDeviceHints; r != nil && r.Rotational != nil {
		if k := m.disk(c.SerialNumber); k == nil || k.Rotational != *r.Rotational {
			w.wrong("%s: the image goes to %s, which the hints exclude", m.name, c.SerialNumber)
		}
	}
}

// checkSecrets: a secret's text stands in its Secret and nowhere else.
func (w *world) checkSecrets(c store.Change) {
	if s, is := c.Object.(*corev1.Secret); is && s.Namespace != ingot.BootNamespace {
		return
	}
	text := asJSON(c.Object)
	for _, mark := range w.marks {
		if strings.Contains(text, mark) {
			w.wrong("%s %s shows a secret: %s", c.ID.Kind.Kind, c.ID.Key, mark)
		}
	}
}

// acceptedKey notes that an agent was let in.
func (w *world) acceptedKey(boot, key string) {
	keys := w.accepted[boot]
	if keys == nil {
		keys = map[string]bool{}
		w.accepted[boot] = keys
	}
	keys[key] = true
	if len(keys) > 1 {
		w.wrong("two agents were let in for boot %s", boot)
	}
}

// busyLooks is how often a host may be looked at within a second: twelve passes of a turn take one look, so nothing comes near.
const busyLooks = 100

// checkPace finds a host that is looked at without end while no time goes by.
func (w *world) checkPace(key types.NamespacedName, now time.Time) {
	second := now.Truncate(time.Second)
	if p := w.pace[key]; p == nil || !p.second.Equal(second) {
		w.pace[key] = &pace{second: second}
	}
	if w.pace[key].looks++; w.pace[key].looks == busyLooks {
		w.wrong("%s is looked at %d times within a second", key, busyLooks)
	}
}

type pace struct {
	second time.Time
	looks  int
}
