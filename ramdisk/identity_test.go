package ramdisk

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// With inspection disabled, the wipe is the first thing that an agent would be handed: whose machine it runs on is asked before.
func TestNoStepForAnotherMachine(t *testing.T) {
	const mine, theirs = "4c4c4544-0034-4a10-8035-b4c04f465931", "4c4c4544-0034-4a10-8035-b4c04f465932"
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now.Add(-time.Minute))
	for name, c := range map[string]struct {
		bmc, before, enrolled string
		ready                 bool
		remembered            string
	}{
		"the BMC's machine":                  {mine, "", mine, true, mine},
		"another than the BMC's":             {mine, "", theirs, false, ""},
		"another than at the first time":     {"", mine, theirs, false, mine},
		"the first one of a silent BMC":      {"", "", theirs, true, theirs},
		"a machine that was never given one": {mine, mine, "00000000-0000-0000-0000-000000000000", true, mine},
		"an agent that told none":            {mine, "", "", true, ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Finalizers: []string{metal3.BareMetalHostFinalizer}}}
			h.Spec.BMC.Address, h.Spec.BootMACAddress = "redfish://10.0.0.5/", "52:54:00:00:00:01"
			h.Spec.InspectionMode = metal3.InspectionModeDisabled
			h.Status.Provisioning.State = metal3.StatePreparing
			window := &ingot.BootWindow{ObjectMeta: metav1.ObjectMeta{Name: "b"}, Status: ingot.BootWindowStatus{RedeemedAt: &at, SystemUUID: c.enrolled}}
			f := journey.Facts{
				Host: h, Site: journey.Site{PXE: true}, Window: window, Agent: &journey.AgentFacts{BootID: "b", Phase: step.Idle, LastSeen: now},
				Record: ingot.HostLifecycleStatus{
					BMC: &ingot.BMCStatus{SystemUUID: c.bmc}, MachineUUID: c.before,
					Boot: &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeAgent, StartedAt: &at, ConfirmedAt: &at, EnrolledAt: &at},
				},
			}
			d := journey.Begin(f, now)
			dec, ready := Ensure(d, metal3.PreparationError)
			if ready != c.ready || d.Record.MachineUUID != c.remembered {
				t.Fatalf("ready %v, remembered %q; want %v and %q", ready, d.Record.MachineUUID, c.ready, c.remembered)
			}
			if !ready && (dec.Action != nil || dec.Record.Failure == nil || dec.Record.Failure.Kind != string(step.Invalid) || dec.Record.Failure.ErrorType != string(metal3.PreparationError)) {
				t.Fatalf("decision %+v", dec)
			}
		})
	}
}
