package size

import (
	"cmp"
	"slices"

	"github.com/ingotmetal/ingot/wildcard"
)

// The limits of a Size object.
const (
	maxConstraints = 32
	maxIdentifier  = 128
)

// Suggest makes a size of a machine: its processor and cores, its memory, its disks by medium, its GPUs by model. Amounts are rounded outwards to whole units, GiB and GB, since what the firmware keeps for
// itself differs between machines of one order.
func Suggest(name string, h Hardware) Size {
	const gib, gb = int64(1) << 30, int64(1e9)
	s := Size{Name: name, Constraints: []Constraint{
		{Type: Cores, Identifier: literal(h.Processor), Amount: Bounds{h.Cores, h.Cores}, Count: Any()},
		{Type: Memory, Amount: around(h.MemoryBytes, gib), Count: Any()},
	}}
	media := merge(h.disks())
	for i := range media {
		media[i].model = ""
	}
	for _, p := range unknownLast(merge(media)) {
		s.Constraints = append(s.Constraints, Constraint{Type: Disks, Medium: p.medium, Amount: around(p.bytes, gb), Count: Bounds{p.count, p.count}})
	}
	gpus := merge(h.gpus())
	full := s.with(gpus)
	// Models that one pattern cannot tell apart, or that have no name, are counted together.
	if len(gpus) > 0 && (len(full.Constraints) > maxConstraints || len(full.Judge(h)) > 0) {
		full = s.with([]part{{count: int64(len(h.GPUs))}})
	}
	return full
}

func (s Size) with(gpus []part) Size {
	s.Constraints = slices.Clone(s.Constraints)
	for _, p := range gpus {
		s.Constraints = append(s.Constraints, Constraint{Type: GPUs, Identifier: literal(p.model), Amount: Bounds{p.count, p.count}, Count: Any()})
	}
	return s
}

// unknownLast makes one constraint of all disks where the medium of some is not known, for "any medium" would count the others too.
func unknownLast(media []part) []part {
	if !slices.ContainsFunc(media, func(p part) bool { return p.medium == "" }) {
		return media
	}
	var all part
	for _, p := range media {
		all.count += p.count
		all.bytes = add(all.bytes, p.bytes)
	}
	return []part{all}
}

// literal is a model as a pattern; of one that is too long, its beginning.
func literal(model string) string {
	runes := []rune(wildcard.Literal(model))
	if len(runes) > maxIdentifier {
		return string(runes[:maxIdentifier-1]) + "*"
	}
	return string(runes)
}

func around(n, unit int64) Bounds {
	b := Bounds{n / unit * unit, Unbounded}
	if up := add(n, unit-1); up < Unbounded {
		b.Max = up / unit * unit
	}
	return Bounds{b.Min, cmp.Or(b.Max, unit)}
}
