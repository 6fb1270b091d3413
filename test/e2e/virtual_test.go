package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab/debian"
	"github.com/ingotmetal/ingot/test/harness"
)

// virtualPatience is for a whole life of a virtual machine under emulation on a busy host; a quiet one needs three to four minutes.
const virtualPatience = 30 * time.Minute

// greeting is what the user data makes the installed system write to its console.
const greeting = "INGOT-E2E user data was run on"

// life is a way through a machine's life.
type life struct {
	name     string
	args     []string
	handOver ingot.HandOverMethod
	// always: also where nobody asks for all of them.
	always bool
}

func (l life) title() string { return l.name + ", " + string(l.handOver) }

// lives are all ways of booting with both ways to the system. Two of them, which have every part, are run always; INGOT_E2E_LIVES=all runs the others too, half an hour of them.
func lives() []life {
	var all []life
	for _, boot := range []life{
		{name: "virtual media, UEFI", args: []string{"--boot", "virtual-media", "--firmware", "uefi"}},
		{name: "virtual media, BIOS", args: []string{"--boot", "virtual-media", "--firmware", "bios"}},
		{name: "HTTP boot, UEFI", args: []string{"--boot", "uefi-http", "--firmware", "uefi"}},
		{name: "network boot, UEFI", args: []string{"--boot", "pxe", "--firmware", "uefi"}},
		{name: "network boot, BIOS", args: []string{"--boot", "pxe", "--firmware", "bios", "--tpm"}},
	} {
		for _, by := range []ingot.HandOverMethod{ingot.HandOverByReboot, ingot.HandOverByKexec} {
			c := boot
			c.handOver = by
			c.always = boot.name == "virtual media, UEFI" && by == ingot.HandOverByReboot || boot.name == "network boot, BIOS" && by == ingot.HandOverByKexec
			all = append(all, c)
		}
	}
	return all
}

// TestLifeOfAVirtualMachine takes a virtual machine from its BMC's address to a Debian that reported its first boot, and back to available with a wiped disk. It ends with a table of where the time went.
func TestLifeOfAVirtualMachine(t *testing.T) {
	t.Parallel()
	var table sync.Map // of ways of booting
	t.Cleanup(func() {
		text := "way of booting | to the system by | to available | to provisioned | to the system's report | to wiped"
		for _, c := range lives() {
			if row, ok := table.Load(c.title()); ok {
				text += "\n" + row.(string)
			}
		}
		t.Logf("each part from the end of the one before:\n%s", text)
	})
	for _, c := range lives() {
		if !c.always && os.Getenv("INGOT_E2E_LIVES") != "all" {
			continue
		}
		t.Run(c.title(), func(t *testing.T) {
			t.Parallel()
			w := harness.Start(t, harness.Options{
				Bin: binDir(t), Artifacts: filepath.Join(cacheDir(t), "artifacts"),
				Lab: append([]string{"--qemu", "--machines", "1", "--disk-size", "8GiB", "--cpus", "2"}, c.args...),
			})
			ctx, cancel := context.WithTimeout(t.Context(), virtualPatience)
			defer cancel()
			lap, row := stopwatch(t), c.name+" | "+string(c.handOver)
			took := func(what string) {
				t.Helper()
				row += " | " + lap(what).Round(time.Second).String()
			}
			w.CLI(ctx, t, "apply", "-f", w.State.HostsManifest)
			host := w.UntilState(ctx, t, w.Key(0), metal3.StateAvailable)
			took("available")

			provision(ctx, t, w, c.handOver)
			w.UntilState(ctx, t, w.Key(0), metal3.StateProvisioned)
			took("provisioned")
			record := w.UntilReported(ctx, t, w.Key(0))
			took("first boot reported")
			if f := record.Status.FirstBoot; f.Hostname != host.Name || f.InstanceID != string(host.UID) {
				t.Errorf("first boot reports %+v; want hostname %s and instance %s", f, host.Name, host.UID)
			}
			if h := record.Status.HandOver; (h != nil) != (c.handOver == ingot.HandOverByKexec) || h != nil && (h.Method != c.handOver || h.EnteredAt == nil) {
				t.Errorf("handed over by %+v; want %s", h, c.handOver)
			}
			if hasTPM := slices.Contains(c.args, "--tpm"); hasTPM != (record.Status.TPM != nil) {
				t.Errorf("TPM %+v; the machine has one: %v", record.Status.TPM, hasTPM)
			}
			w.Until(ctx, t, "the user data's line on the console", func(context.Context) error {
				return consoleSays(w.State.Machines[0].ConsoleLog, greeting+" "+host.Name)
			})

			w.Change(ctx, t, w.Key(0), func(h *metal3.BareMetalHost) { h.Spec.Image, h.Spec.Online = nil, false })
			w.UntilState(ctx, t, w.Key(0), metal3.StateAvailable)
			took("released")
			checkTablesGone(t, w.State.Machines[0].Disks[0].Path)
			w.Until(ctx, t, "power off", func(ctx context.Context) error {
				h, err := w.Host(ctx, w.Key(0))
				if err == nil && h.Status.PoweredOn {
					err = fmt.Errorf("host is on")
				}
				return err
			})
			table.Store(c.title(), row)
		})
	}
}

// provision asks for Debian with user data.
func provision(ctx context.Context, t *testing.T, w *harness.World, handOver ingot.HandOverMethod) {
	t.Helper()
	image := filepath.Join(cacheDir(t), "images", debian.FileName)
	for _, path := range []string{image, image + ".sha256"} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: make image builds it", err)
		}
		if err := os.Symlink(path, filepath.Join(w.State.ImageDir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	key := w.Key(0)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name + "-user-data"},
		StringData: map[string]string{"userData": "#cloud-config\nruncmd:\n- echo \"" + greeting + " $(hostname)\" >/dev/ttyS0\n"},
	}
	if err := w.Client.Create(ctx, secret); err != nil {
		t.Fatal(err)
	}
	url, raw := w.State.ImageURL+"/"+debian.FileName, "raw"
	w.Change(ctx, t, key, func(h *metal3.BareMetalHost) {
		h.Spec.Image = &metal3.Image{URL: url, Checksum: url + ".sha256", ChecksumType: metal3.SHA256, DiskFormat: &raw}
		h.Spec.UserData = &corev1.SecretReference{Name: secret.Name}
		h.Spec.Online = true
		if handOver != ingot.HandOverByReboot {
			metav1.SetMetaDataAnnotation(&h.ObjectMeta, ingot.HandOverAnnotation, string(handOver))
		}
	})
}

func consoleSays(path, want string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(text), want) {
		return fmt.Errorf("%s does not hold %q", path, want)
	}
	return nil
}

// checkTablesGone looks at the first and the last sectors of a disk, without reading all of its holes.
func checkTablesGone(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	const part = 64 << 10
	for _, at := range []int64{0, info.Size() - part} {
		b := make([]byte, part)
		if _, err := f.ReadAt(b, at); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(b), "EFI PART") || (at == 0 && b[510] == 0x55 && b[511] == 0xaa) {
			t.Errorf("%s still has a partition table near byte %d", path, at)
		}
	}
}

// stopwatch logs how long each part took: where a machine's time goes is what the next change is judged by.
func stopwatch(t *testing.T) func(what string) time.Duration {
	started := time.Now()
	last := started
	return func(what string) time.Duration {
		t.Helper()
		now := time.Now()
		more := now.Sub(last)
		t.Logf("%s after %s (%s more)", what, now.Sub(started).Round(time.Second), more.Round(time.Second))
		last = now
		return more
	}
}
