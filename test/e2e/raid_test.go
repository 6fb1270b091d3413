package e2e

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/internal/lab/debian"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/raid"
	"github.com/ingotmetal/ingot/step"
)

// raidPatience is for the whole test on a busy host; a quiet one needs two to three minutes.
const raidPatience = 30 * time.Minute

// onArray is what the user data makes the installed system write to its console: where its root is, and the members of that array.
const onArray = "INGOT-E2E root on"

// loaderSays is what GRUB writes when it found its configuration, and starts what that names.
const loaderSays = "Booting `Debian"

// TestBootsFromSoftwareRAID makes a mirror of a virtual machine's two disks with the kernel's own md driver, writes Debian to it and boots it, then empties the first disk and boots from the other. The agent that
// comes before the write is another than the one that made the array: it finds it by its superblocks.
func TestBootsFromSoftwareRAID(t *testing.T) {
	t.Parallel()
	artifacts := openArtifacts(t)
	w := newMachineWorld(t, artifacts, 4<<30, false)
	l, m := w.lab, w.lab.State().Machines[0]
	ctx, cancel := context.WithTimeout(t.Context(), raidPatience)
	defer cancel()
	lap := stopwatch(t)
	boot := func(id string) {
		t.Helper()
		config := w.site.OpenWindow(t, id, w.mac, netboot.BootsMedia)
		if err := w.machine.Reset(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI, Device: bmc.BootCD, Once: true, Medium: w.medium(t, artifacts, config)}); err != nil {
			t.Fatal(err)
		}
		if err := w.site.Enrolled(ctx, id); err != nil {
			t.Fatalf("%v; console:\n%s", err, w.machine.Console(8192))
		}
	}
	do := func(id string, s protocol.Step) step.Outcome {
		t.Helper()
		s.ID, s.Deadline = id+"-"+string(s.Kind), time.Now().Add(raidPatience)
		o, err := w.site.Run(ctx, id, s)
		if err != nil || o.Failure != nil {
			t.Fatalf("%s: %v, %+v; console:\n%s", s.Kind, err, o.Failure, w.machine.Console(8192))
		}
		return o
	}
	boot("boot-1")
	lap("agent is there")
	do("boot-1", protocol.Step{Kind: step.Clean, Clean: &protocol.Clean{Method: protocol.MethodMetadata}})
	made := do("boot-1", protocol.Step{Kind: step.ConfigureRAID, ConfigureRAID: &protocol.ConfigureRAID{
		Host: m.UUID, Volumes: []raid.Volume{{Level: raid.Mirrored, SizeBytes: 2 << 30}, {Level: raid.Striped}},
	}}).Arrays
	if len(made) != 2 || made[0].SizeBytes != 2<<30 || len(made[1].Disks) != 2 {
		t.Fatalf("made %+v", made)
	}
	lap("arrays are made")
	w.site.Supersede("boot-1")
	w.endsOff(ctx, t)

	boot("boot-2")
	arrays := []string{made[0].UUID, made[1].UUID}
	chosen := do("boot-2", protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Arrays: arrays}}).Disk
	if !chosen.Array || chosen.Name != "/dev/md127" || chosen.SizeBytes != 2<<30 {
		t.Fatalf("the root device is %+v", chosen)
	}
	write := protocol.WriteImage{Claim: *chosen, Arrays: arrays, Image: raidImage(t, l), ConfigDrive: raidConfigDrive(t, m.UUID)}
	do("boot-2", protocol.Step{Kind: step.WriteImage, WriteImage: &write})
	lap("the image is on the mirror")
	w.site.Supersede("boot-2")
	w.endsOff(ctx, t)

	if err := w.machine.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI}); err != nil {
		t.Fatal(err)
	}
	w.awaitConsole(ctx, t, m.ConsoleLog, onArray+" /dev/md", 1)
	lap("Debian runs on both disks")
	if err := w.machine.ForceOff(ctx); err != nil {
		t.Fatal(err)
	}

	// Another disk is put in for the first one.
	if err := errors.Join(os.Truncate(m.Disks[0].Path, 0), os.Truncate(m.Disks[0].Path, m.Disks[0].SizeBytes)); err != nil {
		t.Fatal(err)
	}
	before := said(t, m.ConsoleLog, loaderSays)
	if err := w.machine.PowerOn(ctx, bmcsim.BootPlan{Mode: bmc.ModeUEFI}); err != nil {
		t.Fatal(err)
	}
	// The loader is on this disk, and reads its configuration from the array, which lacks a member.
	w.awaitConsole(ctx, t, m.ConsoleLog, loaderSays, before+1)
	lap("Debian is booted from the second disk alone")
}

// raidImage is Debian in the lab's image store.
func raidImage(t *testing.T, l *lab.Lab) protocol.Image {
	t.Helper()
	image := filepath.Join(cacheDir(t), "images", debian.FileName)
	for _, path := range []string{image, image + ".sha256"} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: make image builds it", err)
		}
		if err := os.Symlink(path, filepath.Join(l.State().ImageDir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	url := l.State().ImageURL + "/" + debian.FileName
	return protocol.Image{URL: url, Format: "raw", Checksum: url + ".sha256", ChecksumType: "sha256"}
}

func raidConfigDrive(t *testing.T, uid string) []byte {
	t.Helper()
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata: configdrive.DefaultMetadata(configdrive.Host{UID: uid, Name: "raid", Namespace: "default"}, nil),
		// bootcmd runs at every boot, and early.
		UserData: []byte("#cloud-config\nbootcmd:\n- echo \"" + onArray + " $(findmnt -no SOURCE /), $(grep raid1 /proc/mdstat)\" >/dev/ttyS0\n"),
	})
	if err != nil {
		t.Fatal(err)
	}
	return drive
}

// awaitConsole waits for the console to have said something so many times.
func (w machineWorld) awaitConsole(ctx context.Context, t *testing.T, log, want string, times int) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		if said(t, log, want) >= times {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("the console did not say %q %d times:\n%s", want, times, w.machine.Console(8192))
		}
	}
}

func said(t *testing.T, log, what string) int {
	t.Helper()
	text, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), what)
}
