package image_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/image/partition"
	"github.com/ingotmetal/ingot/step"
)

const (
	mib       = 1 << 20
	diskBytes = 24 * mib
)

// run runs a real tool; its absence fails the test.
func run(t testing.TB, stdin []byte, command ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), command[0], command[1:]...)
	cmd.Stdin = bytes.NewReader(stdin)
	var errText strings.Builder
	cmd.Stderr = &errText
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v (packages qemu-utils gdisk fdisk gzip xz-utils zstd): %v: %s", command, err, errText.String())
	}
	return out
}

// sparse is a disk image of random extents between zeros, with a GPT and one partition.
func sparse(t testing.TB, size int64, seed uint64) []byte {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, size)
	for at := int64(mib); at < size-mib; {
		n := min(r.Int64N(400<<10)+1, size-mib-at)
		if r.IntN(2) == 0 {
			for i := at; i < at+n; i++ {
				b[i] = byte(r.Uint32())
			}
		}
		at += n
	}
	g := partition.NewGPT(partition.DeriveGUID([]byte{byte(seed)}), size, 512)
	g.SetBootCode(bytes.Repeat([]byte{0xeb}, 440))
	if _, err := g.AddAt(partition.LinuxFilesystem(), "root", partition.Span{Off: mib, Length: size - 2*mib}); err != nil {
		t.Fatal(err)
	}
	for _, p := range g.Encode() {
		copy(b[p.Off:], p.Data)
	}
	return b
}

func sha(b []byte) string { return fmt.Sprintf("%x", sha256.Sum256(b)) }

func failure(t testing.TB, err error, kind step.FailureKind, contains ...string) {
	t.Helper()
	var f *step.Failure
	if !errors.As(err, &f) {
		t.Fatalf("error %v is no *step.Failure", err)
	}
	if f.Kind != kind {
		t.Errorf("kind %s, want %s: %s", f.Kind, kind, f.Message)
	}
	for _, c := range contains {
		if !strings.Contains(f.Message, c) {
			t.Errorf("message %q lacks %q", f.Message, c)
		}
	}
}

// encodings are all the ways in which one disk image is packed, by real tools.
func encodings(t testing.TB, img []byte) map[string][]byte {
	t.Helper()
	dir := t.TempDir()
	raw := filepath.Join(dir, "raw")
	if err := os.WriteFile(raw, img, 0o600); err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{"raw": img}
	for name, options := range map[string][]string{
		"qcow2":              {},
		"qcow2 v2":           {"-o", "compat=0.10"},
		"qcow2 compressed":   {"-c"},
		"qcow2 zstd":         {"-c", "-o", "compression_type=zstd"},
		"qcow2 4K clusters":  {"-o", "cluster_size=4096"},
		"qcow2 2M clusters":  {"-c", "-o", "cluster_size=2M"},
		"qcow2 preallocated": {"-o", "preallocation=metadata"},
	} {
		out := filepath.Join(dir, "out")
		run(t, nil, append(append([]string{"qemu-img", "convert", "-O", "qcow2"}, options...), raw, out)...)
		b, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = b
	}
	for name, command := range map[string]string{"gzip": "gzip -1c", "zstd": "zstd -c", "xz": "xz -0c"} {
		files["raw "+name] = run(t, img, strings.Fields(command)...)
		files["qcow2 in "+name] = run(t, files["qcow2"], strings.Fields(command)...)
	}
	return files
}
