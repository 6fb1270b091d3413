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

// A failure is of the host and the credentials that were tried: what was corrected while the BMC answered is tried at once.
func TestFailureIsOfWhatWasTried(t *testing.T) {
	now := time.Date(2026, 11, 22, 11, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		generation  int64
		credentials string
		waits       bool
	}{
		"nothing changed":          {2, "v2", true},
		"the host was changed":     {1, "v2", false},
		"the password was changed": {2, "v1", false},
		"not known":                {0, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "h", UID: "u", Generation: 2}}
			h.Status.Provisioning.State = metal3.StateRegistering
			f := journey.Facts{Host: h, Credentials: journey.Credentials{Version: "v2"}, Result: &journey.ActionResult{
				Action: (journey.Verify{}).Name(), Failure: &step.Failure{Kind: step.Denied, Message: "no"}, Generation: c.generation, CredentialsVersion: c.credentials,
			}}
			dec, failed := journey.Begin(f, now).ActionFailed(metal3.RegistrationError)
			if !failed {
				t.Fatal("a failed action counts as none")
			}
			f.Host, f.Record, f.Result = dec.Host, dec.Record, nil
			if _, waits := journey.Begin(f, now.Add(time.Second)).RetryPending(); waits != c.waits {
				t.Errorf("waits: %t, want %t", waits, c.waits)
			}
		})
	}
}
