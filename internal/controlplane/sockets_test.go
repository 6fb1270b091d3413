package controlplane_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// TestListensOnOnePort compares the process's listening sockets with the matrix's one row: the store must not be reachable by any network, nor by an abstract socket.
func TestListensOnOnePort(t *testing.T) {
	cp := controlplanetest.Shared(t)
	own := socketInodes(t, cp.PID())
	if len(own) == 0 {
		t.Fatal("the process has no sockets: the test looks in the wrong place")
	}
	const listen = "0A" // TCP_LISTEN, include/net/tcp_states.h
	var tcp []string
	for _, table := range []string{"tcp", "tcp6"} {
		for _, fields := range rows(t, cp.PID(), table) {
			if fields[3] == listen && own[fields[9]] {
				tcp = append(tcp, fields[1])
			}
		}
	}
	var port int
	if _, err := fmt.Sscanf(cp.URL, "https://127.0.0.1:%d", &port); err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf("0100007F:%04X", port); len(tcp) != 1 || tcp[0] != want {
		t.Errorf("listens on %v, want %s alone", tcp, want)
	}
	socket := filepath.Join(cp.DataDir, "etcd.sock")
	found := false
	for _, fields := range rows(t, cp.PID(), "unix") {
		if !own[fields[6]] || len(fields) < 8 {
			continue
		}
		found = found || fields[7] == socket
		if fields[7] != socket {
			t.Errorf("has the Unix socket %q, want %s alone", fields[7], socket)
		}
	}
	if !found {
		t.Errorf("does not listen on %s", socket)
	}
	info, err := os.Stat(cp.DataDir)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("others may look into the data directory: %v (%v)", info.Mode(), err)
	}
	err = filepath.WalkDir(filepath.Join(cp.DataDir, "pki"), func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, ".crt") {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestSaysItsVersion: kubectl refuses to speak with a server whose version it cannot parse.
func TestSaysItsVersion(t *testing.T) {
	cp := controlplanetest.Shared(t)
	version, err := clientset(t, cp.Admin).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`^v1\.[0-9]+\.[0-9]+$`).MatchString(version.GitVersion) || version.Major != "1" || version.Minor == "" {
		t.Errorf("version %q, major %q, minor %q", version.GitVersion, version.Major, version.Minor)
	}
}

// socketInodes are those of a process's open sockets.
func socketInodes(t *testing.T, pid int) map[string]bool {
	t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", pid)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	own := map[string]bool{}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err != nil {
			continue // closed meanwhile
		}
		if inode, ok := strings.CutPrefix(target, "socket:["); ok {
			own[strings.TrimSuffix(inode, "]")] = true
		}
	}
	return own
}

// rows of /proc/<pid>/net/<table>, without the heading.
func rows(t *testing.T, pid int, table string) [][]string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, table))
	if err != nil {
		t.Fatal(err)
	}
	var all [][]string
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n")[1:] {
		all = append(all, strings.Fields(line))
	}
	return all
}
