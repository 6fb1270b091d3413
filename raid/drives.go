package raid

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/step"
)

// choose finds a wish's controller and drives.
func (p *planner) choose(i int) (Controller, []Drive, *step.Failure) {
	w := p.wishes[i]
	refuse := func(format string, args ...any) *step.Failure {
		f := wrong("volume %d: %s", i+1, fmt.Sprintf(format, args...))
		f.Fix = "correct spec.raid; the host's HostLifecycle lists its controllers and drives (ingot host explain)"
		return f
	}
	among := p.storage.Controllers
	if len(among) == 0 {
		return Controller{}, nil, refuse("the BMC shows no RAID controller")
	}
	if w.Controller != "" {
		c, found := p.storage.controller(w.Controller)
		if !found {
			return Controller{}, nil, refuse("there is no controller %s: the BMC shows %s", w.Controller, strings.Join(p.controllers(), ", "))
		}
		among = []Controller{c}
	}
	able := slices.DeleteFunc(slices.Clone(among), func(c Controller) bool { return !c.supports(w.Level) })
	if len(able) == 0 {
		return Controller{}, nil, refuse("level %s is not supported: %s", w.Level, said(among))
	}
	if len(w.Named) > 0 {
		drives, why := p.named(w, able[0])
		if why != "" {
			return Controller{}, nil, refuse("%s", why)
		}
		return able[0], drives, nil
	}
	if c, drives, found := p.smallest(w, able); found {
		return c, drives, nil
	}
	return Controller{}, nil, refuse("level %s needs %d free physical disks of one kind and size%s: %s", w.Level, w.Count(), needs(w), p.left(able))
}

func (p *planner) controllers() []string {
	var out []string
	for _, c := range p.storage.Controllers {
		out = append(out, c.ID)
	}
	return out
}

func said(among []Controller) string {
	var out []string
	for _, c := range among {
		out = append(out, fmt.Sprintf("controller %s has %s", c.ID, strings.Join(c.Levels, ", ")))
	}
	return strings.Join(out, "; ")
}

// needs is what else a wish asks of its drives, in words.
func needs(w Wish) string {
	var b strings.Builder
	if w.Rotational != nil {
		b.WriteString(map[bool]string{true: ", rotational", false: ", not rotational"}[*w.Rotational])
	}
	if w.SizeBytes > 0 {
		fmt.Fprintf(&b, ", of at least %d GiB each", (share(w.Level, w.Count(), w.SizeBytes)+gib-1)/gib)
	}
	return b.String()
}

// left counts the drives of each controller, with why the others are not free.
func (p *planner) left(among []Controller) string {
	var out []string
	for _, c := range among {
		free, busy, bad := 0, 0, []string(nil)
		for _, d := range c.Drives {
			switch {
			case d.Unusable != "":
				bad = append(bad, d.ID+": "+d.Unusable)
			case p.used[place(c.ID, d.ID)]:
				busy++
			default:
				free++
			}
		}
		text := fmt.Sprintf("controller %s has %d free and %d in use", c.ID, free, busy)
		if len(bad) > 0 {
			text += " (" + strings.Join(bad, ", ") + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

// named are the drives that the wish names. why says what is wrong with one.
func (p *planner) named(w Wish, c Controller) (out []Drive, why string) {
	for _, name := range w.Named {
		d, found := c.drive(name)
		switch {
		case !found:
			return nil, fmt.Sprintf("controller %s has no physical disk %s", c.ID, name)
		case slices.ContainsFunc(out, func(o Drive) bool { return o.ID == d.ID }):
			return nil, fmt.Sprintf("the physical disk %s is named twice", d.ID)
		case d.Unusable != "":
			return nil, fmt.Sprintf("the physical disk %s of controller %s cannot be used: %s", d.ID, c.ID, d.Unusable)
		case d.SerialNumber != "" && p.erasure.Keeps(step.Disk{SerialNumber: d.SerialNumber}):
			return nil, fmt.Sprintf("the physical disk %s of controller %s is kept as it is by its host's policy for erasing disks", d.ID, c.ID)
		case p.used[place(c.ID, d.ID)]:
			return nil, fmt.Sprintf("the physical disk %s of controller %s is a part of another volume that is asked for", d.ID, c.ID)
		case w.Rotational != nil && *w.Rotational != d.Rotational:
			return nil, fmt.Sprintf("the physical disk %s of controller %s has rotational %v", d.ID, c.ID, d.Rotational)
		case w.SizeBytes > 0 && d.SizeBytes < share(w.Level, w.Count(), w.SizeBytes):
			return nil, fmt.Sprintf("the physical disk %s of controller %s has %d GiB, and the volume needs %d of each", d.ID, c.ID, d.SizeBytes/gib, (share(w.Level, w.Count(), w.SizeBytes)+gib-1)/gib)
		}
		out = append(out, d)
	}
	return out, ""
}

// kind is what the drives of one volume have in common.
type kind struct {
	rotational bool
	protocol   string
}

// smallest finds the smallest drives that fit: of one controller and kind, sizes within one class, in the order of their IDs.
func (p *planner) smallest(w Wish, among []Controller) (Controller, []Drive, bool) {
	var best []Drive
	var of Controller
	for _, c := range among {
		for _, group := range p.groups(w, c) {
			if len(group) >= w.Count() && (best == nil || group[0].SizeBytes < best[0].SizeBytes) {
				best, of = group, c
			}
		}
	}
	if best == nil {
		return Controller{}, nil, false
	}
	slices.SortFunc(best, func(a, b Drive) int { return compareIDs(a.ID, b.ID) })
	return of, best[:w.Count()], true
}

// groups are the free drives of a controller that fit a wish, by kind and size class, each sorted by size.
func (p *planner) groups(w Wish, c Controller) [][]Drive {
	free := slices.DeleteFunc(slices.Clone(c.Drives), func(d Drive) bool {
		return d.Unusable != "" || p.used[place(c.ID, d.ID)] || w.Rotational != nil && *w.Rotational != d.Rotational || d.SizeBytes <= 0 ||
			w.SizeBytes > 0 && d.SizeBytes < share(w.Level, w.Count(), w.SizeBytes) || p.erasure.Keeps(step.Disk{SerialNumber: d.SerialNumber}) && d.SerialNumber != ""
	})
	slices.SortStableFunc(free, func(a, b Drive) int {
		return cmp.Or(cmp.Compare(a.SizeBytes, b.SizeBytes), cmp.Compare(bit(a.Rotational), bit(b.Rotational)), cmp.Compare(a.Protocol, b.Protocol), compareIDs(a.ID, b.ID))
	})
	var out [][]Drive
	open := map[kind]int{}
	for _, d := range free {
		k := kind{rotational: d.Rotational, protocol: d.Protocol}
		if at, any := open[k]; any && near(d.SizeBytes, out[at][0].SizeBytes) {
			out[at] = append(out[at], d)
			continue
		}
		open[k] = len(out)
		out = append(out, []Drive{d})
	}
	return out
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// compareIDs has numbers within IDs count as numbers, so that bay 10 comes after bay 9.
func compareIDs(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		p, q := digits(x), digits(y)
		if p > 0 && q > 0 {
			m, n := strings.TrimLeft(x[:p], "0"), strings.TrimLeft(y[:q], "0")
			if c := cmp.Or(cmp.Compare(len(m), len(n)), cmp.Compare(m, n)); c != 0 {
				return c
			}
			x, y = x[p:], y[q:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

func digits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}
