package rootfs_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/driver/volume"
	"github.com/ingotmetal/ingot/internal/driver/volume/linux"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/internal/image/rootfs"
	"github.com/ingotmetal/ingot/step"
)

const imageID = "6b1ff5d6-0f0b-4c0e-9f0d-3a8f2f1f7a11"

// filesystemImage is a file system with a small system on it, made by a command whose last word is the file, and filled by a mount.
func filesystemImage(t *testing.T, sizeMiB int64, extra map[string]string, command ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "image.raw")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Truncate(file, sizeMiB<<20)); err != nil {
		t.Fatal(err)
	}
	run(t, command[0], append(command[1:], file)...)
	at := t.TempDir()
	run(t, "mount", "-o", "loop", file, at)
	defer run(t, "umount", at)
	files := map[string]string{
		"etc/hostname": "image\n", "etc/fstab": "/dev/mapper/old / ext4 defaults 0 1\n", "etc/kernel/cmdline": "console=ttyS0", "boot/vmlinuz-6.1.0-10-amd64": "kernel", "boot/initrd.img-6.1.0-10-amd64": "initrd",
		"boot/efi/EFI/BOOT/BOOTX64.EFI": "another machine's",
	}
	for name, content := range extra {
		files[name] = content
	}
	for name, content := range files {
		name = filepath.Join(at, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if to, isLink := strings.CutPrefix(content, "-> "); isLink {
			if err := os.Symlink(to, name); err != nil {
				t.Fatal(err)
			}
			continue
		}
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func ext4Image(t *testing.T, extra map[string]string) string {
	t.Helper()
	return filesystemImage(t, 48, extra, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-U", imageID, "-O", "^metadata_csum_seed,^orphan_file")
}

// serveFile is a file as a source, as it is or packed.
func serveFile(t *testing.T, file string, packed bool) image.Source {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !packed {
		return serve(t, content)
	}
	var b bytes.Buffer
	z, err := zstd.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := z.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return serve(t, b.Bytes())
}

// imageLayout has other file systems beside the root. There is no EFI system partition: not every kernel that runs tests mounts one. test/e2e has it.
func imageLayout(root filesystem.Format) filesystem.Layout {
	return filesystem.Layout{
		Partitions: []filesystem.Partition{
			{Name: "bios", Type: filesystem.BIOSBoot, SizeMiB: 1}, {Name: "swap", Type: filesystem.LinuxSwap, SizeMiB: 16}, {Name: "data", Type: filesystem.Linux, SizeMiB: 304}, {Name: "root", Type: filesystem.Linux},
		},
		Filesystems: []filesystem.Filesystem{
			{Partition: "root", Format: root, Path: "/"}, {Partition: "swap", Format: filesystem.Swap}, {Partition: "data", Format: filesystem.XFS, Path: "/srv/data"},
		},
	}
}

// TestAPartitionImageIsInstalled in each of its forms: it gets its partition, grows to it, and both firmwares find their boot loader.
func TestAPartitionImageIsInstalled(t *testing.T) {
	for name, c := range map[string]struct {
		file   func(t *testing.T) string
		packed bool
		format image.Format
		any    bool
		kind   string
	}{
		"ext4, packed": {func(t *testing.T) string { return ext4Image(t, map[string]string{"srv/data/lost+found/x": ""}) }, true, "", false, "ext4"},
		"ext4, raw":    {func(t *testing.T) string { return ext4Image(t, nil) }, false, image.Raw, false, "ext4"},
		"ext4, qcow2": {func(t *testing.T) string {
			out := filepath.Join(t.TempDir(), "image.qcow2")
			run(t, "qemu-img", "convert", "-c", "-O", "qcow2", ext4Image(t, nil), out)
			return out
		}, false, image.Qcow2, false, "ext4"},
		"xfs, of any format": {func(t *testing.T) string {
			return filesystemImage(t, 320, nil, "mkfs.xfs", "-q", "-m", "uuid="+imageID)
		}, true, "", true, "xfs"},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLoop(t)
			source := serveFile(t, c.file(t), c.packed)
			source.Format = c.format
			r := request(t, l, source)
			r.Layout, r.Filesystem, r.AnyFormat = imageLayout(filesystem.Ext4), true, c.any
			written, err := install(t, l, r, watchTable{linux.Maker{Temporary: t.TempDir()}, t, l})
			if err != nil {
				t.Fatal(err)
			}
			if written.Digest != "sha256:"+source.Checksum || written.ImageBytes < 48<<20 || written.WrittenBytes == 0 || written.DownloadedBytes == 0 {
				t.Errorf("%+v", written)
			}
			run(t, "sgdisk", "--verify", l.file)
			lookAtImage(t, l, c.kind)
		})
	}
}

func lookAtImage(t *testing.T, l loop, kind string) {
	t.Helper()
	f, err := os.Open(l.file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	g, err := partition.ReadPrimaryGPT(f, diskBytes, 512)
	if err != nil || g.Check() != nil {
		t.Fatal(err, g)
	}
	all := g.Partitions()
	if last := all[len(all)-1]; last.Name != "config-2" || all[len(all)-2].Name != "root" {
		t.Errorf("partitions %+v", all)
	}
	run(t, "partx", "--update", l.device)
	at := t.TempDir()
	mount := func(part, folder, kind string) {
		if err := unix.Mount(l.device+part, folder, kind, unix.MS_RDONLY, ""); err != nil {
			t.Fatalf("mount %s: %v", part, err)
		}
		t.Cleanup(func() {
			if err := unix.Unmount(folder, 0); err != nil {
				t.Errorf("unmount %s: %v", folder, err)
			}
		})
	}
	const root = "p4"
	mount(root, at, kind)
	var about unix.Statfs_t
	if err := unix.Statfs(at, &about); err != nil {
		t.Fatal(err)
	}
	partitionBytes := all[len(all)-2].Span.Length
	if size := int64(about.Blocks) * about.Bsize; size < partitionBytes*8/10 {
		t.Errorf("the file system has %d bytes on a partition of %d", size, partitionBytes)
	}
	mount("p3", filepath.Join(at, "srv/data"), "xfs")
	for name, want := range map[string][]string{
		"etc/hostname": {"image\n"}, "etc/fstab": {"UUID=" + imageID + " / " + kind + " "}, "etc/ingot/boot.cfg": {imageID, "set prefix=($root)/boot/grub"},
		"boot/grub/grub.cfg": {"linux /boot/vmlinuz-6.1.0-10-amd64 root=UUID=" + imageID + " ro console=ttyS0", "initrd /boot/initrd.img-6.1.0-10-amd64"},
	} {
		got, err := os.ReadFile(filepath.Join(at, name))
		for _, w := range want {
			if err != nil || !strings.Contains(string(got), w) {
				t.Errorf("%s lacks %q: %v\n%s", name, w, err, got)
			}
		}
	}
	if kind == "ext4" {
		run(t, "e2fsck", "-f", "-n", l.device+root)
	}
}

// growthFails is a Maker that cannot grow.
type growthFails struct{ volume.Maker }

func (growthFails) Grow(context.Context, string, string, string) error { return errBroken }

// TestAPartitionImageThatFails leaves nothing to boot, and what is refused before the first byte leaves the disk as it was.
func TestAPartitionImageThatFails(t *testing.T) {
	l := newLoop(t)
	var maker volume.Maker = linux.Maker{Temporary: t.TempDir()}
	good := ext4Image(t, nil)
	short := filepath.Join(t.TempDir(), "short")
	content, err := os.ReadFile(good)
	if err != nil {
		t.Fatal(err)
	}
	damaged := bytes.Clone(content)
	for i := 1 << 12; i < 2<<20; i++ {
		damaged[i] = 0x5a
	}
	whole := make([]byte, 8<<20)
	copy(whole[512:], "EFI PART")
	lvm := make([]byte, 8<<20)
	copy(lvm[0x218:], "LVM2 001")
	if err := os.WriteFile(short, content[:20<<20], 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		source image.Source
		change func(r *rootfs.Request)
		maker  volume.Maker
		kind   step.FailureKind
		text   string
		// untouched: it fails before anything is written.
		untouched bool
	}{
		"a wrong digest":          {serveFile(t, good, true), func(r *rootfs.Request) { r.Source.Checksum = strings.Repeat("0", 64) }, maker, step.Invalid, "digest is wrong", false},
		"a whole disk":            {serve(t, whole), nil, maker, step.Invalid, "whole disk", true},
		"LVM":                     {serve(t, lvm), nil, maker, step.Invalid, "device-mapper", true},
		"an archive":              {serve(t, system(t)), nil, maker, step.Unsupported, "tar archive", true},
		"xfs wanted":              {serveFile(t, good, false), func(r *rootfs.Request) { r.Layout = imageLayout(filesystem.XFS) }, maker, step.Invalid, "the layout's root is xfs", true},
		"qcow2 wanted":            {serveFile(t, good, false), func(r *rootfs.Request) { r.Source.Format = image.Qcow2 }, maker, step.Invalid, "not qcow2", true},
		"cut off":                 {serveFile(t, short, false), nil, maker, step.Invalid, "cut off", false},
		"a damaged file system":   {serve(t, damaged), nil, maker, step.Invalid, "cannot be made as large", false},
		"too large":               {serveFile(t, good, false), func(r *rootfs.Request) { r.Layout.Partitions[3].SizeMiB = 30 }, maker, step.Invalid, "the partition of the root", true},
		"root of another's":       {serveFile(t, good, false), func(r *rootfs.Request) { r.Layout.Filesystems[0].Label = "mine" }, maker, step.Invalid, "keeps the label", true},
		"files under a mount":     {serveFile(t, ext4Image(t, map[string]string{"srv/data/file": "x"}), false), nil, maker, step.Invalid, "files in /srv/data", false},
		"a link as a mount point": {serveFile(t, ext4Image(t, map[string]string{"srv": "-> /etc"}), false), nil, maker, step.Invalid, "no folder at /srv", false},
		"it cannot grow":          {serveFile(t, good, false), nil, growthFails{maker}, step.Invalid, "broken on purpose", false},
		"a mount fails":           {serveFile(t, good, false), nil, failing{maker, "", "xfs"}, step.Internal, "broken on purpose", false},
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
		r := request(t, l, c.source)
		r.Layout, r.Filesystem = imageLayout(filesystem.Ext4), true
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
		d, err := open(l)(t.Context())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// TestADigestIsKnownBeforeTheFileSystemIs: while the rest of a partition image is on its way, neither the disk's ends nor the file system's own beginning are there.
func TestADigestIsKnownBeforeTheFileSystemIs(t *testing.T) {
	l := newLoop(t)
	content, err := os.ReadFile(ext4Image(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	looked := false
	r := request(t, l, image.Source{URL: "http://image.test/image.raw", Checksum: hex.EncodeToString(sum[:])})
	r.Layout, r.Filesystem = imageLayout(filesystem.Ext4), true
	const before = 4 << 20
	r.Options.Transport = roundTrip(func(q *http.Request) *http.Response {
		body := io.MultiReader(bytes.NewReader(content[:len(content)-before]), lateRead(func() {
			looked = true
			mustBeBlank(t, l, "while the image comes:")
			f, err := os.Open(l.file)
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = f.Close() }()
			head := make([]byte, 1<<20)
			if _, err := f.ReadAt(head, (1+1+16+304)<<20); err != nil || len(bytes.Trim(head, "\x00")) != 0 {
				t.Errorf("the file system's beginning is on the disk already: %v", err)
			}
		}), bytes.NewReader(content[len(content)-before:]))
		return &http.Response{StatusCode: http.StatusOK, Header: http.Header{}, ContentLength: int64(len(content)), Body: io.NopCloser(body), Request: q}
	})
	if _, err := install(t, l, r, linux.Maker{Temporary: t.TempDir()}); err != nil {
		t.Fatal(err)
	}
	if !looked {
		t.Error("nobody looked at the disk meanwhile")
	}
}

type roundTrip func(*http.Request) *http.Response

func (r roundTrip) RoundTrip(q *http.Request) (*http.Response, error) { return r(q), nil }

// lateRead does something once it is read from, and has nothing to read.
type lateRead func()

func (l lateRead) Read([]byte) (int, error) {
	l()
	return 0, io.EOF
}
