package lifecycle

import (
	"cmp"
	"fmt"
	"strings"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
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

// volumes is a BMC whose RAID controllers do what they are asked for. What they have is what the record says of them, or else what can be made to have what is asked for.
func (m *model) volumes(a journey.Action, r *journey.ActionResult) {
	if m.storage == nil {
		s := m.known()
		m.storage = &s
	}
	switch a := a.(type) {
	case journey.ReadVolumes:
		s := *m.storage
		r.Storage = &s
	case journey.MakeVolume:
		s, _ := m.storage.With(a.Controller, a.Volume)
		m.storage, r.Volume = &s, &journey.VolumeReading{}
	case journey.DeleteVolume:
		s := m.storage.Without(a.Controller, a.ID)
		m.storage, r.Volume = &s, &journey.VolumeReading{}
	case journey.FollowVolume:
		r.Volume = &journey.VolumeReading{State: journey.UpdateDone}
	}
}

func (m *model) known() raid.Storage {
	wishes, _ := journey.HardwareRAID(m.facts.Host)
	r := m.facts.Record.RAID
	if r == nil || len(r.Controllers) == 0 {
		return raid.Imagined(wishes)
	}
	var out raid.Storage
	for _, c := range r.Controllers {
		k := raid.Controller{ID: c.Name, Levels: c.Levels}
		for _, d := range c.Drives {
			k.Drives = append(k.Drives, raid.Drive{ID: d.Name, SizeBytes: d.SizeBytes, Rotational: d.Rotational, Unusable: d.Unusable})
		}
		for _, v := range r.Volumes {
			if v.Controller == c.Name {
				k.Volumes = append(k.Volumes, raid.Made{ID: v.ID, Name: v.Name, Level: v.Level, SizeBytes: v.SizeBytes, Drives: v.Drives, WWN: v.WWN})
			}
		}
		out.Controllers = append(out.Controllers, k)
	}
	return out
}

// volumeDisks are the volumes as the machine's system sees them.
func (m *model) volumeDisks() []step.Disk {
	var out []step.Disk
	for _, c := range m.storage.Controllers {
		for _, v := range c.Volumes {
			out = append(out, step.Disk{Name: fmt.Sprintf("/dev/sd%c", 'a'+len(out)%26), SerialNumber: v.WWN, WWNWithExtension: v.WWN, SizeBytes: v.SizeBytes})
		}
	}
	return out
}

// RAIDText is what is known of a machine's RAID controllers, a line for each volume and each controller; nil for nothing.
func RAIDText(r *ingot.RAIDStatus) []string {
	if r == nil {
		return nil
	}
	var out []string
	if c := r.Change; c != nil {
		what := "is being made"
		if c.Delete {
			what = "is being deleted"
		}
		out = append(out, fmt.Sprintf("a volume of level %s at controller %s of %s %s", c.Volume.Level, c.Volume.Controller, strings.Join(c.Volume.Drives, ", "), what))
	}
	for _, v := range r.Volumes {
		out = append(out, fmt.Sprintf("volume %s %q at controller %s: level %s, %d GiB, WWN %s, of %s", v.ID, v.Name, v.Controller, v.Level, v.SizeBytes>>30, cmp.Or(v.WWN, "not told"), strings.Join(v.Drives, ", ")))
	}
	for _, c := range r.Controllers {
		levels := "does not say which levels it has"
		if len(c.Levels) > 0 {
			levels = "levels " + strings.Join(c.Levels, ", ")
		}
		out = append(out, fmt.Sprintf("controller %s: %s", c.Name, levels))
		for _, d := range c.Drives {
			line := fmt.Sprintf("drive %s at controller %s: %d GiB, rotational %v", d.Name, c.Name, d.SizeBytes>>30, d.Rotational)
			if d.Unusable != "" {
				line += "; " + d.Unusable
			}
			out = append(out, line)
		}
	}
	return out
}
