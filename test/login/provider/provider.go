// Package provider runs the OpenID provider of test/issuer for a test: a process of its own, built when it is asked for, that ends with the test.
//
// It refuses to know what is logged in to: that is the test's. Tests must stand in a folder beside test/issuer.
package provider

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Provider is a running issuer: its URL, and the file of its certificate.
type Provider struct {
	URL, CA string
	mu      sync.Mutex
	in      io.Writer
	out     *bufio.Reader
}

// Start starts one, and builds it before if it has to.
func Start(t *testing.T) *Provider {
	t.Helper()
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(filepath.Dir(strings.TrimSpace(string(cache))), "ingot-test", "issuer")
	build := exec.CommandContext(t.Context(), "go", "build", "-C", filepath.Join("..", "issuer"), "-o", program, ".")
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the issuer: %v: %s: its modules come from a module proxy or the module cache", err, text)
	}
	p := &Provider{CA: filepath.Join(t.TempDir(), "issuer.pem")}
	run := exec.CommandContext(t.Context(), program, p.CA)
	var problems bytes.Buffer
	run.Stderr = &problems
	in, err := run.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := run.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = run.Wait()
	})
	p.in, p.out = in, bufio.NewReader(out)
	line, err := p.out.ReadString('\n')
	url, ok := strings.CutPrefix(strings.TrimSpace(line), "ready ")
	if err != nil || !ok {
		t.Fatalf("the issuer is not ready: %q %v", line, err)
	}
	p.URL = url
	return p
}

// Do tells the issuer something, and gives its answer.
func (p *Provider) Do(t *testing.T, format string, args ...any) string {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, err := fmt.Fprintf(p.in, format+"\n", args...); err != nil {
		t.Fatal(err)
	}
	line, err := p.out.ReadString('\n')
	if err != nil || strings.HasPrefix(line, "error") {
		t.Fatalf("tell the issuer %q: %s %v", format, line, err)
	}
	return strings.TrimSpace(line)
}
