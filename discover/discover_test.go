package discover

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

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
