package e2e

import (
	"os"
	"path/filepath"
	"testing"
)

// cacheDir is the folder of the built artifacts.
func cacheDir(t *testing.T) string {
	t.Helper()
	return folder(t, "INGOT_CACHE", ".cache")
}

// binDir is the folder of the built programs.
func binDir(t *testing.T) string {
	t.Helper()
	return folder(t, "INGOT_BIN", "bin")
}

// folder is what an environment variable names, else the Makefile's default below the repository's root.
func folder(t *testing.T, variable, fallback string) string {
	t.Helper()
	dir := os.Getenv(variable)
	if dir == "" {
		dir = filepath.Join("..", "..", fallback)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(dir); err != nil {
		t.Fatalf("%s: %v: run the tests with make e2e, or set %s", variable, err, variable)
	}
	return dir
}
