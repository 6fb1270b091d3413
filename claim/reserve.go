package claim

import (
	"fmt"
	"slices"
)

// held refuses a request that would take what is reserved for others; nil where it does not.
func held(v *Inventory, rules Rules, r Request, p pool) *Decision {
	demands := owed(v, rules, p.size)
	if len(demands) == 0 {
		return nil
	}
	supply := map[string]int{}
	for _, d := range demands {
		for _, partition := range d.partitions {
			supply[partition] = v.free(pool{partition, p.size})
		}
	}
	supply[p.partition] = v.free(p)
	before := served(demands, supply)
	supply[p.partition]--
	if served(demands, supply) >= before {
		return nil
	}
	// A project that takes what is its own leaves one of its reservations smaller by one.
	for i := range demands {
		if demands[i].project != r.Project || !slices.Contains(demands[i].partitions, p.partition) {
			continue
		}
		demands[i].amount--
		if served(demands, supply)+1 >= before {
			return nil
		}
		demands[i].amount++
	}
	d := refuse(Reserved, false, "wait for a release, or ask who holds the reservations", "the %d free hosts of size %s in partition %s are reserved for other projects: %s",
		v.free(p), p.size, p.partition, names(demands, r.Project))
	return &d
}

// demand is what a reservation still waits for.
type demand struct {
	name, project string
	partitions    []string
	amount        int
}

// owed is what the reservations of a size wait for: their amounts, less what their projects hold where the reservation is for. A host that a project holds fills one reservation only, the
// first by name that it can.
func owed(v *Inventory, rules Rules, size string) []demand {
	var all []demand
	used := map[string]map[string]int{}
	sorted := slices.Clone(rules.Reservations)
	slices.SortFunc(sorted, func(a, b Reservation) int { return compareNames(a, b) })
	for _, r := range sorted {
		if r.Size != size || r.Amount <= 0 {
			continue
		}
		rest := r.Amount
		for _, partition := range r.Partitions {
			if used[r.Project] == nil {
				used[r.Project] = map[string]int{}
			}
			take := min(rest, v.holding(pool{partition, size}, r.Project)-used[r.Project][partition])
			used[r.Project][partition] += take
			rest -= take
		}
		if rest > 0 {
			all = append(all, demand{r.Name, r.Project, r.Partitions, rest})
		}
	}
	return all
}

func compareNames(a, b Reservation) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}

func names(demands []demand, besides string) string {
	text := ""
	for _, d := range demands {
		if d.project == besides || d.amount == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s (%d for project %s)", d.name, d.amount, d.project)
	}
	return text
}

// served is how many of the demands the supply can meet at most: the largest flow from reservations to partitions, found by augmenting paths. There are few of both.
func served(demands []demand, supply map[string]int) int {
	// given[i][p] is what demand i gets from partition p.
	given := make([]map[string]int, len(demands))
	left := map[string]int{}
	for p, n := range supply {
		left[p] = n
	}
	total := 0
	for i := range demands {
		given[i] = map[string]int{}
	}
	for i, d := range demands {
		for range d.amount {
			if !augment(demands, given, left, i, map[string]bool{}) {
				break
			}
			total++
		}
	}
	return total
}

// augment finds one more host for demand i, if need be by moving another demand to another partition.
func augment(demands []demand, given []map[string]int, left map[string]int, i int, seen map[string]bool) bool {
	for _, p := range demands[i].partitions {
		if seen[p] {
			continue
		}
		seen[p] = true
		if left[p] > 0 {
			left[p]--
			given[i][p]++
			return true
		}
		for j := range demands {
			if j != i && given[j][p] > 0 && augment(demands, given, left, j, seen) {
				given[j][p]--
				given[i][p]++
				return true
			}
		}
	}
	return false
}
