package socket

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ingotmetal/ingot/matrix"
)

// PortError is the refusal of a port that a flow's row does not have. It is an ErrNotInMatrix.
type PortError struct {
	Role matrix.Role
	Row  matrix.Row
	// Address is what was to be listened at, or dialed.
	Address string
	Port    uint16
	// Dials tells a dial from a listener.
	Dials bool
}

// Error says which row is missing, as YAML that can be pasted into the site's matrix.
func (e *PortError) Error() string {
	what := "listens at"
	if e.Dials {
		what = "dials"
	}
	if e.Port == 0 {
		return fmt.Sprintf("role %s listens at %s for flow %s with a port of the system's choice, which no firewall could let through: give it one of the row's ports (%s)",
			e.Role, e.Address, e.Row.Name, e.Row.Ports)
	}
	row := e.Row
	row.Ports = append(slices.Clone(row.Ports), matrix.PortRange{First: e.Port, Last: e.Port})
	return fmt.Sprintf("role %s %s %s for flow %s, whose row has no port %d: use port %s, or give the site's matrix with --matrix "+
		"(`ingot matrix show -o yaml` prints the one to start from), in which the row is\n%s", e.Role, what, e.Address, e.Row.Name, e.Port, e.Row.Ports, RowYAML(row))
}

// Is makes it an ErrNotInMatrix.
func (*PortError) Is(target error) bool { return target == ErrNotInMatrix }

// RowYAML is a row as an item of spec.flows in a CommunicationMatrix: its wire only, which is all that a site's matrix changes of a row that Ingot has.
func RowYAML(r matrix.Row) string {
	ports := make([]string, 0, len(r.Ports))
	for _, p := range r.Ports {
		ports = append(ports, strconv.Quote(p.String()))
		if p.First == p.Last {
			ports[len(ports)-1] = p.String()
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "  - id: %q\n    name: %s\n    from: %q\n    to: %q\n    protocol: %s\n", r.ID, r.Name, r.From, r.To, r.Protocol)
	if len(ports) > 0 {
		fmt.Fprintf(&b, "    ports: [%s]\n", strings.Join(ports, ", "))
	}
	return b.String()
}

// MayListen says whether Listen or ListenPacket would be let through to the network, for a role that opens a listener later than it starts. The error is an ErrNotInMatrix.
//
// A loopback address may have any port, 0 too: what is sent there crosses no network, so no row of a firewall is about it. Elsewhere the row must have the port; a row
// without ports leaves the choice to the server. The ends of outside parties are not ours to bind.
func (b *Bound) MayListen(flow matrix.FlowName, p matrix.Protocol, addr netip.AddrPort) error {
	row, err := b.serves(flow, p)
	switch {
	case err != nil:
		return err
	case b.outside || addr.Addr().Unmap().IsLoopback() || len(row.Ports) == 0 || row.Ports.Contains(addr.Port()):
		return nil
	}
	return &PortError{Role: b.role, Row: row, Address: addr.String(), Port: addr.Port()}
}

// dialsAt checks a destination as MayListen checks a listener. Address is "host:port"; one that is neither is left to the network to refuse.
func (b *Bound) dialsAt(row matrix.Row, address string) error {
	host, text, err := net.SplitHostPort(address)
	port, portErr := strconv.ParseUint(text, 10, 16)
	if err != nil || portErr != nil || b.outside || onLoopback(host) || len(row.Ports) == 0 || row.Ports.Contains(uint16(port)) {
		return nil //nolint:nilerr // see above
	}
	return &PortError{Role: b.role, Row: row, Address: address, Port: uint16(port), Dials: true}
}

// onLoopback: "localhost" is always there (RFC 6761 §6.3).
func onLoopback(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return strings.EqualFold(strings.TrimSuffix(host, "."), "localhost")
	}
	return addr.Unmap().IsLoopback()
}

// Reach lets the role dial one more port over a flow: the one in an address that the operator gave it, which is the site's own word, like the API server's in a
// kubeconfig. It says whether the row lacks the port, which is worth a warning: a firewall that is compiled from the row lets nothing through to it.
func (b *Bound) Reach(flow matrix.FlowName, port uint16) (*PortError, error) {
	row, err := b.dials(flow)
	if err != nil {
		return nil, err
	}
	if len(row.Ports) == 0 || row.Ports.Contains(port) {
		return nil, nil // no port is missing
	}
	missing := &PortError{Role: b.role, Row: row, Address: "port " + strconv.Itoa(int(port)), Port: port, Dials: true}
	row.Ports = append(slices.Clone(row.Ports), matrix.PortRange{First: port, Last: port})
	b.rows.set(row)
	return missing, nil
}
