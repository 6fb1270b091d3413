package simulated

import (
	"bytes"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/driver/socket/netstack"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
	"github.com/ingotmetal/ingot/internal/lab/labtest"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/dhcp"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

var (
	partitionAddr = netip.MustParsePrefix("172.22.0.2/24")
	bootAddr      = netip.MustParsePrefix("172.22.0.3/24")
	machineAddr   = netip.MustParsePrefix("172.22.0.100/24")
)

// site is a provisioning network with the real DHCP server, and the boot files that the answer to iPXE names.
type site struct {
	sw       *ethernet.Switch
	endpoint *labtest.Endpoint
	windows  *window.Index
}

func newSite(t *testing.T) site {
	t.Helper()
	sw, err := ethernet.New(ethernet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	sw.Listen(l, "role-")
	partition := join(t, path, partitionAddr, 2)
	boot := join(t, path, bootAddr, 3)
	agents, err := partition.Listen(t.Context(), netip.AddrPortFrom(partitionAddr.Addr(), 8443))
	if err != nil {
		t.Fatal(err)
	}
	s := site{sw: sw, endpoint: labtest.Start(t, agents, partitionAddr.Addr()), windows: window.New()}
	s.windows.SetSettings(netboot.Settings{Mode: netboot.Server, BootServer: bootAddr.Addr()})
	s.serve(t, boot)
	return s
}

func join(t *testing.T, path string, address netip.Prefix, number byte) *netstack.Network {
	t.Helper()
	n, err := netstack.Open(netstack.Spec{Socket: path, MAC: net.HardwareAddr{2, 1, 0, 0, 0, number}, Address: address}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = n.Close() })
	if err := n.WaitLinked(within(t)); err != nil {
		t.Fatal(err)
	}
	return n
}

func (s site) serve(t *testing.T, boot *netstack.Network) {
	t.Helper()
	conn, err := boot.ListenPacket(t.Context(), netip.AddrPortFrom(netip.IPv4Unspecified(), dhcp.ServerPort), socket.PacketOptions{Broadcast: true})
	if err != nil {
		t.Fatal(err)
	}
	server := &dhcp.Server{Windows: s.windows, Now: time.Now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Count: func(string) {}}
	served := make(chan struct{})
	ctx := within(t)
	go func() {
		defer close(served)
		_ = server.Serve(ctx, conn, false)
	}()
	files, err := boot.Listen(t.Context(), netip.AddrPortFrom(bootAddr.Addr(), 80))
	if err != nil {
		t.Fatal(err)
	}
	web := &http.Server{ReadHeaderTimeout: time.Minute, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		id, file, ok := netboot.ParsePath(netboot.HTTP, r.URL.Path)
		entry := s.windows.ByBoot(id)
		if !ok || entry == nil {
			http.NotFound(w, r)
			return
		}
		switch file {
		case netboot.FileScript:
			script, err := netboot.Script(s.windows.Settings(), entry.Window, netboot.DefaultCommandLine())
			if err != nil {
				t.Error(err)
			}
			_, _ = io.WriteString(w, script)
		case netboot.FileArchive:
			archive, err := entry.Archive()
			if err != nil {
				t.Error(err)
			}
			_, _ = w.Write(archive)
		}
	})}
	go func() { _ = web.Serve(files) }()
	t.Cleanup(func() {
		_ = web.Close()
		_ = conn.Close()
		<-served
	})
}

// open makes a window in both halves of the site.
func (s site) open(t *testing.T, bootID string, boots netboot.Boots) medium.Config {
	t.Helper()
	mac := netboot.MAC{2, 0, 0, 0, 0, 1}
	config := s.endpoint.Open(bootID, mac.String())
	err := s.windows.Put(window.Entry{
		Window: netboot.Window{
			BootID: bootID, Boots: boots, MACs: []netboot.MAC{mac}, Leases: []netboot.Lease{{MAC: mac, Address: machineAddr}},
			OpensAt: time.Now().Add(-time.Minute), ClosesAt: time.Now().Add(time.Hour),
		},
		Config: config, Token: secret.New(config.Token),
	})
	if err != nil {
		t.Fatal(err)
	}
	return config
}

func TestAgentBootsFromTheNetwork(t *testing.T) {
	s := newSite(t)
	w := newWorld(t, func(c *Config) { c.Port = s.sw.Port("node-0/nic0") })
	ctx := within(t)
	s.open(t, "boot-1", netboot.BootsAgent)
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootPXE, Once: true}); err != nil {
		t.Fatal(err)
	}
	got, err := s.endpoint.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.Inspect})
	if err != nil {
		t.Fatalf("%v; machine is at %q, console:\n%s", err, w.At(), w.Console(4096))
	}
	if got.Inventory == nil || got.Inventory.System.SerialNumber != "node-0" {
		t.Fatalf("outcome %+v", got)
	}
	s.endpoint.Supersede("boot-1")
	w.until(ctx, t, AtOff)
	if w.Machine.config.Port.Attached() {
		t.Fatal("a machine that is off still has its cable alive")
	}
}

func TestAgentFromVirtualMediaHasANetworkToo(t *testing.T) {
	s := newSite(t)
	w := newWorld(t, func(c *Config) { c.Port = s.sw.Port("node-0/nic0") })
	ctx := within(t)
	cd := cdWith(t, s.open(t, "boot-1", netboot.BootsMedia))
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Device: bmc.BootCD, Medium: cd}); err != nil {
		t.Fatal(err)
	}
	if err := s.endpoint.Enrolled(ctx, "boot-1"); err != nil {
		t.Fatalf("%v; console:\n%s", err, w.Console(4096))
	}
	if err := w.ForceOff(ctx); err != nil {
		t.Fatal(err)
	}
}

func TestArchiveURL(t *testing.T) {
	for name, script := range map[string]string{
		"no script":    "hello",
		"no archive":   "#!ipxe\nkernel http://a/vmlinuz\n",
		"other initrd": "#!ipxe\ninitrd --name initrd.img http://a/initrd.img || goto again\n",
	} {
		if url, err := archiveURL([]byte(script)); err == nil {
			t.Errorf("%s: found %q", name, url)
		}
	}
}

// FuzzDHCPAnswer: any frame is a server's message or none, and our own frames are never taken for one.
func FuzzDHCPAnswer(f *testing.F) {
	mac := net.HardwareAddr{2, 0, 0, 0, 0, 1}
	m, err := dhcpv4.NewDiscovery(mac)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(dhcpFrame(mac, m))
	f.Add(bytes.Repeat([]byte{0x45}, 300))
	f.Fuzz(func(t *testing.T, frame []byte) {
		if got := dhcpAnswer(frame); got != nil && got.OpCode != dhcpv4.OpcodeBootReply {
			t.Fatalf("took %s", got)
		}
		_, _ = archiveURL([]byte("#!ipxe\n" + strings.ToValidUTF8(string(frame), "")))
	})
}
