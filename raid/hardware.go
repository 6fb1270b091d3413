package raid

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// maxWishes bounds the volumes of a host.
const maxWishes = 64

// Order is one volume to make.
type Order struct {
	// Wish is the index of the volume that is asked for.
	Wish       int
	Controller string
	// Volume has no ID yet. Its SizeBytes is 0 where all of its drives are used.
	Volume Made
}

// Removal is one volume to delete.
type Removal struct {
	Controller string
	Volume     Made
}

// Changes are what has to be done; with none the volumes are as asked for.
type Changes struct {
	Delete []Removal
	// Make are in the order of the wishes. They are planned as if all of Delete had been done.
	Make []Order
	// Has are the volumes that fulfil wishes, by wish; of those that are not there the Volume has no ID.
	Has []Removal
}

// CheckWishes says what is wrong with hardware volumes whatever the controllers.
func CheckWishes(wishes []Wish) *step.Failure {
	if len(wishes) > maxWishes {
		return wrong("%d volumes, at most %d are possible", len(wishes), maxWishes)
	}
	names, drives := map[string]int{}, map[string]int{}
	for i, w := range wishes {
		if f := w.check(i); f != nil {
			return f
		}
		if before, twice := names[w.Name]; twice && w.Name != "" {
			return wrong("volumes %d and %d are both named %q", before+1, i+1, w.Name)
		}
		names[w.Name] = i
		for _, d := range w.Named {
			key := strings.ToLower(w.Controller + "\x00" + d)
			if before, twice := drives[key]; twice {
				return wrong("the physical disk %s is named twice, for volume %d and volume %d", d, before+1, i+1)
			}
			drives[key] = i
		}
	}
	return nil
}

func wrong(format string, args ...any) *step.Failure {
	return &step.Failure{Kind: step.Invalid, Message: "spec.raid.hardwareRAIDVolumes: " + fmt.Sprintf(format, args...), Fix: "correct spec.raid"}
}

func (w Wish) check(i int) *step.Failure {
	l, known := levels()[w.Level]
	n := w.Count()
	switch {
	case w.Level == HammingCoded:
		return wrong("volume %d has level 2, which Redfish has no word for: no controller can be asked for it", i+1)
	case !known:
		return wrong("volume %d has level %q: 0, 1, 5, 6, 1+0, 5+0 and 6+0 are possible", i+1, w.Level)
	case w.SizeBytes < 0 || w.SizeBytes > 1<<60:
		return wrong("volume %d has %d bytes", i+1, w.SizeBytes)
	case len(w.Named) > 0 && w.Controller == "":
		return wrong("volume %d names physical disks and no controller", i+1)
	case len(w.Named) > 0 && w.Drives > 0 && w.Drives != len(w.Named):
		return wrong("volume %d names %d physical disks, and asks for %d", i+1, len(w.Named), w.Drives)
	case n < l.fewest:
		return wrong("volume %d of level %s has %d physical disks, and needs %d", i+1, w.Level, n, l.fewest)
	case l.most > 0 && n > l.most:
		return wrong("volume %d of level %s has %d physical disks, and can have %d", i+1, w.Level, n, l.most)
	case l.even && n%2 != 0:
		return wrong("volume %d of level %s has %d physical disks, and needs an even number", i+1, w.Level, n)
	}
	return nil
}

// Asked says which volume, by its controller and ID, was made for a name that its controller did not take over.
type Asked func(controller, id string) string

// Bring says how to get from what is there to what is asked for. What is as asked for stays; all else goes, but what the host's policy keeps, which is refused.
//
// A wish without drives of its own gets the smallest that have the room, all of one controller, medium, protocol and size, in the order of their IDs. Drives that are named are taken first, and wishes
// with a size come before those that take all there is.
func Bring(wishes []Wish, s Storage, e step.Erasure, asked Asked) (Changes, *step.Failure) {
	if f := CheckWishes(wishes); f != nil {
		return Changes{}, f
	}
	p := planner{wishes: wishes, storage: s, erasure: e, asked: asked, used: map[string]bool{}, out: Changes{Has: make([]Removal, len(wishes))}}
	p.match()
	if f := p.remove(); f != nil {
		return Changes{}, f
	}
	return p.out, p.make()
}

// planner is a plan in the making.
type planner struct {
	wishes  []Wish
	storage Storage
	erasure step.Erasure
	asked   Asked
	// used are the drives that are taken, by controller and ID.
	used map[string]bool
	out  Changes
}

func place(controller, id string) string { return controller + "\x00" + id }

// match finds the volumes that are as asked for: first those of the right name, then in the order in which they are shown.
func (p *planner) match() {
	taken := map[string]bool{}
	for _, named := range []bool{true, false} {
		for i, w := range p.wishes {
			if p.out.Has[i].Volume.ID != "" || named != (w.Name != "") {
				continue
			}
			for _, c := range p.storage.Controllers {
				for _, m := range c.Volumes {
					if p.out.Has[i].Volume.ID == "" && !taken[place(c.ID, m.ID)] && p.as(w, c, m) {
						taken[place(c.ID, m.ID)] = true
						p.out.Has[i] = Removal{c.ID, m}
						p.use(c.ID, m.Drives)
					}
				}
			}
		}
	}
}

func (p *planner) use(controller string, drives []string) {
	for _, d := range drives {
		p.used[place(controller, d)] = true
	}
}

// as says whether a volume is what a wish asks for.
func (p *planner) as(w Wish, c Controller, m Made) bool {
	if m.Level != w.Level || !p.calls(w, c) {
		return false
	}
	if w.Name != "" && m.Name != w.Name && (p.asked == nil || p.asked(c.ID, m.ID) != w.Name) {
		return false
	}
	var least int64
	for i, id := range m.Drives {
		d, found := c.byID(id)
		if !found || w.Rotational != nil && *w.Rotational != d.Rotational {
			return false
		}
		if i == 0 || d.SizeBytes < least {
			least = d.SizeBytes
		}
	}
	switch {
	case len(m.Drives) == 0:
		// The BMC does not say which they are: what was asked for by drives cannot be recognized.
		return len(w.Named) == 0 && w.Rotational == nil && w.Drives == 0 && w.SizeBytes > 0 && near(m.SizeBytes, w.SizeBytes)
	case len(m.Drives) != w.Count():
		return false
	}
	for _, name := range w.Named {
		if d, found := c.drive(name); !found || !slices.Contains(m.Drives, d.ID) {
			return false
		}
	}
	size := w.SizeBytes
	if size == 0 {
		size = usable(w.Level, len(m.Drives), least)
	}
	return near(m.SizeBytes, size)
}

// calls: the wish leaves the controller open, or means this one.
func (p *planner) calls(w Wish, c Controller) bool {
	if w.Controller == "" {
		return true
	}
	meant, found := p.storage.controller(w.Controller)
	return found && meant.ID == c.ID
}

// near says whether a volume has a size as far as a controller can give it: they round to stripes, keep room for themselves, and some count in powers of ten.
func near(has, want int64) bool {
	const parts = 50
	slack := max(gib, want/parts)
	return has >= want-slack && has <= want+slack
}

// remove takes what nobody asks for.
func (p *planner) remove() *step.Failure {
	for _, c := range p.storage.Controllers {
		for _, m := range c.Volumes {
			if slices.ContainsFunc(p.out.Has, func(h Removal) bool { return h.Controller == c.ID && h.Volume.ID == m.ID }) {
				continue
			}
			if kept := c.kept(m, p.erasure); kept != "" {
				return &step.Failure{Kind: step.Invalid, Message: fmt.Sprintf("spec.raid.hardwareRAIDVolumes does not ask for the volume %s of controller %s, and its host keeps what is on it (%s)", m.ID, c.ID, kept),
					Fix: "add the volume to spec.raid as it is, or take its rule out of the host's policy for erasing disks"}
			}
			p.out.Delete = append(p.out.Delete, Removal{c.ID, m})
		}
	}
	return nil
}

// make finds drives for what is missing.
func (p *planner) make() *step.Failure {
	var order []int
	for i := range p.wishes {
		if p.out.Has[i].Volume.ID == "" {
			order = append(order, i)
		}
	}
	rank := func(w Wish) int {
		switch {
		case len(w.Named) > 0:
			return 0
		case w.SizeBytes > 0:
			return 1
		}
		return 2
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(rank(p.wishes[a]), rank(p.wishes[b])) })
	for _, i := range order {
		c, drives, f := p.choose(i)
		if f != nil {
			return f
		}
		w := p.wishes[i]
		ids := make([]string, 0, len(drives))
		for _, d := range drives {
			ids = append(ids, d.ID)
		}
		p.use(c.ID, ids)
		made := Made{Name: w.Name, Level: w.Level, SizeBytes: w.SizeBytes, Drives: ids}
		p.out.Has[i] = Removal{c.ID, made}
		p.out.Make = append(p.out.Make, Order{Wish: i, Controller: c.ID, Volume: made})
	}
	slices.SortFunc(p.out.Make, func(a, b Order) int { return cmp.Compare(a.Wish, b.Wish) })
	return nil
}
