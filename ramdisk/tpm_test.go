package ramdisk

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// booting is a host whose machine boots the agent, with the window of that boot.
func booting(now time.Time, asked ingot.TPMDemand) journey.Facts {
	at := metav1.NewTime(now.Add(-time.Minute))
	f := preparing(ingot.HostLifecycleStatus{Boot: &ingot.BootStatus{ID: "boot-1", Purpose: ingot.PurposeAgent, StartedAt: &at, ConfirmedAt: &at, Attempt: 1}}, nil)
	f.Window = &ingot.BootWindow{}
	f.Window.Name, f.Window.Spec.TPM, f.Window.Spec.ClosesAt = "boot-1", &asked, metav1.NewTime(now.Add(time.Hour))
	return f
}

// TestARefusedAgentIsShownAndAwaited: who has the token can bring a refusal about, so that the wait goes on as it is.
func TestARefusedAgentIsShownAndAwaited(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	key := strings.Repeat("2", 64)
	f := booting(now, ingot.TPMDemand{Use: "prefer"})
	before, _ := Ensure(journey.Begin(f, now), metal3.PreparationError)
	f.Window.Status.Refusal = &ingot.AgentRefusal{At: metav1.NewTime(now), Message: "its TPM is another one", EndorsementKey: key}
	dec, ready := Ensure(journey.Begin(f, now), metal3.PreparationError)
	o := dec.Outcome
	if ready || o.Kind != journey.Wait || !o.Deadline.Equal(before.Outcome.Deadline) || !strings.Contains(o.Message, "its TPM is another one") || !strings.Contains(o.Fix, key) {
		t.Errorf("%+v", o)
	}
	if before.Outcome.Fix != "" {
		t.Errorf("a fix without trouble: %q", before.Outcome.Fix)
	}
	// The last boot in a row ends as a failure that says the same.
	f.Record.Boot.Attempt = maxBoots
	dec, _ = Ensure(journey.Begin(f, now.Add(defaultBootDeadline)), metal3.PreparationError)
	if r := dec.Record.Failure; r == nil || !strings.Contains(r.Message, "its TPM is another one") || !strings.Contains(r.Fix, key) {
		t.Errorf("%+v", r)
	}
}

// TestAChangedDemandBootsAnew: an operator's word is not waited for until the boot under way is given up.
func TestAChangedDemandBootsAnew(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	key := strings.Repeat("2", 64)
	alive := func(f *journey.Facts) {
		f.Agent = &journey.AgentFacts{BootID: "boot-1", LastSeen: now, Phase: step.Idle}
	}
	for name, c := range map[string]struct {
		change func(f *journey.Facts)
		anew   bool
		ready  bool
	}{
		"nothing":                             {func(*journey.Facts) {}, false, false},
		"the key is named":                    {named(ingot.EndorsementKeyAnnotation, key), true, false},
		"it is required":                      {named(ingot.TPMAnnotation, "require"), true, false},
		"the window is of an earlier release": {func(f *journey.Facts) { f.Window.Spec.TPM = nil; named(ingot.TPMAnnotation, "require")(f) }, false, false},
		"the agent is there":                  {alive, false, true},
		"the agent is there, a key is named":  {func(f *journey.Facts) { alive(f); named(ingot.EndorsementKeyAnnotation, key)(f) }, true, false},
		"the agent is there, it proved that key": {func(f *journey.Facts) {
			alive(f)
			named(ingot.EndorsementKeyAnnotation, key)(f)
			f.Window.Status.TPM = &ingot.TPMEvidence{EndorsementKey: key}
		}, false, true},
		"the agent is there, nothing is asked": {func(f *journey.Facts) { alive(f); named(ingot.TPMAnnotation, "never")(f) }, false, true},
	} {
		f := booting(now, ingot.TPMDemand{Use: "prefer"})
		f.Host.Annotations = map[string]string{}
		c.change(&f)
		dec, ready := Ensure(journey.Begin(f, now), metal3.PreparationError)
		window, opens := dec.Action.(journey.OpenWindow)
		if ready != c.ready || opens != c.anew || opens && (window.BootID == "boot-1" || window.TPM == (ingot.TPMDemand{Use: "prefer"})) {
			t.Errorf("%s: ready %v, action %+v", name, ready, dec.Action)
		}
	}
}

func named(annotation, value string) func(*journey.Facts) {
	return func(f *journey.Facts) { f.Host.Annotations[annotation] = value }
}
