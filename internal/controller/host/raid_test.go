package host_test

import (
	"fmt"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// chosen is the second disk, or the first of the arrays that are offered.
func chosen(p *protocol.ChooseDisk) *step.Disk {
	if len(p.Arrays) > 0 {
		return &step.Disk{Name: "/dev/md127", SerialNumber: p.Arrays[0], SizeBytes: 1 << 30, Array: true}
	}
	return &disks()[1]
}

// arraysFor are the volumes that are asked for, on the machine's disks.
func arraysFor(p *protocol.ConfigureRAID) []step.Array {
	plan, refused := raid.Layout(p.Volumes, disks(), raid.Owner{})
	if refused != nil {
		return nil
	}
	var out []step.Array
	for _, a := range plan.Arrays {
		out = append(out, step.Array{UUID: fmt.Sprintf("%s-%d", p.Host, a.Volume), Level: a.Level, SizeBytes: a.SizeBytes, Disks: disks()})
	}
	return out
}

// TestSoftwareRAIDByTheAPI: an available host that asks for volumes is prepared again, cleaned where other arrays are on its disks, and its image goes to the first volume.
func TestSoftwareRAIDByTheAPI(t *testing.T) {
	w := newWorld(t)
	m := w.addMachine("a")
	w.start()
	w.addHostFor(m, func(h *metal3.BareMetalHost) { h.Spec.Online = true })
	w.untilState("a", metal3.StateAvailable)
	_, wipes, _ := m.counts()
	ask := func(levels ...string) {
		w.edit("a", func(h *metal3.BareMetalHost) {
			h.Spec.RAID = &metal3.RAIDConfig{SoftwareRAIDVolumes: []metal3.SoftwareRAIDVolume{}}
			one := 1
			for _, l := range levels {
				h.Spec.RAID.SoftwareRAIDVolumes = append(h.Spec.RAID.SoftwareRAIDVolumes, metal3.SoftwareRAIDVolume{Level: l, SizeGibibytes: &one})
			}
		})
		w.until(fmt.Sprintf("the host is offered with volumes %v", levels), func() bool {
			h, r := w.host("a"), w.record("a").Status
			p := h.Status.Provisioning
			return p.State == metal3.StateAvailable && p.RAID != nil && len(p.RAID.SoftwareRAIDVolumes) == len(levels) && journey.ArraysMade(h, &r)
		})
	}
	ask("1")
	if _, got, _ := m.counts(); got != wipes {
		t.Errorf("clean disks were wiped %d times more", got-wipes)
	}
	ask("1", "0")
	if _, got, _ := m.counts(); got != wipes+1 {
		t.Errorf("the disks with another array were wiped %d times more, want 1", got-wipes)
	}
	ask()
	ask("1", "1")
	w.edit("a", func(h *metal3.BareMetalHost) {
		withImage(h)
		h.Spec.RootDeviceHints = nil
	})
	w.untilState("a", metal3.StateProvisioned)
	r := w.record("a").Status
	if r.Disk == nil || r.RAID == nil || len(r.RAID.Arrays) != 2 || r.Disk.SerialNumber != r.RAID.Arrays[0].UUID {
		t.Errorf("the image is on %+v, with RAID %+v", r.Disk, r.RAID)
	}
}
