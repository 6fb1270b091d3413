package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/difference"
)

// failsafes says of each failsafe row what only it opens.
func (c *checker) failsafes() {
	for _, reading := range c.eachReading() {
		m := c.m.As(reading)
		for n, r := range m.Rows {
			if !r.Failsafe {
				continue
			}
			without := m
			without.Rows = slices.Delete(slices.Clone(m.Rows), n, n+1)
			report, err := difference.Of(without, m)
			if err != nil {
				continue
			}
			c.add(Finding{
				Code: FailsafeRow, Rows: []string{r.ID}, What: fmt.Sprintf("%s to %s %s holds before all policies; it alone opens %s", r.From, r.To, wire(r), count(report.Allowed, "classes")),
				Why: "no policy of the site can close it", Fix: "nothing, where it is what keeps hosts in reach",
			})
		}
	}
}

// eachReading are the readings, or one without a name.
func (c *checker) eachReading() []string {
	if all := c.m.Readings(); len(all) > 0 {
		return all
	}
	return []string{""}
}

// calico says what the ports would open that Calico leaves open where nobody tells it otherwise.
func (c *checker) calico() {
	for _, reading := range c.eachReading() {
		m := c.m.As(reading)
		with := m
		with.Rows = slices.Concat(m.Rows, impliedRows())
		report, err := difference.Of(m, with)
		if err != nil || report.Same() {
			continue
		}
		var ways []string
		for _, s := range report.Statements {
			way := fmt.Sprintf("%s %s at %s", s.Protocol, s.Ports, s.At)
			if s.Direction == calico.Egress {
				way += " outwards"
			}
			if !slices.Contains(ways, way) {
				ways = append(ways, way)
			}
		}
		what := fmt.Sprintf("Calico's default failsafes would open %s: %s", count(report.Allowed, "classes"), strings.Join(ways, "; "))
		if reading != "" {
			what += " (reading " + reading + ")"
		}
		c.add(Finding{
			Code: CalicoFailsafes, What: what, Why: "they hold on every endpoint, whatever the policies say, and no row names them",
			Fix: "empty failsafeInboundHostPorts and failsafeOutboundHostPorts where Calico enforces this matrix; Ingot implies none",
		})
	}
}

// impliedRows are Calico's defaults as rows.
func impliedRows() []matrix.Row {
	var rows []matrix.Row
	for n, f := range firewall.CalicoDefaults() {
		r := matrix.Row{
			ID: "calico-default-" + strconv.Itoa(n), Name: matrix.FlowName("calico-default-" + strconv.Itoa(n)), From: matrix.Anybody, To: matrix.Anybody,
			Protocol: matrix.ProtocolOf(f.Protocol), Failsafe: true, Enforced: matrix.Enforcement(f.Direction),
		}
		for _, p := range f.Ports {
			r.Ports = append(r.Ports, matrix.PortRange{First: p, Last: p})
		}
		rows = append(rows, r)
	}
	return rows
}
