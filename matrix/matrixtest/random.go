// Package matrixtest owns random matrices for property tests of what is made from a matrix.
//
// It refuses realism: ends, protocols and ports are few, so that rows overlap, contain and contradict each other often.
//
// Invariant: every matrix passes matrix.Check.
package matrixtest

import (
	"fmt"
	"net/netip"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/matrix"
)

var (
	zones     = []matrix.Zone{"a", "b", "out", "unknown", matrix.AnyZone}
	roles     = []matrix.Role{"r", "s", "t", "party", "other", matrix.AnyRole}
	protocols = []matrix.Protocol{matrix.TCP, matrix.UDP, matrix.SCTP, matrix.UDPLite, matrix.ICMP, matrix.ICMPv6, matrix.LLDP, matrix.ARP, "112", "89", "47"}
)

// Matrices draws any matrix that Check lets pass, of a small world: two zones and three roles of ours, two outside parties, perhaps hosts and networks, up to five rows.
func Matrices() *rapid.Generator[matrix.Matrix] {
	return rapid.Custom(func(t *rapid.T) matrix.Matrix {
		m := matrix.Matrix{
			Name: "random",
			Zones: []matrix.ZoneDefinition{{Name: "a", Plane: "p"}, {Name: "b", Plane: "p"}, {Name: "out", Outside: true},
				{Name: "unknown", Unlisted: true}},
			Roles: []matrix.RoleDefinition{{Name: "r"}, {Name: "s"}, {Name: "t"}, {Name: "party", Outside: true}, {Name: "other", Outside: true}},
		}
		if rapid.Bool().Draw(t, "networks") {
			m.Zones[0].Networks = []netip.Prefix{netip.MustParsePrefix("10.77.0.0/24"), netip.MustParsePrefix("fd77::/64")}
			m.Roles[3].Networks = []netip.Prefix{netip.MustParsePrefix("10.77.0.64/26"), netip.MustParsePrefix("0.0.0.0/1")}
		}
		if rapid.Bool().Draw(t, "host") {
			m.Hosts = []matrix.Host{{Name: "h", Interfaces: []matrix.Interface{
				{Name: "e0", Zone: "a", Roles: []matrix.Role{"r", "s"}, Addresses: []netip.Addr{netip.MustParseAddr("10.77.0.9")}, Virtual: []netip.Addr{netip.MustParseAddr("10.77.0.100")}},
				{Name: "e1", Zone: "b", Addresses: []netip.Addr{netip.MustParseAddr("10.78.0.9"), netip.MustParseAddr("fd78::9")}},
			}}}
		}
		for n := range rapid.IntRange(1, 5).Draw(t, "rows") {
			m.Rows = append(m.Rows, row(t, n))
		}
		return m
	})
}

func row(t *rapid.T, n int) matrix.Row {
	end := func(label string) matrix.Endpoint {
		return matrix.Endpoint{Role: rapid.SampledFrom(roles).Draw(t, label), Zone: rapid.SampledFrom(zones).Draw(t, label)}
	}
	r := matrix.Row{
		ID: fmt.Sprint(n), Name: matrix.FlowName(fmt.Sprintf("flow-%d", n)), From: end("from"), To: end("to"), Protocol: rapid.SampledFrom(protocols).Draw(t, "protocol"),
		Enforced: rapid.SampledFrom([]matrix.Enforcement{matrix.EnforcedBoth, matrix.EnforcedBoth, matrix.EnforcedIngress, matrix.EnforcedEgress}).Draw(t, "enforced"),
		Failsafe: rapid.IntRange(0, 4).Draw(t, "failsafe") == 0,
	}
	if r.Protocol.HasPorts() {
		for range rapid.IntRange(0, 3).Draw(t, "ranges") {
			first := rapid.SampledFrom([]uint16{22, 67, 68, 80, 8080, 65535}).Draw(t, "port")
			r.Ports = append(r.Ports, matrix.PortRange{First: first, Last: min(first, 65000) + rapid.SampledFrom([]uint16{0, 0, 5}).Draw(t, "width")})
			if last := &r.Ports[len(r.Ports)-1]; last.Last < last.First {
				last.Last = last.First
			}
		}
	}
	if r.Protocol == matrix.ICMP || r.Protocol == matrix.ICMPv6 {
		r.ICMPTypes = rapid.SliceOfNDistinct(rapid.SampledFrom([]uint8{0, 8, 128, 135}), 0, 2, rapid.ID[uint8]).Draw(t, "types")
	}
	return r
}
