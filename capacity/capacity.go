// Package capacity counts hosts by partition and size: what is there, what is taken, what can be had, and what is in the way.
//
// It owns the words and their meaning (Row). They are metal-stack's "partition capacity", with two differences: every host is counted in exactly one of allocated, available, faulty and other,
// and a reservation over several partitions takes from free only what the other partitions could not serve. It refuses to read objects, which package stock does, and to choose hosts, which
// package claim does: free is a number for people, not a promise.
//
// Invariants: Total = Allocated + Available + Faulty + Other of every row; 0 <= Free <= Available; 0 <= Used <= Reserved; the same hosts give the same rows, in whatever order they came.
package capacity

import (
	"cmp"
	"slices"
)

// State is what a host is to who looks for one.
type State string

// The states.
const (
	// Allocated: somebody has it.
	Allocated State = "allocated"
	// Available: it can be had now.
	Available State = "available"
	// Faulty: nobody has it, and it cannot be had because something of it is broken.
	Faulty State = "faulty"
	// Other: nobody has it, and it cannot be had for a reason that is no fault: it is being prepared, wiped, cordoned, locked, tainted.
	Other State = "other"
)

// Host is one host.
type Host struct {
	// Name is "namespace/name".
	Name string
	// Partition and Size are empty where it has none.
	Partition, Size string
	State           State
	// Why says why it is faulty or other.
	Why string
	// Tenant and Project are whose it is; only where it is allocated.
	Tenant, Project string
}

// Reservation holds hosts back.
type Reservation struct {
	Name, Size string
	// Partitions are those in which the hosts may be; the amount is of all of them together.
	Partitions []string
	Amount     int
	// Tenant is whose it is; with a Project, that one's of the tenant only.
	Tenant, Project string
}

// holds says whether a host is one that the reservation's owner has of it.
func (r Reservation) holds(h Host) bool {
	return h.State == Allocated && h.Size == r.Size && slices.Contains(r.Partitions, h.Partition) && h.Tenant == r.Tenant && r.Tenant != "" && (r.Project == "" || h.Project == r.Project)
}

// Named is a host that cannot be had, and why.
type Named struct {
	Name string `json:"name"`
	Why  string `json:"why"`
}

// Row is the hosts of one size in one partition.
type Row struct {
	Partition string `json:"partition"`
	Size      string `json:"size"`
	Total     int    `json:"total"`
	// Allocated hosts are somebody's. Available ones can be had now. Free are those of them that anybody may have: without what is still held back for reservations.
	Allocated int `json:"allocated"`
	Available int `json:"available"`
	Free      int `json:"free"`
	// Reserved is the sum of the reservations that may be served here, also of those that may be elsewhere; Used is how many of these hosts are held by those that they are for, counted up to the amount.
	Reserved int `json:"reserved"`
	Used     int `json:"used"`
	// Faulty and Other are the rest, by name.
	Faulty []Named `json:"faulty,omitempty"`
	Other  []Named `json:"other,omitempty"`
}

// key is a row's place.
type key struct{ partition, size string }

// Count counts, sorted by partition and size. A reservation without any host has a row too.
func Count(hosts []Host, reservations []Reservation) []Row {
	rows := map[key]*Row{}
	at := func(k key) *Row {
		if rows[k] == nil {
			rows[k] = &Row{Partition: k.partition, Size: k.size}
		}
		return rows[k]
	}
	for _, h := range hosts {
		r := at(key{h.Partition, h.Size})
		r.Total++
		switch h.State {
		case Allocated:
			r.Allocated++
		case Available:
			r.Available++
		case Faulty:
			r.Faulty = append(r.Faulty, Named{h.Name, h.Why})
		case Other:
			r.Other = append(r.Other, Named{h.Name, h.Why})
		default:
			r.Other = append(r.Other, Named{h.Name, "its state " + string(h.State) + " is not known"})
		}
	}
	held := map[key]int{}
	for _, r := range reservations {
		for _, p := range r.Partitions {
			at(key{p, r.Size})
		}
	}
	for _, r := range reservations {
		reserve(r, hosts, at, held)
	}
	all := make([]Row, 0, len(rows))
	for k, r := range rows {
		r.Free = max(0, r.Available-held[k])
		byName := func(a, b Named) int { return cmp.Compare(a.Name, b.Name) }
		slices.SortFunc(r.Faulty, byName)
		slices.SortFunc(r.Other, byName)
		all = append(all, *r)
	}
	slices.SortFunc(all, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Partition, b.Partition), cmp.Compare(a.Size, b.Size))
	})
	return all
}

// reserve adds one reservation to the rows of its partitions, and to held what only these can serve.
func reserve(r Reservation, hosts []Host, at func(key) *Row, held map[key]int) {
	partitions := slices.Compact(slices.Sorted(slices.Values(r.Partitions)))
	used, available := map[string]int{}, 0
	for _, h := range hosts {
		if r.holds(h) {
			used[h.Partition]++
		}
	}
	for _, p := range partitions {
		available += at(key{p, r.Size}).Available
	}
	open := r.Amount
	for _, p := range partitions {
		row := at(key{p, r.Size})
		row.Reserved += r.Amount
		n := min(used[p], open)
		row.Used += n
		open -= n
	}
	for _, p := range partitions {
		k := key{p, r.Size}
		held[k] += max(0, open-(available-at(k).Available))
	}
}

// Served is how many hosts a reservation's owner has of it, and how many more could be had for it.
func Served(r Reservation, hosts []Host) (used, available int) {
	for _, h := range hosts {
		switch {
		case r.holds(h):
			used++
		case h.State == Available && h.Size == r.Size && slices.Contains(r.Partitions, h.Partition):
			available++
		}
	}
	return min(used, r.Amount), available
}
