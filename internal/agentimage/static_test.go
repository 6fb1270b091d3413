package agentimage

import (
	"debug/elf"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// compile builds a program that does nothing.
func compile(t *testing.T, environment []string, flags ...string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module nothing\n\ngo 1.26\n", "main.go": "package main\n\nfunc main() {}\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(dir, "program")
	cmd := exec.CommandContext(t.Context(), "go", append(append([]string{"build", "-o", out}, flags...), ".")...)
	cmd.Dir = dir
	cmd.Env = append(append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=amd64", "GOFLAGS=-mod=mod"), environment...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build a program: %v\n%s", err, text)
	}
	return out
}

// Only a program that needs nothing beside it can be the ramdisk's first process.
func TestTheAgentMustBeStatic(t *testing.T) {
	text := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(text, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	static := compile(t, nil)
	for name, c := range map[string]struct{ file, why string }{
		"static":              {static, ""},
		"linked dynamically":  {compile(t, nil, "-buildmode=pie"), "is linked dynamically (loader /lib64/ld-linux-x86-64.so.2"},
		"for another machine": {compile(t, []string{"GOARCH=arm64"}), "is for EM_AARCH64"},
		"for a small machine": {compile(t, []string{"GOARCH=386"}), "is for EM_386"},
		"for another system":  {compile(t, []string{"GOOS=windows"}), "is no program for Linux"},
		"a script":            {text, "is no program for Linux"},
	} {
		err := requireStatic(c.file, elf.EM_X86_64)
		if (err == nil) != (c.why == "") || err != nil && (!strings.Contains(err.Error(), c.why) || !strings.Contains(err.Error(), "CGO_ENABLED=0")) {
			t.Errorf("%s: %v, want %q", name, err, c.why)
		}
	}
	if err := requireStatic(filepath.Join(t.TempDir(), "none"), elf.EM_X86_64); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}
