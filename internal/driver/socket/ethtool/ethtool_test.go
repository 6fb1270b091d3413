package ethtool

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestDriver asks the kernel of an interface of each kind that this test can make: a pair of cables' ends in no network.
func TestDriver(t *testing.T) {
	name := fmt.Sprintf("et%d", os.Getpid())
	if out, err := exec.CommandContext(t.Context(), "ip", "link", "add", name, "type", "veth", "peer", "name", name+"p").CombinedOutput(); err != nil {
		t.Fatalf("ip link add (package iproute2, as root): %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.CommandContext(context.WithoutCancel(t.Context()), "ip", "link", "delete", name).CombinedOutput(); err != nil {
			t.Errorf("ip link delete %s: %v\n%s", name, err, out)
		}
	})
	got, err := Driver(name)
	if err != nil || got.Name != "veth" || got.Firmware != "" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Driver("no-such-nic0"); err == nil || !strings.Contains(err.Error(), "no-such-nic0") {
		t.Errorf("an interface that is not there: %v", err)
	}
	if got := text([]byte("  1.2\x1b[2J 0x8000\x00rest")); got != "1.2[2J 0x8000" {
		t.Errorf("text %q", got)
	}
}
