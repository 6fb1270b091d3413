package diagram

import (
	"cmp"
	"slices"
	"unicode/utf8"
)

// Sizes in pixels.
const (
	margin      = 24.0
	headerH     = 64.0 // title and subtitle
	footerH     = 56.0 // legend
	nodePadX    = 12.0
	nodeHead    = 28.0 // a role's name
	nodeMinW    = 104.0
	nodeGap     = 14.0
	lineH       = 13.0 // a line of a label
	slotPad     = 8.0  // around a label
	laneH       = 12.0 // a passing arrow, or one that leaves
	zoneHead    = 26.0 // a zone's name
	zonePad     = 12.0
	gutterGap   = 16.0
	stub        = 14.0 // before and after a box
	arrowW      = 9.0
	nameChar    = 7.9 // the widest mean of a character of a role's name, 13 px and bold
	zoneChar    = 7.6 // of a zone's, 12 px and bold
	labelChar   = 6.7 // of a label's, 11 px of a font in which all are equally wide
	channelMin  = 56.0
	channelStep = 2.5 // more for each arrow
	channelMax  = 150.0
)

func textWidth(s string, char float64) float64 { return float64(utf8.RuneCountInString(s)) * char }

// box is where a band is.
type box struct{ top, bottom float64 }

// place gives every node and segment its coordinates, and says how large the picture is.
func (g *graph) place() (width, height float64) {
	g.measure()
	width = g.across()
	boxes, height := g.stack()
	for k := range sweeps {
		g.slots()
		for c := range g.columns {
			column := g.columns[c]
			if k%2 == 1 {
				column = g.columns[len(g.columns)-1-c]
			}
			g.align(column, boxes, k%2 == 0)
		}
	}
	g.slots()
	return width, height
}

// measure sets the sizes of the nodes.
func (g *graph) measure() {
	for i := range g.nodes {
		n := &g.nodes[i]
		if n.passing >= 0 {
			n.h = laneH
			continue
		}
		zone, _ := g.zoneName(n.end.Zone)
		n.w = max(nodeMinW, textWidth(string(n.end.Role), nameChar)+2*nodePadX, textWidth(zone, zoneChar))
		left, right := 0.0, 0.0
		for _, s := range n.lefts {
			left += g.slotHeight(s)
		}
		for range n.rights {
			right += laneH
		}
		for _, l := range n.loops {
			n.w = max(n.w, textWidth("↻ "+l, labelChar)+2*nodePadX)
		}
		n.h = max(left+slotPad, right+slotPad, nodeHead+float64(len(n.loops))*lineH+slotPad/2)
	}
}

// slotHeight is what a segment needs at its right end, where the arrow's label stands.
func (g *graph) slotHeight(s int) float64 {
	if !g.segments[s].last {
		return laneH
	}
	return float64(len(g.edges[g.segments[s].edge].label))*lineH + slotPad
}

// above is how many lines of the label stand above the arrow; the others stand below.
func (e edge) above() int { return (len(e.label) + 1) / 2 }

// labelSpan is the width of an arrow's label with what is around it.
func (e edge) labelSpan() float64 {
	w := 0.0
	for _, l := range e.label {
		w = max(w, textWidth(l, labelChar))
	}
	if e.backward {
		w += 2 * labelChar
	}
	return w + stub + arrowW
}

// across sets the columns' places from left to right: a channel in which arrows bend, the labels, the roles.
func (g *graph) across() float64 {
	x := margin + zonePad
	g.labelSpans = make([]float64, len(g.columns))
	for c, column := range g.columns {
		if c > 0 {
			labels, arrows := 0.0, 0
			for _, i := range column {
				for _, s := range g.nodes[i].lefts {
					arrows++
					if g.segments[s].last {
						labels = max(labels, g.edges[g.segments[s].edge].labelSpan())
					}
				}
			}
			g.labelSpans[c] = labels
			x += min(channelMin+channelStep*float64(arrows), channelMax) + labels + stub
		}
		widest := 0.0
		for _, i := range column {
			widest = max(widest, g.nodes[i].w)
		}
		for _, i := range column {
			g.nodes[i].x, g.nodes[i].w = x, widest
		}
		x += widest
	}
	return x + zonePad + margin
}

// stack sets the bands from top to bottom, each as high as its fullest column, and the nodes one below the other.
func (g *graph) stack() ([]box, float64) {
	boxes := make([]box, 2*g.bandCount+1)
	y := headerH + margin
	for b := range boxes {
		tallest := 0.0
		for _, column := range g.columns {
			h := 0.0
			for _, i := range column {
				if g.nodes[i].band == b {
					h += g.nodes[i].h + g.space(i)
				}
			}
			tallest = max(tallest, h)
		}
		if b%2 == 0 {
			boxes[b] = box{y, y + tallest}
			y += tallest + gutterGap
			continue
		}
		boxes[b] = box{y + zoneHead, y + zoneHead + tallest}
		y += zoneHead + tallest + zonePad/2 + gutterGap
	}
	for _, column := range g.columns {
		next := make([]float64, len(boxes))
		for b := range boxes {
			next[b] = boxes[b].top
		}
		for _, i := range column {
			b := g.nodes[i].band
			g.nodes[i].y = next[b]
			next[b] += g.nodes[i].h + g.space(i)
		}
	}
	return boxes, y + footerH
}

// space is what is left free below a node.
func (g *graph) space(i int) float64 {
	if g.nodes[i].passing >= 0 {
		return 0
	}
	return nodeGap
}

// align moves the nodes of a column towards their neighbours, without changing their order or leaving their bands.
func (g *graph) align(column []int, boxes []box, left bool) {
	for from := 0; from < len(column); {
		to := from
		for to < len(column) && g.nodes[column[to]].band == g.nodes[column[from]].band {
			to++
		}
		g.alignBand(column[from:to], boxes[g.nodes[column[from]].band], left)
		from = to
	}
}

func (g *graph) alignBand(items []int, b box, left bool) {
	y := b.top
	for _, i := range items {
		n := &g.nodes[i]
		n.y = max(y, n.y+g.pull(i, left))
		y = n.y + n.h + g.space(i)
	}
	bottom := b.bottom
	for k := len(items) - 1; k >= 0; k-- {
		n := &g.nodes[items[k]]
		n.y = min(n.y, bottom-n.h-g.space(items[k]))
		bottom = n.y
	}
}

// pull is how far a node is from where its arrows on one side would be level.
func (g *graph) pull(i int, left bool) float64 {
	sum, count := 0.0, 0
	if left {
		for _, s := range g.nodes[i].lefts {
			sum, count = sum+g.segments[s].leftY-g.segments[s].rightY, count+1
		}
	} else {
		for _, s := range g.nodes[i].rights {
			sum, count = sum+g.segments[s].rightY-g.segments[s].leftY, count+1
		}
	}
	if count == 0 {
		return 0
	}
	return sum / float64(count)
}

// slots spreads the ends of segments over the sides of their nodes, in the order of their other ends, each with a stretch of its own.
func (g *graph) slots() {
	for i := range g.nodes {
		n := &g.nodes[i]
		slices.SortStableFunc(n.lefts, func(a, b int) int {
			return cmp.Compare(g.centre(g.segments[a].left), g.centre(g.segments[b].left))
		})
		slices.SortStableFunc(n.rights, func(a, b int) int {
			return cmp.Compare(g.centre(g.segments[a].right), g.centre(g.segments[b].right))
		})
		total := 0.0
		for _, s := range n.lefts {
			total += g.slotHeight(s)
		}
		y := n.y + (n.h-total)/2
		for _, s := range n.lefts {
			g.segments[s].rightY = y + g.slotHeight(s)/2
			if g.segments[s].last {
				g.segments[s].rightY = y + slotPad/2 + float64(g.edges[g.segments[s].edge].above())*lineH
			}
			y += g.slotHeight(s)
		}
		y = n.y + (n.h-laneH*float64(len(n.rights)))/2
		for _, s := range n.rights {
			g.segments[s].leftY = y + laneH/2
			y += laneH
		}
	}
}

func (g *graph) centre(i int) float64 { return g.nodes[i].y + g.nodes[i].h/2 }
