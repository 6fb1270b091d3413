package e2e

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
)

// inNamespace says to a process that it is in a network namespace of the test's own.
const inNamespace = "INGOT_E2E_NAMESPACE"

// apart runs a test again in a network namespace of its own, in which loopback has further addresses, and says whether this is that run. It needs root.
// There the site's programs can be bound to the very addresses by which machines know them.
func apart(t *testing.T, addresses ...netip.Addr) bool {
	t.Helper()
	if os.Getenv(inNamespace) == t.Name() {
		if err := loopback(addresses); err != nil {
			t.Fatal(err)
		}
		return true
	}
	// The death signal is sent when the thread that forked ends.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	limit := flag.Lookup("test.timeout").Value.String()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.v", "-test.count=1", "-test.timeout="+limit, "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), inNamespace+"="+t.Name())
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		t.Fatalf("the test in a network namespace of its own (root is needed): %v", err)
	}
	return false
}

// loopback brings it up with more addresses.
func loopback(addresses []netip.Addr) error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	if err := netlink.LinkSetUp(lo); err != nil {
		return fmt.Errorf("bring loopback up: %w", err)
	}
	for _, a := range addresses {
		address, err := netlink.ParseAddr(netip.PrefixFrom(a, a.BitLen()).String())
		if err != nil {
			return fmt.Errorf("give loopback an address: %w", err)
		}
		if err := netlink.AddrAdd(lo, address); err != nil {
			return fmt.Errorf("give loopback %s: %w", a, err)
		}
	}
	return nil
}
