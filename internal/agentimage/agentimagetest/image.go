// Package agentimagetest gives tests a real agent image, built once from the source at hand and cached.
package agentimagetest

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/agentimage"
)

// Image builds the agent and its image, or takes them from the cache, which is INGOT_CACHE or .cache in the module's root.
func Image(t testing.TB, flavour agentimage.Flavour) agentimage.Result {
	t.Helper()
	root := moduleRoot(t)
	cache := os.Getenv("INGOT_CACHE")
	if cache == "" {
		cache = filepath.Join(root, ".cache")
	}
	result, err := agentimage.Build(t.Context(), agentimage.Options{
		Agent: Agent(t), CacheDir: filepath.Join(cache, "packages"), OutputDir: filepath.Join(cache, "test-agent-"+string(flavour)), Flavour: flavour,
		Progress: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return result
}

// Agent compiles ingot-agent as it is shipped: static and stripped.
func Agent(t testing.TB) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "ingot-agent")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", out, "./cmd/ingot-agent")
	cmd.Dir = moduleRoot(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build ingot-agent: %v\n%s", err, text)
	}
	return out
}

func moduleRoot(t testing.TB) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatalf("find the module's root: %v", err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}
