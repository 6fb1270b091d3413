package inspect

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

func TestOutOfBand(t *testing.T) {
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	said := &step.Inventory{
		System: step.System{Manufacturer: "Maker"}, MemoryBytes: 8 << 30, NICs: []step.NIC{{Name: "1", MAC: "52:54:00:00:00:01", SpeedMbps: 25000}},
		Disks: []step.Disk{{SerialNumber: "B"}, {SerialNumber: "A", SizeBytes: 7, Rotational: true}},
	}
	known := &metal3.HardwareDetails{
		SystemVendor: metal3.HardwareSystemVendor{Manufacturer: "Maker"}, RAMMebibytes: 8192, NIC: []metal3.NIC{{Name: "1", MAC: "52:54:00:00:00:01", SpeedGbps: 25}},
		Storage: []metal3.Storage{{SerialNumber: "A", SizeBytes: 7, Rotational: true, Type: metal3.HDD}, {SerialNumber: "B"}},
	}
	older := &metal3.HardwareDetails{Hostname: "h", Storage: []metal3.Storage{{Name: "/dev/sda"}}}
	read := func(i *step.Inventory, f *step.Failure) *journey.ActionResult {
		return &journey.ActionResult{Action: journey.ReadInventory{}.Name(), Inventory: i, Failure: f}
	}
	saved := &journey.ActionResult{Action: journey.SaveHardware{}.Name()}
	for name, c := range map[string]struct {
		result   *journey.ActionResult
		hardware *metal3.HardwareDetails
		lacks    bool
		action   journey.Action
		state    metal3.ProvisioningState
		kind     journey.OutcomeKind
	}{
		"first":                         {nil, nil, false, journey.ReadInventory{}, metal3.StateInspecting, journey.Act},
		"again, after one by the agent": {nil, older, false, journey.ReadInventory{}, metal3.StateInspecting, journey.Act},
		"the BMC has none":              {nil, nil, true, nil, metal3.StateInspecting, journey.Blocked},
		"the BMC answered":              {read(said, nil), older, false, journey.SaveHardware{Hardware: known}, metal3.StateInspecting, journey.Act},
		"nothing new":                   {read(said, nil), known, false, nil, metal3.StatePreparing, journey.Wait},
		"saved":                         {saved, known, false, nil, metal3.StatePreparing, journey.Wait},
		"saved, and not seen yet":       {saved, nil, false, journey.ReadInventory{}, metal3.StateInspecting, journey.Act},
		"the BMC failed":                {read(nil, &step.Failure{Kind: step.Timeout, Message: "slow"}), nil, false, nil, metal3.StateInspecting, journey.Wait},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Name: "h", Namespace: "n", UID: "u", Finalizers: []string{metal3.BareMetalHostFinalizer}}}
			h.Spec.InspectionMode, h.Status.Provisioning.State = journey.InspectionModeFast, metal3.StateInspecting
			f := journey.Facts{Host: h, Hardware: c.hardware, Result: c.result, Record: ingot.HostLifecycleStatus{BMC: &ingot.BMCStatus{Capabilities: []string{canInventory}}}}
			if c.lacks {
				f.Record.BMC.Capabilities = nil
			}
			dec := Decide(f, now)
			if d := cmp.Diff(c.action, dec.Action); d != "" || dec.Host.Status.Provisioning.State != c.state || dec.Outcome.Kind != c.kind {
				t.Fatalf("state %q, %+v\n%s", dec.Host.Status.Provisioning.State, dec.Outcome, d)
			}
			if c.state == metal3.StatePreparing && cmp.Diff(known, dec.Host.Status.HardwareDetails) != "" {
				t.Fatalf("the status has %+v", dec.Host.Status.HardwareDetails)
			}
			for _, v := range journey.Check(f, dec) {
				t.Error(v)
			}
		})
	}
}
