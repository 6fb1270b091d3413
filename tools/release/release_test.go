package main

import (
	"context"
	"encoding/json"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

const root = "../.."

// TestReleaseIsReproducible makes a release twice, from the repository and from a copy of it at another place, and compares every file. One program stands for all: they are built by one line.
func TestReleaseIsReproducible(t *testing.T) {
	here, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(t.TempDir(), "a", "copy")
	copyTree(t, here, elsewhere)
	key := filepath.Join(t.TempDir(), "key.pem")
	command(t, here, nil, "openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
	first, second := filepath.Join(t.TempDir(), "one"), filepath.Join(t.TempDir(), "two")
	for source, output := range map[string]string{here: first, elsewhere: second} {
		command(t, source, []string{"VERSION=1.2.3", "COMMIT=abcdef", "SOURCE_DATE_EPOCH=1700000000", "PROGRAMS=ingot-node", "INGOT_RELEASE_KEY=" + key}, filepath.Join(source, "scripts", "release"), output)
	}
	a, b := digests(t, first), digests(t, second)
	for _, name := range slices.Sorted(maps.Keys(a)) {
		if a[name] != b[name] {
			t.Errorf("%s differs between two builds", name)
		}
	}
	if len(a) != len(b) {
		t.Errorf("%d files, and %d", len(a), len(b))
	}
	for _, want := range []string{"bin/ingot-node", "ingot-node_1.2.3_amd64.deb", "image/index.json", "image/oci-layout", "ingot.spdx.json", "site/index.html", "SHA256SUMS", "SHA256SUMS.minisig", "SHA256SUMS.pub"} {
		if a[want] == "" {
			t.Errorf("the release has no %s", want)
		}
	}
	checkImage(t, filepath.Join(first, "image"))
	checkSBOM(t, filepath.Join(first, "ingot.spdx.json"))
	// The peers' own tools take what is made.
	command(t, first, nil, "sha256sum", "--check", "--quiet", "--strict", sumsFile)
	command(t, first, nil, "minisign", "-V", "-m", sumsFile, "-p", sumsFile+".pub")
}

func checkImage(t *testing.T, folder string) {
	t.Helper()
	index, err := layout.ImageIndexFromPath(folder)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Error(err)
	}
}

func checkSBOM(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var d document
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{d.SPDXID: true}
	names := map[string]bool{}
	for _, p := range d.Packages {
		if ids[p.SPDXID] {
			t.Errorf("two packages are called %s", p.SPDXID)
		}
		ids[p.SPDXID], names[p.Name] = true, true
	}
	for _, r := range d.Relationships {
		if !ids[r.Element] || !ids[r.Related] {
			t.Errorf("%s %s %s: one of them is not there", r.Element, r.Type, r.Related)
		}
	}
	for _, want := range []string{"ingot-node", "stdlib", "github.com/google/nftables", "k8s.io/client-go"} {
		if !names[want] {
			t.Errorf("the SBOM lacks %s", want)
		}
	}
}

// TestSignatures: what was signed verifies, and nothing else does.
func TestSignatures(t *testing.T) {
	dir := t.TempDir()
	key, file := filepath.Join(dir, "key.pem"), filepath.Join(dir, "file")
	command(t, dir, nil, "openssl", "genpkey", "-algorithm", "ed25519", "-out", key)
	if err := os.WriteFile(file, []byte("content"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"sign", "-key", key, file}); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{"verify", "-key", file + ".pub", file}); err != nil {
		t.Error(err)
	}
	read := func(name string) []byte {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	public, signed, content := read(file+".pub"), read(file+".minisig"), read(file)
	for i := range signed {
		if signed[i] == '\n' || i < strings.IndexByte(string(signed), '\n') { // the untrusted comment is nobody's word
			continue
		}
		bad := slices.Clone(signed)
		bad[i] ^= 1
		if verify(public, bad, content) == nil && strings.TrimRight(string(bad), "=\n") != strings.TrimRight(string(signed), "=\n") {
			t.Errorf("a signature with another byte %d verifies", i)
		}
	}
	if verify(public, signed, append(content, 'x')) == nil {
		t.Error("another file verifies")
	}
	command(t, dir, nil, "openssl", "genpkey", "-algorithm", "rsa", "-pkeyopt", "rsa_keygen_bits:2048", "-out", key)
	if err := run([]string{"sign", "-key", key, file}); err == nil || !strings.Contains(err.Error(), "Ed25519") {
		t.Errorf("an RSA key: %v", err)
	}
	for _, args := range [][]string{nil, {"sign"}, {"other", "x"}, {"sums", t.TempDir()}, {"verify", "-key", "none", file}} {
		if err := run(args); err == nil {
			t.Errorf("%v goes through", args)
		}
	}
}

func command(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), name, args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
}

// copyTree copies what git knows or would take, as it stands.
func copyTree(t *testing.T, from, to string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "-C", from, "ls-files", "-co", "--exclude-standard", "-z").Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.SplitSeq(strings.TrimRight(string(out), "\x00"), "\x00") {
		info, err := os.Stat(filepath.Join(from, name))
		if err != nil {
			continue // deleted, and not yet committed
		}
		text, err := os.ReadFile(filepath.Join(from, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(to, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, name), text, info.Mode().Perm()); err != nil {
			t.Fatal(err)
		}
	}
}

func digests(t *testing.T, folder string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(folder, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		all[name], err = digestOf(path)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
