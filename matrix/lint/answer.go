package lint

import (
	"fmt"
	"slices"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/reach"
)

// answer is a flow back that connection tracking does not tie to the one that asked for it.
type answer struct {
	protocol matrix.Protocol
	// asked is the port or ICMP type of the request; first and last are those of the answer.
	asked, first, last uint16
	// or is another number that the answer may have instead; 0 is none.
	or  uint16
	why string
}

// answers that are flows of their own, with the reason.
var separate = []answer{
	{matrix.UDP, 67, 68, 68, 67, "DHCP requests are broadcasts from nobody: the answer goes to another address and port, that of a relay to 67 (RFC 2131 §4.1)"},
	{matrix.UDP, 547, 546, 546, 547, "DHCPv6 requests go to a group, and the answer comes from the server's own address (RFC 9915 §7.2)"},
	{matrix.UDP, 69, 32768, 60999, 0, "a TFTP server answers from a new port to the client's (RFC 1350 §4)"},
	{matrix.ICMPv6, 133, 134, 134, 0, "neighbour discovery is not tracked (RFC 4861)"},
	{matrix.ICMPv6, 135, 136, 136, 0, "neighbour discovery is not tracked (RFC 4861)"},
}

// answers looks for the rows that let answers back, on the sides that are ours.
func (f *flows) answers() {
	for _, r := range f.rows {
		if len(f.openings[r.ID]) == 0 {
			continue
		}
		for _, a := range separate {
			if a.protocol == r.Protocol && (r.Ports.Contains(a.asked) || slices.Contains(r.ICMPTypes, uint8(a.asked))) {
				f.answered(r, a)
			}
		}
		if !r.Protocol.HasPorts() && r.Protocol != matrix.ICMP && r.Protocol != matrix.ICMPv6 {
			f.answered(r, answer{protocol: r.Protocol, why: "the protocol has no ports, and both ends speak first"})
		}
	}
}

func (f *flows) answered(r matrix.Row, a answer) {
	var sides []string
	look := func(d calico.Direction, at, peer matrix.Endpoint) {
		closed := len(f.lacks(d, at, peer, a.protocol, a.first, a.last)) > 0 && (a.or == 0 || len(f.lacks(d, at, peer, a.protocol, a.or, a.or)) > 0)
		if closed && (f.ours(at) || r.Failsafe && at == matrix.Anybody) {
			sides = append(sides, fmt.Sprintf("%s of %s", map[calico.Direction]string{calico.Ingress: "ingress", calico.Egress: "egress"}[d], at))
		}
	}
	look(calico.Egress, r.To, r.From)
	look(calico.Ingress, r.From, r.To)
	if len(sides) > 0 {
		f.add(Finding{
			Code: MissingAnswer, Rows: []string{r.ID}, What: fmt.Sprintf("%s to %s %s: no row opens the %s for the answer, %s", r.From, r.To, wire(r), list(sides),
				numbers(a.protocol, []reach.Range{{First: a.first, Last: a.last}})),
			Why: a.why, Fix: fmt.Sprintf("add a row from %s to %s", r.To, r.From),
		})
	}
}
