package rootfs_test

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/disktest"
	disklinux "github.com/ingotmetal/ingot/internal/driver/disk/linux"
	"github.com/ingotmetal/ingot/internal/driver/volume"
	"github.com/ingotmetal/ingot/internal/driver/volume/linux"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/internal/image/rootfs"
	"github.com/ingotmetal/ingot/step"
)

const diskBytes = 1 << 30

// loop is a loop device over a sparse file.
type loop struct{ device, file string }

func newLoop(t *testing.T) loop {
	t.Helper()
	l := loop{file: filepath.Join(t.TempDir(), "disk")}
	old := bytes.Repeat([]byte("an old system "), 1<<20/14)
	f, err := os.Create(l.file)
	if err != nil {
		t.Fatal(err)
	}
	_, err1 := f.WriteAt(old, 0)
	_, err2 := f.WriteAt(old, diskBytes-int64(len(old)))
	if err := errors.Join(err1, err2, f.Truncate(diskBytes), f.Close()); err != nil {
		t.Fatal(err)
	}
	l.device = disktest.Loop(t, l.file, "--partscan")
	return l
}

func run(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), program, args...) // cleanups run after the test's context ended
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %v (in scripts/packages.txt?): %v: %s", program, args, err, out)
	}
	return string(out)
}

func layout() filesystem.Layout {
	return filesystem.Layout{
		Partitions: []filesystem.Partition{
			{Name: "bios", Type: filesystem.BIOSBoot, SizeMiB: 1}, {Name: "boot", Type: filesystem.Linux, SizeMiB: 64},
			{Name: "swap", Type: filesystem.LinuxSwap, SizeMiB: 32}, {Name: "root", Type: filesystem.Linux, SizeMiB: 200}, {Name: "data", Type: filesystem.Linux},
		},
		Filesystems: []filesystem.Filesystem{
			{Partition: "boot", Format: filesystem.Ext4, Path: "/boot", Label: "boot"}, {Partition: "swap", Format: filesystem.Swap},
			{Partition: "root", Format: filesystem.Ext4, Path: "/", CreateOptions: []string{"-m", "1"}}, {Partition: "data", Format: filesystem.XFS, Path: "/srv/data", Label: "data"},
		},
	}
}

type member struct {
	name, content string
	kind          byte
}

// system is an archive of a system of a few files.
func system(t *testing.T, extra ...member) []byte {
	t.Helper()
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	w := tar.NewWriter(z)
	for _, m := range append([]member{
		{"./", "", tar.TypeDir}, {"./etc/hostname", "tarball\n", tar.TypeReg}, {"./boot/vmlinuz-6.1.0-9-amd64", "old kernel", tar.TypeReg},
		{"./boot/vmlinuz-6.1.0-10-amd64", "new kernel", tar.TypeReg}, {"./boot/initrd.img-6.1.0-10-amd64", "initrd", tar.TypeReg},
		{"./etc/default/grub", "GRUB_CMDLINE_LINUX=\"console=ttyS0\"\nGRUB_CMDLINE_LINUX_DEFAULT='quiet root=/dev/sda1 $(reboot)'\n", tar.TypeReg},
		{"./srv/data/file", strings.Repeat("data", 100_000), tar.TypeReg}, {"./etc/fstab", "/srv/evil", tar.TypeSymlink}, {"./dev/sda", "", tar.TypeBlock},
	}, extra...) {
		h := &tar.Header{Name: m.name, Typeflag: m.kind, Mode: 0o755}
		if m.kind == tar.TypeSymlink {
			h.Linkname = m.content
		} else {
			h.Size = int64(len(m.content))
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if h.Size > 0 {
			if _, err := io.WriteString(w, m.content); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func serve(t *testing.T, content []byte) image.Source {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(content) }))
	t.Cleanup(s.Close)
	sum := sha256.Sum256(content)
	return image.Source{URL: s.URL + "/root.tar.zst", Checksum: hex.EncodeToString(sum[:])}
}

// loaderFiles is a folder with a boot loader that shows where it is put.
func loaderFiles(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range map[string][]byte{rootfs.BIOSSectorFile: bytes.Repeat([]byte{0xb0}, 512), rootfs.BIOSCoreFile: bytes.Repeat([]byte{0xc0}, 5000), rootfs.EFIFile: []byte("EFI")} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(l loop) func(context.Context) (disk.Disk, error) {
	return func(ctx context.Context) (disk.Disk, error) { return disklinux.Opener{}.Open(ctx, l.device) }
}

func request(t *testing.T, l loop, source image.Source) rootfs.Request {
	t.Helper()
	return rootfs.Request{Disk: l.device, Open: open(l), Layout: layout(), Seed: t.Name(), Source: source, Options: image.Options{Transport: http.DefaultTransport, ConfigDrive: bytes.Repeat([]byte("drive"), 1000)}}
}

func install(t *testing.T, l loop, r rootfs.Request, v volume.Maker) (step.Written, error) {
	t.Helper()
	d, err := open(l)(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return rootfs.Install(t.Context(), d, r, rootfs.Tools{Volumes: v, Loader: loaderFiles(t)}, nil)
}

func TestASystemIsInstalled(t *testing.T) {
	l := newLoop(t)
	source := serve(t, system(t))
	r := request(t, l, source)
	written, err := install(t, l, r, watchTable{linux.Maker{Temporary: t.TempDir()}, t, l})
	if err != nil {
		t.Fatal(err)
	}
	if written.Digest != "sha256:"+source.Checksum || written.ImageBytes == 0 || written.DownloadedBytes == 0 || written.WrittenBytes < 400_000 {
		t.Errorf("%+v", written)
	}
	run(t, "sgdisk", "--verify", l.file)
	f, err := os.Open(l.file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	g, err := partition.ReadPrimaryGPT(f, diskBytes, 512)
	if err != nil || g.Check() != nil {
		t.Fatal(err, g)
	}
	var names []string
	for _, p := range g.Partitions() {
		names = append(names, p.Name)
	}
	if strings.Join(names, " ") != "bios boot swap root data config-2" {
		t.Errorf("partitions %v", names)
	}
	at := func(off int64, n int) []byte {
		b := make([]byte, n)
		if _, err := f.ReadAt(b, off); err != nil {
			t.Fatal(err)
		}
		return b
	}
	if boot, core := at(0, 512), at(1<<20, 512); boot[0x5c] != 0 || boot[0x5d] != 8 || boot[0x64] != 0xff || core[0] != 0xc0 || core[0x1f4] != 1 || core[0x1f5] != 8 {
		t.Errorf("boot sector % x, code % x", boot[0x5c:0x68], core[0x1f4:0x200])
	}
	if drive := at(g.Partitions()[5].Span.Off, 5000); !bytes.Equal(drive, r.Options.ConfigDrive) {
		t.Error("the config drive is not in its partition")
	}
	look(t, l, g)
}

// look mounts what was installed, as the new system would.
func look(t *testing.T, l loop, g *partition.GPT) {
	t.Helper()
	run(t, "partx", "--update", l.device)
	folder := t.TempDir()
	for _, m := range [][3]string{{"p4", "", "ext4"}, {"p2", "boot", "ext4"}, {"p5", "srv/data", "xfs"}} {
		at := filepath.Join(folder, m[1])
		if err := unix.Mount(l.device+m[0], at, m[2], unix.MS_RDONLY, ""); err != nil {
			t.Fatalf("mount %s: %v", m[0], err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(at, 0); err != nil {
				t.Errorf("unmount %s: %v", at, err)
			}
		})
	}
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Error(err)
		}
		return string(b)
	}
	id := func(part string) string {
		return strings.TrimSpace(run(t, "blkid", "-p", "-s", "UUID", "-o", "value", l.device+part))
	}
	if got := read("etc/hostname"); got != "tarball\n" {
		t.Errorf("hostname %q", got)
	}
	if got := read("srv/data/file"); len(got) != 400_000 {
		t.Errorf("the file on xfs has %d bytes", len(got))
	}
	fstab := read("etc/fstab")
	for _, line := range []string{"UUID=" + id("p4") + " / ext4", "UUID=" + id("p2") + " /boot ext4", "UUID=" + id("p5") + " /srv/data xfs", "UUID=" + id("p3") + " none swap"} {
		if !strings.Contains(fstab, line) {
			t.Errorf("fstab lacks %q:\n%s", line, fstab)
		}
	}
	menu := read("boot/grub/grub.cfg")
	for _, line := range []string{"fs-uuid --set=root " + id("p2"), "linux /vmlinuz-6.1.0-10-amd64 root=UUID=" + id("p4") + " ro console=ttyS0 quiet\n", "initrd /initrd.img-6.1.0-10-amd64\n"} {
		if !strings.Contains(menu, line) {
			t.Errorf("grub.cfg lacks %q:\n%s", line, menu)
		}
	}
	if got := read("etc/ingot/boot.cfg"); !strings.Contains(got, "set prefix=($root)/grub\n") {
		t.Errorf("boot.cfg:\n%s", got)
	}
	if _, err := os.Lstat(filepath.Join(folder, "dev/sda")); err == nil {
		t.Error("a device node was made")
	}
	if g.Partitions()[3].GUID == (partition.GUID{}) {
		t.Error("the root partition has no GUID")
	}
}

// watchTable holds at each step that the disk has neither boot sector nor table.
type watchTable struct {
	volume.Maker
	t *testing.T
	l loop
}

func (w watchTable) Format(ctx context.Context, device string, s volume.Spec) error {
	mustBeBlank(w.t, w.l, "before "+device+" is made")
	return w.Maker.Format(ctx, device, s)
}

func (w watchTable) Unmount(folder string) error {
	err := w.Maker.Unmount(folder)
	mustBeBlank(w.t, w.l, "after "+folder+" was unmounted")
	return err
}

func mustBeBlank(t *testing.T, l loop, when string) {
	t.Helper()
	if len(bytes.Trim(ends(t, l), "\x00")) != 0 {
		t.Errorf("%s the disk has something in its first or last MiB", when)
	}
}

// ends are the first and the last MiB of the disk.
func ends(t *testing.T, l loop) []byte {
	t.Helper()
	f, err := os.Open(l.file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	b := make([]byte, 2<<20)
	_, err1 := f.ReadAt(b[:1<<20], 0)
	_, err2 := f.ReadAt(b[1<<20:], diskBytes-1<<20)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return b
}

func mustBeUntouched(t *testing.T, l loop, when string) {
	t.Helper()
	if !bytes.HasPrefix(ends(t, l), []byte("an old system")) {
		t.Errorf("%s the disk was written to", when)
	}
}

// failing is a Maker that fails once.
type failing struct {
	volume.Maker
	format, mount string
}

var errBroken = errors.New("broken on purpose")

func (f failing) Format(ctx context.Context, device string, s volume.Spec) error {
	if s.Format == f.format {
		return errBroken
	}
	return f.Maker.Format(ctx, device, s)
}

func (f failing) Mount(device, folder, format string) error {
	if format == f.mount {
		return errBroken
	}
	return f.Maker.Mount(device, folder, format)
}

func TestWhatFailsLeavesNothingToBoot(t *testing.T) {
	l := newLoop(t)
	maker := linux.Maker{Temporary: t.TempDir()}
	big := member{"./boot/big", strings.Repeat("0123456789abcdef", 8<<20), tar.TypeReg}
	torn := system(t, member{"./srv/data/wide", strings.Repeat("0123456789abcdef", 1<<20), tar.TypeReg})
	for name, c := range map[string]struct {
		content []byte
		change  func(r *rootfs.Request)
		maker   volume.Maker
		kind    step.FailureKind
		text    string
		// untouched: it fails before anything is written.
		untouched bool
	}{
		"a wrong digest":    {system(t), func(r *rootfs.Request) { r.Source.Checksum = strings.Repeat("0", 64) }, maker, step.Invalid, "digest is wrong", false},
		"a torn archive":    {torn[:len(torn)-600], nil, maker, step.Invalid, "damaged", false},
		"a path upwards":    {system(t, member{"../../x", "x", tar.TypeReg}), nil, maker, step.Invalid, "leads upwards", false},
		"a full partition":  {system(t, big), nil, maker, step.Invalid, "no space left", false},
		"mkfs fails":        {system(t), nil, failing{maker, "xfs", ""}, step.Internal, "broken on purpose", false},
		"a mount fails":     {system(t), nil, failing{maker, "", "xfs"}, step.Internal, "broken on purpose", false},
		"a bad option":      {system(t), func(r *rootfs.Request) { r.Layout.Filesystems[2].CreateOptions = []string{"-b", "17"} }, maker, step.Internal, "mke2fs", false},
		"no tar archive":    {bytes.Repeat([]byte("disk image "), 1000), nil, maker, step.Invalid, "no tar archive", true},
		"nothing":           {nil, nil, maker, step.Invalid, "empty", true},
		"a large layout":    {system(t), func(r *rootfs.Request) { r.Layout.Partitions[1].SizeMiB = 5000 }, maker, step.Invalid, "too small", true},
		"a layout for UEFI": {system(t), func(r *rootfs.Request) { r.UEFI = true }, maker, step.Invalid, "efi-system", true},
		"no such file": {system(t), func(r *rootfs.Request) {
			r.Source.URL = "http://169.254.169.254/root.tar"
		}, maker, step.Invalid, "", true},
	} {
		f, err := os.OpenFile(l.file, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.WriteAt([]byte("an old system"), 0); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		r := request(t, l, serve(t, c.content))
		if c.change != nil {
			c.change(&r)
		}
		_, err = install(t, l, r, c.maker)
		var failure *step.Failure
		if !errors.As(err, &failure) || failure.Kind != c.kind || !strings.Contains(failure.Message, c.text) {
			t.Errorf("%s: %+v", name, err)
		}
		if c.untouched {
			mustBeUntouched(t, l, name+":")
		} else {
			mustBeBlank(t, l, name+":")
		}
		if parts, err := filepath.Glob(l.device + "p*"); err != nil || len(parts) != 0 {
			t.Errorf("%s: the kernel knows %v still", name, parts)
		}
		// Nothing holds the disk any more.
		d, err := open(l)(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCancelledWhileUnpacking(t *testing.T) {
	l := newLoop(t)
	ctx, cancel := context.WithCancel(t.Context())
	d, err := open(l)(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r := request(t, l, serve(t, system(t)))
	_, err = rootfs.Install(ctx, d, r, rootfs.Tools{Volumes: cancelling{linux.Maker{Temporary: t.TempDir()}, cancel}, Loader: loaderFiles(t)}, nil)
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	mustBeBlank(t, l, "cancelled:")
}

// cancelling ends the work as soon as something is mounted.
type cancelling struct {
	volume.Maker
	cancel func()
}

func (c cancelling) Mount(device, folder, format string) error {
	c.cancel()
	return c.Maker.Mount(device, folder, format)
}
