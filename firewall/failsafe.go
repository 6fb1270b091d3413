package firewall

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"

	"github.com/ingotmetal/ingot/firewall/calico"
)

// Failsafe is a flow that stays open whatever the policies say, for traffic to and from the host itself. Each is a row that somebody wrote and that
// everybody can read: none is implied.
type Failsafe struct {
	// ID names the row: letters, digits, "-", "_" and ".".
	ID        string
	Direction calico.Direction
	// Protocol is a number of either family's, but that 1 is IPv4's ICMP and 58 is IPv6's alone.
	Protocol uint8
	// Ports are of the server: destination ports. Empty for protocols without ports, or for all ports.
	Ports []uint16
	// ICMPTypes restrict protocols 1 and 58; empty is all types.
	ICMPTypes []uint8
	// Nets restrict the peer; empty is anybody. All are of one family.
	Nets []netip.Prefix
}

// By names the failsafe as what decided.
func (f Failsafe) By() string { return "failsafe/" + f.ID }

// ICMP says whether the row is of one family only, as its protocol is that family's ICMP.
func (f Failsafe) ICMP() bool {
	return f.Protocol == calico.ProtocolICMP || f.Protocol == calico.ProtocolICMPv6
}

// NeighbourDiscovery are the rows without which no IPv6 host reaches its link: router and neighbour discovery (RFC 4861), duplicate address
// detection, and multicast listener reports, without which switches that snoop drop them (RFC 4890 §4.4). Connection tracking does not track these
// messages, so both directions need a row. Routers drop them when they would be forwarded.
func NeighbourDiscovery() []Failsafe {
	types := []uint8{130, 131, 132, 133, 134, 135, 136, 143}
	return []Failsafe{
		{ID: "nd-in", Direction: calico.Ingress, Protocol: calico.ProtocolICMPv6, ICMPTypes: types},
		{ID: "nd-out", Direction: calico.Egress, Protocol: calico.ProtocolICMPv6, ICMPTypes: types},
	}
}

// CalicoDefaults are the ports that Calico leaves open on every host endpoint unless it is told otherwise (FelixConfiguration,
// failsafeInboundHostPorts and failsafeOutboundHostPorts). They are here for comparison: with them a site's policies mean less than they say.
func CalicoDefaults() []Failsafe {
	cluster := []uint16{179, 2379, 2380, 5473, 6443, 6666, 6667}
	return []Failsafe{
		{ID: "calico-in-tcp", Direction: calico.Ingress, Protocol: calico.ProtocolTCP, Ports: append([]uint16{22}, cluster...)},
		{ID: "calico-in-udp", Direction: calico.Ingress, Protocol: calico.ProtocolUDP, Ports: []uint16{68}},
		{ID: "calico-out-tcp", Direction: calico.Egress, Protocol: calico.ProtocolTCP, Ports: cluster},
		{ID: "calico-out-udp", Direction: calico.Egress, Protocol: calico.ProtocolUDP, Ports: []uint16{53, 67}},
	}
}

var failsafeID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func checkFailsafes(rows []Failsafe) error {
	var problems []error
	seen := map[string]bool{}
	for _, f := range rows {
		report := func(format string, args ...any) {
			problems = append(problems, fmt.Errorf("failsafe %q: %s", f.ID, fmt.Sprintf(format, args...)))
		}
		if !failsafeID.MatchString(f.ID) || seen[f.ID] {
			report("its ID is empty, used twice, or has other than letters, digits, -, _ and .: give it one of its own")
		}
		seen[f.ID] = true
		if f.Direction != calico.Ingress && f.Direction != calico.Egress {
			report("its direction is %q: want Ingress or Egress", f.Direction)
		}
		if f.Protocol == 0 {
			report("it names no protocol: a failsafe for everything would be no firewall")
		}
		if len(f.Ports) > 0 && !HasPorts(f.Protocol) {
			report("protocol %d has no ports", f.Protocol)
		}
		if len(f.ICMPTypes) > 0 && !f.ICMP() {
			report("protocol %d has no ICMP types", f.Protocol)
		}
		for _, n := range f.Nets {
			if !n.IsValid() || n.Addr().Is4() != f.Nets[0].Addr().Is4() {
				report("network %s is invalid or of another family than %s: make two rows", n, f.Nets[0])
			}
		}
	}
	return errors.Join(problems...)
}
