package diagram

import (
	"html"
	"math"
	"strconv"
	"strings"
	"unicode"

	"github.com/ingotmetal/ingot/matrix"
)

// style is written out for light and dark, since not every program that shows SVG knows CSS variables.
const style = `
text{font-family:system-ui,"DejaVu Sans",sans-serif;fill:#1b1f24}
.title{font-size:18px;font-weight:600}.sub{font-size:12px;fill:#59636e}
.ground{fill:#fff}
.zone rect{fill:#f3f6f9;stroke:#c5ced8}.place{font-size:12px;font-weight:600;fill:#59636e;stroke:#f3f6f9;stroke-width:3;paint-order:stroke}.zone.outside rect{fill:none;stroke-dasharray:5 4}
.role rect{fill:#fff;stroke:#57606a;stroke-width:1.2}.role.outside rect{fill:#eef1f4;stroke-dasharray:5 3}
.role text{font-size:13px;font-weight:600;text-anchor:middle}
.role text.loop,.label,.legend text{font:11px ui-monospace,"DejaVu Sans Mono",monospace}
.role text.loop{font-weight:400;fill:#59636e}
.line{fill:none;stroke-width:1.4;stroke-linejoin:round}
.halo{fill:none;stroke:#fff;stroke-width:4;stroke-opacity:.75}
.holds .line{stroke:#2f6fb3}.holds .head{fill:#2f6fb3}
.excepted .line{stroke:#b35c00;stroke-dasharray:6 3}.excepted .head{fill:#b35c00}.excepted .note{fill:#9a4b00}
.open .line{stroke:#b3202c;stroke-width:1.6;stroke-dasharray:3 3}.open .head{fill:#b3202c}.open .note{fill:#b3202c}
.flow:hover .line{stroke-width:3}
@media(prefers-color-scheme:dark){
text{fill:#e6edf3}.sub,.place,.role text.loop{fill:#9198a1}.ground{fill:#0d1117}
.place{stroke:#151b23}.zone rect{fill:#151b23;stroke:#3d444d}.role rect{fill:#0d1117;stroke:#9198a1}.role.outside rect{fill:#212830}.halo{stroke:#0d1117}
.holds .line{stroke:#6cb2ff}.holds .head{fill:#6cb2ff}
.excepted .line{stroke:#f0a03c}.excepted .head,.excepted .note{fill:#f0a03c}
.open .line{stroke:#ff7b72}.open .head,.open .note{fill:#ff7b72}}
`

// SVG draws the flows that the options ask for. A matrix without any gives a picture that says so.
func SVG(m matrix.Matrix, o Options) []byte {
	g := build(m, o)
	g.layers()
	g.bands()
	g.order()
	width, height := g.place()
	width = max(width, 640)

	var b strings.Builder
	head, sub := heading(m, o, g)
	b.WriteString(`<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" viewBox="0 0 ` + num(width) + " " + num(height) +
		`" width="` + num(width) + `" height="` + num(height) + "\">\n")
	b.WriteString(`<title id="title">` + text(head) + "</title>\n")
	b.WriteString(`<desc id="desc">` + text(describe(g, sub)) + "</desc>\n<style>" + style + "</style>\n")
	b.WriteString(`<rect class="ground" width="` + num(width) + `" height="` + num(height) + "\"/>\n")
	b.WriteString(words(margin, margin+10, "title", head) + words(margin, margin+32, "sub", sub))
	for _, z := range g.zones {
		g.drawZone(&b, z)
	}
	for i := range g.edges {
		g.drawFlow(&b, g.edges[i])
	}
	for _, n := range g.nodes {
		if n.passing < 0 {
			drawRole(&b, n)
		}
	}
	for _, z := range g.zones {
		g.drawZoneName(&b, z)
	}
	legend(&b, height)
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

func heading(m matrix.Matrix, o Options, g *graph) (head, sub string) {
	head = m.Title
	if head == "" {
		head = m.Name
	}
	if o.Role != "" {
		head += ": role " + string(o.Role)
	}
	if o.Plane != "" {
		head += ": plane " + string(o.Plane)
	}
	flows, roles := 0, 0
	for _, e := range g.edges {
		flows += len(e.rows)
	}
	for _, n := range g.nodes {
		flows += len(n.titles)
		if n.passing < 0 {
			roles++
		}
	}
	return head, count(flows, "flow") + " between " + count(roles, "role") + " in " + count(len(g.zones), "zone") + "; an arrow goes from whoever dials"
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return strconv.Itoa(n) + " " + word + "s"
}

// describe says the picture in words, for those who cannot see it.
func describe(g *graph, sub string) string {
	all := []string{sub}
	for _, e := range g.edges {
		all = append(all, g.nodes[e.from].end.String()+" dials "+g.nodes[e.to].end.String()+": "+strings.Join(e.label, " "))
	}
	for _, n := range g.nodes {
		if len(n.loops) > 0 {
			all = append(all, n.end.String()+" dials its own kind: "+strings.Join(n.loops, ", "))
		}
	}
	return strings.Join(all, ". ") + "."
}

// zoneBox is the box around a zone's roles, and around the flows between them that pass columns.
func (g *graph) zoneBox(zone matrix.Zone) (x, y, w, h float64) {
	left, right, top, bottom := math.Inf(1), 0.0, math.Inf(1), 0.0
	for _, n := range g.nodes {
		if n.end.Zone != zone {
			continue
		}
		left, right = min(left, n.x), max(right, n.x+n.w)
		top, bottom = min(top, n.y), max(bottom, n.y+n.h)
	}
	return left - zonePad, top - zoneHead, right - left + 2*zonePad, bottom - top + zoneHead + zonePad
}

// zoneName is a zone's name, with what a reader has to know of it.
func (g *graph) zoneName(zone matrix.Zone) (name string, outside bool) {
	d, _ := g.matrix.Zone(zone)
	switch {
	case zone == matrix.AnyZone:
		return "any zone", true
	case d.Unlisted:
		return string(zone) + " (unlisted)", d.Outside
	default:
		return string(zone), d.Outside
	}
}

func (g *graph) drawZone(b *strings.Builder, zone matrix.Zone) {
	class := "zone"
	name, outside := g.zoneName(zone)
	if outside {
		class += " outside"
	}
	x, y, w, h := g.zoneBox(zone)
	b.WriteString(`<g class="` + class + `"><title>` + text(name) + `</title><rect x="` + num(x) + `" y="` + num(y) + `" width="` + num(w) + `" height="` + num(h) + `" rx="8"/></g>` + "\n")
}

// drawZoneName comes after the flows, so that none strikes it out.
func (g *graph) drawZoneName(b *strings.Builder, zone matrix.Zone) {
	name, _ := g.zoneName(zone)
	x, y, _, _ := g.zoneBox(zone)
	b.WriteString(words(x+zonePad, y+zoneHead-8, "place", name) + "\n")
}

func drawRole(b *strings.Builder, n node) {
	class, name := "role", string(n.end.Role)
	if n.outside {
		class += " outside"
	}
	switch {
	case n.end == matrix.Anybody:
		name = "anybody"
	case n.end.Role == matrix.AnyRole:
		name = "every role"
	}
	b.WriteString(`<g class="` + class + `">`)
	if len(n.titles) > 0 {
		b.WriteString("<title>" + text(strings.Join(n.titles, "; ")) + "</title>")
	}
	b.WriteString(`<rect x="` + num(n.x) + `" y="` + num(n.y) + `" width="` + num(n.w) + `" height="` + num(n.h) + `" rx="5"/>`)
	y := n.y + n.h/2 + 4.5 - float64(len(n.loops))*lineH/2
	b.WriteString(words(n.x+n.w/2, y, "", name))
	for i, l := range n.loops {
		b.WriteString(words(n.x+n.w/2, y+float64(i+1)*lineH+1, "loop", "↻ "+l))
	}
	b.WriteString("</g>\n")
}

// names of the states as classes.
func (s state) class() string { return [...]string{"holds", "excepted", "open"}[s] }

// drawFlow draws an arrow: bends in the channels, straight lines along labels and through columns.
func (g *graph) drawFlow(b *strings.Builder, e edge) {
	var titles []string
	for _, r := range e.rows {
		titles = append(titles, tooltip(r))
	}
	b.WriteString(`<g class="flow ` + e.state.class() + `"><title>` + text(strings.Join(titles, "; ")) + "</title>")
	var path strings.Builder
	for k, cut := range e.cuts {
		s := g.segments[cut]
		l, r := g.nodes[s.left], g.nodes[s.right]
		x1, x2 := l.x+l.w, g.labelsLeft(s.right)
		if k == 0 {
			path.WriteString("M" + num(x1) + " " + num(s.leftY))
			x1 += stub
		}
		path.WriteString("L" + num(x1) + " " + num(s.leftY))
		bend := (x2 - x1) / 2
		path.WriteString("C" + num(x1+bend) + " " + num(s.leftY) + " " + num(x2-bend) + " " + num(s.rightY) + " " + num(x2) + " " + num(s.rightY))
		path.WriteString("L" + num(r.x) + " " + num(s.rightY))
	}
	b.WriteString(`<path class="halo" d="` + path.String() + `"/><path class="line" d="` + path.String() + `"/>`)
	g.drawHead(b, e)
	g.drawLabel(b, e)
	b.WriteString("</g>\n")
}

// labelsLeft is where the labels of a node's column begin.
func (g *graph) labelsLeft(i int) float64 {
	return g.nodes[i].x - g.labelSpans[g.nodes[i].layer] - stub
}

func (g *graph) drawHead(b *strings.Builder, e edge) {
	s := g.segments[e.cuts[len(e.cuts)-1]]
	x, y, back := g.nodes[s.right].x, s.rightY, -arrowW
	if e.backward {
		s = g.segments[e.cuts[0]]
		x, y, back = g.nodes[s.left].x+g.nodes[s.left].w, s.leftY, arrowW
	}
	b.WriteString(`<path class="head" d="M` + num(x) + " " + num(y) + "l" + num(back) + " -4v8z" + `"/>`)
}

// drawLabel puts the label on the arrow's own stretch: the first line above the line, the others below.
func (g *graph) drawLabel(b *strings.Builder, e edge) {
	s := g.segments[e.cuts[len(e.cuts)-1]]
	x := g.nodes[s.right].x - e.labelSpan() + stub/2
	above := e.above()
	for i, l := range e.label {
		y := s.rightY - 3 - float64(above-1-i)*lineH
		if i >= above {
			y = s.rightY + 10 + float64(i-above)*lineH
		}
		class := "label"
		if strings.HasPrefix(l, "not ") || strings.HasSuffix(l, " ?") {
			class += " note"
		}
		if i == 0 && e.backward {
			l = "← " + l
		}
		b.WriteString(words(x, y, class, l))
	}
}

func legend(b *strings.Builder, height float64) {
	x, y := margin, height-margin
	b.WriteString(`<g class="legend">`)
	for _, item := range []struct {
		s    state
		word string
	}{
		{holds, "every property holds"},
		{excepted, "an exception: what does not hold is named"},
		{open, "a cell is blank or unknown"},
	} {
		b.WriteString(`<g class="` + item.s.class() + `"><path class="line" d="M` + num(x) + " " + num(y) + "h34" + `"/><path class="head" d="M` + num(x+42) + " " + num(y) + "l-9 -4v8z" + `"/>` +
			words(x+50, y+4, "", item.word) + "</g>")
		x += 74 + textWidth(item.word, labelChar)
	}
	b.WriteString("</g>\n")
}

func words(x, y float64, class, s string) string {
	if class != "" {
		class = ` class="` + class + `"`
	}
	return "<text" + class + ` x="` + num(x) + `" y="` + num(y) + `">` + text(s) + "</text>"
}

// num writes a coordinate with at most one digit behind the point.
func num(v float64) string {
	return strings.TrimSuffix(strconv.FormatFloat(v, 'f', 1, 64), ".0")
}

// text escapes foreign text; control characters are not allowed in XML.
func text(s string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\uFFFE' || r == '\uFFFF' {
			return ' '
		}
		return r
	}, s))
}
