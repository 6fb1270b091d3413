package disktest

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Loop attaches a file to a loop device until the test ends, and says its name. It needs root and the kernel's loop driver; options are losetup's.
func Loop(t *testing.T, file string, options ...string) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("this test attaches a loop device: run it as root")
	}
	if _, err := os.Stat("/dev/loop-control"); err != nil {
		t.Fatal("this test needs loop devices: modprobe loop")
	}
	losetup := func(args ...string) (string, error) {
		out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "losetup", args...).CombinedOutput()
		return strings.TrimSpace(string(out)), err
	}
	name, err := losetup(append(append([]string{"--find", "--show"}, options...), file)...)
	if err != nil {
		t.Fatalf("losetup (package mount) of %s: %v: %s", file, err, name)
	}
	t.Cleanup(func() {
		if out, err := losetup("--detach", name); err != nil {
			t.Errorf("losetup --detach %s: %v: %s", name, err, out)
		}
	})
	return name
}
