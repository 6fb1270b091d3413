// Package size says which size a machine is of, by what it is made of.
//
// It owns sizes' constraints and their reading: how many cores, how much memory, which disks and GPUs, with bounds and patterns for models. It refuses to rank: a machine is of the one size that matches it, and
// of none where two do, since what a tenant pays for must not hang on an order. It refuses leniency too: a processor, disk or GPU that no constraint covers is a reason against a size, for a machine with an
// unknown GPU is no machine without one.
//
// The shape is that of the filesystem layouts' choice: sizes and hardware in, a name or a problem out, with a verdict of each size. That two sizes overlap is found before a machine shows it, by making one
// that both match.
//
// Invariants: the same sizes and hardware give the same answer in whatever order they come; each size that does not match has a reason; the example of an overlap matches both sizes; what Suggest makes of a
// machine matches it.
package size

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/wildcard"
)

// Type is what a constraint is about.
type Type string

// The types.
const (
	Cores  Type = "cores"
	Memory Type = "memory"
	Disks  Type = "disks"
	GPUs   Type = "gpus"
)

// Unbounded is a Bounds.Max without an upper bound.
const Unbounded = math.MaxInt64

// Bounds are both included.
type Bounds struct{ Min, Max int64 }

func (b Bounds) hold(n int64) bool { return n >= b.Min && n <= b.Max }

// Any holds whatever is not negative.
func Any() Bounds { return Bounds{0, Unbounded} }

// Constraint is one class of parts, and how much of it a machine has.
type Constraint struct {
	Type Type
	// Identifier is held against the model of a processor, disk or GPU (package wildcard); empty: all.
	Identifier string
	// Medium is HDD, SSD or NVME, of disks; empty: all.
	Medium string
	// Amount bounds the cores, the bytes of memory, the bytes of all disks together, or the GPUs; Count how many disks there are.
	Amount, Count Bounds
}

// Size is a class of machines.
type Size struct {
	Name        string
	Constraints []Constraint
}

// Verdict is what became of one size. Reasons are empty for one that matches.
type Verdict struct {
	Name    string   `json:"name"`
	Reasons []string `json:"reasons,omitempty"`
}

// Result is the answer for a machine.
type Result struct {
	// Name is the size's; empty: it has none, and Problem says why.
	Name    string `json:"name,omitempty"`
	Problem string `json:"problem,omitempty"`
	// Matching are all sizes that match, in order; more than one of them is a finding.
	Matching []string `json:"matching,omitempty"`
	// Verdicts are in the order of names.
	Verdicts []Verdict `json:"verdicts"`
}

// Match gives the one size that matches a machine, or why there is none.
func Match(sizes []Size, h Hardware) Result {
	var r Result
	for _, s := range sizes {
		v := Verdict{s.Name, s.Judge(h)}
		if len(v.Reasons) == 0 {
			r.Matching = append(r.Matching, s.Name)
		}
		r.Verdicts = append(r.Verdicts, v)
	}
	slices.SortFunc(r.Verdicts, func(a, b Verdict) int { return cmp.Compare(a.Name, b.Name) })
	slices.Sort(r.Matching)
	switch len(r.Matching) {
	case 0:
		r.Problem = problem(r.Verdicts)
	case 1:
		r.Name = r.Matching[0]
	default:
		r.Problem = fmt.Sprintf("the sizes %s all match this machine: narrow one of them, so that a machine has one size", strings.Join(r.Matching, ", "))
	}
	return r
}

func problem(all []Verdict) string {
	if len(all) == 0 {
		return "there are no sizes: make one, for example by `ingot size suggest HOST`"
	}
	const most = 5
	var why []string
	for i, v := range all {
		if i == most {
			why = append(why, fmt.Sprintf("and %d more", len(all)-most))
			break
		}
		why = append(why, v.Name+": "+v.Reasons[0])
	}
	return "no size matches this machine: " + strings.Join(why, "; ")
}

// Judge says why a machine is not of this size; nil where it is.
func (s Size) Judge(h Hardware) []string {
	var why []string
	seen := map[Type]bool{}
	for _, c := range s.Constraints {
		seen[c.Type] = true
		why = append(why, c.judge(h)...)
	}
	if !seen[Cores] {
		why = append(why, "no constraint covers its processors")
	}
	if !seen[Memory] {
		why = append(why, "no constraint covers its memory")
	}
	for _, p := range uncovered(s.Constraints, Disks, h.disks()) {
		why = append(why, "no constraint covers its disk "+p.words())
	}
	for _, p := range uncovered(s.Constraints, GPUs, h.gpus()) {
		why = append(why, "no constraint covers its GPU "+cmp.Or(p.model, "without a model"))
	}
	return why
}

// judge says why a constraint does not hold.
func (c Constraint) judge(h Hardware) []string {
	switch c.Type {
	case Cores:
		if c.Identifier != "" && !wildcard.Match(c.Identifier, h.Processor) {
			return []string{fmt.Sprintf("its processor is %q, not %q", h.Processor, c.Identifier)}
		}
		return outside(h.Cores, c.Amount, func(n int64) string { return fmt.Sprintf("%d cores", n) })
	case Memory:
		return outside(h.MemoryBytes, c.Amount, func(n int64) string { return bytes(n) + " of memory" })
	case Disks:
		n, sum := c.held(h.disks())
		return append(outside(n, c.Count, func(n int64) string { return fmt.Sprintf("%d disks%s", n, c.which()) }),
			outside(sum, c.Amount, func(n int64) string { return bytes(n) + " on disks" + c.which() })...)
	case GPUs:
		n, _ := c.held(h.gpus())
		return outside(n, c.Amount, func(n int64) string { return fmt.Sprintf("%d GPUs%s", n, c.which()) })
	}
	return []string{fmt.Sprintf("its constraint of type %q is not known", c.Type)}
}

// held is how many of the parts a constraint is about, and their bytes together.
func (c Constraint) held(parts []part) (count, bytes int64) {
	for _, p := range parts {
		if c.covers(p) {
			count += p.count
			bytes = add(bytes, p.bytes)
		}
	}
	return count, bytes
}

func (c Constraint) covers(p part) bool {
	return (c.Medium == "" || c.Medium == p.medium) && (c.Identifier == "" || wildcard.Match(c.Identifier, p.model))
}

// which is a constraint's choice in words.
func (c Constraint) which() string {
	var out string
	if c.Medium != "" {
		out += " (" + c.Medium + ")"
	}
	if c.Identifier != "" {
		out += fmt.Sprintf(" %q", c.Identifier)
	}
	return out
}

func outside(n int64, b Bounds, words func(int64) string) []string {
	switch {
	case b.hold(n):
		return nil
	case n < b.Min:
		return []string{fmt.Sprintf("it has %s, at least %s are asked for", words(n), words(b.Min))}
	}
	return []string{fmt.Sprintf("it has %s, at most %s are asked for", words(n), words(b.Max))}
}

func uncovered(all []Constraint, t Type, parts []part) []part {
	var out []part
	for _, p := range parts {
		if !slices.ContainsFunc(all, func(c Constraint) bool { return c.Type == t && c.covers(p) }) {
			out = append(out, p)
		}
	}
	return out
}

// add is a sum that stays at Unbounded.
func add(a, b int64) int64 {
	if a > Unbounded-b {
		return Unbounded
	}
	return a + b
}
