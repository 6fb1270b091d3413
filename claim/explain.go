package claim

import (
	"maps"
	"slices"
)

// Verdict is why a host would or would not do for a request.
type Verdict struct {
	Host string
	// Fits: it could be had. Chosen: it is the one.
	Fits, Chosen bool
	// Why not; empty where Fits.
	Why string
}

// Explanation is a decision with a look at every host.
type Explanation struct {
	Decision Decision
	// Verdicts are sorted: the chosen one, those that fit, the others; each by name.
	Verdicts []Verdict
}

// Explain says of every host that the request could mean why it would or would not do. Without a partition or a size in the request that is all hosts.
func Explain(v *Inventory, rules Rules, r Request) Explanation {
	e := Explanation{Decision: Choose(v, rules, r)}
	var chosen, fit, others []Verdict
	for _, name := range slices.Sorted(maps.Keys(v.hosts)) {
		h := v.hosts[name]
		if r.Host != "" && name != r.Host || r.Partition != "" && h.Partition != r.Partition {
			continue
		}
		x := Verdict{Host: name, Chosen: name == e.Decision.Host, Why: unavailable(h)}
		if x.Why == "" {
			if what := unfit(h, r); what != "" {
				x.Why = "it " + what
			}
		}
		x.Fits = x.Why == ""
		switch {
		case x.Chosen:
			x.Why = ""
			chosen = append(chosen, x)
		case x.Fits:
			fit = append(fit, x)
		default:
			others = append(others, x)
		}
	}
	e.Verdicts = slices.Concat(chosen, fit, others)
	return e
}
