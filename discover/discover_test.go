package discover

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

// TestALostStatusIsNoNewHost: a host whose status was taken away while its record says that an image is on its disk is not registered anew, since a new host is wiped.
func TestALostStatusIsNoNewHost(t *testing.T) {
	h := &metal3.BareMetalHost{}
	h.Spec.BMC = metal3.BMCDetails{Address: "redfish://10.0.0.5/", CredentialsName: "s"}
	f := journey.Facts{Host: h, Record: ingot.HostLifecycleStatus{Disk: &ingot.DiskClaim{DeviceName: "/dev/sda", Written: true, ImageURL: "https://i/x"}}}
	dec := Begin(f, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
	if dec.Outcome.Kind != journey.Blocked || dec.Outcome.Fix == "" || dec.Host.Status.Provisioning.State != metal3.StateNone {
		t.Fatalf("%+v in state %q", dec.Outcome, dec.Host.Status.Provisioning.State)
	}
	f.Record.Disk.Written = false
	if dec := Begin(f, time.Time{}); dec.Host.Status.Provisioning.State != metal3.StateRegistering {
		t.Fatalf("state %q without a written disk", dec.Host.Status.Provisioning.State)
	}
}

// TestAnAnswerIsAboutWhatWasTried: an answer that comes while the Secret, or the host's address, is another one already makes nothing good, even where a process that died in between has noted the newer one as tried.
func TestAnAnswerIsAboutWhatWasTried(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		version    string
		generation int64
		good       bool
	}{
		"what is there":       {"2", 3, true},
		"nothing is said":     {"", 0, true},
		"the Secret before":   {"1", 3, false},
		"the address before":  {"2", 2, false},
		"both are older ones": {"1", 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			h.Namespace, h.Name, h.UID, h.Generation = "n", "h", "u", 3
			h.Spec.BMC = metal3.BMCDetails{Address: "redfish://10.0.0.5/", CredentialsName: "s"}
			h.Status.Provisioning.State = metal3.StateRegistering
			h.Status.TriedCredentials = metal3.CredentialsStatus{Reference: &corev1.SecretReference{Name: "s", Namespace: "n"}, Version: "2"}
			f := journey.Facts{
				Host: h, Credentials: journey.Credentials{Named: true, Found: true, Complete: true, Version: "2"},
				Result: &journey.ActionResult{Action: (journey.Verify{}).Name(), BMC: &ingot.BMCStatus{}, CredentialsVersion: c.version, Generation: c.generation},
			}
			dec := Register(f, now)
			if good := dec.Host.Status.GoodCredentials.Reference != nil; good != c.good {
				t.Fatalf("good: %v, %+v", good, dec.Outcome)
			}
			if _, again := dec.Action.(journey.Verify); again == c.good {
				t.Errorf("it is asked again: %v", again)
			}
		})
	}
}

// TestALostRecordInPreparation: what was changed of a machine's volumes is known by the record alone. Without it a host that is being prepared is inspected again, and one whose record only forgot its BMC is not.
func TestALostRecordInPreparation(t *testing.T) {
	raid := &metal3.RAIDConfig{HardwareRAIDVolumes: []metal3.HardwareRAIDVolume{}}
	for name, c := range map[string]struct {
		state  metal3.ProvisioningState
		raid   *metal3.RAIDConfig
		record ingot.HostLifecycleStatus
		again  bool
	}{
		"the record is lost":       {metal3.StatePreparing, raid, ingot.HostLifecycleStatus{}, true},
		"no volumes are asked for": {metal3.StatePreparing, nil, ingot.HostLifecycleStatus{}, false},
		"it is available":          {metal3.StateAvailable, raid, ingot.HostLifecycleStatus{}, false},
		"the record is there":      {metal3.StatePreparing, raid, ingot.HostLifecycleStatus{BMC: &ingot.BMCStatus{}}, false},
		"its volumes are known":    {metal3.StatePreparing, raid, ingot.HostLifecycleStatus{RAID: &ingot.RAIDStatus{}}, false},
	} {
		h := &metal3.BareMetalHost{}
		h.Namespace, h.Name, h.UID = "n", "h", "u"
		h.Spec.BMC, h.Spec.RAID = metal3.BMCDetails{Address: "redfish://10.0.0.5/", CredentialsName: "s"}, c.raid
		h.Status.Provisioning.State = c.state
		h.Status.TriedCredentials = metal3.CredentialsStatus{Reference: &corev1.SecretReference{Name: "s", Namespace: "n"}, Version: "2"}
		dec := Renew(journey.Facts{
			Host: h, Record: c.record, Credentials: journey.Credentials{Named: true, Found: true, Complete: true, Version: "2"},
			Result: &journey.ActionResult{Action: (journey.Verify{}).Name(), BMC: &ingot.BMCStatus{}, CredentialsVersion: "2"},
		}, time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC))
		if r := dec.Record.RAID; (r != nil && r.VolumesChanged) != c.again {
			t.Errorf("%s: %+v, %+v", name, r, dec.Outcome)
		}
	}
}
