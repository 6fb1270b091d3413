package journey_test

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// A start whose action failed counts as none: that the machine is on then proves nothing, since a BMC that showed it off too early may have let it run on.
func TestFailedStartIsNone(t *testing.T) {
	now := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	before := metav1.NewTime(now.Add(-time.Minute))
	failure := &step.Failure{Kind: step.Unreachable, Message: "no answer"}
	for name, c := range map[string]struct {
		result  *journey.ActionResult
		started bool
	}{
		"no result":              {nil, true},
		"from disk":              {&journey.ActionResult{Action: (journey.BootDisk{}).Name(), BootID: "b", Failure: failure}, false},
		"from the live ISO":      {&journey.ActionResult{Action: (journey.BootISO{}).Name(), BootID: "b", Failure: failure}, false},
		"the agent":              {&journey.ActionResult{Action: (journey.StartAgent{}).Name(), BootID: "b", Failure: failure}, false},
		"another boot":           {&journey.ActionResult{Action: (journey.BootDisk{}).Name(), BootID: "a", Failure: failure}, true},
		"a reading after it":     {&journey.ActionResult{Action: (journey.ReadPower{}).Name(), Failure: failure}, true},
		"it went well after all": {&journey.ActionResult{Action: (journey.BootDisk{}).Name(), BootID: "b"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "h", UID: "u"}}
			h.Status.Provisioning.State = metal3.StateProvisioning
			d := journey.Begin(journey.Facts{Host: h, Result: c.result, Record: ingot.HostLifecycleStatus{
				Boot: &ingot.BootStatus{ID: "b", Purpose: ingot.PurposeFirstBoot, StartedAt: &before},
			}}, now)
			if started := d.Record.Boot.StartedAt != nil; started != c.started {
				t.Errorf("started: %t, want %t", started, c.started)
			}
		})
	}
}
