package agentimage_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agentimage"
	"github.com/ingotmetal/ingot/internal/agentimage/agentimagetest"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

const (
	// bootDeadline is generous: a quiet machine needs about 15 s for the longer of the two lives.
	bootDeadline = 4 * time.Minute
	bootMAC      = "52:54:00:12:34:56"
	otherMAC     = "52:54:00:12:34:57"
	// slirpHost is where QEMU's user network has the host's loopback.
	slirpHost = "10.0.2.2"
	// imageBytes is more than the machine's memory.
	imageBytes = 768 << 20
)

// The whole ramdisk on a machine of 512 MiB, from a clock that stands in 2001: modules, DHCP, enrolment, inventory with neighbours, an image larger than the memory, power-off.
func TestRamdiskByDHCP(t *testing.T) {
	image := agentimagetest.Image(t, agentimage.Cloud)
	t.Logf("agent %d KiB, kernel %d KiB, ramdisk %d KiB", image.Manifest.AgentBytes>>10,
		image.Manifest.Files[agentimage.KernelFile].SizeBytes>>10, image.Manifest.Files[agentimage.RamdiskFile].SizeBytes>>10)
	content, packed := testImage(t)
	twice(t, func(ctx context.Context, site *agentapitest.Site) (string, error) {
		config := site.Open("b", "the-token", bootMAC)
		config.MACAddress = bootMAC
		g := startGuest(ctx, t, image, config)
		outcome, err := do(ctx, g, site, protocol.Step{ID: "s1", Kind: step.Inspect})
		if err != nil {
			return g.console.String(), err
		}
		checkInventory(t, outcome.Inventory)
		if log := site.Log("b"); !strings.Contains(log, "No port is open") {
			t.Errorf("the agent does not say that no port is open:\n%s", log)
		}
		claim := outcome.Inventory.Disks[slices.IndexFunc(outcome.Inventory.Disks, func(d step.Disk) bool { return d.SerialNumber == "SERIAL-A" })]
		outcome, err = do(ctx, g, site, protocol.Step{ID: "s2", Kind: step.WriteImage, WriteImage: &protocol.WriteImage{
			Claim: claim, Hints: &rootdevice.Hints{SerialNumber: "serial-a"}, Image: packed,
		}})
		if err != nil {
			return g.console.String(), err
		}
		t.Logf("written: %+v", *outcome.Written)
		checkDisk(t, g.disks[0], content)
		site.Want("b", &protocol.Step{ID: "s3", Kind: step.PowerOff, Deadline: time.Now().Add(bootDeadline)})
		return g.console.String(), g.awaitExit(ctx)
	})
}

// The same ramdisk with the site's network data: static address, gateway, a VLAN on the second NIC; and a person at the power button.
func TestRamdiskWithNetworkDataAndPowerButton(t *testing.T) {
	image := agentimagetest.Image(t, agentimage.Cloud)
	twice(t, func(ctx context.Context, site *agentapitest.Site) (string, error) {
		config := site.Open("b", "the-token", bootMAC)
		config.NetworkData = `{"links":[
			{"id":"a","type":"phy","ethernet_mac_address":"` + bootMAC + `"},
			{"id":"b","type":"phy","ethernet_mac_address":"` + otherMAC + `","mtu":1400},
			{"id":"v","type":"vlan","vlan_link":"b","vlan_id":42}],
			"networks":[
			{"type":"ipv4","link":"a","ip_address":"10.0.2.77","netmask":"255.255.255.0","gateway":"10.0.2.2"},
			{"type":"ipv4","link":"b","ip_address":"10.8.0.5/24"},
			{"type":"ipv6","link":"v","ip_address":"fd00::5/64"}],
			"services":[{"type":"dns","address":"10.0.2.3"}]}`
		g := startGuest(ctx, t, image, config)
		outcome, err := do(ctx, g, site, protocol.Step{ID: "s1", Kind: step.Inspect})
		if err != nil {
			return g.console.String(), err
		}
		for mac, want := range map[string]string{bootMAC: "10.0.2.77/24", otherMAC: "10.8.0.5/24"} {
			i := slices.IndexFunc(outcome.Inventory.NICs, func(n step.NIC) bool { return n.MAC == mac })
			if i < 0 || !slices.Equal(outcome.Inventory.NICs[i].Addresses, []string{want}) {
				t.Errorf("NICs %+v: want %s on %s", outcome.Inventory.NICs, want, mac)
			}
		}
		if log := site.Log("b"); !strings.Contains(log, "vlan42") || !strings.Contains(log, "fd00::5/64") {
			t.Errorf("no VLAN in the log:\n%s", log)
		}
		if err := g.pressPower(ctx); err != nil {
			return g.console.String(), err
		}
		return g.console.String(), g.awaitExit(ctx)
	})
}

// twice gives a boot a second chance: emulated machines hang at times. The second failure is final.
func twice(t *testing.T, life func(ctx context.Context, site *agentapitest.Site) (console string, err error)) {
	t.Helper()
	const attempts = 2
	for attempt := range attempts {
		site := agentapitest.New(t, slirpHost)
		site.Start()
		ctx, cancel := context.WithTimeout(t.Context(), bootDeadline)
		started := time.Now()
		console, err := life(ctx, site)
		cancel()
		site.Stop()
		if err == nil {
			t.Logf("the machine's life took %s", time.Since(started).Round(100*time.Millisecond))
			return
		}
		t.Logf("boot %d of %d: %v; agent's log:\n%s\nconsole:\n%s", attempt+1, attempts, err, site.Log("b"), console)
	}
	t.Fatalf("no life was whole in %d boots", attempts)
}

// do wants a step and waits for its outcome.
func do(ctx context.Context, g *guest, site *agentapitest.Site, s protocol.Step) (*step.Outcome, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-g.over:
			cancel()
		case <-ctx.Done():
		}
	}()
	s.Deadline = time.Now().Add(bootDeadline)
	site.Want("b", &s)
	reports := site.Reports(ctx, "b", func(r protocol.ExchangeRequest) bool { return r.StepID == s.ID && r.Phase == step.Finished })
	if reports == nil {
		return nil, fmt.Errorf("no outcome of step %s (%s) while the machine was on, at most %s", s.ID, s.Kind, bootDeadline)
	}
	outcome := reports[len(reports)-1].Outcome
	if outcome.Failure != nil {
		return nil, fmt.Errorf("step %s: %w", s.ID, outcome.Failure)
	}
	return outcome, nil
}

// awaitExit waits until the machine turned itself off.
func (g *guest) awaitExit(ctx context.Context) error {
	err := <-g.exited
	if ctx.Err() != nil {
		return fmt.Errorf("the machine did not turn itself off: %w", err)
	}
	return err
}

func checkInventory(t *testing.T, i *step.Inventory) {
	t.Helper()
	if i.System.Manufacturer != "Ingot" || i.System.ProductName != "Test" || i.System.SerialNumber != "SYS-1" || i.Firmware.UEFI {
		t.Errorf("system %+v, firmware %+v", i.System, i.Firmware)
	}
	if i.CPU.Count != 2 || i.CPU.Architecture != "x86_64" || i.MemoryBytes != 512<<20 {
		t.Errorf("CPU count %d, architecture %s, memory %d", i.CPU.Count, i.CPU.Architecture, i.MemoryBytes)
	}
	nics := map[string]step.NIC{}
	for _, n := range i.NICs {
		nics[n.MAC] = n
	}
	a, b := nics[bootMAC], nics[otherMAC]
	if len(nics) != 2 || !a.Booted || !a.LinkUp || !slices.Equal(a.Addresses, []string{"10.0.2.15/24"}) || a.Model != "0x1af4 0x0001" || b.Booted || !b.LinkUp {
		t.Errorf("NICs %+v", i.NICs)
	}
	want := step.LLDP{ChassisID: "00:1b:21:aa:bb:cc", PortID: "swp7", SystemName: "leaf-1", VLAN: 42}
	if a.LLDP != nil || b.LLDP == nil || !reflect.DeepEqual(*b.LLDP, want) {
		t.Errorf("neighbours %+v and %+v, want none and %+v", a.LLDP, b.LLDP, want)
	}
	disks := map[string]step.Disk{}
	for _, d := range i.Disks {
		disks[d.SerialNumber] = d
	}
	c, d := disks["SERIAL-A"], disks["SERIAL-B"]
	if len(disks) != 2 || c.Name != "/dev/vda" || c.SizeBytes != 1<<30 || d.Name != "/dev/nvme0n1" || d.SizeBytes != 2<<30 || d.Type != "nvme" || d.WWN == "" {
		t.Errorf("disks %+v", i.Disks)
	}
}

// testImage serves an image of imageBytes with a few MiB of data, packed with zstd.
func testImage(t *testing.T) ([]byte, protocol.Image) {
	t.Helper()
	content := make([]byte, imageBytes)
	random := rand.NewChaCha8([32]byte{1})
	for _, at := range []int{4 << 10, 100 << 20, 500 << 20, imageBytes - 2<<20} {
		if _, err := random.Read(content[at : at+1<<20]); err != nil {
			t.Fatal(err)
		}
	}
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	packed := encoder.EncodeAll(content, nil)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "image.raw.zst", time.Unix(1, 0), bytes.NewReader(packed))
	}))
	t.Cleanup(server.Close)
	u, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(packed)
	return content, protocol.Image{
		URL: "http://" + slirpHost + ":" + u.Port() + "/image.raw.zst", Format: "raw", Checksum: hex.EncodeToString(sum[:]), ChecksumType: "sha256",
	}
}

func checkDisk(t *testing.T, file string, want []byte) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	got := make([]byte, 1<<20)
	for off := 0; off < len(want); off += len(got) {
		if _, err := f.ReadAt(got, int64(off)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want[off:off+len(got)]) {
			t.Fatalf("the disk differs from the image in the MiB at %d", off)
		}
	}
}
