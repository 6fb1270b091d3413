package e2e

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/attest"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/labtest"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/step"
)

// bootPatience is for one boot of the agent on a busy host; a quiet one needs 10 to 25 s.
const bootPatience = 10 * time.Minute

// TestAgentBootsOnEveryFirmware takes a virtual machine from power-on to its agent's inventory and to power-off, by each way of booting, and prints how long each took.
func TestAgentBootsOnEveryFirmware(t *testing.T) {
	t.Parallel()
	table := []string{"way of booting | to the agent's enrolment | to its inventory"}
	defer func() { t.Logf("from power-on:\n%s", strings.Join(table, "\n")) }()
	artifacts := openArtifacts(t)
	for _, tc := range []struct {
		name   string
		device bmc.Device
		mode   bmc.Mode
		boots  netboot.Boots
	}{
		{"virtual media, UEFI", bmc.BootCD, bmc.ModeUEFI, netboot.BootsMedia},
		{"virtual media, BIOS", bmc.BootCD, bmc.ModeLegacy, netboot.BootsMedia},
		{"HTTP over TLS, UEFI", bmc.BootHTTP, bmc.ModeUEFI, netboot.BootsHTTP},
		{"network, UEFI", bmc.BootPXE, bmc.ModeUEFI, netboot.BootsAgent},
		{"network, BIOS", bmc.BootPXE, bmc.ModeLegacy, netboot.BootsAgent},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newMachineWorld(t, artifacts, 1<<30, true)
			var err error
			for attempt := range 2 {
				bootID := fmt.Sprintf("boot-%d", attempt+1)
				config := w.site.OpenWindow(t, bootID, w.mac, tc.boots)
				w.site.Demand(bootID, attest.Demand{Policy: attest.Require})
				plan := bmcsim.BootPlan{Mode: tc.mode, Device: tc.device, Once: true}
				if tc.device == bmc.BootCD {
					plan.Medium = w.medium(t, artifacts, config)
				}
				if tc.device == bmc.BootHTTP {
					plan.URI, plan.Authorities = labtest.BootURI(bootID), w.site.Authorities(t)
				}
				var took laps
				if took, err = w.bootAndInspect(t, bootID, plan); err == nil {
					table = append(table, fmt.Sprintf("%s | %s | %s", tc.name, took.enrolled, took.inventory))
					w.checkTPM(t, bootID)
					return
				}
				t.Logf("lab fault: attempt %d: %v; console:\n%s", attempt+1, err, w.machine.Console(8192))
			}
			t.Fatal(err)
		})
	}
}

// machineWorld is one virtual machine and the servers that it boots from.
type machineWorld struct {
	lab     *lab.Lab
	machine bmcsim.Machine
	mac     string
	site    labtest.Site
}

func newMachineWorld(t *testing.T, artifacts *bootmedia.Artifacts, diskBytes int64, tpm bool) machineWorld {
	t.Helper()
	l, err := lab.Start(t.Context(), lab.Options{Kind: lab.QEMU, Machines: 1, DataDir: shortDir(t), DiskBytes: diskBytes, CPUs: 2, TPM: tpm})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	m := l.State().Machines[0]
	return machineWorld{lab: l, machine: l.Machine(m.Name), mac: m.MACAddress, site: labtest.NewSite(t, l.State().SwitchSocket, artifacts)}
}

// medium is the boot medium of one boot as a BMC has it after the download.
func (w machineWorld) medium(t *testing.T, artifacts *bootmedia.Artifacts, config medium.Config) *bmcsim.Medium {
	t.Helper()
	archive, err := medium.Encode(config)
	if err != nil {
		t.Fatal(err)
	}
	iso, err := artifacts.PatchedISO(archive)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "agent.iso")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	if _, err := io.Copy(f, iso); err != nil {
		t.Fatal(err)
	}
	return &bmcsim.Medium{Path: path, Size: iso.Size()}
}

// laps are times from power-on.
type laps struct{ enrolled, inventory time.Duration }

// bootAndInspect is one attempt; only a boot that got stuck is an error, a wrong answer ends the test.
func (w machineWorld) bootAndInspect(t *testing.T, bootID string, plan bmcsim.BootPlan) (took laps, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), bootPatience)
	defer cancel()
	started := time.Now()
	if err := w.machine.Reset(ctx, plan); err != nil {
		t.Fatal(err)
	}
	if err := w.site.Enrolled(ctx, bootID); err != nil {
		return took, err
	}
	took.enrolled = time.Since(started).Round(100 * time.Millisecond)
	outcome, err := w.site.Run(ctx, bootID, protocol.Step{ID: "inspect-1", Kind: step.Inspect})
	if err != nil {
		return took, err
	}
	took.inventory = time.Since(started).Round(100 * time.Millisecond)
	w.checkInventory(t, outcome, plan.Mode)
	w.site.Supersede(bootID)
	return took, w.waitOff(ctx)
}

// checkTPM looks at what the machine's TPM proved: its firmware measured itself into register 0 and the boot order or loader into 4, which are zero at reset.
func (w machineWorld) checkTPM(t *testing.T, bootID string) {
	t.Helper()
	e := w.site.Evidence(bootID)
	if e == nil || len(e.EndorsementKey) != attest.FingerprintLength || len(e.PCRs) < 8 {
		t.Fatalf("evidence %+v", e)
	}
	for _, i := range []int{0, 4} {
		if p := e.PCRs[i]; p.Index != i || strings.Trim(p.SHA256, "0") == "" {
			t.Errorf("register %d is %+v", i, p)
		}
	}
}

func (w machineWorld) checkInventory(t *testing.T, outcome step.Outcome, mode bmc.Mode) {
	t.Helper()
	if outcome.Failure != nil || outcome.Inventory == nil {
		t.Fatalf("inspection failed: %+v", outcome.Failure)
	}
	got, want := outcome.Inventory, w.lab.State().Machines[0]
	if got.System.SerialNumber != want.Name || got.System.UUID != want.UUID || got.Firmware.UEFI != (mode == bmc.ModeUEFI) {
		t.Errorf("system %+v, firmware %+v; want serial number %s, UUID %s, mode %s", got.System, got.Firmware, want.Name, want.UUID, mode)
	}
	if len(got.NICs) != 1 || got.NICs[0].MAC != want.MACAddress || !got.NICs[0].LinkUp {
		t.Fatalf("NICs %+v, want one with %s and link", got.NICs, want.MACAddress)
	}
	if l := got.NICs[0].LLDP; l == nil || l.PortID != want.Name+"/nic0" || l.SystemName != "lab-switch" {
		t.Errorf("LLDP neighbour %+v, want port %s/nic0 of lab-switch", l, want.Name)
	}
	found := map[string]step.Disk{}
	for _, d := range got.Disks {
		found[d.SerialNumber] = d
	}
	for _, d := range want.Disks {
		have, ok := found[d.SerialNumber]
		if !ok || have.SizeBytes != d.SizeBytes || have.Rotational != d.Rotational || have.WWN == "" {
			t.Errorf("disk %s is %+v; want %+v", d.SerialNumber, have, d)
		}
	}
	if got.MemoryBytes < 400<<20 || got.CPU.Count != 2 {
		t.Errorf("memory %d, CPU %+v; want 512 MiB and 2", got.MemoryBytes, got.CPU)
	}
}

func (w machineWorld) waitOff(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for w.machine.Powered() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("the superseded agent did not turn the machine off: %w", ctx.Err())
		}
	}
	return nil
}

// offPatience is for a superseded agent to turn its machine off, which takes a second.
const offPatience = 3 * time.Minute

// endsOff waits until the superseded agent has turned the machine off. A machine that hangs on the way is turned off by its BMC, as a host's is by the partition role: under emulation a
// processor of a Linux kernel hangs about once in two hundred boots, also then. That agents do turn machines off is TestAgentBootsOnEveryFirmware's.
func (w machineWorld) endsOff(ctx context.Context, t *testing.T) {
	t.Helper()
	within, cancel := context.WithTimeout(ctx, offPatience)
	defer cancel()
	err := w.waitOff(within)
	if err == nil {
		return
	}
	t.Logf("%v: its BMC turns it off; console:\n%s", err, w.machine.Console(2048))
	if err := w.machine.ForceOff(ctx); err != nil {
		t.Fatal(err)
	}
}

func openArtifacts(t *testing.T) *bootmedia.Artifacts {
	t.Helper()
	artifacts, err := bootmedia.Open(filepath.Join(cacheDir(t), "artifacts"))
	if err != nil {
		t.Fatalf("%v (make agent builds them)", err)
	}
	t.Cleanup(func() { _ = artifacts.Close() })
	return artifacts
}

// shortDir is a temporary directory whose path leaves room for a unix socket's.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "ingot")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}
