package inventory_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/inventory"
	"github.com/ingotmetal/ingot/internal/driver/socket/kernel"
	"github.com/ingotmetal/ingot/matrix"
)

func TestCollectsWhatIsOpen(t *testing.T) {
	b := socket.Bind(matrix.Boot, matrix.Builtin(), kernel.Network{})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(inventory.New(b))
	loopback := netip.MustParseAddrPort("127.0.0.1:0")
	l, err := b.Listen(t.Context(), matrix.BMCToBootMedia, loopback)
	if err != nil {
		t.Fatal(err)
	}
	tftp, err := b.On(kernel.Network{}).ListenPacket(t.Context(), matrix.MachineToBootTFTP, loopback, socket.PacketOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := `# HELP ingot_listener_info Sockets that this process listens on, each with the flow of the communication matrix that it serves.
# TYPE ingot_listener_info gauge
ingot_listener_info{address="` + l.Addr().String() + `",flow="bmc-to-boot-media",protocol="tcp"} 1
ingot_listener_info{address="` + tftp.LocalAddr().String() + `",flow="machine-to-boot-tftp",protocol="udp"} 1
`
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), inventory.Name); err != nil {
		t.Error(err)
	}
	_ = l.Close()
	_ = tftp.Close()
	if n, err := testutil.GatherAndCount(registry, inventory.Name); err != nil || n != 0 {
		t.Errorf("%d series of closed sockets, %v", n, err)
	}
}
