package socket_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
)

// asking is a network that resolves no name itself: it shows what the resolver that it is given would open.
type asking struct {
	refusing
	proto, server string
}

func (a *asking) DialName(ctx context.Context, _, _ string, r *net.Resolver) (net.Conn, error) {
	return r.Dial(ctx, a.proto, a.server)
}

func TestNamesAreAskedOverAFlow(t *testing.T) {
	for name, c := range map[string]struct {
		role          matrix.Role
		flow          matrix.FlowName
		proto, server string
		ok            bool
	}{
		"the role's flow":            {matrix.Boot, matrix.BootToAPIServer, "udp", "192.0.2.53:53", true},
		"another port":               {matrix.Boot, matrix.BootToAPIServer, "udp", "192.0.2.53:5353", false},
		"TCP without a row":          {matrix.Boot, matrix.BootToAPIServer, "tcp", "192.0.2.53:53", false},
		"TCP with a row":             {matrix.Agent, matrix.AgentToPartition, "tcp", "192.0.2.53:53", true},
		"the machine's own resolver": {matrix.Boot, matrix.BootToAPIServer, "tcp", "127.0.0.53:53", true},
		"an operator's program":      {matrix.Operator, matrix.OperatorToAPIServer, "tcp", "192.0.2.53:53", true},
	} {
		t.Run(name, func(t *testing.T) {
			row, _ := matrix.Lookup(c.flow)
			network := &asking{proto: c.proto, server: c.server}
			_, err := socket.Bind(c.role, matrix.Builtin(), network).Dial(t.Context(), c.flow, "server.example:"+row.Ports.String())
			reached := errors.Is(err, errReached) && len(network.asked) == 1 && network.asked[0] == c.proto+" "+c.server
			refused := errors.Is(err, socket.ErrNotInMatrix) && len(network.asked) == 0
			if c.ok && !reached || !c.ok && !refused {
				t.Errorf("error %v, opened %v, want allowed: %v", err, network.asked, c.ok)
			}
		})
	}
}

func TestAddressesNeedNoNameServer(t *testing.T) {
	network := &asking{proto: "udp", server: "192.0.2.53:53"}
	_, err := socket.Bind(matrix.Boot, matrix.Builtin(), network).Dial(t.Context(), matrix.BootToAPIServer, "[2001:db8::1]:6443")
	if !errors.Is(err, errReached) || network.asked[0] != "tcp [2001:db8::1]:6443" {
		t.Errorf("error %v, opened %v", err, network.asked)
	}
}
