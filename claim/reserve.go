package claim

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
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
		if !demands[i].isFor(r) || !slices.Contains(demands[i].partitions, p.partition) {
			continue
		}
		demands[i].amount--
		if served(demands, supply)+1 >= before {
			return nil
		}
		demands[i].amount++
	}
	d := refuse(Reserved, false, "wait for a release, or ask who holds the reservations", "the %d free hosts of size %s in partition %s are reserved for others: %s",
		v.free(p), p.size, p.partition, names(demands, r))
	return &d
}

// demand is what a reservation still waits for.
type demand struct {
	name       string
	owner      owner
	partitions []string
	amount     int
}

// isFor says whether the reservation is for a request.
func (d demand) isFor(r Request) bool { return slices.Contains(owners(r.Project, r.Tenant), d.owner) }

func (r Reservation) owner() owner {
	if r.Project == "" {
		return owner{true, r.Tenant}
	}
	return owner{name: r.Project}
}

// owed is what the reservations of a size wait for: their amounts, less what those that they are for hold where the reservation is for. A host that is held fills one reservation only: the
// first by name that it can, those of its project before those of its tenant.
func owed(v *Inventory, rules Rules, size string) []demand {
	var all []demand
	for _, x := range filled(v, rules, size) {
		if rest := x.reservation.Amount - x.used; rest > 0 {
			all = append(all, demand{x.reservation.Name, x.reservation.owner(), x.reservation.Partitions, rest})
		}
	}
	return all
}

// fill is a reservation and how many of its amount are held.
type fill struct {
	reservation Reservation
	used        int
}

func filled(v *Inventory, rules Rules, size string) []fill {
	type place struct {
		owner     owner
		partition string
	}
	var all []fill
	used := map[place]int{}
	sorted := slices.Clone(rules.Reservations)
	slices.SortFunc(sorted, func(a, b Reservation) int {
		return cmp.Or(first(a.Project != "", b.Project != ""), strings.Compare(a.Name, b.Name))
	})
	for _, r := range sorted {
		if r.Size != size || r.Amount <= 0 {
			continue
		}
		x := fill{reservation: r}
		for _, partition := range r.Partitions {
			own := place{r.owner(), partition}
			take := min(r.Amount-x.used, v.holding(pool{partition, size}, own.owner)-used[own])
			used[own] += take
			if r.Project != "" && r.Tenant != "" {
				used[place{owner{true, r.Tenant}, partition}] += take
			}
			x.used += take
		}
		all = append(all, x)
	}
	return all
}

// first orders what is before what is not.
func first(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}

// Standing is how a reservation stands.
type Standing struct {
	// Used is how many of its amount are held by those that it is for.
	Used int
	// Short is how many more free hosts all the reservations of its size would need, so that all could be served.
	Short int
}

// Standings says how each reservation stands, by name.
func Standings(v *Inventory, rules Rules) map[string]Standing {
	all := map[string]Standing{}
	sizes := map[string]bool{}
	for _, r := range rules.Reservations {
		if sizes[r.Size] {
			continue
		}
		sizes[r.Size] = true
		demands, total := owed(v, rules, r.Size), 0
		supply := map[string]int{}
		for _, d := range demands {
			total += d.amount
			for _, partition := range d.partitions {
				supply[partition] = v.free(pool{partition, r.Size})
			}
		}
		short := total - served(demands, supply)
		for _, x := range filled(v, rules, r.Size) {
			all[x.reservation.Name] = Standing{x.used, short}
		}
	}
	return all
}

func names(demands []demand, besides Request) string {
	text := ""
	for _, d := range demands {
		if d.isFor(besides) || d.amount == 0 {
			continue
		}
		if text != "" {
			text += ", "
		}
		text += fmt.Sprintf("%s (%d for %s)", d.name, d.amount, d.owner)
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
