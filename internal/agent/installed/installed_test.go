package installed

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/image/partition"
)

const config = "set default=0\nmenuentry 'Debian' {\n linux /boot/vmlinuz root=LABEL=root ro\n initrd /boot/early.img /boot/initrd.img\n}\n"

// tree makes an ext4 file system of files and links with mke2fs. A content that begins with "->" is a link.
func tree(t testing.TB, size int64, files map[string]string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		at := filepath.Join(dir, "root", name)
		err := os.MkdirAll(filepath.Dir(at), 0o755)
		if to, link := strings.CutPrefix(content, "->"); err == nil && link {
			err = os.Symlink(to, at)
		} else if err == nil {
			err = os.WriteFile(at, []byte(content), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "ext4")
	f, err := os.Create(out)
	if err == nil {
		err = f.Truncate(size)
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	// Debian's path for people has no sbin.
	program := "mke2fs"
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/mke2fs"
	}
	if text, err := exec.CommandContext(t.Context(), program, "-q", "-F", "-t", "ext4", "-d", filepath.Join(dir, "root"), out).CombinedOutput(); err != nil {
		t.Fatalf("mke2fs: %v: %s (install Debian's package e2fsprogs)", err, text)
	}
	content, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// disk puts a file system into the second partition of a GPT.
func disk(t testing.TB, files []byte) []byte {
	t.Helper()
	size := int64(len(files)) + 8<<20
	g := partition.NewGPT(partition.DeriveGUID([]byte("disk")), size, 512)
	if _, err := g.AddAt(partition.EFISystem(), "esp", partition.Span{Off: 1 << 20, Length: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	p, err := g.AddAt(partition.LinuxFilesystem(), "root", partition.Span{Off: 4 << 20, Length: int64(len(files))})
	if err != nil {
		t.Fatal(err)
	}
	out := make([]byte, size)
	for _, patch := range g.Encode() {
		copy(out[patch.Off:], patch.Data)
	}
	copy(out[p.Span.Off:], files)
	return out
}

func TestFind(t *testing.T) {
	kernel, early, initrd := strings.Repeat("kernel ", 300_000), "early", strings.Repeat("ramdisk", 100_000)
	files := map[string]string{
		"boot/grub/grub.cfg": config, "boot/vmlinuz": "->vmlinuz-6", "boot/vmlinuz-6": kernel, "boot/early.img": early, "boot/initrd.img": initrd, "etc/fstab": "",
	}
	whole := tree(t, 16<<20, files)
	separate := tree(t, 16<<20, map[string]string{
		"grub2/grub.cfg": "blscfg\n", "grub2/grubenv": "kernelopts=root=/dev/vda2 ro\n", "loader/entries/a-6.conf": "linux /vmlinuz-6\ninitrd /initrd.img\noptions $kernelopts\n",
		"vmlinuz-6": kernel, "initrd.img": initrd,
	})
	for name, c := range map[string]struct {
		disk                  []byte
		line, kernel, ramdisk string
	}{
		"in a partition":              {disk(t, whole), "root=LABEL=root ro", kernel, early + "\x00\x00\x00" + initrd},
		"without a partition table":   {whole, "root=LABEL=root ro", kernel, early + "\x00\x00\x00" + initrd},
		"a file system for /boot":     {disk(t, separate), "root=/dev/vda2 ro", kernel, initrd},
		"no configuration":            {disk(t, tree(t, 8<<20, map[string]string{"etc/fstab": ""})), "", "", ""},
		"no file system":              {make([]byte, 1<<20), "", "", ""},
		"a kernel that is not there":  {disk(t, tree(t, 8<<20, map[string]string{"boot/grub/grub.cfg": config})), "root=LABEL=root ro", "", ""},
		"a kernel that is a folder":   {disk(t, tree(t, 8<<20, map[string]string{"boot/grub/grub.cfg": config, "boot/vmlinuz/x": ""})), "root=LABEL=root ro", "", ""},
		"a kernel that leads nowhere": {disk(t, tree(t, 8<<20, map[string]string{"boot/grub/grub.cfg": config, "boot/vmlinuz": "->/boot/vmlinuz"})), "root=LABEL=root ro", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := Find(bytes.NewReader(c.disk), int64(len(c.disk)))
			if (err == nil) != (c.line != "") {
				t.Fatal(err)
			}
			if err != nil {
				return
			}
			var k, r bytes.Buffer
			errK := s.WriteKernel(&k)
			if s.CommandLine != c.line || (errK == nil) != (c.kernel != "") {
				t.Fatalf("command line %q, kernel: %v", s.CommandLine, errK)
			}
			if c.kernel == "" {
				return
			}
			if err := s.WriteInitrd(&r); err != nil || k.String() != c.kernel || r.String() != c.ramdisk+strings.Repeat("\x00", (4-len(c.ramdisk)%4)%4) {
				t.Errorf("%v, kernel of %d bytes, ramdisk of %d; want %d and %d", err, k.Len(), r.Len(), len(c.kernel), len(c.ramdisk))
			}
		})
	}
}

// FuzzFind changes a real file system: whatever it says, there is an answer.
func FuzzFind(f *testing.F) {
	base := tree(f, 1<<20, map[string]string{"boot/grub/grub.cfg": config, "boot/vmlinuz": "kernel", "boot/early.img": "early", "boot/initrd.img": "->/boot/vmlinuz"})
	f.Add(uint32(1024), []byte{}, uint32(0), []byte{})
	f.Add(uint32(1024+4), []byte{0xff, 0xff, 0xff, 0xff}, uint32(4096), []byte{1})
	f.Fuzz(func(_ *testing.T, at uint32, patch []byte, again uint32, other []byte) {
		d := bytes.Clone(base)
		copy(d[int(at)%len(d):], patch)
		copy(d[int(again)%len(d):], other)
		s, err := Find(bytes.NewReader(d), int64(len(d)))
		if err != nil {
			return
		}
		_, _ = s.WriteKernel(io.Discard), s.WriteInitrd(io.Discard)
	})
}
