package image_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/disk/filebacked"
	"github.com/ingotmetal/ingot/internal/image"
	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

// target is a disk full of old bytes, with an old GPT of its own that must not survive.
type target struct {
	path   string
	opener *filebacked.Machine
}

func stale(t testing.TB, size int64, sector int) target {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	old := bytes.Repeat([]byte("STALE.OS"), int(size/8))
	g := partition.NewGPT(partition.DeriveGUID([]byte("old")), size, sector)
	for _, p := range g.Encode() {
		copy(old[p.Off:], p.Data)
	}
	if err := os.WriteFile(path, old, 0o600); err != nil {
		t.Fatal(err)
	}
	return target{path, &filebacked.Machine{Disks: map[string]filebacked.Spec{"d": {Path: path, SectorBytes: sector}}, Direct: true}}
}

func (x target) write(t testing.TB, source image.Source, o image.Options) (step.Written, error) {
	t.Helper()
	d, err := x.opener.Open(t.Context(), "d")
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	return image.Write(t.Context(), source, d, o, nil)
}

func (x target) bytes(t testing.TB) []byte {
	t.Helper()
	b, err := os.ReadFile(x.path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// wantImage holds that the disk has the image in each byte, with the table moved to the disk's end.
func (x target) wantImage(t testing.TB, img []byte) {
	t.Helper()
	got := x.bytes(t)
	want := bytes.Clone(got)
	copy(want, img)
	g, err := partition.ReadPrimaryGPT(bytes.NewReader(img), int64(len(got)), 512)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Encode() {
		copy(want[p.Off:], p.Data)
	}
	if i := firstDifference(got, want); i >= 0 {
		t.Fatalf("byte %d is %#x, want %#x", i, got[i], want[i])
	}
	if int64(len(got)) >= int64(len(img)) && len(img) > 0 {
		if out := run(t, nil, "sgdisk", "-v", x.path); !strings.Contains(string(out), "No problems found") {
			t.Fatalf("sgdisk -v: %s", out)
		}
	}
}

func firstDifference(a, b []byte) int {
	for i := range a {
		if a[i] != b[i] {
			return i
		}
	}
	return -1
}

// wantUnbootable holds that neither the first nor the last MiB has anything in it.
func (x target) wantUnbootable(t testing.TB) {
	t.Helper()
	b := x.bytes(t)
	zeros := make([]byte, mib)
	if !bytes.Equal(b[:mib], zeros) || !bytes.Equal(b[len(b)-mib:], zeros) {
		t.Error("the disk still has something in its first or last MiB")
	}
}

func (x target) wantUntouched(t testing.TB) {
	t.Helper()
	b := x.bytes(t)
	if !bytes.Contains(b[:4096], []byte("EFI PART")) || !bytes.Equal(b[2*mib:2*mib+8], []byte("STALE.OS")) {
		t.Error("the disk was changed")
	}
}

// wantImageOrNothing: refused before the first byte, or unbootable.
func (x target) wantImageOrNothing(t testing.TB) {
	t.Helper()
	if b := x.bytes(t); bytes.Contains(b[:4096], []byte("EFI PART")) {
		x.wantUntouched(t)
		return
	}
	x.wantUnbootable(t)
}
