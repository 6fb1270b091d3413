package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestPageInSBOM: what package.json has at run time, and what that needs, is in a program with the page, and in no other; tools that built it are nowhere.
func TestPageInSBOM(t *testing.T) {
	built := filepath.Join(root, "internal", "web", "dist")
	web, err := readPage(built, filepath.Join(root, "web", "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	var wanted struct{ Dependencies, DevDependencies map[string]string }
	decode(t, filepath.Join(root, "web", "package.json"), &wanted)

	// This test is a Go program, and what stands behind a program's end is as good as embedded.
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	program, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	index, err := os.ReadFile(filepath.Join(built, "index.html"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	serves, other, file := filepath.Join(dir, "serves"), filepath.Join(dir, "other"), filepath.Join(dir, "sbom.json")
	for name, text := range map[string][]byte{serves: slices.Concat(program, index), other: program} {
		if err := os.WriteFile(name, text, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := writeSBOM(file, "1.2.3", time.Unix(0, 0).UTC(), web, []string{serves, other}); err != nil {
		t.Fatal(err)
	}
	var d document
	decode(t, file, &d)
	versions, ids := map[string]string{}, map[string]string{}
	for _, p := range d.Packages {
		if slices.ContainsFunc(p.ExternalRefs, func(r reference) bool {
			return strings.HasPrefix(r.Locator, "pkg:npm/") && !strings.Contains(r.Locator, "npm/@")
		}) {
			versions[p.Name], ids[p.SPDXID] = p.VersionInfo, p.Name
		}
	}
	for name, version := range wanted.Dependencies {
		if versions[name] != version {
			t.Errorf("%s %s is in the page, and the SBOM says %q", name, version, versions[name])
		}
	}
	if versions["scheduler"] == "" {
		t.Error("the SBOM lacks scheduler, which react-dom needs")
	}
	for name := range wanted.DevDependencies {
		if versions[name] != "" {
			t.Errorf("%s is a tool and in no page", name)
		}
	}
	contained := 0
	for _, r := range d.Relationships {
		if name := ids[r.Related]; name != "" {
			contained++
			if r.Element != spdxID("Program", "serves", "") {
				t.Errorf("%s is said to contain %s", r.Element, name)
			}
		}
	}
	if contained != len(ids) {
		t.Errorf("%d of %d npm packages are in a program", contained, len(ids))
	}
}

// TestPageIsRead: a page or a lock that says nothing is an error, never an SBOM without the page.
func TestPageIsRead(t *testing.T) {
	dir := t.TempDir()
	lock := filepath.Join(dir, "lock.json")
	for text, want := range map[string]string{
		`{"packages": {"": {}, "node_modules/tool": {"version": "1", "dev": true}}}`:       "made of something",
		`{"packages": {"node_modules/react": {"version": "1", "integrity": "sha1-AAAA"}}}`: "no SHA-512",
		`{"packages": []}`: "npm's lock",
	} {
		if err := os.WriteFile(lock, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readPage(filepath.Join(root, "internal", "web", "dist"), lock); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := readPage(dir, lock); err == nil || !strings.Contains(err.Error(), "make web") {
		t.Errorf("without a page: %v", err)
	}
}

func decode(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		t.Fatalf("%s: %v", file, err)
	}
}
