package hostendpoint

import (
	"cmp"
	"net/netip"
	"slices"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/matrix"
)

// way is how a host is reached to be mended.
type way struct {
	row     string
	address netip.AddrPort
	// ssh: the server names itself before anything is sent (RFC 4253 §4.2).
	ssh bool
}

// place is an interface of a host as rows speak of it.
type place struct {
	zone      matrix.Zone
	roles     []matrix.Role
	addresses []netip.Addr
}

// ways are the management rows that end at a host, at each of its addresses that they are open at: those whose other end is the controller first. The matrix is nil for
// a host of none.
func ways(m *matrix.Matrix, node string, endpoints []*api.HostEndpoint) []way {
	rows := []matrix.Row{}
	if m == nil {
		row, _ := matrix.Lookup(matrix.ControllerToNodeManagement)
		row.To = matrix.Anybody
		rows = append(rows, row)
	} else {
		rows = append(rows, m.Rows...)
	}
	rows = slices.DeleteFunc(rows, func(r matrix.Row) bool {
		return !r.Management || !r.Ingress() || r.Protocol != matrix.TCP || len(r.Ports) == 0
	})
	slices.SortStableFunc(rows, func(a, b matrix.Row) int {
		return cmp.Compare(distance(a), distance(b))
	})
	var all []way
	for _, r := range rows {
		for _, p := range places(m, node, endpoints) {
			if !ends(r.To, p) {
				continue
			}
			for _, a := range p.addresses {
				all = append(all, way{row: r.ID, address: netip.AddrPortFrom(a, r.Ports[0].First), ssh: r.Application == "SSH"})
			}
		}
	}
	return all
}

// distance puts rows that are the controller's own before those of others, which may be open to their zone only.
func distance(r matrix.Row) int {
	if r.From.Role == matrix.Controller || r.From.Zone == matrix.ZoneControlPlane {
		return 0
	}
	return 1
}

func ends(e matrix.Endpoint, p place) bool {
	return (e.Zone == matrix.AnyZone || e.Zone == p.zone) && (e.Role == matrix.AnyRole || slices.Contains(p.roles, e.Role))
}

// places are a host's interfaces: as the matrix has them, else as its endpoints' labels do.
func places(m *matrix.Matrix, node string, endpoints []*api.HostEndpoint) []place {
	var all []place
	if m != nil {
		for _, h := range m.Hosts {
			if h.Name != node {
				continue
			}
			for _, i := range h.Interfaces {
				all = append(all, place{i.Zone, i.Roles, i.Addresses})
			}
		}
	}
	if len(all) > 0 {
		return all
	}
	for _, e := range endpoints {
		p := place{zone: matrix.Zone(e.Labels["zone"])}
		for label := range e.Labels {
			if role, ok := roleOf(label); ok {
				p.roles = append(p.roles, role)
			}
		}
		for _, text := range e.Spec.ExpectedIPs {
			if a, err := netip.ParseAddr(string(text)); err == nil {
				p.addresses = append(p.addresses, a)
			}
		}
		all = append(all, p)
	}
	return all
}

func roleOf(label string) (matrix.Role, bool) {
	const prefix = "role/"
	if len(label) <= len(prefix) || label[:len(prefix)] != prefix {
		return "", false
	}
	return matrix.Role(label[len(prefix):]), true
}
