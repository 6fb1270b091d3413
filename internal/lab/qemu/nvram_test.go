package qemu

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// Two boots by HTTP leave one boot option in force: that of the second.
func TestBootURI(t *testing.T) {
	flash, err := os.ReadFile(ovmfVars)
	if err != nil {
		t.Fatalf("UEFI firmware (package ovmf): %v", err)
	}
	path := filepath.Join(t.TempDir(), "nvram.fd")
	if err := os.WriteFile(path, flash, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, uri := range []string{"https://10.0.0.2:8082/media/first.iso", "https://10.0.0.2:8082/media/second.iso"} {
		if err := bootURI(path, uri); err != nil {
			t.Fatal(err)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if len(after) != len(flash) {
		t.Fatalf("the flash has %d bytes, want %d", len(after), len(flash))
	}
	for name, want := range map[string]byte{"/first.iso": variableAdded & variableDeleted, "/second.iso": variableAdded} {
		at := bytes.Index(after, []byte(name))
		if at < 0 {
			t.Fatalf("no boot option for %s", name)
		}
		start := bytes.LastIndex(after[:at], []byte{0xaa, 0x55})
		if got := after[start+stateAt]; got != want {
			t.Errorf("the option of %s is in state %#x, want %#x", name, got, want)
		}
	}
	if err := bootURI(filepath.Join(t.TempDir(), "none"), "https://h/"); err == nil {
		t.Error("variables that are not there were set")
	}
}

func FuzzSetVariable(f *testing.F) {
	flash, err := os.ReadFile(ovmfVars)
	if err != nil {
		f.Fatalf("UEFI firmware (package ovmf): %v", err)
	}
	f.Add(flash[:4096])
	f.Add([]byte{})
	f.Fuzz(func(_ *testing.T, b []byte) { _ = setVariable(b, "BootNext", []byte{1, 0}) })
}
