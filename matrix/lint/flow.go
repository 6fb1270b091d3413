package lint

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/policy"
	"github.com/ingotmetal/ingot/matrix/reach"
)

// flows looks at the rows of one reading beside each other.
type flows struct {
	*checker
	rows     []matrix.Row
	byID     map[string]matrix.Row
	openings map[string][]policy.Opening
	index    reach.Index
	// dead are rows that are reported already.
	dead map[string]bool
}

// readings runs what compares rows with each other in each reading, and says of a finding in which ones it is, unless in all.
func (c *checker) readings() {
	readings := c.m.Readings()
	if len(readings) == 0 {
		c.flows(c.m)
		return
	}
	type finding struct {
		Finding
		in []string
	}
	var all []finding
	before := c.found
	for _, reading := range readings {
		c.found = nil
		c.flows(c.m.As(reading))
		for _, f := range c.found {
			same := func(x finding) bool { return x.Code == f.Code && x.What == f.What && slices.Equal(x.Rows, f.Rows) }
			if n := slices.IndexFunc(all, same); n >= 0 {
				all[n].in = append(all[n].in, reading)
			} else {
				all = append(all, finding{f, []string{reading}})
			}
		}
	}
	c.found = before
	for _, f := range all {
		if len(f.in) < len(readings) {
			f.What += " (reading " + list(f.in) + ")"
		}
		c.found = append(c.found, f.Finding)
	}
}

func (c *checker) flows(m matrix.Matrix) {
	f := &flows{checker: c, rows: m.Rows, byID: map[string]matrix.Row{}, openings: map[string][]policy.Opening{}, dead: map[string]bool{}}
	all := policy.Openings(m)
	f.index = reach.Of(all)
	for _, o := range all {
		f.openings[o.Row] = append(f.openings[o.Row], o)
	}
	for _, r := range m.Rows {
		f.byID[r.ID] = r
	}
	f.duplicates()
	f.shadows()
	f.sides()
	f.answers()
	f.contradictions()
}

// duplicates are rows that are the same in every packet, at every time.
func (f *flows) duplicates() {
	first := map[string]string{}
	for _, r := range f.rows {
		key := fmt.Sprintf("%s %s %s %v %v %q %s %t", r.From, r.To, r.Protocol, reach.Join(portRanges(r)), r.ICMPTypes, r.Stages, r.Enforced, r.Failsafe)
		other, twice := first[key]
		if !twice {
			first[key] = r.ID
			continue
		}
		f.dead[r.ID] = true
		f.add(Finding{
			Code: DuplicateFlow, Rows: []string{other, r.ID}, What: fmt.Sprintf("%s to %s %s stands here twice", r.From, r.To, wire(r)),
			Why: "whoever removes one of them believes the flow closed", Fix: "keep one of them",
		})
	}
}

func portRanges(r matrix.Row) []reach.Range {
	var all []reach.Range
	for _, p := range r.Ports {
		all = append(all, reach.Range{First: p.First, Last: p.Last})
	}
	return all
}

// shadows are rows that could all be removed together without any packet being treated differently: the narrowest first, and of equals the later one. A failsafe is none,
// since it holds whatever other policies say.
func (f *flows) shadows() {
	order := make([]int, len(f.rows))
	for n := range order {
		order[n] = n
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Or(cmp.Compare(wildcards(f.rows[a]), wildcards(f.rows[b])), b-a) })
	for _, n := range order {
		r := f.rows[n]
		if r.Failsafe || f.dead[r.ID] || len(f.openings[r.ID]) == 0 {
			continue
		}
		by, covered := f.coveredBy(r)
		if !covered {
			continue
		}
		f.dead[r.ID] = true
		by = f.sortRows(by)
		f.add(Finding{
			Code: ShadowedFlow, Rows: append([]string{r.ID}, by...), What: fmt.Sprintf("%s to %s %s makes no difference: row %s lets all of it through", r.From, r.To, wire(r), some(by, "more")),
			Why: "no packet needs the row, so that neither removing nor narrowing it closes anything",
			Fix: "remove it, or narrow what covers it",
		})
	}
}

// wildcards: the more a row leaves open, the wider it is.
func wildcards(r matrix.Row) int {
	n := 0
	for _, e := range []matrix.Endpoint{r.From, r.To} {
		if e.Role == matrix.AnyRole {
			n++
		}
		if e.Zone == matrix.AnyZone {
			n++
		}
	}
	if len(r.Ports) == 0 && len(r.ICMPTypes) == 0 {
		n++
	}
	return n
}

// coveredBy are the other rows, none of them dead, that open all that a row opens.
func (f *flows) coveredBy(r matrix.Row) ([]string, bool) {
	alive := func(_ reach.Key, x reach.Range) bool { return x.Row != r.ID && !f.dead[x.Row] }
	var by []string
	for _, o := range f.openings[r.ID] {
		rows, ok := reach.Covered(o.First, o.Last, f.index.Around(reach.KeyOf(o), alive))
		if !ok {
			return nil, false
		}
		by = append(by, rows...)
	}
	return by, true
}

func anyRow(reach.Key, reach.Range) bool { return true }

// lacks says which numbers are not open at a place.
func (f *flows) lacks(d calico.Direction, at, peer matrix.Endpoint, p matrix.Protocol, first, last uint16) []reach.Range {
	have := f.index.Around(reach.Key{Direction: d, At: at, Peer: peer, Protocol: p}, anyRow)
	return reach.Minus([]reach.Range{{First: first, Last: last}}, have)
}

// sides: a flow between two hosts of ours needs both of them.
func (f *flows) sides() {
	for _, r := range f.rows {
		var code Code
		var d calico.Direction
		var at, peer matrix.Endpoint
		switch {
		case r.Enforced == matrix.EnforcedIngress && f.ours(r.From):
			code, d, at, peer = MissingEgress, calico.Egress, r.From, r.To
		case r.Enforced == matrix.EnforcedEgress && f.ours(r.To):
			code, d, at, peer = MissingIngress, calico.Ingress, r.To, r.From
		default:
			continue
		}
		var closed []reach.Range
		for _, o := range f.openings[r.ID] {
			if o.Group == "" {
				closed = append(closed, f.lacks(d, at, peer, o.Protocol, o.First, o.Last)...)
			}
		}
		if len(closed) > 0 {
			f.add(Finding{
				Code: code, Rows: []string{r.ID}, What: fmt.Sprintf("%s to %s %s: no row opens the %s of %s for %s", r.From, r.To, wire(r), strings.ToLower(string(d)), at, numbers(r.Protocol, closed)),
				Why: "one side lets the flow through and the other refuses it, so that it never works", Fix: "enforce the row on both sides, or add a row for the other one",
			})
		}
	}
}

func numbers(p matrix.Protocol, ranges []reach.Range) string {
	var ports matrix.Ports
	for _, r := range reach.Join(ranges) {
		ports = append(ports, matrix.PortRange{First: r.First, Last: r.Last})
	}
	if first, last := policy.Bounds(p); len(ports) == 0 || first == last || ports[0] == (matrix.PortRange{First: first, Last: last}) {
		return string(p)
	}
	return string(p) + " " + ports.String()
}
