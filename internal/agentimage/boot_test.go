package agentimage_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/agentimage"
	"github.com/ingotmetal/ingot/internal/agentimage/agentimagetest"
	"github.com/ingotmetal/ingot/internal/server/agentapi/agentapitest"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

const (
	// bootDeadline is generous: a quiet machine needs about 5 s.
	bootDeadline = 3 * time.Minute
	bootMAC      = "52:54:00:12:34:56"
	// slirpHost is where QEMU's user network has the host's loopback.
	slirpHost = "10.0.2.2"
)

// The whole ramdisk on a machine of 512 MiB: kernel, modules, DHCP, a clock that stands in 2001, enrolment, inventory, power-off.
func TestRamdiskBootsAndEnrols(t *testing.T) {
	image := agentimagetest.Image(t, agentimage.Cloud)
	t.Logf("agent %d KiB, kernel %d KiB, ramdisk %d KiB", image.Manifest.AgentBytes>>10,
		image.Manifest.Files[agentimage.KernelFile].SizeBytes>>10, image.Manifest.Files[agentimage.RamdiskFile].SizeBytes>>10)
	const attempts = 2
	for attempt := range attempts {
		out, err := bootOnce(t, image)
		if err == nil {
			return
		}
		t.Logf("boot %d of %d: %v; console:\n%s", attempt+1, attempts, err, out)
	}
	t.Fatalf("the ramdisk did not come up in %d boots", attempts)
}

func bootOnce(t *testing.T, image agentimage.Result) (console string, err error) {
	site := agentapitest.New(t, slirpHost)
	site.Start()
	defer site.Stop()
	config := site.Open("boot-1", "the-token", bootMAC)
	config.MACAddress = bootMAC
	ctx, cancel := context.WithTimeout(t.Context(), bootDeadline)
	defer cancel()
	qemu, out := startQEMU(ctx, t, image, config)
	exited := make(chan error, 1)
	go func() { exited <- qemu.Wait() }()

	started := time.Now()
	site.Want("boot-1", &protocol.Step{ID: "s1", Kind: step.Inspect, Deadline: time.Now().Add(bootDeadline)})
	reports := site.Reports(ctx, "boot-1", func(r protocol.ExchangeRequest) bool { return r.StepID == "s1" && r.Phase == step.Finished })
	if reports == nil {
		cancel()
		<-exited
		return out.String(), fmt.Errorf("no inventory within %s", bootDeadline)
	}
	t.Logf("inventory after %s", time.Since(started).Round(100*time.Millisecond))
	checkInventory(t, reports[len(reports)-1].Outcome)
	site.Want("boot-1", &protocol.Step{ID: "s2", Kind: step.PowerOff, Deadline: time.Now().Add(bootDeadline)})
	err = <-exited
	if ctx.Err() != nil {
		return out.String(), fmt.Errorf("the machine did not turn itself off: %w", err)
	}
	return out.String(), err
}

func startQEMU(ctx context.Context, t *testing.T, image agentimage.Result, config medium.Config) (*exec.Cmd, *lockedBuffer) {
	t.Helper()
	dir := t.TempDir()
	archive, err := medium.Encode(config)
	if err != nil {
		t.Fatal(err)
	}
	initrd := filepath.Join(dir, "initrd.img")
	ramdisk, err := os.ReadFile(image.Ramdisk)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(initrd, append(ramdisk, archive...), 0o600); err != nil {
		t.Fatal(err)
	}
	disks := []string{filepath.Join(dir, "a.img"), filepath.Join(dir, "b.img")}
	for i, d := range disks {
		if err := os.WriteFile(d, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(d, int64(i+1)<<30); err != nil {
			t.Fatal(err)
		}
	}
	// The clock of a machine with an empty battery; the medium and the server put it right.
	cmd := exec.CommandContext(ctx, "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-machine", "q35", "-m", "512", "-smp", "2",
		"-nodefaults", "-display", "none", "-no-reboot", "-rtc", "base=2001-01-01T00:00:00",
		"-serial", "stdio", "-kernel", image.Kernel, "-initrd", initrd, "-append", image.Manifest.CommandLine,
		"-device", "virtio-rng-pci", "-netdev", "user,id=n0,ipv6=off", "-device", "virtio-net-pci,netdev=n0,mac="+bootMAC+",romfile=",
		"-drive", "if=none,id=d0,format=raw,file="+disks[0], "-device", "virtio-blk-pci,drive=d0,serial=SERIAL-A",
		"-drive", "if=none,id=d1,format=raw,file="+disks[1], "-device", "nvme,drive=d1,serial=SERIAL-B",
		"-smbios", "type=1,manufacturer=Ingot,product=Test,serial=SYS-1")
	out := &lockedBuffer{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatalf("start QEMU (package qemu-system-x86): %v", err)
	}
	return cmd, out
}

func checkInventory(t *testing.T, o *step.Outcome) {
	t.Helper()
	if o.Failure != nil || o.Inventory == nil {
		t.Fatalf("inspection failed: %+v", o.Failure)
	}
	i := o.Inventory
	t.Logf("inventory: %+v", *i)
	if i.System.Manufacturer != "Ingot" || i.System.ProductName != "Test" || i.System.SerialNumber != "SYS-1" || i.Firmware.UEFI {
		t.Errorf("system %+v, firmware %+v", i.System, i.Firmware)
	}
	if i.CPU.Count != 2 || i.CPU.Architecture != "x86_64" || i.MemoryBytes != 512<<20 {
		t.Errorf("CPU count %d, architecture %s, memory %d", i.CPU.Count, i.CPU.Architecture, i.MemoryBytes)
	}
	if len(i.NICs) != 1 || i.NICs[0].MAC != bootMAC || !i.NICs[0].Booted || !i.NICs[0].LinkUp || len(i.NICs[0].Addresses) == 0 || i.NICs[0].Model != "0x1af4 0x0001" {
		t.Errorf("NICs %+v", i.NICs)
	}
	bySerial := map[string]step.Disk{}
	for _, d := range i.Disks {
		bySerial[d.SerialNumber] = d
	}
	a, b := bySerial["SERIAL-A"], bySerial["SERIAL-B"]
	if len(i.Disks) != 2 || a.Name != "/dev/vda" || a.SizeBytes != 1<<30 || b.Name != "/dev/nvme0n1" || b.SizeBytes != 2<<30 || b.Type != "nvme" || b.WWN == "" {
		t.Errorf("disks %+v", i.Disks)
	}
}

// lockedBuffer is what QEMU printed.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

var _ io.Writer = (*lockedBuffer)(nil)

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
