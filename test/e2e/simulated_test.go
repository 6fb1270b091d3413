package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/tiny"
	"github.com/ingotmetal/ingot/test/harness"
)

// simulatedPatience is for a whole life of simulated machines on a busy host with a BMC that loses restarts, each of which costs a boot deadline of a minute; else it is some ten
// seconds.
const simulatedPatience = 20 * time.Minute

// offer puts a small image where the machines download from.
func offer(t *testing.T, w *harness.World) (image *metal3.Image, raw []byte) {
	t.Helper()
	raw, err := tiny.Raw(tiny.Options{SizeBytes: 32 << 20, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	packed, err := tiny.Zstd(raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(w.State.ImageDir, "tiny.raw.zst"), packed, 0o600); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(packed)
	raws := "raw"
	return &metal3.Image{
		URL: w.State.ImageURL + "/tiny.raw.zst", Checksum: hex.EncodeToString(digest[:]), ChecksumType: metal3.SHA256, DiskFormat: &raws,
	}, raw
}

// TestLifeOfSimulatedMachines takes machines from their BMC's address to a provisioned system that reported, and back to available with wiped disks: by virtual media
// over loopback, and by network boot over the lab's network.
func TestLifeOfSimulatedMachines(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"virtual media":                  {"--boot", "virtual-media"},
		"network boot":                   {"--boot", "pxe"},
		"UEFI HTTP boot":                 {"--boot", "uefi-http"},
		"virtual media, on a network":    {"--boot", "virtual-media", "--on-network"},
		"a BMC that is slow and forgets": {"--faults", "slow=20ms,busy=0.03,logout=0.05,stale=2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const machines = 3
			w := harness.Start(t, harness.Options{
				Bin: binDir(t), Artifacts: filepath.Join(cacheDir(t), "artifacts"),
				Lab: append([]string{"--machines", fmt.Sprint(machines), "--disk-size", "64MiB"}, args...),
			})
			ctx, cancel := context.WithTimeout(t.Context(), simulatedPatience)
			defer cancel()
			w.CLI(ctx, t, "apply", "-f", w.State.HostsManifest)
			for i := range machines {
				w.UntilState(ctx, t, w.Key(i), metal3.StateAvailable)
			}
			image, raw := offer(t, w)
			for i := range machines {
				w.Change(ctx, t, w.Key(i), func(h *metal3.BareMetalHost) { h.Spec.Image, h.Spec.Online = image, true })
			}
			for i := range machines {
				w.UntilState(ctx, t, w.Key(i), metal3.StateProvisioned)
				w.UntilReported(ctx, t, w.Key(i))
				checkWritten(t, w.State.Machines[i], raw)
			}
			for i := range machines {
				w.Change(ctx, t, w.Key(i), func(h *metal3.BareMetalHost) { h.Spec.Image, h.Spec.Online = nil, false })
			}
			for i := range machines {
				w.UntilState(ctx, t, w.Key(i), metal3.StateAvailable)
				checkWiped(t, w.State.Machines[i])
			}
		})
	}
}

// checkWritten holds the disk that the hints name against the image, outside of the partition table that was moved to the disk's end, and the other disk against nothing.
func checkWritten(t *testing.T, m lab.Machine, raw []byte) {
	t.Helper()
	const head = 1 << 20 // the tables and the gap behind them
	got, err := os.ReadFile(m.Disks[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got[head:len(raw)-head], raw[head:len(raw)-head]) {
		t.Errorf("disk %s of %s does not hold the image", m.Disks[0].SerialNumber, m.Name)
	}
	checkEmpty(t, m, 1)
}

func checkEmpty(t *testing.T, m lab.Machine, disk int) {
	t.Helper()
	got, err := os.ReadFile(m.Disks[disk].Path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, make([]byte, len(got))) {
		t.Errorf("disk %s of %s, which the hints exclude, is not empty", m.Disks[disk].SerialNumber, m.Name)
	}
}

// checkWiped looks for what metadata cleaning removes: boot sector and both partition tables.
func checkWiped(t *testing.T, m lab.Machine) {
	t.Helper()
	for _, d := range m.Disks {
		got, err := os.ReadFile(d.Path)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(got[:4096], []byte("EFI PART")) || bytes.Contains(got[len(got)-4096:], []byte("EFI PART")) || (got[510] == 0x55 && got[511] == 0xaa) {
			t.Errorf("disk %s of %s still has a partition table", d.SerialNumber, m.Name)
		}
	}
}
