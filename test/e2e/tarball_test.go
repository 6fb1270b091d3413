package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/debian"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// tarballPatience is for the whole test on a busy host; a quiet one needs three minutes.
const tarballPatience = 30 * time.Minute

// laidOut is what the user data makes the installed system write to its console at each boot: how it was booted, and what is mounted where.
const laidOut = "INGOT-E2E layout"

func serverLayout() filesystem.Layout {
	return filesystem.Layout{
		Partitions: []filesystem.Partition{
			{Name: "bios", Type: filesystem.BIOSBoot, SizeMiB: 1}, {Name: "esp", Type: filesystem.EFISystem, SizeMiB: 64},
			{Name: "swap", Type: filesystem.LinuxSwap, SizeMiB: 64}, {Name: "data", Type: filesystem.Linux, SizeMiB: 512}, {Name: "root", Type: filesystem.Linux},
		},
		Filesystems: []filesystem.Filesystem{
			{Partition: "root", Format: filesystem.Ext4, Path: "/", MountOptions: []string{"noatime"}}, {Partition: "esp", Format: filesystem.VFAT, Path: "/boot/efi", MountOptions: []string{"umask=0077"}},
			{Partition: "data", Format: filesystem.XFS, Path: "/srv/data", Label: "data"}, {Partition: "swap", Format: filesystem.Swap},
			{Format: filesystem.TmpFS, Path: "/tmp", MountOptions: []string{"size=64m"}},
		},
	}
}

// TestBootsFromAnUnpackedArchive unpacks Debian's root file system on a virtual machine's disk by a layout, with the kernel and the programs of the agent's ramdisk, and boots what came of it by both firmwares.
func TestBootsFromAnUnpackedArchive(t *testing.T) {
	artifacts := openArtifacts(t)
	w := newMachineWorld(t, artifacts, 4<<30, false)
	l, m := w.lab, w.lab.State().Machines[0]
	ctx, cancel := context.WithTimeout(t.Context(), tarballPatience)
	defer cancel()
	lap := stopwatch(t)
	config := w.site.OpenWindow(t, "boot-1", w.mac, netboot.BootsMedia)
	if err := w.machine.Reset(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootCD, Once: true, Medium: w.medium(t, artifacts, config)}); err != nil {
		t.Fatal(err)
	}
	if err := w.site.Enrolled(ctx, "boot-1"); err != nil {
		t.Fatalf("%v; console:\n%s", err, w.machine.Console(8192))
	}
	lap("agent is there")
	do := func(s protocol.Step) step.Outcome {
		t.Helper()
		s.ID, s.Deadline = "boot-1-"+string(s.Kind), time.Now().Add(tarballPatience)
		o, err := w.site.Run(ctx, "boot-1", s)
		if err != nil || o.Failure != nil {
			t.Fatalf("%s: %v, %+v; console:\n%s", s.Kind, err, o.Failure, w.machine.Console(8192))
		}
		return o
	}
	// The first disk: it is the only one that SeaBIOS tries.
	hints := &rootdevice.Hints{SerialNumber: m.Disks[0].SerialNumber}
	claim := do(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Hints: hints}}).Disk
	layout := serverLayout()
	written := do(protocol.Step{Kind: step.WriteImage, WriteImage: &protocol.WriteImage{
		Claim: *claim, Hints: hints, Image: tarballImage(t, l), Layout: &layout, UEFI: true, Seed: "boot-1", ConfigDrive: tarballConfigDrive(t, m.UUID),
	}}).Written
	if written.DownloadedBytes == 0 || written.ImageBytes < 200<<20 {
		t.Errorf("written %+v", written)
	}
	lap("the archive is unpacked")
	w.site.Supersede("boot-1")
	if err := w.waitOff(ctx); err != nil {
		t.Fatal(err)
	}
	for _, mode := range []bmc.Mode{bmc.ModeUEFI, bmc.ModeLegacy} {
		if err := w.machine.PowerOn(ctx, bmcsim.BootPlan{Mode: mode}); err != nil {
			t.Fatal(err)
		}
		firmware := map[bmc.Mode]string{bmc.ModeUEFI: "uefi", bmc.ModeLegacy: "bios"}[mode]
		w.awaitLine(ctx, t, m.ConsoleLog, laidOut+" "+firmware+": / ext4, /boot/efi vfat, /srv/data xfs, /tmp tmpfs, swap /dev/")
		lap("Debian runs, by " + firmware)
		if err := w.machine.ForceOff(ctx); err != nil {
			t.Fatal(err)
		}
	}
}

// tarballImage is Debian's root file system in the lab's image store.
func tarballImage(t *testing.T, l *lab.Lab) protocol.Image {
	t.Helper()
	image := filepath.Join(cacheDir(t), "images", debian.TarName)
	for _, path := range []string{image, image + ".sha256"} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: make image builds it", err)
		}
		if err := os.Symlink(path, filepath.Join(l.State().ImageDir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	url := l.State().ImageURL + "/" + debian.TarName
	return protocol.Image{URL: url, Format: protocol.FormatTarball, Checksum: url + ".sha256", ChecksumType: "sha256"}
}

func tarballConfigDrive(t *testing.T, uid string) []byte {
	t.Helper()
	const script = `f=bios; [ -d /sys/firmware/efi ] && f=uefi; ` +
		`for p in / /boot/efi /srv/data /tmp; do o="$o $p $(findmnt -no FSTYPE $p),"; done; ` +
		`echo "` + laidOut + ` $f:$o swap $(swapon --noheadings --show=NAME)" >/dev/ttyS0`
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata: configdrive.DefaultMetadata(configdrive.Host{UID: uid, Name: "tarball", Namespace: "default"}, nil),
		// bootcmd runs at every boot.
		UserData: []byte("#cloud-config\nbootcmd:\n- |\n  " + script + "\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return drive
}

// awaitLine waits for the installed system's line.
func (w machineWorld) awaitLine(ctx context.Context, t *testing.T, log, line string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(text), line) {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the installed system did not say %q; console:\n%s", line, w.machine.Console(8192))
		}
	}
}
