package e2e

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab/bmcsim"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/rootdevice"
	"github.com/ingotmetal/ingot/step"
)

// installPatience is for the whole of such a test on a busy host; a quiet one needs three minutes.
const installPatience = 30 * time.Minute

// laidOut is what the user data makes the installed system write to its console at each boot: how it was booted, and what is mounted where.
const laidOut = "INGOT-E2E layout"

// installs has the agent of a fresh boot, by virtual media and UEFI, do a write to the machine's first disk, which is the only one that SeaBIOS tries, and ends with the machine off.
func (w machineWorld) installs(ctx context.Context, t *testing.T, lap func(string) time.Duration, write protocol.WriteImage) *step.Written {
	t.Helper()
	artifacts, m := openArtifacts(t), w.lab.State().Machines[0]
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
		s.ID, s.Deadline = "boot-1-"+string(s.Kind), time.Now().Add(installPatience)
		o, err := w.site.Run(ctx, "boot-1", s)
		if err != nil || o.Failure != nil {
			t.Fatalf("%s: %v, %+v; console:\n%s", s.Kind, err, o.Failure, w.machine.Console(8192))
		}
		return o
	}
	hints := &rootdevice.Hints{SerialNumber: m.Disks[0].SerialNumber}
	write.Hints, write.Claim, write.UEFI, write.Seed = hints, *do(protocol.Step{Kind: step.ChooseDisk, ChooseDisk: &protocol.ChooseDisk{Hints: hints}}).Disk, true, "boot-1"
	written := do(protocol.Step{Kind: step.WriteImage, WriteImage: &write}).Written
	lap("the system is on the disk")
	w.site.Supersede("boot-1")
	w.endsOff(ctx, t)
	return written
}

// boots boots what is installed by one firmware, waits for its line of what is mounted, and turns the machine off.
func (w machineWorld) boots(ctx context.Context, t *testing.T, mode bmc.Mode, mounted string) {
	t.Helper()
	if err := w.machine.PowerOn(ctx, bmcsim.BootPlan{Mode: mode}); err != nil {
		t.Fatal(err)
	}
	firmware := map[bmc.Mode]string{bmc.ModeUEFI: "uefi", bmc.ModeLegacy: "bios"}[mode]
	w.awaitLine(ctx, t, w.lab.State().Machines[0].ConsoleLog, laidOut+" "+firmware+": "+mounted)
	if err := w.machine.ForceOff(ctx); err != nil {
		t.Fatal(err)
	}
}

// reportingDrive is a config drive whose user data reports the file systems at the paths, each as its path, its type and, with sizes, its GiB rounded up.
// It syncs first: boots cuts the power at the report, and cloud-init's file of the hostname it set, left empty by that, stops cloud-init at the next boot.
func reportingDrive(t *testing.T, uid, paths string, sizes bool) []byte {
	t.Helper()
	columns := "FSTYPE"
	if sizes {
		columns = "FSTYPE,SIZE"
	}
	script := `f=bios; [ -d /sys/firmware/efi ] && f=uefi; ` +
		`for p in ` + paths + `; do o="$o $p $(echo $(findmnt -nb -o ` + columns + ` $p | awk '{ if (NF > 1) print $1, int(($2+1073741823)/1073741824) " GiB"; else print $1 }')),"; done; ` +
		`sync; echo "` + laidOut + ` $f:$o swap $(swapon --noheadings --show=NAME)" >/dev/ttyS0`
	drive, err := configdrive.Build(configdrive.Drive{
		Metadata: configdrive.DefaultMetadata(configdrive.Host{UID: uid, Name: "installed", Namespace: "default"}, nil),
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
