package lifecycle

import (
	"fmt"

	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// arrays are the host's software RAID as disks.
func (m *model) arrays() []step.Disk {
	var out []step.Disk
	if r := m.facts.Record.RAID; r != nil {
		for i, a := range r.Arrays {
			out = append(out, step.Disk{Name: fmt.Sprintf("/dev/md%d", 127-i), SerialNumber: a.UUID, SizeBytes: a.SizeBytes, Array: true})
		}
	}
	return out
}

// arrayed is software RAID made on the known disks.
func (m *model) arrayed(disks []step.Disk) *step.Outcome {
	// What cannot be read stops the host before it gets here.
	policy, _ := journey.Erasure(m.facts.Host)
	owns, _ := journey.OwnDisks(m.facts.Host)
	plan, failure := raid.Layout(journey.SoftwareRAID(m.facts.Host), disks, raid.Owner{Owns: owns, Erasure: policy})
	if failure != nil {
		return &step.Outcome{Failure: failure}
	}
	out := &step.Outcome{}
	for _, a := range plan.Arrays {
		out.Arrays = append(out.Arrays, step.Array{UUID: fmt.Sprintf("volume-%d", a.Volume+1), Level: a.Level, SizeBytes: a.SizeBytes})
	}
	return out
}
