package lint

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/difference"
)

// contradictions: rows that speak of one server and do not agree.
func (f *flows) contradictions() {
	f.disagree(PortsDiffer, func(r matrix.Row) string {
		if r.Purpose == "" || len(r.Ports) == 0 {
			return ""
		}
		return fmt.Sprint(r.To.Role, r.Protocol, r.Application, strings.ToLower(r.Purpose))
	}, func(r matrix.Row) string { return r.Ports.String() }, func(r matrix.Row, said []string) Finding {
		return Finding{
			What: fmt.Sprintf("%s is on %s %s for %q", r.To.Role, r.Protocol, strings.Join(said, " in one row and on "), r.Purpose),
			Why:  "one of them is a port that nothing listens on, or a purpose that is another's", Fix: "correct the port, or the purpose",
		}
	})
	f.disagree(ZonesDiffer, func(r matrix.Row) string {
		return fmt.Sprint(r.To.Role, r.Protocol, r.Application, r.Ports)
	}, func(r matrix.Row) string { return string(r.To.Zone) }, func(r matrix.Row, said []string) Finding {
		return Finding{
			What: fmt.Sprintf("%s on %s is in the zones %s", r.To.Role, wire(r), list(said)),
			Why:  "either it is two servers under one name, which then share rules and certificates, or one of the zones is wrong", Fix: "correct the zone, or give the servers names of their own",
		}
	})
	for n, cell := range []string{"confidentiality", "integrity", "authentication"} {
		f.disagree(ProtectionDiffer, func(r matrix.Row) string {
			if p := r.Cells()[n]; !p.Holds() && !missing(r, p.Property) {
				return ""
			}
			return fmt.Sprint(r.To, r.Protocol, r.Ports)
		}, func(r matrix.Row) string {
			if r.Cells()[n].Holds() {
				return "protected"
			}
			return "not"
		}, func(r matrix.Row, _ []string) Finding {
			return Finding{
				What: fmt.Sprintf("%s on %s has %s in one row and not in another", r.To, wire(r), cell),
				Why:  "a port is served in one way: one of the rows is wrong, or the server lets clients choose, and then the weaker way is open to all of them",
				Fix:  "correct the rows, or make the server demand it",
			}
		})
	}
}

// disagree groups rows by what they speak of, and reports those groups in which they say different things.
func (f *flows) disagree(code Code, about, says func(matrix.Row) string, finding func(matrix.Row, []string) Finding) {
	groups := map[string][]int{}
	for n, r := range f.rows {
		if r.To.Role == matrix.AnyRole {
			continue
		}
		if key := about(r); key != "" {
			groups[key] = append(groups[key], n)
		}
	}
	for _, rows := range groups {
		if len(rows) == 1 {
			continue
		}
		var said, ids []string
		for _, n := range rows {
			r := f.rows[n]
			ids = append(ids, r.ID)
			if s := says(r); !slices.Contains(said, s) {
				said = append(said, s)
			}
		}
		if len(said) > 1 {
			found := finding(f.rows[rows[0]], said)
			found.Code, found.Rows = code, f.sortRows(ids)
			f.add(found)
		}
	}
}

// readingsDiffer compares each reading with the first, in packets.
func (c *checker) readingsDiffer() {
	readings := c.m.Readings()
	for n := 1; n < len(readings); n++ {
		first, other := c.m.As(readings[0]), c.m.As(readings[n])
		report, err := difference.Of(first, other)
		if err != nil {
			continue // Check has said so, and every compiler will
		}
		for _, s := range report.Statements {
			way, allows := "from", readings[n]
			if s.Direction == "Egress" {
				way = "to"
			}
			if s.Change == difference.Denied {
				allows = readings[0]
			}
			what := string(s.Protocol)
			if len(s.Ports) > 0 {
				what += " " + s.Ports.String()
			}
			c.add(Finding{
				Code: ReadingsDiffer, Rows: c.sortRows(s.Rows), What: fmt.Sprintf("only %s lets %s through at %s %s %s (%s)", allows, what, s.At, way, s.Peer, count(s.Classes, "classes")),
				Why: "the document contradicts itself: whoever reads it one way opens, or closes, what the other does not",
				Fix: "ask the author, and keep one reading",
			})
		}
	}
}
