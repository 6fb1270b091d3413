package host_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// busyPatience is longer than the wait of a host whose BMC asks for patience.
const busyPatience = time.Minute

// The BMC alone is asked; the agent comes for the wipe, and what it saw is not held against drives that only the BMC lists.
func TestInspectedByItsBMC(t *testing.T) {
	w := newWorld(t)
	w.hardware = bmc.Hardware{
		Manufacturer: "Maker", ProductName: "Model", SerialNumber: "S1", BIOSVersion: "1.2", MemoryMebibytes: 4096, CPUModel: "CPU", CPUCount: 8,
		NICs:  []bmc.NIC{{Name: "NIC.1", MAC: "52-54-00-AA-00-01", SpeedMbps: 10000}, {Name: "ib", MAC: "00:00:00:00:fe:80:00:00:00:00:00:00:00:02:c9:03:00:00:00:01"}, {Name: "none", MAC: "00:00:00:00:00:00"}},
		Disks: []bmc.Disk{{Name: "Disk.Bay.0", Model: "D", SerialNumber: "BEHIND-RAID", SizeBytes: 1 << 40, Rotational: true}},
	}
	m := w.addMachine("a")
	m.bmc.FailNext(fake.Fault{Op: "read inventory", Kind: step.Busy})
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) {
		withImage(h)
		h.Spec.InspectionMode, h.Spec.BootMACAddress = journey.InspectionModeFast, ""
	})
	w.until("the BMC was asked", func() bool { return w.record("a").Status.Failure != nil })
	w.advance(busyPatience)
	w.nudge("a")
	w.untilState("a", metal3.StateProvisioned)
	want := &metal3.HardwareDetails{
		SystemVendor: metal3.HardwareSystemVendor{Manufacturer: "Maker", ProductName: "Model", SerialNumber: "S1"}, Firmware: metal3.Firmware{BIOS: metal3.BIOS{Version: "1.2"}},
		RAMMebibytes: 4096, CPU: metal3.CPU{Model: "CPU", Count: 8}, NIC: []metal3.NIC{{Name: "NIC.1", MAC: "52:54:00:aa:00:01", SpeedGbps: 10}},
		Storage: []metal3.Storage{{Model: "D", SerialNumber: "BEHIND-RAID", SizeBytes: 1 << 40, Rotational: true, Type: metal3.HDD}},
	}
	d := &metal3.HardwareData{}
	if err := w.admin.Get(t.Context(), w.key("a"), d); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, d.Spec.HardwareDetails); diff != "" {
		t.Errorf("HardwareData: %s", diff)
	}
	if diff := cmp.Diff(want, w.host("a").Status.HardwareDetails); diff != "" {
		t.Errorf("status.hardware: %s", diff)
	}
	// One boot for the wipe and the write, one of the system: none to inspect.
	if n := len(m.bmc.Boots()); n != 2 {
		t.Errorf("%d boots: %+v", n, m.bmc.Boots())
	}
	for _, e := range w.record("a").Status.Timeline {
		if e.Step == string(step.Inspect) {
			t.Error("the agent inspected")
		}
	}
}

// A BMC without an inventory is an error that says so, and the agent is the way out.
func TestInspectionByABMCThatHasNoInventory(t *testing.T) {
	w := newWorld(t)
	w.lacks = []bmc.Capability{bmc.CanInventory}
	w.start()
	m := w.addHost("a", func(h *metal3.BareMetalHost) { h.Spec.InspectionMode = journey.InspectionModeFast })
	w.until("a says that its BMC has none", func() bool {
		h := w.host("a")
		return h != nil && h.Status.ErrorType == metal3.InspectionError && h.Status.ErrorMessage != ""
	})
	if n := len(m.bmc.Boots()); n != 0 {
		t.Errorf("%d boots", n)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.InspectionMode = metal3.InspectionModeAgent })
	w.untilState("a", metal3.StateAvailable)
	if s := w.host("a").Status; s.ErrorMessage != "" || s.HardwareDetails.Hostname != "a" {
		t.Errorf("error %q, hardware %+v", s.ErrorMessage, s.HardwareDetails)
	}
}
