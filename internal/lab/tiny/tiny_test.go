package tiny_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/lab/tiny"
)

func tool(t *testing.T, command ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), command[0], command[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v (packages gdisk qemu-utils): %v: %s", command, err, out)
	}
	return string(out)
}

func TestOtherToolsTakeItForADisk(t *testing.T) {
	raw, err := tiny.Raw(tiny.Options{SizeBytes: 8 << 20, Seed: 5})
	if err != nil {
		t.Fatal(err)
	}
	again, err := tiny.Raw(tiny.Options{SizeBytes: 8 << 20, Seed: 5})
	if err != nil || !bytes.Equal(raw, again) {
		t.Errorf("equal options, different bytes, %v", err)
	}
	qcow, err := tiny.Qcow2(raw)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	rawPath, qcowPath, back := filepath.Join(dir, "raw"), filepath.Join(dir, "qcow2"), filepath.Join(dir, "back")
	for path, b := range map[string][]byte{rawPath: raw, qcowPath: qcow} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out := tool(t, "sgdisk", "-v", rawPath); !strings.Contains(out, "No problems found") {
		t.Error(out)
	}
	tool(t, "qemu-img", "check", qcowPath)
	tool(t, "qemu-img", "convert", "-O", "raw", qcowPath, back)
	if b, err := os.ReadFile(back); err != nil || !bytes.Equal(b, raw) {
		t.Errorf("qemu-img reads another disk from the qcow2 file, %v", err)
	}
	packed, err := tiny.Zstd(raw)
	if err != nil || len(packed) >= len(raw) {
		t.Errorf("packed to %d bytes, %v", len(packed), err)
	}
}

func TestRefusesSizesItCannotMake(t *testing.T) {
	for _, size := range []int64{0, 3 << 20, 5<<20 + 1} {
		if _, err := tiny.Raw(tiny.Options{SizeBytes: size}); err == nil {
			t.Errorf("%d bytes accepted", size)
		}
	}
	if _, err := tiny.Qcow2(make([]byte, 100)); err == nil {
		t.Error("100 bytes of qcow2 accepted")
	}
}
