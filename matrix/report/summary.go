package report

import (
	"cmp"
	"slices"

	"github.com/ingotmetal/ingot/matrix"
)

// Summary is a matrix for whoever answers for its security: what holds, what does not and why, and where the doors are.
type Summary struct {
	Name  string `json:"name"`
	Title string `json:"title,omitempty"`
	Rows  int    `json:"rows"`
	// Properties are the four columns, each with its counts.
	Properties []PropertyCount `json:"properties"`
	// Exceptions are the cells that do not hold, one entry for all rows with the same property, reason and bound.
	Exceptions []Exception `json:"exceptions"`
	// Gaps are the cells that nobody answered.
	Gaps []Gap `json:"gaps"`
	// Crossings are the flows from a zone to another, by zones.
	Crossings []Crossing `json:"crossings"`
	// Anonymous and Plain are the rows whose authentication or confidentiality does not hold, or is not known to.
	Anonymous []string `json:"anonymous"`
	Plain     []string `json:"plain"`
	// Outside are the parties that are not ours, with the rows that they take part in.
	Outside []Party `json:"outside"`
	// Doors are our roles by the number of ports that they open, most first.
	Doors []Door `json:"doors"`
}

// PropertyCount counts the rows by what one security cell says.
type PropertyCount struct {
	Property string `json:"property"`
	Holds    int    `json:"holds"`
	Excepted int    `json:"excepted"`
	Gap      int    `json:"gap"`
}

// Exception is a property that does not hold, and why. An empty Reason or Bound is a question that is left open.
type Exception struct {
	Property string   `json:"property"`
	Reason   string   `json:"reason"`
	Bound    string   `json:"bound"`
	Rows     []string `json:"rows"`
}

// Gap is a property that nobody answered, with the rows.
type Gap struct {
	Property string       `json:"property"`
	State    matrix.State `json:"state"`
	Rows     []string     `json:"rows"`
}

// Crossing is a border between zones, with the rows that cross it.
type Crossing struct {
	From matrix.Zone `json:"from"`
	To   matrix.Zone `json:"to"`
	Rows []string    `json:"rows"`
}

// Party is one that is not ours. Dials are the rows in which it opens the connection, Serves those in which it is dialed.
type Party struct {
	Role   matrix.Role `json:"role"`
	Title  string      `json:"title,omitempty"`
	Dials  []string    `json:"dials,omitempty"`
	Serves []string    `json:"serves,omitempty"`
}

// Door is what a role opens to others.
type Door struct {
	Role matrix.Role `json:"role"`
	// Ports counts single ports. Rows whose protocol has ports, and that name none, count as none and are in Unbounded.
	Ports     int      `json:"ports"`
	Open      []string `json:"open"`
	Unbounded []string `json:"unbounded,omitempty"`
}

// Summarize counts. The lists have the order of the rows, but for Doors.
func Summarize(m matrix.Matrix) Summary {
	s := Summary{
		Name: m.Name, Title: m.Title, Rows: len(m.Rows),
		Exceptions: []Exception{}, Gaps: []Gap{}, Crossings: []Crossing{}, Anonymous: []string{}, Plain: []string{}, Outside: []Party{}, Doors: []Door{},
	}
	for _, c := range (matrix.Row{}).Cells() {
		s.Properties = append(s.Properties, PropertyCount{Property: c.Name})
	}
	for _, r := range m.Rows {
		s.cells(r)
		if r.From.Zone != r.To.Zone {
			s.crossing(r)
		}
		if !r.Authenticated.Holds() {
			s.Anonymous = append(s.Anonymous, r.ID)
		}
		if !r.Confidential.Holds() {
			s.Plain = append(s.Plain, r.ID)
		}
	}
	s.Outside = parties(m)
	s.Doors = doors(m)
	// One property after the other, as in the table; inside it as the rows are.
	order := func(property string) int {
		return slices.IndexFunc(s.Properties, func(p PropertyCount) bool { return p.Property == property })
	}
	slices.SortStableFunc(s.Exceptions, func(a, b Exception) int { return cmp.Compare(order(a.Property), order(b.Property)) })
	slices.SortStableFunc(s.Gaps, func(a, b Gap) int { return cmp.Compare(order(a.Property), order(b.Property)) })
	return s
}

func (s *Summary) cells(r matrix.Row) {
	for i, c := range r.Cells() {
		switch {
		case c.Gap():
			s.Properties[i].Gap++
			g := find(&s.Gaps, func(g Gap) bool { return g.Property == c.Name && g.State == c.State }, Gap{Property: c.Name, State: c.State})
			g.Rows = append(g.Rows, r.ID)
		case c.Holds():
			s.Properties[i].Holds++
		default:
			s.Properties[i].Excepted++
			e := find(&s.Exceptions, func(e Exception) bool {
				return e.Property == c.Name && e.Reason == c.How && e.Bound == c.Bound
			}, Exception{Property: c.Name, Reason: c.How, Bound: c.Bound})
			e.Rows = append(e.Rows, r.ID)
		}
	}
}

func (s *Summary) crossing(r matrix.Row) {
	c := find(&s.Crossings, func(c Crossing) bool { return c.From == r.From.Zone && c.To == r.To.Zone }, Crossing{From: r.From.Zone, To: r.To.Zone})
	c.Rows = append(c.Rows, r.ID)
}

// find gives the first entry that is the one, or a new one at the end.
func find[T any](all *[]T, is func(T) bool, fresh T) *T {
	i := slices.IndexFunc(*all, is)
	if i < 0 {
		*all = append(*all, fresh)
		i = len(*all) - 1
	}
	return &(*all)[i]
}

// foreign says whether an end is somebody else's: its role or its zone is outside. Anybody is nobody in particular.
func foreign(m matrix.Matrix, e matrix.Endpoint) bool {
	return e != matrix.Anybody && e.Role != matrix.AnyRole && !m.Ours(e)
}

func parties(m matrix.Matrix) []Party {
	all := []Party{}
	at := func(role matrix.Role) *Party {
		d, _ := m.Role(role)
		return find(&all, func(p Party) bool { return p.Role == role }, Party{Role: role, Title: d.Title})
	}
	for _, r := range m.Rows {
		if foreign(m, r.From) {
			p := at(r.From.Role)
			p.Dials = append(p.Dials, r.ID)
		}
		if foreign(m, r.To) {
			p := at(r.To.Role)
			p.Serves = append(p.Serves, r.ID)
		}
	}
	slices.SortStableFunc(all, func(a, b Party) int { return cmp.Compare(a.Role, b.Role) })
	return all
}

// opened is a port with its protocol; several rows that lead to the same one open it once.
type opened struct {
	protocol matrix.Protocol
	port     uint16
}

func doors(m matrix.Matrix) []Door {
	all := []Door{}
	ports := map[matrix.Role]map[opened]bool{}
	for _, r := range m.Rows {
		if !m.Ours(r.To) || !r.Ingress() {
			continue
		}
		d := find(&all, func(d Door) bool { return d.Role == r.To.Role }, Door{Role: r.To.Role, Open: []string{}})
		if len(r.Ports) == 0 && r.Protocol.HasPorts() {
			d.Unbounded = append(d.Unbounded, r.ID)
		}
		if w := wireOnly(r); !slices.Contains(d.Open, w) {
			d.Open = append(d.Open, w)
		}
		if ports[r.To.Role] == nil {
			ports[r.To.Role] = map[opened]bool{}
		}
		for _, p := range r.Ports {
			for n := int(p.First); n <= int(p.Last); n++ {
				ports[r.To.Role][opened{r.Protocol, uint16(n)}] = true
			}
		}
	}
	for i := range all {
		all[i].Ports = len(ports[all[i].Role])
	}
	slices.SortStableFunc(all, func(a, b Door) int {
		return cmp.Or(cmp.Compare(b.Ports, a.Ports), cmp.Compare(len(b.Unbounded), len(a.Unbounded)), cmp.Compare(a.Role, b.Role))
	})
	return all
}

// wireOnly is a row's wire without what is spoken on it.
func wireOnly(r matrix.Row) string {
	r.Application = ""
	return Wire(r)
}
