package bootmedia_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/internal/bootmedia"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

var config = medium.Config{BootID: "0f3c9b7e5a1d4c2f8e6b0a9d7c5f3e1b", Token: "one-time-token", Endpoint: "https://10.0.0.1:8443", CAPEM: "PEM"}

// build makes artifacts around a kernel and a ramdisk of random bytes.
func build(t *testing.T) string {
	t.Helper()
	dir, in := t.TempDir(), t.TempDir()
	random := rand.NewChaCha8([32]byte{1})
	for name, size := range map[string]int64{"kernel": 300_000, "ramdisk": 100_001} {
		b := make([]byte, size)
		_, _ = random.Read(b) // never fails
		write(t, filepath.Join(in, name), b)
	}
	_, err := bootmedia.Build(t.Context(), bootmedia.Sources{
		Kernel: filepath.Join(in, "kernel"), Ramdisk: filepath.Join(in, "ramdisk"), Version: "test",
		CommandLine: netboot.DefaultCommandLine(), GRUB: bootmedia.DebianGRUB, IPXE: bootmedia.DebianIPXE,
	}, dir)
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func xorriso(t *testing.T, iso string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "xorriso", append([]string{"-report_about", "FAILURE", "-indev", iso}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("xorriso (package xorriso) %v: %v\n%s", args, err, out)
	}
	return string(out)
}

func TestBuiltISO(t *testing.T) {
	dir := build(t)
	a, err := bootmedia.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close() })
	iso := filepath.Join(dir, bootmedia.ISO)

	t.Run("a foreign reader finds the files", func(t *testing.T) {
		got := xorriso(t, iso, "-find", "/", "-type", "f")
		for _, want := range []string{"'/boot/vmlinuz'", "'/boot/initrd.img'", "'" + medium.ISOPath + "'"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %s in:\n%s", want, got)
			}
		}
	})
	t.Run("it boots with BIOS and with UEFI", func(t *testing.T) {
		got := xorriso(t, iso, "-report_el_torito", "plain")
		for _, want := range []string{"El Torito boot img :   1  BIOS  y   none  0x0000", "El Torito boot img :   2  UEFI  y   none"} {
			if !strings.Contains(got, want) {
				t.Errorf("no %q in:\n%s", want, got)
			}
		}
	})
	t.Run("the region is where a foreign reader sees the file", func(t *testing.T) {
		got := xorriso(t, iso, "-find", medium.ISOPath, "-exec", "report_lba")
		want := fmt.Sprintf("%8d", a.Region.Offset/2048)
		if !strings.Contains(got, want) {
			t.Errorf("offset %d is not in:\n%s", a.Region.Offset, got)
		}
	})
	t.Run("the ramdisk ends on a boundary", func(t *testing.T) {
		if n := a.Files[bootmedia.Ramdisk].Bytes; n%4096 != 0 || n < 100_001 {
			t.Errorf("the ramdisk has %d bytes", n)
		}
	})
	t.Run("patched, a foreign reader reads the configuration", func(t *testing.T) { extractPatched(t, a) })
}

func extractPatched(t *testing.T, a *bootmedia.Artifacts) {
	archive, err := medium.Encode(config)
	if err != nil {
		t.Fatal(err)
	}
	r, err := a.PatchedISO(archive)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	patched, out := filepath.Join(dir, "patched.iso"), filepath.Join(dir, "boot.cpio")
	write(t, patched, whole)
	xorriso(t, patched, "-osirrox", "on", "-extract", medium.ISOPath, out)
	got, err := medium.Decode(read(t, out))
	if err != nil || !cmp.Equal(got, config) {
		t.Fatalf("%v: %s", err, cmp.Diff(config, got))
	}
}

// Whatever part is read, in whatever pieces, it is the part of the ISO with the region replaced, also where the read begins or ends inside of the region.
func TestPatchedEqualsAPatchedFile(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(1, 5000).Draw(t, "size")
		length := rapid.Int64Range(0, size).Draw(t, "region's size")
		at := rapid.Int64Range(0, size-length).Draw(t, "region's offset")
		base, top := bytes.Repeat([]byte{'.'}, int(size)), bytes.Repeat([]byte{'T'}, int(length))
		want := bytes.Clone(base)
		copy(want[at:], top)

		r, err := bootmedia.Patched(bytes.NewReader(base), size, bootmedia.Region{Offset: at, Bytes: length}, top)
		if err != nil {
			t.Fatal(err)
		}
		from := rapid.Int64Range(0, size-1).Draw(t, "from")
		n := rapid.Int64Range(1, size-from).Draw(t, "bytes")
		got := make([]byte, n)
		if _, err := r.ReadAt(got, from); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want[from:from+n]) {
			t.Fatalf("bytes %d to %d differ", from, from+n)
		}
		if !bytes.Equal(base, bytes.Repeat([]byte{'.'}, int(size))) {
			t.Fatal("the ISO itself was changed")
		}
	})
}

func TestPatchedRefuses(t *testing.T) {
	base := bytes.NewReader(make([]byte, 100))
	tests := map[string]bootmedia.Region{
		"behind the end": {Offset: 91, Bytes: 10}, "before the start": {Offset: -1, Bytes: 10}, "another size": {Offset: 0, Bytes: 11},
		"far behind the end": {Offset: 1 << 62, Bytes: 10},
	}
	for name, region := range tests {
		if _, err := bootmedia.Patched(base, 100, region, make([]byte, 10)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := map[string]struct {
		harm func(t *testing.T, dir string)
		want string
	}{
		"an empty directory": {func(_ *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, bootmedia.ManifestFile)) }, "build-agent"},
		"a changed kernel": {func(t *testing.T, dir string) {
			b := read(t, filepath.Join(dir, bootmedia.Kernel))
			b[1000] ^= 1
			write(t, filepath.Join(dir, bootmedia.Kernel), b)
		}, "vmlinuz is not the file that was built"},
		"a missing file": {func(_ *testing.T, dir string) { _ = os.Remove(filepath.Join(dir, bootmedia.IPXE)) }, "ipxe.efi"},
		"a manifest with another offset": {func(t *testing.T, dir string) {
			editManifest(t, dir, `"offset": `, `"offset": 2048, "was": `)
		}, "not blank"},
		"a manifest with a command of its own": {func(t *testing.T, dir string) {
			editManifest(t, dir, `"tty0"`, `"tty0 init=/bin/sh"`)
		}, "not one"},
		"no manifest at all": {func(t *testing.T, dir string) { write(t, filepath.Join(dir, bootmedia.ManifestFile), []byte("{")) }, bootmedia.ManifestFile},
	}
	good := build(t)
	for name, tc := range tests {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.CopyFS(dir, os.DirFS(good)); err != nil {
				t.Fatal(err)
			}
			tc.harm(t, dir)
			a, err := bootmedia.Open(dir)
			if err == nil {
				_ = a.Close()
			}
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("Open: %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func editManifest(t *testing.T, dir, old, with string) {
	t.Helper()
	path := filepath.Join(dir, bootmedia.ManifestFile)
	b := read(t, path)
	if !bytes.Contains(b, []byte(old)) {
		t.Fatalf("no %s in the manifest:\n%s", old, b)
	}
	write(t, path, bytes.Replace(b, []byte(old), []byte(with), 1))
}

func TestBuildNeedsItsSources(t *testing.T) {
	_, err := bootmedia.Build(t.Context(), bootmedia.Sources{Kernel: "/nowhere", CommandLine: netboot.DefaultCommandLine()}, t.TempDir())
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no kernel: %v", err)
	}
	bad := netboot.CommandLine{Consoles: []netboot.Console{"ttyS0\nreboot"}}
	if _, err := bootmedia.Build(t.Context(), bootmedia.Sources{CommandLine: bad}, t.TempDir()); err == nil {
		t.Error("a newline in the command line was taken")
	}
}

// FuzzFind reads any bytes as an ISO: an answer or an error, and never a part that lies outside of it by more than what its own records say.
func FuzzFind(f *testing.F) {
	head := make([]byte, 20*2048)
	copy(head[16*2048:], "\x01CD001")
	head[16*2048+156], head[16*2048+156+2], head[16*2048+156+11], head[16*2048+156+25] = 34, 18, 8, 2
	copy(head[18*2048:], "\x2a\x00\x13\x00\x00\x00")
	f.Add(head)
	f.Add(head[:17*2048])
	f.Fuzz(func(t *testing.T, b []byte) {
		region, err := bootmedia.Find(bytes.NewReader(b), medium.ISOPath)
		if err == nil && (region.Offset < 0 || region.Bytes < 0) {
			t.Fatalf("found %+v", region)
		}
	})
}

func BenchmarkPatched(b *testing.B) {
	const size = 24 << 20
	archive, err := medium.Encode(config)
	if err != nil {
		b.Fatal(err)
	}
	base := bytes.NewReader(bytes.Repeat([]byte("ingot..."), size/8)) // written once, so that the reads are not all of one zero page
	b.SetBytes(size)
	for b.Loop() {
		r, err := bootmedia.Patched(base, size, bootmedia.Region{Offset: size / 2, Bytes: medium.Size}, archive)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(plainWriter{io.Discard}, r); err != nil {
			b.Fatal(err)
		}
	}
}

// plainWriter hides the short cuts of io.Discard.
type plainWriter struct{ io.Writer }
