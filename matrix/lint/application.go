package lint

import (
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/matrix"
)

// applications holds applications against protocols and ports.
func (c *checker) applications() {
	for _, r := range c.m.Rows {
		c.allPorts(r)
		nature, known := matrix.NatureOf(r.Application)
		if !known {
			continue
		}
		if len(nature.Transports) > 0 && !slices.Contains(nature.Transports, r.Protocol) {
			c.add(Finding{
				Code: ApplicationTransport, Rows: []string{r.ID}, What: fmt.Sprintf("%s over %s from %s to %s", r.Application, r.Protocol, r.From, r.To),
				Why: fmt.Sprintf("%s is spoken over %v: the rule lets through what nobody sends", r.Application, nature.Transports),
				Fix: "correct the protocol or the application",
			})
		}
		if len(nature.Ports) == 0 || len(r.Ports) == 0 {
			continue
		}
		c.ports(r, nature)
	}
}

func (c *checker) ports(r matrix.Row, nature matrix.Nature) {
	for _, p := range r.Ports {
		if slices.ContainsFunc(nature.Ports, func(n uint16) bool { return p.First <= n && n <= p.Last }) {
			continue
		}
		if owner, ok := ownerOf(r.Protocol, p); ok {
			c.add(Finding{
				Code: ApplicationOnPort, Rows: []string{r.ID}, What: fmt.Sprintf("%s from %s to %s on %s %s, which is %s's", r.Application, r.From, r.To, r.Protocol, p, owner),
				Why: "either the application is not what is spoken, or the port is not what listens",
				Fix: fmt.Sprintf("name %s as the application, or correct the port", owner),
			})
			continue
		}
		c.add(Finding{
			Code: UnusualPort, Rows: []string{r.ID}, What: fmt.Sprintf("%s from %s to %s on %s %s", r.Application, r.From, r.To, r.Protocol, p),
			Why: fmt.Sprintf("it is usually on %v", nature.Ports), Fix: "nothing, where it is meant",
		})
	}
}

// ownerOf is the application that a port is known for.
func ownerOf(protocol matrix.Protocol, p matrix.PortRange) (matrix.Application, bool) {
	if p.First != p.Last {
		return "", false
	}
	for _, n := range matrix.Applications() {
		if slices.Contains(n.Transports, protocol) && slices.Contains(n.Ports, p.First) {
			return n.Application, true
		}
	}
	return "", false
}

func (c *checker) allPorts(r matrix.Row) {
	if !r.Protocol.HasPorts() || len(r.Ports) > 0 || r.To != matrix.Anybody && !c.ours(r.To) {
		return
	}
	c.add(Finding{
		Code: AllPorts, Rows: []string{r.ID}, What: fmt.Sprintf("all of %s is open from %s to %s", r.Protocol, r.From, r.To),
		Why: "whatever listens on the other side by chance can be reached, and narrower rows beside it say nothing",
		Fix: "list the ports that are needed",
	})
}
