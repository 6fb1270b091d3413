package host_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// withController gives machines a RAID controller with five disks and a volume that somebody left there.
func withController(c *fake.Config) {
	k := raid.Controller{ID: "RAID.1", Levels: []string{raid.Striped, raid.Mirrored, raid.Parity}}
	for n := range 5 {
		k.Drives = append(k.Drives, raid.Drive{ID: fmt.Sprintf("bay%d", n), SizeBytes: 400 << 30})
	}
	s := raid.Storage{Controllers: []raid.Controller{k}}
	c.RAID.Storage, _ = s.With("RAID.1", raid.Made{Level: raid.Striped, Drives: []string{"bay4"}})
}

// disks are the machine's own and the volumes of its controllers.
func (m *machine) disks() []step.Disk {
	out := disks()
	for _, c := range m.bmc.RAIDStorage().Controllers {
		for n, v := range c.Volumes {
			out = append(out, step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'p'+n), SerialNumber: strings.TrimPrefix(v.WWN, "0x"), WWN: v.WWN[:18], WWNWithExtension: v.WWN, SizeBytes: v.SizeBytes, Type: "hdd"})
		}
	}
	return out
}

// volume is the one that the hints name, nil for none.
func (m *machine) volume(h *rootdevice.Hints) *step.Disk {
	if h == nil || h.WWNWithExtension == "" {
		return nil
	}
	if d, refused := rootdevice.Choose(m.disks(), h, 0); refused == nil {
		return &d
	}
	return nil
}

func (m *machine) chosen(p *protocol.ChooseDisk) *step.Disk {
	if v := m.volume(p.Hints); v != nil {
		return v
	}
	return chosen(p)
}

func (m *machine) written(w *protocol.WriteImage) *step.Disk {
	if v := m.volume(w.Hints); v != nil {
		return v
	}
	return &disks()[1]
}

func (w *world) askVolumes(name string, volumes ...metal3.HardwareRAIDVolume) {
	w.t.Helper()
	w.edit(name, func(h *metal3.BareMetalHost) {
		h.Spec.RAID = &metal3.RAIDConfig{HardwareRAIDVolumes: append([]metal3.HardwareRAIDVolume{}, volumes...)}
	})
}

func (w *world) untilVolumes(name string, n int) {
	w.t.Helper()
	w.until(fmt.Sprintf("the host is offered with %d volumes", n), func() bool {
		h, r := w.host(name), w.record(name).Status
		p := h.Status.Provisioning
		return p.State == metal3.StateAvailable && p.RAID != nil && len(p.RAID.HardwareRAIDVolumes) == n && journey.VolumesMade(h, &r) && len(r.RAID.Volumes) == n && r.CleanedAt != nil
	})
}

// TestHardwareRAIDByTheAPI: nothing said leaves the volumes alone; a list brings them about, wiped and as disks of the HardwareData; the same list again touches none; an image goes to the first; in use nothing is
// changed; an empty list deletes all.
func TestHardwareRAIDByTheAPI(t *testing.T) {
	w := newWorld(t)
	w.bios = withController
	m := w.addMachine("a")
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) { h.Spec.Online = true })
	w.untilState("a", metal3.StateAvailable)
	if asked := m.bmc.VolumesAsked(); len(asked) != 0 {
		t.Fatalf("without a wish the BMC was asked for %v", asked)
	}
	root := metal3.HardwareRAIDVolume{Name: "root", Level: "1"}
	w.askVolumes("a", root)
	w.untilVolumes("a", 1)
	want := []string{"delete Volume.0", "make 1 of [bay0 bay1]"}
	if asked := m.bmc.VolumesAsked(); !slices.Equal(asked, want) {
		t.Fatalf("the BMC was asked for %v, want %v", asked, want)
	}
	if n := len(w.hardwareData("a").Spec.HardwareDetails.Storage); n != len(disks())+1 {
		t.Errorf("the HardwareData has %d disks", n)
	}
	_, wipes, _ := m.counts()
	w.askVolumes("a", root, metal3.HardwareRAIDVolume{Level: "5", PhysicalDisks: []string{"bay2", "bay3", "bay4"}, Controller: "RAID.1"})
	w.untilVolumes("a", 2)
	if asked := m.bmc.VolumesAsked(); len(asked) != 3 || asked[2] != "make 5 of [bay2 bay3 bay4]" {
		t.Fatalf("the volume that was there was touched: %v", asked)
	}
	if _, again, _ := m.counts(); again != wipes+1 {
		t.Errorf("with another volume the disks were wiped %d times more", again-wipes)
	}
	w.edit("a", func(h *metal3.BareMetalHost) {
		withImage(h)
		h.Spec.RootDeviceHints = nil
	})
	w.untilState("a", metal3.StateProvisioned)
	r := w.record("a").Status
	if r.Disk == nil || r.Disk.SerialNumber != strings.TrimPrefix(r.RAID.Volumes[0].WWN, "0x") || r.RAID.Volumes[0].Level != "1" {
		t.Errorf("the image is on %+v, with RAID %+v", r.Disk, r.RAID)
	}
	w.askVolumes("a")
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "in-use" })
	w.until("the host in use was looked at", func() bool {
		return w.host("a").Status.Provisioning.State == metal3.StateProvisioned && w.record("a").Status.Outcome.Kind == string(journey.Done)
	})
	if asked := m.bmc.VolumesAsked(); len(asked) != 3 {
		t.Fatalf("volumes of a host in use were changed: %v", asked)
	}
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	w.untilVolumes("a", 0)
	if n := len(m.bmc.RAIDStorage().Controllers[0].Volumes); n != 0 {
		t.Errorf("%d volumes are left", n)
	}
}

// TestHardwareRAIDThatFails: what the controller says of a failure stands in the host, with volume and controller; what cannot be is refused before anything is touched; cleaning that is turned off keeps volumes.
func TestHardwareRAIDThatFails(t *testing.T) {
	w := newWorld(t)
	w.bios = withController
	m := w.addMachine("a")
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) { h.Spec.Online = true })
	w.untilState("a", metal3.StateAvailable)
	failed := func(says ...string) {
		t.Helper()
		w.until(fmt.Sprintf("the host says %q", says), func() bool {
			s := w.host("a").Status
			return s.ErrorType == metal3.PreparationError && !slices.ContainsFunc(says, func(text string) bool { return !strings.Contains(s.ErrorMessage, text) })
		})
	}
	w.askVolumes("a", metal3.HardwareRAIDVolume{Level: "6"})
	failed("level 6 is not supported", "RAID.1 has 0, 1, 5")
	four, size := 4, 2000
	w.askVolumes("a", metal3.HardwareRAIDVolume{Level: "5", NumberOfPhysicalDisks: &four, SizeGibibytes: &size})
	failed("needs 4 free physical disks")
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.AutomatedCleaningMode = metal3.CleaningModeDisabled })
	w.askVolumes("a")
	failed("automatedCleaningMode is disabled")
	if asked := m.bmc.VolumesAsked(); len(asked) != 0 {
		t.Fatalf("the BMC was asked for %v", asked)
	}
	if k := w.record("a").Status.RAID.Controllers; len(k) != 1 || len(k[0].Drives) != 5 {
		t.Errorf("the record has the controllers %+v", k)
	}
	m.bmc.FailVolumes("foreign configuration found")
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.AutomatedCleaningMode = metal3.CleaningModeMetadata })
	failed("deletion of volume Volume.0 of controller RAID.1", "foreign configuration found")
	m.bmc.FailVolumes("")
	w.advance(time.Hour)
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "again" })
	w.untilVolumes("a", 0)
}

// volumeStaging is longer than an order may wait unheard of before the machine is started for it.
const volumeStaging = 2 * time.Minute

// TestHardwareRAIDOverRestarts: a controller process that dies while a volume is made, and whose successor knows nothing but the objects, asks the BMC for each volume once.
func TestHardwareRAIDOverRestarts(t *testing.T) {
	w := newWorld(t)
	w.bios = func(c *fake.Config) {
		withController(c)
		c.RAID.Waits = true
	}
	m := w.addMachine("a")
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) { h.Spec.Online = true })
	w.untilState("a", metal3.StateAvailable)
	w.askVolumes("a", metal3.HardwareRAIDVolume{Level: "1"})
	for n := range 2 {
		w.until("a change was asked for", func() bool { return len(m.bmc.VolumesAsked()) > n })
		w.kill()
		w.start()
		// Where the answer was lost with the process, the machine is started for what may wait at its controller.
		w.advance(volumeStaging)
	}
	w.untilVolumes("a", 1)
	if asked := m.bmc.VolumesAsked(); len(asked) != 2 {
		t.Errorf("the BMC was asked for %v", asked)
	}
}
