package size

import (
	"cmp"
	"slices"

	"github.com/ingotmetal/ingot/wildcard"
)

// Overlap is two sizes that one machine can match, and such a machine.
type Overlap struct {
	A, B    string
	Example Hardware
}

// Overlaps finds pairs of sizes that one machine can match, in the order of names. Each comes with a machine that both match, so that nothing is said that is not so. The search is complete for sizes with at most
// one constraint of disks and one of GPUs each; of others an overlap can stay unseen until a machine shows it.
func Overlaps(sizes []Size) []Overlap {
	sorted := slices.SortedFunc(slices.Values(sizes), func(a, b Size) int { return cmp.Compare(a.Name, b.Name) })
	var out []Overlap
	for i, a := range sorted {
		for _, b := range sorted[i+1:] {
			if h, ok := example(a, b); ok {
				out = append(out, Overlap{a.Name, b.Name, h})
			}
		}
	}
	return out
}

// example makes a machine that both sizes match.
func example(a, b Size) (Hardware, bool) {
	var h Hardware
	for _, t := range []Type{Cores, Memory} {
		x, y := a.of(t), b.of(t)
		if len(x) != 1 || len(y) != 1 {
			return h, false
		}
		model, ok := wildcard.Common(pattern(x[0]), pattern(y[0]))
		least := max(x[0].Amount.Min, y[0].Amount.Min)
		if !ok || least > min(x[0].Amount.Max, y[0].Amount.Max) {
			return h, false
		}
		if t == Cores {
			h.Processor, h.Cores = model, least
		} else {
			h.MemoryBytes = least
		}
	}
	for _, p := range fill(a.of(Disks), b.of(Disks)) {
		for i := range p.count {
			share := p.bytes / p.count
			if i == 0 {
				share = p.bytes - share*(p.count-1)
			}
			h.Disks = append(h.Disks, Disk{p.model, p.medium, share})
		}
	}
	for _, p := range fill(a.of(GPUs), b.of(GPUs)) {
		h.GPUs = append(h.GPUs, slices.Repeat([]string{p.model}, int(p.count))...)
	}
	return h, len(a.Judge(h)) == 0 && len(b.Judge(h)) == 0
}

func (s Size) of(t Type) []Constraint {
	var out []Constraint
	for _, c := range s.Constraints {
		if c.Type == t {
			out = append(out, c)
		}
	}
	return out
}

func pattern(c Constraint) string { return cmp.Or(c.Identifier, "*") }

// Bounds of the search for parts: an example with more parts than this is no use to anybody, and two sizes of 16 constraints each are not to cost seconds.
const (
	maxParts = 4096
	maxTries = 512
)

// filling is parts that are put together until every constraint of two sizes has its least.
type filling struct {
	sides [2][]Constraint
	parts []part
	tries int
}

// fill gives parts that satisfy the lower bounds of both sizes' constraints; whether they satisfy all is the caller's to judge.
func fill(a, b []Constraint) []part {
	f := filling{sides: [2][]Constraint{plain(a), plain(b)}}
	if !f.search() {
		return nil
	}
	return f.parts
}

// plain has a GPU's amount as its count, so that both types are one problem.
func plain(all []Constraint) []Constraint {
	out := slices.Clone(all)
	for i, c := range out {
		if c.Type == GPUs {
			out[i].Count, out[i].Amount = c.Amount, Any()
		}
	}
	return out
}

// search adds parts for the first constraint that lacks some, from each class that it shares with a constraint of the other size, until none lacks any.
func (f *filling) search() bool {
	if f.tries++; f.tries > maxTries {
		return false
	}
	for side, all := range f.sides {
		for _, c := range all {
			n, sum := c.held(f.parts)
			count, bytes := max(0, c.Count.Min-n), max(0, c.Amount.Min-sum)
			if count == 0 && bytes == 0 {
				continue
			}
			return slices.ContainsFunc(f.sides[1-side], func(d Constraint) bool {
				p, ok := shared(c, d)
				if !ok || !f.add(p, count, bytes) {
					return false
				}
				before := slices.Clone(f.parts[:len(f.parts)-1])
				if f.search() {
					return true
				}
				f.parts = before
				return false
			})
		}
	}
	return true
}

// shared is a part that two constraints are both about.
func shared(c, d Constraint) (part, bool) {
	model, ok := wildcard.Common(pattern(c), pattern(d))
	if !ok || c.Medium != "" && d.Medium != "" && c.Medium != d.Medium {
		return part{}, false
	}
	return part{model: model, medium: cmp.Or(c.Medium, d.Medium)}, true
}

// add puts in as many as are lacking and as there is room for; false: there is no room.
func (f *filling) add(p part, count, bytes int64) bool {
	const ordinary = int64(1e9)
	roomCount, roomBytes := int64(maxParts), int64(Unbounded)
	for _, all := range f.sides {
		for _, c := range all {
			if c.covers(p) {
				n, sum := c.held(f.parts)
				roomCount, roomBytes = min(roomCount, c.Count.Max-n), min(roomBytes, c.Amount.Max-sum)
			}
		}
	}
	// A disk has at least one byte, of which there must be room.
	p.count = min(max(count, 1), roomCount, roomBytes)
	if p.count < 1 {
		return false
	}
	p.bytes = min(max(bytes, p.count*ordinary), roomBytes)
	f.parts = append(f.parts, p)
	return true
}
