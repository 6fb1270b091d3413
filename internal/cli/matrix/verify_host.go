package matrix

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/matrix"
)

// place is a host as the matrix sees it.
type place struct {
	matrix matrix.Matrix
	host   string
	// ends are what the host is: roles in zones. An empty role is the zone alone, the zone * any.
	ends []matrix.Endpoint
	// own are the host's addresses.
	own []netip.Addr
}

// endsOf are a host's: its roles in its zones, and its zones.
func endsOf(h matrix.Host) []matrix.Endpoint {
	var ends []matrix.Endpoint
	for _, i := range h.Interfaces {
		ends = append(ends, matrix.Endpoint{Zone: i.Zone})
		for _, r := range i.Roles {
			ends = append(ends, matrix.Endpoint{Role: r, Zone: i.Zone})
		}
	}
	return ends
}

// here says whether an end of a row is this host.
func (p place) here(e matrix.Endpoint) bool {
	return slices.ContainsFunc(p.ends, func(h matrix.Endpoint) bool {
		zone := e.Zone == matrix.AnyZone || h.Zone == matrix.AnyZone || h.Zone == e.Zone
		return zone && (e.Role == matrix.AnyRole || e.Role == h.Role)
	})
}

// carries says whether a row is of a protocol and, where both have ports, of a port.
func carries(r matrix.Row, protocol uint8, port uint16) bool {
	n, ok := r.Protocol.Number()
	if !ok || n != protocol {
		return false
	}
	return len(r.Ports) == 0 || r.Ports.Contains(port)
}

// listeners holds the sockets against the rows by which others reach this host, and those rows against the sockets.
func (p place) listeners(sockets []hostnet.Socket) []finding {
	var findings []finding
	served := map[string]bool{}
	for _, s := range sockets {
		rows := p.serving(s)
		for _, id := range rows {
			served[id] = true
		}
		if s.Address.IsLoopback() {
			continue
		}
		f := finding{Where: p.host, Kind: "listener", What: socketText(s), Rows: rows, Verdict: "declared"}
		if len(rows) == 0 {
			f.Verdict, f.Wrong = "no row lets anybody reach it: add one, or stop it", true
		}
		findings = append(findings, f)
	}
	for _, r := range p.matrix.Rows {
		if served[r.ID] || !p.here(r.To) || !r.Ingress() || len(r.Ports) == 0 {
			continue
		}
		findings = append(findings, finding{Where: p.host, Kind: "row", What: r.From.String() + " to " + r.To.String() + ", " + wireOf(r), Rows: []string{r.ID},
			Verdict: "unused: nobody listens" + when(r)})
	}
	return findings
}

// when says that a row need not be there always.
func when(r matrix.Row) string {
	switch {
	case r.Feature != "":
		return " (only with " + r.Feature + ")"
	case len(r.Stages) > 0:
		return " (only in some stages)"
	default:
		return ""
	}
}

// serving are the rows that lead to a socket.
func (p place) serving(s hostnet.Socket) []string {
	var ids []string
	for _, r := range p.matrix.Rows {
		if p.here(r.To) && r.Ingress() && (carries(r, s.Protocol, s.Port) || s.Raw && carriesProtocol(r, s.Protocol)) {
			ids = append(ids, r.ID)
		}
	}
	// A client's own port is open for as long as it waits for its answer: 68 for DHCP (RFC 2131 section 4.1), 546 for DHCPv6 (RFC 9915).
	for _, r := range p.matrix.Rows {
		client := map[uint16]uint16{67: 68, 547: 546}
		for server, own := range client {
			if p.here(r.From) && s.Port == own && carries(r, s.Protocol, server) && len(r.Ports) > 0 && !slices.Contains(ids, r.ID) {
				ids = append(ids, r.ID)
			}
		}
	}
	return ids
}

func carriesProtocol(r matrix.Row, protocol uint8) bool {
	n, ok := r.Protocol.Number()
	return ok && n == protocol
}

// flows holds what connection tracking knows against the rows, one finding for all flows between the same two over the same port.
func (p place) flows(flows []hostnet.Flow) []finding {
	type key struct {
		source, destination netip.Addr
		protocol            uint8
		port                uint16
	}
	count := map[key]int{}
	var order []key
	for _, f := range flows {
		if f.Source.IsLoopback() || f.Destination.IsLoopback() || p.mine(f.Source) && p.mine(f.Destination) {
			continue // what a host says to itself crosses no network
		}
		if !p.mine(f.Source) && !p.mine(f.Destination) {
			continue // forwarded: a row's ends are hosts
		}
		k := key{f.Source, f.Destination, f.Protocol, f.DestinationPort}
		if count[k] == 0 {
			order = append(order, k)
		}
		count[k]++
	}
	slices.SortFunc(order, func(a, b key) int {
		return cmp.Or(a.destination.Compare(b.destination), cmp.Compare(a.protocol, b.protocol), cmp.Compare(a.port, b.port), a.source.Compare(b.source))
	})
	var findings []finding
	for _, k := range order {
		rows := p.allowing(k.source, k.destination, k.protocol, k.port)
		f := finding{Where: p.host, Kind: "flow", What: fmt.Sprintf("%s from %s to %s, %d open", wireText(k.protocol, k.port), k.source, k.destination, count[k]), Rows: rows, Verdict: "declared"}
		if len(rows) == 0 {
			f.Verdict, f.Wrong = "no row allows it: add one, or find out who it is", true
		}
		findings = append(findings, f)
	}
	return findings
}

func (p place) mine(a netip.Addr) bool { return slices.Contains(p.own, a.WithZone("")) }

// allowing are the rows that a flow may belong to. Where the matrix does not know a peer's addresses, any address is the peer's.
func (p place) allowing(source, destination netip.Addr, protocol uint8, port uint16) []string {
	var ids []string
	for _, r := range p.matrix.Rows {
		if !carries(r, protocol, port) {
			continue
		}
		in := p.mine(destination) && p.here(r.To) && r.Ingress() && p.maybe(r.From, source)
		out := p.mine(source) && p.here(r.From) && r.Egress() && p.maybe(r.To, destination)
		if in || out {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// maybe says whether an address may be an end: it is one of its hosts' or networks', or none of them is known.
func (p place) maybe(e matrix.Endpoint, a netip.Addr) bool {
	if e == matrix.Anybody {
		return true
	}
	known := false
	for _, h := range p.matrix.Hosts {
		for _, i := range h.Interfaces {
			if e.Zone != matrix.AnyZone && i.Zone != e.Zone || e.Role != matrix.AnyRole && !slices.Contains(i.Roles, e.Role) {
				continue
			}
			if slices.Contains(i.Addresses, a) || slices.Contains(i.Virtual, a) {
				return true
			}
			known = known || len(i.Addresses)+len(i.Virtual) > 0
		}
	}
	role, _ := p.matrix.Role(e.Role)
	zone, _ := p.matrix.Zone(e.Zone)
	networks := role.Networks
	if len(networks) == 0 {
		networks = zone.Networks
	}
	if slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.Contains(a) }) {
		return true
	}
	return !known && len(networks) == 0
}

func socketText(s hostnet.Socket) string {
	who := s.Process
	if who == "" {
		who = "a process that is not seen"
	}
	where := s.Address.String()
	if s.Address.IsUnspecified() {
		where = "all addresses"
	}
	if s.Raw {
		return fmt.Sprintf("raw %s on %s by %s", wireText(s.Protocol, 0), where, who)
	}
	return fmt.Sprintf("%s on %s by %s", wireText(s.Protocol, s.Port), where, who)
}

func wireText(protocol uint8, port uint16) string {
	p := matrix.ProtocolOf(protocol)
	r := matrix.Row{Protocol: p}
	if p.HasPorts() && port > 0 {
		r.Ports = matrix.Port(port)
	}
	if !p.HasPorts() || port > 0 {
		return wireOf(r)
	}
	return string(p)
}
