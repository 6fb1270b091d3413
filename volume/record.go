package volume

import (
	"slices"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/raid"
)

// Bounds of the record, as the CRD has them.
const (
	maxControllers = 16
	maxLevels      = 16
	maxDrives      = 128
	maxVolumes     = 64
	maxWord        = 128
)

// note writes down what the BMC shows, so that people can name it.
func note(r *ingot.RAIDStatus, s raid.Storage) {
	r.Controllers = nil
	for _, c := range s.Controllers[:min(len(s.Controllers), maxControllers)] {
		k := ingot.RAIDController{Name: word(c.ID), Levels: c.Levels[:min(len(c.Levels), maxLevels)]}
		for _, d := range c.Drives[:min(len(c.Drives), maxDrives)] {
			k.Drives = append(k.Drives, ingot.RAIDDrive{Name: word(d.ID), SizeBytes: d.SizeBytes, Rotational: d.Rotational, Unusable: word(d.Unusable)})
		}
		r.Controllers = append(r.Controllers, k)
	}
}

// names gives the name by which a volume was asked for: the one in the record.
func names(r *ingot.RAIDStatus) raid.Asked {
	known := r.Volumes
	return func(controller, id string) string {
		for _, v := range known {
			if v.Controller == controller && v.ID == id {
				return v.AskedName
			}
		}
		return ""
	}
}

func recorded(controller string, m raid.Made, asked string) ingot.RAIDVolume {
	out := ingot.RAIDVolume{ID: word(m.ID), Name: word(m.Name), Controller: word(controller), Level: m.Level, SizeBytes: m.SizeBytes, WWN: m.WWN, AskedName: asked}
	for _, d := range m.Drives[:min(len(m.Drives), maxDrives)] {
		out.Drives = append(out.Drives, word(d))
	}
	return out
}

// carriedOut ends a change that was. What was made is kept by the name that was asked for, which its controller may not have taken over.
func carriedOut(r *ingot.RAIDStatus, c *ingot.RAIDChange) {
	r.Volumes = slices.DeleteFunc(slices.Clone(r.Volumes), func(v ingot.RAIDVolume) bool { return v.Controller == c.Volume.Controller && v.ID == c.Volume.ID })
	if !c.Delete && len(r.Volumes) < maxVolumes {
		r.Volumes = append(r.Volumes, c.Volume)
	}
	r.Change = nil
}

func ids(s raid.Storage, controller string) []string {
	var out []string
	for _, c := range s.Controllers {
		if c.ID != controller {
			continue
		}
		for _, m := range c.Volumes[:min(len(c.Volumes), maxVolumes)] {
			out = append(out, word(m.ID))
		}
	}
	return out
}

func word(s string) string { return s[:min(len(s), maxWord)] }
