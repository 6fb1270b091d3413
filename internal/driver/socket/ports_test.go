package socket_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/matrix"
)

func TestListenersObeyTheRowsPorts(t *testing.T) {
	at := netip.MustParseAddrPort
	for name, c := range map[string]struct {
		role  matrix.Role
		flow  matrix.FlowName
		proto matrix.Protocol
		at    netip.AddrPort
		ok    bool
	}{
		"the row's port":                  {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("192.0.2.1:8081"), true},
		"the row's port, everywhere":      {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("[::]:8081"), true},
		"another port":                    {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("192.0.2.1:8082"), false},
		"another port, everywhere":        {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("0.0.0.0:8082"), false},
		"a port of the system's choice":   {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("192.0.2.1:0"), false},
		"another port of UDP":             {matrix.Boot, matrix.MachineToBootTFTP, matrix.UDP, at("0.0.0.0:6969"), false},
		"loopback, any port":              {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("127.0.0.1:1234"), true},
		"loopback, a port of any choice":  {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("[::1]:0"), true},
		"loopback as IPv4 in IPv6":        {matrix.Boot, matrix.BMCToBootMedia, matrix.TCP, at("[::ffff:127.0.0.1]:9"), true},
		"loopback is no other role's":     {matrix.Partition, matrix.BMCToBootMedia, matrix.TCP, at("127.0.0.1:8081"), false},
		"an outside party's, as it likes": {matrix.ImageStore, matrix.AgentToImageStore, matrix.TCP, at("192.0.2.1:80"), true},
	} {
		t.Run(name, func(t *testing.T) {
			network := &counting{}
			b := socket.Bind(c.role, matrix.Builtin(), network)
			err := b.MayListen(c.flow, c.proto, c.at)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, socket.ErrNotInMatrix) {
				t.Errorf("MayListen: %v, want allowed: %v", err, c.ok)
			}
			if c.ok {
				return
			}
			if c.proto == matrix.UDP {
				_, err = b.ListenPacket(t.Context(), c.flow, c.at, socket.PacketOptions{})
			} else {
				_, err = b.Listen(t.Context(), c.flow, c.at)
			}
			if !errors.Is(err, socket.ErrNotInMatrix) || network.asked != 0 {
				t.Errorf("listen: %v, and the network was asked %d times", err, network.asked)
			}
		})
	}
}

// refusing is a network that is asked and opens nothing.
type refusing struct {
	counting
	asked []string
}

func (r *refusing) DialName(ctx context.Context, proto, address string, _ *net.Resolver) (net.Conn, error) {
	return r.Dial(ctx, proto, address)
}

var errReached = errors.New("reached the network")

func (r *refusing) Dial(_ context.Context, proto, address string) (net.Conn, error) {
	r.asked = append(r.asked, proto+" "+address)
	return nil, errReached
}

func TestDialsObeyTheRowsPorts(t *testing.T) {
	for name, c := range map[string]struct {
		role    matrix.Role
		flow    matrix.FlowName
		address string
		ok      bool
	}{
		"the row's port":             {matrix.Boot, matrix.BootToAPIServer, "192.0.2.1:6443", true},
		"another port":               {matrix.Boot, matrix.BootToAPIServer, "192.0.2.1:443", false},
		"another port of a name":     {matrix.Boot, matrix.BootToAPIServer, "api.example:443", false},
		"loopback, any port":         {matrix.Boot, matrix.BootToAPIServer, "127.0.0.1:39999", true},
		"a row without ports":        {matrix.Partition, matrix.PartitionToBMC, "192.0.2.1:8443", true},
		"an operator's own program":  {matrix.Operator, matrix.OperatorToAPIServer, "192.0.2.1:443", true},
		"another's flow on loopback": {matrix.Partition, matrix.BootToAPIServer, "127.0.0.1:6443", false},
	} {
		t.Run(name, func(t *testing.T) {
			network := &refusing{}
			_, err := socket.Bind(c.role, matrix.Builtin(), network).Dial(t.Context(), c.flow, c.address)
			switch {
			case c.ok && (!errors.Is(err, errReached) || len(network.asked) != 1):
				t.Errorf("error %v, asked %v; want the network to be asked once", err, network.asked)
			case !c.ok && (!errors.Is(err, socket.ErrNotInMatrix) || len(network.asked) != 0):
				t.Errorf("error %v, asked %v; want a refusal before the network", err, network.asked)
			}
		})
	}
}

func TestRefusalHasTheMissingRow(t *testing.T) {
	b := socket.Bind(matrix.Boot, matrix.Builtin(), &counting{})
	_, err := b.Listen(t.Context(), matrix.BMCToBootMedia, netip.MustParseAddrPort("192.0.2.1:8099"))
	const want = `  - id: "3.1"
    name: bmc-to-boot-media
    from: "bmc@bmc"
    to: "boot@partition-management"
    protocol: tcp
    ports: [8081, 8099]
`
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "--matrix") {
		t.Errorf("error %v\nwant the row\n%s", err, want)
	}
	var missing *socket.PortError
	if !errors.As(err, &missing) || missing.Port != 8099 || missing.Dials {
		t.Errorf("error is %#v", err)
	}
}

func TestReachIsForOnePortOfOneFlow(t *testing.T) {
	network := &refusing{}
	b := socket.Bind(matrix.Boot, matrix.Builtin(), network)
	missing, err := b.Reach(matrix.BootToAPIServer, 443)
	if err != nil || missing == nil || !missing.Dials {
		t.Fatalf("Reach gives %v, %v, want the row that is missing", missing, err)
	}
	if _, err := b.On(network).Dial(t.Context(), matrix.BootToAPIServer, "192.0.2.1:443"); !errors.Is(err, errReached) {
		t.Errorf("dial after Reach: %v", err)
	}
	if _, err := b.Dial(t.Context(), matrix.BootToAPIServer, "192.0.2.1:444"); !errors.Is(err, socket.ErrNotInMatrix) {
		t.Errorf("dial of another port after Reach: %v", err)
	}
	if again, err := b.Reach(matrix.BootToAPIServer, 6443); again != nil || err != nil {
		t.Errorf("Reach of the row's own port gives %v, %v", again, err)
	}
	if _, err := b.Reach(matrix.PartitionToAPIServer, 443); !errors.Is(err, socket.ErrNotInMatrix) {
		t.Errorf("Reach over another role's flow: %v", err)
	}
}

func TestOpenPacketIsTheClientsEnd(t *testing.T) {
	any4 := netip.IPv4Unspecified()
	b := socket.Bind(matrix.Boot, matrix.Builtin(), &counting{})
	c, err := b.OpenPacket(t.Context(), matrix.BootToMachineTFTP, any4, socket.PacketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()
	for _, flow := range []matrix.FlowName{matrix.MachineToBootTFTP, matrix.BootToAPIServer} {
		if _, err := b.OpenPacket(t.Context(), flow, any4, socket.PacketOptions{}); !errors.Is(err, socket.ErrNotInMatrix) {
			t.Errorf("OpenPacket for %s: %v", flow, err)
		}
	}
}
