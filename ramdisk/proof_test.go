package ramdisk

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
)

func preparing(r ingot.HostLifecycleStatus, h *metal3.HardwareDetails) journey.Facts {
	host := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u"}}
	host.Spec.BMC.Address = "redfish-virtualmedia://10.0.0.5/"
	host.Status.Provisioning.State = metal3.StatePreparing
	return journey.Facts{Host: host, Record: r, Hardware: h, Site: journey.Site{VirtualMedia: true}}
}

// TestAProofSpeaksOfTheDisksThatWereThere: a host that was wiped, inspected again and found with one disk more is not clean.
func TestAProofSpeaksOfTheDisksThatWereThere(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	at := metav1.NewTime(now.Add(-time.Hour))
	a, b := metal3.Storage{Name: "/dev/sda", WWN: "wa"}, metal3.Storage{Name: "/dev/sdb", WWN: "wb"}
	record := ingot.HostLifecycleStatus{CleanedAt: &at, Wipes: []ingot.WipeRecord{{DeviceName: "/dev/sda", WWN: "wa", Result: "clean"}, {DeviceName: "/dev/sdb", WWN: "wb", Result: "failed"}}}
	for name, c := range map[string]struct {
		hardware *metal3.HardwareDetails
		clean    bool
	}{
		"the same disk":                   {&metal3.HardwareDetails{Storage: []metal3.Storage{a}}, true},
		"never inspected":                 {nil, true},
		"a drive that only the BMC lists": {&metal3.HardwareDetails{Storage: []metal3.Storage{{SerialNumber: "BEHIND-RAID"}}}, true},
		"a disk was put in":               {&metal3.HardwareDetails{Storage: []metal3.Storage{a, {Name: "/dev/sdc", WWN: "wc"}}}, false},
		"the disk was exchanged":          {&metal3.HardwareDetails{Storage: []metal3.Storage{{Name: "/dev/sda", WWN: "new"}}}, false},
		"one whose wipe had failed":       {&metal3.HardwareDetails{Storage: []metal3.Storage{a, b}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			d := journey.Begin(preparing(record, c.hardware), now)
			dec, clean := Wipe(d, metal3.PreparationError)
			if clean != c.clean {
				t.Fatalf("clean is %v", clean)
			}
			if _, boots := dec.Action.(journey.OpenWindow); boots == c.clean || (d.Record.CleanedAt != nil) != c.clean {
				t.Fatalf("action %v, cleaned at %v", dec.Action, d.Record.CleanedAt)
			}
		})
	}
}

// TestNoBootWithoutItsWindow: a machine whose window was closed between its start and its agent's first word is not started again in it.
func TestNoBootWithoutItsWindow(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	started := metav1.NewTime(now.Add(-time.Minute))
	for name, confirmed := range map[string]*metav1.Time{"the BMC's answer was lost": nil, "the BMC accepted": &started} {
		t.Run(name, func(t *testing.T) {
			f := preparing(ingot.HostLifecycleStatus{Boot: &ingot.BootStatus{ID: "boot-1", Purpose: ingot.PurposeAgent, StartedAt: &started, ConfirmedAt: confirmed, Attempt: 1}}, nil)
			dec, ready := Ensure(journey.Begin(f, now), metal3.PreparationError)
			open, ok := dec.Action.(journey.OpenWindow)
			if ready || !ok || open.BootID == "boot-1" || dec.Record.Boot.ID != open.BootID {
				t.Fatalf("ready %v, action %#v", ready, dec.Action)
			}
		})
	}
}
