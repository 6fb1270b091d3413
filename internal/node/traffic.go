package node

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/internal/node/state"
)

// matrixLabel on a policy names the matrix that it was compiled from.
const matrixLabel = "ingot.dev/matrix"

// matricesOf says which matrix each policy is of, by the policy's name: two matrices may both have a row 1.1.
func matricesOf(p *source.Policies) map[string]string {
	of := map[string]string{}
	for _, policy := range p.Objects.Policies {
		if m := policy.Labels[matrixLabel]; m != "" {
			of[policy.Name] = m
		}
	}
	return of
}

// trafficKey names a row on disk: its number, behind its matrix where that is known. Neither has a space.
func trafficKey(matrix, row string) string {
	if matrix == "" {
		return row
	}
	return matrix + " " + row
}

func trafficOf(key string) RowTraffic {
	if m, row, ok := strings.Cut(key, " "); ok {
		return RowTraffic{Matrix: m, Row: row}
	}
	return RowTraffic{Row: key}
}

func rowsOf(traffic map[string]state.Traffic) []RowTraffic {
	all := make([]RowTraffic, 0, len(traffic))
	for key, t := range traffic {
		r := trafficOf(key)
		r.Since, r.Last = t.Since, t.Last
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b RowTraffic) int { return cmp.Or(cmp.Compare(a.Matrix, b.Matrix), cmp.Compare(a.Row, b.Row)) })
	return all
}

// traffic notes which rows met packets. It goes to disk now and then: a row that is used once a day is not unused because the host was booted. At the daemon's first look nobody
// knows when the packets came that are counted already: what was written down of the row stands.
func (n *Node) traffic(rows map[string]uint64, first bool) {
	next := make(map[string]state.Traffic, len(rows))
	changed := len(rows) != len(n.disk.Traffic)
	for row, packets := range rows {
		t, known := n.disk.Traffic[row]
		if !known {
			t.Since, changed = n.now(), true
		}
		if packets > n.observed.packets[row] && (!first || t.Last.IsZero()) {
			t.Last = n.now()
		}
		next[row] = t
	}
	n.observed.packets, n.observed.rows = rows, rowsOf(next)
	s := n.disk
	s.Traffic = next
	if !changed && n.now().Sub(n.observed.written) < time.Hour {
		n.disk = s
		return
	}
	n.observed.written = n.now()
	if err := n.write(s); err != nil {
		n.o.Log.Warn("the rows' traffic could not be written", "err", err)
	}
}

// unused reports rows that met nothing for a long time.
func (n *Node) unused(_ *ruling, add report) {
	if n.o.UnusedAfter == 0 {
		return
	}
	rows := make([]string, 0, len(n.disk.Traffic))
	for row := range n.disk.Traffic {
		rows = append(rows, row)
	}
	slices.Sort(rows)
	for _, key := range rows {
		t, row := n.disk.Traffic[key], trafficOf(key).Row
		last := t.Since
		if t.Last.After(last) {
			last = t.Last
		}
		if n.now().Sub(last) > n.o.UnusedAfter {
			add(DriftUnused, row, "row %s has met no packet since %s: is it needed?", row, last.UTC().Format(time.DateOnly))
		}
	}
}
