package reference

import (
	"fmt"
	"html"
	"math"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/journey"
)

// place is where a state stands in the drawing: column and row of a grid.
type place struct{ column, row float64 }

// places of the states. The two old names that a restored host may carry are left out, and with them their moves.
func places() map[metal3.ProvisioningState]place {
	return map[metal3.ProvisioningState]place{
		metal3.StateNone: {0, 1}, metal3.StateUnmanaged: {0, 2}, metal3.StateRegistering: {1, 1}, metal3.StateInspecting: {2, 1}, metal3.StatePreparing: {3, 1},
		metal3.StateAvailable: {4, 1}, metal3.StateProvisioning: {5, 1}, metal3.StateProvisioned: {6, 1}, metal3.StateExternallyProvisioned: {4, 0}, metal3.StateDeprovisioning: {5, 2},
		metal3.StatePoweringOffBeforeDelete: {3, 3}, metal3.StateDeleting: {1, 3},
	}
}

const (
	columnWidth, rowHeight = 168.0, 110.0
	boxWidth, boxHeight    = 128.0, 40.0
	drawingStyle           = `text{font:13px system-ui,"DejaVu Sans",sans-serif;fill:#1b1f24;text-anchor:middle}.ground{fill:#fff}.box{fill:#f3f6f9;stroke:#57606a}` +
		`.move{fill:none;stroke:#2f6fb3;stroke-width:1.6}.end{fill:none;stroke:#9198a1;stroke-dasharray:4 4}.tip{fill:#2f6fb3}.tipend{fill:#9198a1}.move:hover{stroke-width:3}` +
		`@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.box{fill:#151b23;stroke:#9198a1}.move{stroke:#6cb2ff}.tip{fill:#6cb2ff}}`
)

// statesDrawing draws the moves between states; dashed are those of a host that is deleted. Each arrow has its reason as a tooltip.
func statesDrawing() string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="t d" viewBox="0 0 %d %d"><title id="t">States of a host</title><desc id="d">%s</desc><style>%s</style>`,
		int(7*columnWidth), int(4*rowHeight), html.EscapeString(inWords()), drawingStyle)
	b.WriteString(`<defs><marker id="a" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tip" d="M0 0 8 4 0 8z"/></marker>` +
		`<marker id="e" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto"><path class="tipend" d="M0 0 8 4 0 8z"/></marker></defs><rect class="ground" width="100%" height="100%"/>` + "\n")
	for _, m := range journey.Moves() {
		from, there := places()[m.From]
		to, known := places()[m.To]
		if !there || !known || strings.HasSuffix(m.When, "while detached") {
			continue
		}
		class, tip := "move", "a"
		if m.To == metal3.StateDeleting || m.To == metal3.StatePoweringOffBeforeDelete {
			class, tip = "end", "e"
		}
		fmt.Fprintf(&b, `<path class="%s" marker-end="url(#%s)" d="%s"><title>%s</title></path>`+"\n", class, tip, arrow(from, to), html.EscapeString(or(string(m.From), "new")+" to "+string(m.To)+": "+m.When))
	}
	for _, s := range journey.States() {
		p, ok := places()[s]
		if !ok {
			continue
		}
		x, y := center(p)
		fmt.Fprintf(&b, `<rect class="box" rx="7" x="%.0f" y="%.0f" width="%.0f" height="%.0f"/>`, x-boxWidth/2, y-boxHeight/2, boxWidth, boxHeight)
		lines := wrap(or(string(s), "new"))
		for i, l := range lines {
			fmt.Fprintf(&b, `<text x="%.0f" y="%.0f">%s</text>`, x, y+5+(float64(i)-float64(len(lines)-1)/2)*15, html.EscapeString(l))
		}
		b.WriteString("\n")
	}
	b.WriteString("</svg>\n")
	return b.String()
}

func inWords() string {
	var all []string
	for _, m := range journey.Moves() {
		all = append(all, or(string(m.From), "new")+" to "+string(m.To))
	}
	return strings.Join(all, "; ")
}

func center(p place) (x, y float64) { return (p.column + 0.5) * columnWidth, (p.row + 0.5) * rowHeight }

// arrow is a curve from one box's edge to the other's, bent to its right hand, so that the two directions of a pair lie apart.
func arrow(from, to place) string {
	x1, y1 := center(from)
	x2, y2 := center(to)
	dx, dy := x2-x1, y2-y1
	length := math.Hypot(dx, dy)
	bend := 0.1 * length
	if length > 1.5*columnWidth {
		bend = 0.2 * length
	}
	mx, my := (x1+x2)/2-dy/length*bend, (y1+y2)/2+dx/length*bend
	x1, y1 = edge(x1, y1, mx, my)
	x2, y2 = edge(x2, y2, mx, my)
	return fmt.Sprintf("M%.1f %.1fQ%.1f %.1f %.1f %.1f", x1, y1, mx, my, x2, y2)
}

// edge is where the line from a box's center to a point leaves the box.
func edge(x, y, toX, toY float64) (float64, float64) {
	dx, dy := toX-x, toY-y
	scale := math.Min(boxWidth/2/math.Max(math.Abs(dx), 1e-9), boxHeight/2/math.Max(math.Abs(dy), 1e-9))
	return x + dx*scale, y + dy*scale
}

func wrap(s string) []string {
	words := strings.Fields(s)
	if len(s) < 16 || len(words) == 1 {
		return []string{s}
	}
	half := (len(words) + 1) / 2
	return []string{strings.Join(words[:half], " "), strings.Join(words[half:], " ")}
}
