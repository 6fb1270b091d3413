package wipe_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image/signature"
	"github.com/ingotmetal/ingot/internal/image/wipe"
	"github.com/ingotmetal/ingot/step"
)

const mib = 1 << 20

// tool runs a real tool; its absence fails the test.
func tool(t *testing.T, stdin string, command ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = strings.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v (packages e2fsprogs dosfstools gdisk fdisk util-linux xorriso): %v: %s", command, err, out)
	}
	return string(out)
}

func empty(t *testing.T, size int64) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := filebacked.Create(path, size); err != nil {
		t.Fatal(err)
	}
	return path
}

func open(t *testing.T, path string) disk.Disk {
	t.Helper()
	m := &filebacked.Machine{Disks: map[string]filebacked.Spec{"d": {Path: path}}, Direct: true}
	d, err := m.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d
}

// patch writes bytes into a file.
func patch(t *testing.T, path string, off int64, b string) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte(b), off); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

// noDiscard is a disk whose content survives a discard, as it may.
type noDiscard struct{ disk.Disk }

func (d noDiscard) Erase(how disk.Erasure, off, length int64) error {
	if how == disk.Discard {
		return &disk.Error{Op: "discard", Disk: "d", Kind: disk.ErrUnsupported}
	}
	return d.Disk.Erase(how, off, length)
}

const size = 96 * mib

// layouts are disks as operating systems leave them; the tools make what they can, the rest are magic numbers at the places of their formats.
var layouts = map[string]struct {
	make func(t *testing.T, path string)
	want string
}{
	"ext4 on the whole disk": {func(t *testing.T, p string) { tool(t, "", "mkfs.ext4", "-qF", p) }, "ext"},
	"vfat on the whole disk": {func(t *testing.T, p string) { tool(t, "", "mkfs.vfat", p) }, "vfat"},
	"fat32":                  {func(t *testing.T, p string) { tool(t, "", "mkfs.vfat", "-F", "32", p) }, "vfat"},
	"swap":                   {func(t *testing.T, p string) { tool(t, "", "mkswap", p) }, "swap"},
	"gpt":                    {func(t *testing.T, p string) { tool(t, "", "sgdisk", "-n", "1:0:+20M", "-n", "2:0:0", p) }, "gpt"},
	"gpt with its backup only": {func(t *testing.T, p string) {
		tool(t, "", "sgdisk", "-n", "1:50M:+20M", p)
		patch(t, p, 0, strings.Repeat("\x00", 4096))
		patch(t, p, 50*mib+1080, "\x53\xef")
	}, "ext"},
	"mbr with logical partitions": {func(t *testing.T, p string) {
		tool(t, "label: dos\np1 : size=10M\np2 : size=80M, type=5\np5 : start=24576, size=20M\np6 : start=67584, size=20M\n", "sfdisk", "-q", p)
		patch(t, p, 33*mib+1080, "\x53\xef") // the second logical partition begins there
	}, "ext"},
	"xfs":         {func(t *testing.T, p string) { patch(t, p, 0, "XFSB") }, "xfs"},
	"btrfs":       {func(t *testing.T, p string) { patch(t, p, 65600, "_BHRfS_M"); patch(t, p, 64*mib+64, "_BHRfS_M") }, "btrfs mirror"},
	"lvm":         {func(t *testing.T, p string) { patch(t, p, 512, "LABELONE") }, "lvm"},
	"luks":        {func(t *testing.T, p string) { patch(t, p, 0, "LUKS\xba\xbe"); patch(t, p, 4*mib, "SKUL\xba\xbe") }, "luks2 second"},
	"mdraid 1.2":  {func(t *testing.T, p string) { patch(t, p, 4096, "\xfc\x4e\x2b\xa9") }, "mdraid 1.2"},
	"mdraid 1.0":  {func(t *testing.T, p string) { patch(t, p, size-8192, "\xfc\x4e\x2b\xa9") }, "mdraid 1.0"},
	"mdraid 0.90": {func(t *testing.T, p string) { patch(t, p, size-65536, "\xfc\x4e\x2b\xa9") }, "mdraid 0.90"},
	"ntfs":        {func(t *testing.T, p string) { patch(t, p, 3, "NTFS    ") }, "ntfs"},
	"zfs at the end": {func(t *testing.T, p string) {
		patch(t, p, size-256*1024+128*1024+5*1024, "\x0c\xb1\xba\x00\x00\x00\x00\x00")
	}, "zfs"},
	"imsm": {func(t *testing.T, p string) { patch(t, p, size-1024, "Intel Raid ISM Cfg Sig. ") }, "imsm"},
	"ISO image": {func(t *testing.T, p string) {
		dir := t.TempDir()
		tool(t, "", "xorriso", "-as", "mkisofs", "-quiet", "-V", "config-2", "-o", p, dir)
		if err := os.Truncate(p, size); err != nil {
			t.Fatal(err)
		}
	}, "config-2"},
}

func TestWipesAndProvesEveryLayout(t *testing.T) {
	for name, l := range layouts {
		for _, discards := range []bool{true, false} {
			path := empty(t, size)
			l.make(t, path)
			patch(t, path, 40*mib, "a user's data")
			d := open(t, path)
			method := wipe.DiscardAndMetadata
			if !discards {
				d, method = noDiscard{d}, wipe.Metadata
			}
			e := wipe.Disk(t.Context(), d, step.Disk{Name: "/dev/sda"}, nil, nil)
			if !e.Clean || e.Method != method || e.Disk.Name != "/dev/sda" || e.FinishedAt.Before(e.StartedAt) {
				t.Errorf("%s: %+v", name, e)
			}
			if !strings.Contains(e.Message, l.want) {
				t.Errorf("%s: message %q does not say that %s was found", name, e.Message, l.want)
			}
			if out := tool(t, "", "wipefs", "--no-act", path); strings.TrimSpace(out) != "" {
				t.Errorf("%s: wipefs still finds:\n%s", name, out)
			}
		}
	}
}

func TestPartitionsAreWipedWhereTheyWere(t *testing.T) {
	path := empty(t, size)
	tool(t, "", "sgdisk", "-n", "1:30M:+40M", path)
	img := empty(t, 40*mib)
	tool(t, "", "mkfs.ext4", "-qF", img)
	b, err := os.ReadFile(img)
	if err != nil {
		t.Fatal(err)
	}
	patch(t, path, 30*mib, string(b))
	d := noDiscard{open(t, path)}
	if e := wipe.Disk(t.Context(), d, step.Disk{}, nil, nil); !e.Clean {
		t.Fatalf("%+v", e)
	}
	if found, err := signature.Probe(d, 30*mib, 40*mib); err != nil || len(found) > 0 {
		t.Errorf("in the place of the partition: %v, %v", found, err)
	}
}

// stubborn is a disk that keeps a byte whatever is written, or fails.
type stubborn struct {
	noDiscard
	keeps int64
	fails error
}

func (d stubborn) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.noDiscard.ReadAt(p, off)
	if d.keeps >= off && d.keeps < off+int64(n) {
		p[d.keeps-off] = 0x53
	}
	return n, err
}

func (d stubborn) Erase(how disk.Erasure, off, length int64) error {
	if d.fails != nil && how != disk.Discard {
		return d.fails
	}
	return d.noDiscard.Erase(how, off, length)
}

func TestAWipeThatCannotBeProvedIsNotClean(t *testing.T) {
	broken := &disk.Error{Op: "zero", Disk: "d", Kind: disk.ErrIO}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		wrap func(d disk.Disk) disk.Disk
		want string
	}{
		"a byte stays":     {t.Context(), func(d disk.Disk) disk.Disk { return stubborn{noDiscard{d}, 5000, nil} }, "byte 5000 is not zero"},
		"writing fails":    {t.Context(), func(d disk.Disk) disk.Disk { return stubborn{noDiscard{d}, -1, broken} }, "input/output error"},
		"it was cancelled": {cancelled, func(d disk.Disk) disk.Disk { return d }, "canceled"},
	} {
		path := empty(t, size)
		e := wipe.Disk(c.ctx, c.wrap(open(t, path)), step.Disk{}, time.Now, nil)
		if e.Clean || !strings.Contains(e.Message, c.want) {
			t.Errorf("%s: %+v, want %q", name, e, c.want)
		}
	}
	if !errors.Is(broken, disk.ErrIO) {
		t.Error("the error lost its kind")
	}
}
