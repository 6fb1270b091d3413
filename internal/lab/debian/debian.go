// Package debian builds the Debian system that the lab, the demo and the end-to-end tests provision: a real Debian 12 for amd64, made with Debian's own tools.
//
// It owns the recipe (packages, files, partitions, boot loaders) and a cache of its result. It refuses loop devices and mounts: the root file system is made from a folder by
// mkfs.ext4, the EFI system partition by mtools, GRUB by grub-mkimage, and the partition table by package partition, so that the builder runs in any
// container; mmdebstrap needs root or user namespaces.
//
// The system: GPT with a BIOS boot partition, an EFI system partition and an ext4 root; boots by BIOS and UEFI from virtio, NVMe and SCSI disks; the serial console is its
// console; systemd-networkd asks DHCP on every Ethernet interface unless a config drive says otherwise; cloud-init reads a config drive and nothing else; sshd with
// an ed25519 key that is made at first boot. What a machine in a lab under emulation does not need at boot is masked, since each second counts there fivefold.
//
// Invariants: the result is named by the recipe, so that a change of it builds anew and nothing else does; an interrupted build leaves no result.
package debian

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
)

// FileName is the image's name in its folder; beside it is FileName + ".sha256" in the form of sha256sum.
const FileName = "debian-12.raw.zst"

// TarName is the archive of the same system's root file system, for machines that unpack it by a filesystem layout; beside it is TarName + ".sha256".
const TarName = "debian-12.tar.zst"

// Options are where to build and from where.
type Options struct {
	// CacheDir keeps results, each in a folder named by its recipe.
	CacheDir string
	// Mirror is a Debian mirror; empty: mmdebstrap's default, deb.debian.org.
	Mirror string
	// Packages are added to the recipe's.
	Packages []string
	// Files are Debian packages of this host's, like /tmp/ingot-node.deb, that are installed over the finished system; what they depend on is in the recipe or among Packages.
	Files []string
	// Progress gets a line for each step; nil for none.
	Progress func(line string)
}

// Image is a result.
type Image struct {
	Path       string
	SHA256Path string
	// SHA256 is the digest of the file at Path, in hex.
	SHA256 string
	// TarPath is the archive's; its digest is beside it.
	TarPath string
	// Cached: it was there already.
	Cached bool
}

// tools are the programs that a build runs, and the packages that have them.
func tools() map[string]string {
	return map[string]string{
		"mmdebstrap": "mmdebstrap", "tar": "tar", "mkfs.ext4": "e2fsprogs", "mkfs.vfat": "dosfstools", "mmd": "mtools", "mcopy": "mtools", "grub-mkimage": "grub-common",
	}
}

// Build gives the image, from the cache where it is there.
func Build(ctx context.Context, o Options) (Image, error) {
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	key, err := key(o)
	if err != nil {
		return Image{}, err
	}
	dir := filepath.Join(o.CacheDir, "debian-12-"+key)
	if img, err := load(dir); err == nil {
		o.Progress("Debian image: " + img.Path + " is there already")
		return img, nil
	}
	if err := check(); err != nil {
		return Image{}, err
	}
	if err := os.MkdirAll(o.CacheDir, 0o755); err != nil {
		return Image{}, err
	}
	work, err := os.MkdirTemp(o.CacheDir, "build-")
	if err != nil {
		return Image{}, err
	}
	b := builder{o: o, work: work, started: time.Now()}
	if len(o.Files) > 0 {
		// The archive of the same system without them spares another run of mmdebstrap.
		base := o
		base.Files = nil
		img, err := Build(ctx, base)
		if err != nil {
			return Image{}, errors.Join(err, os.RemoveAll(work))
		}
		b.base = img.TarPath
	}
	err = b.run(ctx)
	if err == nil {
		err = publish(work, dir)
	}
	if err = errors.Join(err, os.RemoveAll(work)); err != nil {
		return Image{}, fmt.Errorf("build the Debian image: %w", err)
	}
	o.Progress(fmt.Sprintf("Debian image: built in %d s", int(time.Since(b.started).Seconds())))
	img, err := load(dir)
	img.Cached = false
	return img, err
}

// publish moves the files to their folder, the image's digest last, since load asks for it.
func publish(work, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	for _, name := range []string{TarName, TarName + ".sha256", FileName, FileName + ".sha256"} {
		if err := os.Rename(filepath.Join(work, name), filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

func load(dir string) (Image, error) {
	path := filepath.Join(dir, FileName)
	if _, err := os.Stat(path); err != nil {
		return Image{}, err
	}
	line, err := os.ReadFile(path + ".sha256")
	if err != nil {
		return Image{}, err
	}
	sum, _, _ := strings.Cut(string(line), " ")
	if raw, err := hex.DecodeString(sum); err != nil || len(raw) != sha256.Size {
		return Image{}, fmt.Errorf("%s.sha256 holds no digest", path)
	}
	archive := filepath.Join(dir, TarName)
	if _, err := os.Stat(archive); err != nil {
		return Image{}, err
	}
	return Image{Path: path, SHA256Path: path + ".sha256", SHA256: sum, TarPath: archive, Cached: true}, nil
}

// key names everything that decides the result, but not the versions that the mirror has today.
func key(o Options) (string, error) {
	b, err := json.Marshal([]any{recipeVersion, packages(), o.Packages, o.Mirror, files(), links(), grubConfig(), rootBytes, espBytes, kernelArguments})
	if err != nil {
		return "", err
	}
	for _, name := range o.Files {
		text, err := os.ReadFile(name)
		if err != nil {
			return "", fmt.Errorf("read the package: %w", err)
		}
		sum := sha256.Sum256(text)
		b = append(b, sum[:]...)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8]), nil
}

func check() error {
	var missing []string
	for program, pkg := range tools() {
		if _, err := exec.LookPath(program); err != nil {
			missing = append(missing, fmt.Sprintf("%s (package %s)", program, pkg))
		}
	}
	for _, dir := range []string{grubBIOS, grubEFI} {
		if _, err := os.Stat(dir); err != nil {
			missing = append(missing, dir+" (packages grub-pc-bin and grub-efi-amd64-bin)")
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("build the Debian image: not installed: %s", strings.Join(missing, ", "))
	}
	return nil
}

type builder struct {
	o Options
	// base is the archive of the system that Files are installed over; empty: it is made.
	base    string
	work    string
	started time.Time
}

func (b *builder) path(name string) string { return filepath.Join(b.work, name) }

func (b *builder) say(line string) {
	b.o.Progress(fmt.Sprintf("Debian image, %3d s: %s", int(time.Since(b.started).Seconds()), line))
}

// command runs a program in the work folder; its last lines are the error.
func (b *builder) command(ctx context.Context, name string, args ...string) error {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = b.work
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SOURCE_DATE_EPOCH="+epoch, "E2FSPROGS_FAKE_TIME="+epoch, "MTOOLS_SKIP_CHECK=1",
		"PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	out, err := cmd.CombinedOutput()
	if err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.Join(lines[max(0, len(lines)-20):], "\n"))
	}
	return nil
}

// pack compresses a file under another name and writes its digest. The size is in the zstd header, so that a disk that is too small is known before its first byte is written.
func (b *builder) pack(ctx context.Context, plain, name string) error {
	in, err := os.Open(plain)
	if err != nil {
		return err
	}
	defer in.Close()
	st, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.Create(b.path(name))
	if err != nil {
		return err
	}
	sum := sha256.New()
	z, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return err
	}
	z.ResetContentSize(io.MultiWriter(out, sum), st.Size())
	_, err = io.Copy(z, contextReader{ctx, in})
	if err := errors.Join(err, z.Close(), out.Sync(), out.Close()); err != nil {
		return err
	}
	line := hex.EncodeToString(sum.Sum(nil)) + "  " + name + "\n"
	return os.WriteFile(b.path(name+".sha256"), []byte(line), 0o644)
}

type contextReader struct {
	ctx context.Context
	io.Reader
}

// Read implements io.Reader.
func (c contextReader) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.Reader.Read(p)
}
