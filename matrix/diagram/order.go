package diagram

import (
	"cmp"
	"slices"
)

// sweeps is how often the columns are ordered; after a few nothing changes any more.
const sweeps = 12

// order sorts the nodes of every column so that arrows cross little: each goes where the middle of its neighbours is, from left to right and back.
// Bands stay apart. The best of all orders seen is kept.
func (g *graph) order() {
	place := make([]float64, len(g.nodes))
	settle := func(column []int) {
		slices.SortStableFunc(column, func(a, b int) int { return cmp.Compare(g.nodes[a].band, g.nodes[b].band) })
		band, n := -1, 0
		for _, i := range column {
			if g.nodes[i].band != band {
				band, n = g.nodes[i].band, 0
			}
			// Bands are as high as anything in them can be: what counts is the order.
			place[i] = float64(band)*10000 + float64(n)
			n++
		}
	}
	for _, column := range g.columns {
		settle(column)
	}
	best, kept := g.crossings(place), cloneColumns(g.columns)
	for k := range sweeps {
		for c := range g.columns {
			column, fromLeft := g.columns[c], k%2 == 0
			if !fromLeft {
				column = g.columns[len(g.columns)-1-c]
			}
			middle := make(map[int]float64, len(column))
			for _, i := range column {
				middle[i] = g.middle(i, fromLeft, place)
			}
			slices.SortStableFunc(column, func(a, b int) int {
				return cmp.Or(cmp.Compare(g.nodes[a].band, g.nodes[b].band), cmp.Compare(middle[a], middle[b]))
			})
			settle(column)
		}
		if n := g.crossings(place); n < best {
			best, kept = n, cloneColumns(g.columns)
		}
	}
	g.columns = kept
}

func cloneColumns(columns [][]int) [][]int {
	all := make([][]int, len(columns))
	for i := range columns {
		all[i] = slices.Clone(columns[i])
	}
	return all
}

// middle is the mean place of a node's neighbours on one side; its own where it has none.
func (g *graph) middle(i int, left bool, place []float64) float64 {
	sum, n := 0.0, 0
	if left {
		for _, s := range g.nodes[i].lefts {
			sum, n = sum+place[g.segments[s].left], n+1
		}
	} else {
		for _, s := range g.nodes[i].rights {
			sum, n = sum+place[g.segments[s].right], n+1
		}
	}
	if n == 0 {
		return place[i]
	}
	return sum / float64(n)
}

// crossings counts the pairs of segments that cross, column by column: the inversions between the order of their left and of their right ends.
func (g *graph) crossings(place []float64) int {
	channels := make([][]segment, len(g.columns))
	for _, s := range g.segments {
		l := g.nodes[s.left].layer
		channels[l] = append(channels[l], s)
	}
	total := 0
	for _, channel := range channels {
		slices.SortFunc(channel, func(a, b segment) int {
			return cmp.Or(cmp.Compare(place[a.left], place[b.left]), cmp.Compare(place[a.right], place[b.right]))
		})
		rights := make([]float64, len(channel))
		for i, s := range channel {
			rights[i] = place[s.right]
		}
		n, _ := inversions(rights)
		total += n
	}
	return total
}

// inversions counts by merging, and gives the values sorted.
func inversions(v []float64) (int, []float64) {
	if len(v) < 2 {
		return 0, v
	}
	n, left := inversions(v[:len(v)/2])
	m, right := inversions(v[len(v)/2:])
	n += m
	sorted := make([]float64, 0, len(v))
	for len(left) > 0 && len(right) > 0 {
		if right[0] < left[0] {
			n += len(left)
			sorted, right = append(sorted, right[0]), right[1:]
		} else {
			sorted, left = append(sorted, left[0]), left[1:]
		}
	}
	return n, append(append(sorted, left...), right...)
}
