package linux_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/disk"
	"github.com/ingotmetal/ingot/internal/driver/disk/disktest"
	"github.com/ingotmetal/ingot/internal/driver/disk/linux"
)

// loop is a loop device of a sparse file of 32 MiB.
func loop(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "disk")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(path, 32<<20); err != nil {
		t.Fatal(err)
	}
	return disktest.Loop(t, path)
}

func TestContractOnLoopDevice(t *testing.T) {
	disktest.Run(t, disktest.Subject{Opener: linux.Opener{Patience: 200 * time.Millisecond}, Name: loop(t), Missing: "/dev/no-such-disk"})
}

func TestRefusesWhatIsNotAWholeDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, make([]byte, 4096), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{path, "/dev/null", t.TempDir()} {
		if _, err := (linux.Opener{}).Open(t.Context(), name); !errors.Is(err, disk.ErrNotDisk) {
			t.Errorf("open %s: %v; want ErrNotDisk", name, err)
		}
	}
}

func TestRefusesReadOnlyDevice(t *testing.T) {
	name := loop(t)
	if out, err := exec.CommandContext(t.Context(), "blockdev", "--setro", name).CombinedOutput(); err != nil {
		t.Fatalf("blockdev: %v: %s", err, out)
	}
	t.Cleanup(func() { // the flag outlives the loop device's file
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "blockdev", "--setrw", name).CombinedOutput(); err != nil {
			t.Errorf("blockdev: %v: %s", err, out)
		}
	})
	if _, err := (linux.Opener{}).Open(t.Context(), name); !errors.Is(err, disk.ErrReadOnly) {
		t.Errorf("open: %v; want ErrReadOnly", err)
	}
}
