package claims

import (
	"cmp"
	"slices"

	"github.com/ingotmetal/ingot/test/meter"
)

// Cost is how often something was asked of the API server for each machine.
type Cost struct {
	What       string
	PerMachine float64
	writes     bool
}

// costs are the requests between two counts, the most frequent first; watches are left out.
func costs(before, after map[meter.Asked]float64, machines int) []Cost {
	sums := map[string]*Cost{}
	for a, n := range after {
		if n -= before[a]; n <= 0 || a.Verb == "WATCH" {
			continue
		}
		what := a.Verb + " " + a.Resource
		if sums[what] == nil {
			sums[what] = &Cost{What: what, writes: a.Writes()}
		}
		sums[what].PerMachine += n / float64(machines)
	}
	var all []Cost
	for _, c := range sums {
		all = append(all, *c)
	}
	slices.SortFunc(all, func(a, b Cost) int {
		return cmp.Or(cmp.Compare(b.PerMachine, a.PerMachine), cmp.Compare(a.What, b.What))
	})
	return all
}

// Requests are how many of the API server each machine cost until all had hosts, and how many of them were to change something.
func (r *Report) Requests() (all, writes float64) {
	for _, c := range r.Costs {
		all += c.PerMachine
		if c.writes {
			writes += c.PerMachine
		}
	}
	return all, writes
}
