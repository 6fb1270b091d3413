package labtest

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// The addresses of a Site's roles and of its machine.
var (
	PartitionAddress = netip.MustParsePrefix("172.22.0.2/24")
	BootAddress      = netip.MustParsePrefix("172.22.0.3/24")
	MachineAddress   = netip.MustParsePrefix("172.22.0.100/24")
)

const joinLimit = 30 * time.Second

// Site is a lab's network with an Endpoint and the real boot servers, except those for BMCs.
type Site struct {
	*Endpoint
	windows     *window.Index
	authorities string
}

// NewSite joins the lab's switch at a socket, until the test ends. Without artifacts only what is made per boot is served.
func NewSite(t *testing.T, socketPath string, artifacts *bootmedia.Artifacts) Site {
	t.Helper()
	partition := join(t, socketPath, PartitionAddress, 2)
	boot := join(t, socketPath, BootAddress, 3)
	agents, err := partition.Listen(t.Context(), netip.AddrPortFrom(PartitionAddress.Addr(), 8443))
	if err != nil {
		t.Fatal(err)
	}
	s := Site{Endpoint: Start(t, agents, PartitionAddress.Addr()), windows: window.New()}
	s.windows.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: BootAddress.Addr()})
	started := servers{t: t, boot: boot, windows: s.windows, log: slog.New(slog.NewTextHandler(t.Output(), nil)), artifacts: artifacts}
	started.start()
	if artifacts != nil {
		s.authorities = started.media()
	}
	return s
}

func join(t *testing.T, path string, address netip.Prefix, number byte) *netstack.Network {
	t.Helper()
	n, err := netstack.Open(netstack.Spec{Socket: path, MAC: net.HardwareAddr{2, 1, 0, 0, 0, number}, Address: address}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), joinLimit)
	defer cancel()
	if err := n.WaitLinked(ctx); err != nil {
		t.Fatal(err)
	}
	return n
}

// OpenWindow makes a boot's window in both halves of the site, with an address for its machine.
func (s Site) OpenWindow(t *testing.T, bootID, mac string, boots netboot.Boots) medium.Config {
	t.Helper()
	m, err := netboot.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	config := s.Open(bootID, mac)
	uri, name := "", ""
	if boots == netboot.BootsHTTP {
		uri, name = BootURI(bootID), mediumName(bootID)
	}
	err = s.windows.Put(window.Entry{
		MediumName: name,
		Window: netboot.Window{
			BootID: bootID, Boots: boots, BootURI: uri, MACs: []netboot.MAC{m}, Leases: []netboot.Lease{{MAC: m, Address: MachineAddress}},
			OpensAt: time.Now().Add(-time.Minute), ClosesAt: time.Now().Add(time.Hour),
		},
		Config: config, Token: secret.New(config.Token),
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}
