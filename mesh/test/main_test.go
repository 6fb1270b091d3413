// Package test runs the mesh as it is: the real program as coordinator, relay and members, each member in a network namespace of its own, and the real API server.
//
// It owns the lab and the assertions. All of it happens within one network namespace that the test made, which has no way out: a default route leads into a sink, whose packets are looked at, so
// that whoever tries to reach somebody else is found.
package test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/go-logr/logr"
	"golang.org/x/sys/unix"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
)

// inside says to a process that it is in the lab's namespace; its value is the program; that of members stands beside it.
const inside = "INGOT_MESH_LAB"

// TestMain builds the program and runs the tests again, in a namespace.
func TestMain(m *testing.M) {
	if os.Getenv(inside) != "" {
		if err := isolate(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		ctrllog.SetLogger(logr.Discard())
		os.Exit(m.Run())
	}
	code, err := rerun()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

func rerun() (int, error) {
	program, err := build(context.Background())
	if err != nil {
		return 1, err
	}
	// The death signal is sent when the thread that forked ends.
	runtime.LockOSThread()
	cmd := exec.Command(os.Args[0], os.Args[1:]...) //nolint:noctx // it lives as long as this process
	cmd.Env = append(os.Environ(), inside+"="+program)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Run(); err != nil {
		if cmd.ProcessState != nil {
			return cmd.ProcessState.ExitCode(), nil
		}
		return 1, fmt.Errorf("run the tests in a network namespace of their own (root is needed): %w", err)
	}
	return 0, nil
}

// isolate keeps the names of the lab's namespaces to this process, so that they go with it.
func isolate() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("make the mounts private: %w", err)
	}
	if err := os.MkdirAll("/run/netns", 0o755); err != nil {
		return fmt.Errorf("make a folder for namespaces: %w", err)
	}
	if err := unix.Mount("none", "/run/netns", "tmpfs", 0, "mode=755"); err != nil {
		return fmt.Errorf("mount a folder for namespaces: %w", err)
	}
	return nil
}

// build makes the programs beside Go's cache, where it is linked again only when something changed.
func build(ctx context.Context) (string, error) {
	cache, err := exec.CommandContext(ctx, "go", "env", "GOCACHE").Output()
	if err != nil {
		return "", fmt.Errorf("ask go for its cache: %w", err)
	}
	dir := filepath.Join(filepath.Dir(strings.TrimSpace(string(cache))), "ingot-test")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a folder for the program: %w", err)
	}
	// The issuer's package builds it again where there is no network: the same way, so that nothing is left to do then.
	issuer := exec.CommandContext(ctx, "go", "build", "-C", "../../test/issuer", "-o", filepath.Join(dir, "issuer"), ".")
	if out, err := issuer.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the issuer: %w\n%s", err, out)
	}
	for module, programs := range map[string]string{"..": "./cmd/...", "../..": "./cmd/ingot"} {
		cmd := exec.CommandContext(ctx, "go", "build", "-C", module, "-ldflags", "-s -w", "-o", dir+"/", programs)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", fmt.Errorf("build %s: %w\n%s", programs, err, out)
		}
	}
	return filepath.Join(dir, "ingot-mesh"), nil
}
