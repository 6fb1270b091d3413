package simulated

import (
	"bytes"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/insomniacslk/dhcp/dhcpv4"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/ethernet"
	"github.com/ingotmetal/ingot/internal/lab/labtest"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/step"
)

// newSite is a network with the servers that a machine needs.
func newSite(t *testing.T) (labtest.Site, *ethernet.Switch) {
	t.Helper()
	sw, err := ethernet.New(ethernet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(sw.Close)
	path := filepath.Join(t.TempDir(), "s")
	l, err := new(net.ListenConfig).Listen(t.Context(), "unix", path)
	if err != nil {
		t.Fatal(err)
	}
	sw.Listen(l, "role-")
	return labtest.NewSite(t, path, nil), sw
}

const mac = "02:00:00:00:00:01"

func TestAgentBootsFromTheNetwork(t *testing.T) {
	s, sw := newSite(t)
	w := newWorld(t, func(c *Config) { c.Port = sw.Port("node-0/nic0") })
	ctx := within(t)
	s.OpenWindow(t, "boot-1", mac, netboot.BootsAgent)
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootPXE, Once: true}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Run(ctx, "boot-1", protocol.Step{ID: "s1", Kind: step.Inspect})
	if err != nil {
		t.Fatalf("%v; machine is at %q, console:\n%s", err, w.At(), w.Console(4096))
	}
	if got.Inventory == nil || got.Inventory.System.SerialNumber != "node-0" {
		t.Fatalf("outcome %+v", got)
	}
	s.Supersede("boot-1")
	w.until(ctx, t, AtOff)
	if w.config.Port.Attached() {
		t.Fatal("a machine that is off still has its cable alive")
	}
}

func TestAgentFromVirtualMediaHasANetworkToo(t *testing.T) {
	s, sw := newSite(t)
	w := newWorld(t, func(c *Config) { c.Port = sw.Port("node-0/nic0") })
	ctx := within(t)
	cd := cdWith(t, s.OpenWindow(t, "boot-1", mac, netboot.BootsMedia))
	if err := w.PowerOn(ctx, bmcsim.BootPlan{Device: bmc.BootCD, Medium: cd}); err != nil {
		t.Fatal(err)
	}
	if err := s.Enrolled(ctx, "boot-1"); err != nil {
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
