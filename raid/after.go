package raid

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
)

// With is the storage after a controller made a volume as it was asked to: with the next free ID, all the room of its drives where no size was asked for, and a number of its own.
func (s Storage) With(controller string, m Made) (Storage, Made) {
	out := s.clone()
	for i := range out.Controllers {
		c := &out.Controllers[i]
		if c.ID != controller {
			continue
		}
		for n := 0; m.ID == ""; n++ {
			if id := fmt.Sprintf("Volume.%d", n); !slices.ContainsFunc(c.Volumes, func(v Made) bool { return v.ID == id }) {
				m.ID = id
			}
		}
		var least int64
		for n, id := range m.Drives {
			if d, _ := c.byID(id); n == 0 || d.SizeBytes < least {
				least = d.SizeBytes
			}
		}
		if _, known := levels()[m.Level]; known && m.SizeBytes == 0 {
			m.SizeBytes = usable(m.Level, len(m.Drives), least)
		}
		if m.WWN == "" {
			sum := sha256.Sum256(fmt.Append(nil, controller, m.ID, m.Level, m.Drives))
			m.WWN = "0x6" + hex.EncodeToString(sum[:16])[1:]
		}
		c.Volumes = append(c.Volumes, m)
	}
	return out, m
}

// Without is the storage after a controller deleted a volume.
func (s Storage) Without(controller, id string) Storage {
	out := s.clone()
	for i := range out.Controllers {
		if c := &out.Controllers[i]; c.ID == controller {
			c.Volumes = slices.DeleteFunc(c.Volumes, func(m Made) bool { return m.ID == id })
		}
	}
	return out
}

func (s Storage) clone() Storage {
	out := Storage{Controllers: slices.Clone(s.Controllers)}
	for i := range out.Controllers {
		out.Controllers[i].Volumes = slices.Clone(out.Controllers[i].Volumes)
	}
	return out
}

// Imagined is storage on which wishes can be fulfilled, for those who know nothing of a machine: with the controllers and drives that the wishes name, and enough others.
func Imagined(wishes []Wish) Storage {
	var out Storage
	const large = 1 << 42
	for i, w := range wishes {
		name := w.Controller
		if name == "" {
			name = "the controller"
		}
		at := slices.IndexFunc(out.Controllers, func(c Controller) bool { return c.ID == name })
		if at < 0 {
			out.Controllers = append(out.Controllers, Controller{ID: name})
			at = len(out.Controllers) - 1
		}
		c := &out.Controllers[at]
		ids := slices.Clone(w.Named)
		for n := len(ids); n < w.Count(); n++ {
			ids = append(ids, fmt.Sprintf("disk %d of volume %d", n+1, i+1))
		}
		for _, id := range ids {
			c.Drives = append(c.Drives, Drive{ID: id, SizeBytes: large, Rotational: w.Rotational != nil && *w.Rotational})
		}
	}
	return out
}
