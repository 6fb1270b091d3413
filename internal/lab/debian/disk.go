package debian

import (
	"archive/tar"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/ingotmetal/ingot/internal/image/partition"
)

const (
	mib      = 1 << 20
	grubBIOS = "/usr/lib/grub/i386-pc"
	grubEFI  = "/usr/lib/grub/x86_64-efi"
)

func (b *builder) run(ctx context.Context) error {
	if err := b.system(ctx); err != nil {
		return err
	}
	b.say("making the root file system")
	if err := b.root(ctx); err != nil {
		return err
	}
	b.say("making the boot loaders")
	if err := b.loaders(ctx); err != nil {
		return err
	}
	if err := b.assemble(); err != nil {
		return err
	}
	b.say("packing")
	return errors.Join(b.pack(ctx, b.path("disk.raw"), FileName), b.pack(ctx, b.path("whole.tar"), TarName))
}

// system makes root.tar: with Debian's tools, or of what was made without the host's packages.
func (b *builder) system(ctx context.Context) error {
	if b.base != "" {
		b.say("unpacking " + b.base)
		return b.unpack(ctx, b.base, b.path("root.tar"))
	}
	b.say("installing packages with mmdebstrap (a minute or two)")
	return b.bootstrap(ctx)
}

// unpack takes the zstd off a file.
func (b *builder) unpack(ctx context.Context, from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	z, err := zstd.NewReader(contextReader{ctx, in})
	if err != nil {
		return err
	}
	defer z.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, z)
	return errors.Join(err, out.Close())
}

// collect copies the host's packages to where the builder's programs find them.
func (b *builder) collect() error {
	if err := os.Mkdir(b.path("files"), 0o755); err != nil {
		return err
	}
	for _, name := range b.o.Files {
		text, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(filepath.Join(b.path("files"), filepath.Base(name)), text, 0o644)
		}
		if err != nil {
			return fmt.Errorf("take the package %s: %w", name, err)
		}
	}
	return nil
}

// bootstrap makes root.tar.
func (b *builder) bootstrap(ctx context.Context) error {
	if err := writeTar(b.path("early.tar"), earlyFiles(), nil); err != nil {
		return err
	}
	args := []string{
		"--variant=minbase", "--architectures=amd64", "--include=" + strings.Join(append(packages(), b.o.Packages...), ","),
		"--dpkgopt=path-exclude=/usr/share/man/*", "--dpkgopt=path-exclude=/usr/share/locale/*",
		"--dpkgopt=path-exclude=/usr/share/doc/*", "--dpkgopt=path-include=/usr/share/doc/*/copyright",
		"--aptopt=Acquire::Retries \"5\"",
		"--essential-hook=tar-in " + b.path("early.tar") + " /",
		"bookworm", "root.tar",
	}
	if b.o.Mirror != "" {
		args = append(args, b.o.Mirror)
	}
	return b.command(ctx, "mmdebstrap", args...)
}

// root makes root.ext4 and whole.tar from root.tar and the recipe's own files. Without root it works in a user namespace, where files can belong to root.
func (b *builder) root(ctx context.Context) error {
	if err := writeTar(b.path("late.tar"), files(), links()); err != nil {
		return err
	}
	install := ""
	if len(b.o.Files) > 0 {
		// Debian's own dpkg, in the system that it is for: their scripts run as on any machine that has no systemd yet.
		if err := b.collect(); err != nil {
			return err
		}
		install = "cp -r files root/.ingot; DEBIAN_FRONTEND=noninteractive chroot root sh -c 'dpkg -i /.ingot/*.deb'; rm -rf root/.ingot; "
	}
	// /dev is filled by the kernel; its nodes cannot be made in a user namespace.
	script := "set -e; mkdir root; tar -C root --numeric-owner --xattrs --xattrs-include='*' --exclude='./dev/*' -xf root.tar; rm root.tar; cd root; " +
		"rm -f " + strings.Join(removed(), " ") + "; cd ..; " +
		"tar -C root --no-overwrite-dir --numeric-owner -xf late.tar; " + install +
		fmt.Sprintf("truncate -s %d root.ext4; ", rootBytes) +
		"mkfs.ext4 -q -F -m 1 -L root -U " + rootUUID + " -E hash_seed=" + hashSeed + ",lazy_itable_init=0,lazy_journal_init=0,nodiscard -d root root.ext4; " +
		"tar -C root --numeric-owner --xattrs --xattrs-include='*' --sort=name -cf whole.tar .; rm -rf root"
	if os.Geteuid() == 0 {
		return b.command(ctx, "sh", "-c", script)
	}
	return b.command(ctx, "mmdebstrap", "--unshare-helper", "sh", "-c", script)
}

// loaders makes core.img for BIOS and esp.fat with the loader for UEFI.
func (b *builder) loaders(ctx context.Context) error {
	early := "search --no-floppy --fs-uuid --set=root " + rootUUID + "\nset prefix=($root)/boot/grub\nconfigfile ($root)/boot/grub/grub.cfg\n"
	if err := os.WriteFile(b.path("early.cfg"), []byte(early), 0o644); err != nil {
		return err
	}
	modules := []string{"part_gpt", "part_msdos", "mdraid1x", "ext2", "fat", "search", "search_fs_uuid", "normal", "configfile", "linux", "serial", "terminal", "echo", "test", "ls", "minicmd"}
	bios := append([]string{"-O", "i386-pc", "-d", grubBIOS, "-p", "/boot/grub", "-c", "early.cfg", "-o", "core.img", "biosdisk"}, modules...)
	efi := append([]string{"-O", "x86_64-efi", "-d", grubEFI, "-p", "/boot/grub", "-c", "early.cfg", "-o", "BOOTX64.EFI", "efi_gop"}, modules...)
	if err := errors.Join(b.command(ctx, "grub-mkimage", bios...), b.command(ctx, "grub-mkimage", efi...)); err != nil {
		return err
	}
	if err := os.WriteFile(b.path("esp.fat"), nil, 0o644); err != nil {
		return err
	}
	if err := os.Truncate(b.path("esp.fat"), espBytes); err != nil {
		return err
	}
	for _, c := range [][]string{
		{"mkfs.vfat", "--invariant", "-i", espID, "-n", "ESP", "esp.fat"},
		{"mmd", "-i", "esp.fat", "::/EFI", "::/EFI/BOOT"},
		{"mcopy", "-m", "-i", "esp.fat", "BOOTX64.EFI", "::/EFI/BOOT/BOOTX64.EFI"},
	} {
		if err := b.command(ctx, c[0], c[1:]...); err != nil {
			return err
		}
	}
	return nil
}

// assemble puts the parts into disk.raw. The root partition is the last one, so that it can grow.
func (b *builder) assemble() error {
	core, err := os.ReadFile(b.path("core.img"))
	if err != nil {
		return err
	}
	boot, err := os.ReadFile(grubBIOS + "/boot.img")
	if err != nil {
		return err
	}
	if len(core) > mib || len(boot) != 512 {
		return fmt.Errorf("GRUB's core image has %d bytes, its boot sector %d", len(core), len(boot))
	}
	size := int64(2*mib + espBytes + rootBytes + mib)
	g := partition.NewGPT(partition.DeriveGUID([]byte("debian lab image")), size, 512)
	esp := partition.Span{Off: 2 * mib, Length: espBytes}
	root := partition.Span{Off: esp.End(), Length: rootBytes}
	_, err1 := g.AddAt(partition.BIOSBoot(), "bios", partition.Span{Off: mib, Length: mib})
	_, err2 := g.AddAt(partition.EFISystem(), "esp", esp)
	_, err3 := g.AddAt(partition.LinuxFilesystem(), "root", root)
	if err := errors.Join(err1, err2, err3); err != nil {
		return err
	}
	linkGRUB(boot, core, mib/512)
	g.SetBootCode(boot)
	out, err := os.Create(b.path("disk.raw"))
	if err != nil {
		return err
	}
	err = out.Truncate(size)
	for _, p := range append(g.Encode(), partition.Patch{Off: mib, Data: core}) {
		_, writeErr := out.WriteAt(p.Data, p.Off)
		err = errors.Join(err, writeErr)
	}
	return errors.Join(err, insert(out, b.path("esp.fat"), esp.Off), insert(out, b.path("root.ext4"), root.Off), out.Close())
}

// linkGRUB tells the boot sector where the core image begins, and the core image's first sector where the rest of it is: what grub-install does with a mounted disk.
func linkGRUB(boot, core []byte, sector uint64) {
	le := binary.LittleEndian
	le.PutUint64(boot[0x5c:], sector) // GRUB_BOOT_MACHINE_KERNEL_SECTOR
	boot[0x64] = 0xff                 // GRUB_BOOT_MACHINE_BOOT_DRIVE: the one that the firmware names
	boot[0x66], boot[0x67] = 0x90, 0x90
	le.PutUint64(core[0x1f4:], sector+1) // the first block list, in the last 12 bytes of the first sector
}

// insert copies a file into another one and leaves its holes holes.
func insert(out *os.File, name string, off int64) error {
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	defer in.Close()
	buf, zeros := make([]byte, mib), make([]byte, mib)
	for {
		n, err := io.ReadFull(in, buf)
		if n > 0 && string(buf[:n]) != string(zeros[:n]) {
			if _, err := out.WriteAt(buf[:n], off); err != nil {
				return err
			}
		}
		off += int64(n)
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// writeTar makes a tar archive of files and links that belong to root.
func writeTar(name string, content map[string]file, symlinks map[string]string) error {
	out, err := os.Create(name)
	if err != nil {
		return err
	}
	w := tar.NewWriter(out)
	when := time.Unix(1704067200, 0)
	made := map[string]bool{".": true}
	folders := func(of string) error {
		var missing []string
		for d := path.Dir(of); !made[d]; d = path.Dir(d) {
			made[d] = true
			missing = append([]string{d}, missing...)
		}
		for _, d := range missing {
			if err := w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: d + "/", Mode: 0o755, ModTime: when}); err != nil {
				return err
			}
		}
		return nil
	}
	for _, n := range sortedNames(content) {
		f := content[n]
		err = errors.Join(err, folders(n), w.WriteHeader(&tar.Header{Name: n, Mode: f.Mode, Size: int64(len(f.Content)), ModTime: when}))
		_, writeErr := io.WriteString(w, f.Content)
		err = errors.Join(err, writeErr)
	}
	for _, n := range sortedNames(symlinks) {
		err = errors.Join(err, folders(n), w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: n, Linkname: symlinks[n], Mode: 0o777, ModTime: when}))
	}
	return errors.Join(err, w.Close(), out.Close())
}
