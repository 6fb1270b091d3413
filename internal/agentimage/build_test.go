package agentimage_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/agentimage"
	"github.com/ingotmetal/ingot/internal/agentimage/agentimagetest"
)

// The same inputs give the same bytes, a second build finds the first, and a damaged file is noticed.
func TestBuildIsReproducibleAndCached(t *testing.T) {
	first := agentimagetest.Image(t, agentimage.Cloud)
	o := agentimage.Options{Agent: agentimagetest.Agent(t), CacheDir: filepath.Join(filepath.Dir(filepath.Dir(first.Kernel)), "packages"), OutputDir: t.TempDir(), Flavour: agentimage.Cloud}
	second, err := agentimage.Build(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if second.Cached {
		t.Error("an empty folder counts as cached")
	}
	if d := cmp.Diff(first.Manifest, second.Manifest); d != "" {
		t.Errorf("two builds differ (-first +second):\n%s", d)
	}
	again, err := agentimage.Build(t.Context(), o)
	if err != nil || !again.Cached {
		t.Errorf("built again: cached %v, %v", again.Cached, err)
	}
	if err := os.Truncate(second.Ramdisk, 100); err != nil {
		t.Fatal(err)
	}
	if _, err := agentimage.Read(o.OutputDir); err == nil || !strings.Contains(err.Error(), "build it again") {
		t.Errorf("a damaged ramdisk: %v", err)
	}
	repaired, err := agentimage.Build(t.Context(), o)
	if err != nil || repaired.Cached {
		t.Errorf("after the damage: cached %v, %v", repaired.Cached, err)
	}
	if _, err := agentimage.Read(o.OutputDir); err != nil {
		t.Error(err)
	}
}

// The kernel for real hardware has the drivers that must be there, and the ramdisk fits a machine of 512 MiB.
func TestGenericFlavour(t *testing.T) {
	image := agentimagetest.Image(t, agentimage.Generic)
	size := image.Manifest.Files[agentimage.RamdiskFile].SizeBytes
	t.Logf("%d modules, ramdisk %d KiB", image.Manifest.Modules, size>>10)
	const limit = 48 << 20
	if image.Manifest.Modules < 200 || size > limit {
		t.Errorf("%d modules, ramdisk of %d bytes, limit %d", image.Manifest.Modules, size, limit)
	}
}

func TestBuildSaysWhatIsMissing(t *testing.T) {
	if _, err := agentimage.Build(t.Context(), agentimage.Options{}); err == nil || !strings.Contains(err.Error(), "must be given") {
		t.Errorf("no options: %v", err)
	}
	o := agentimage.Options{Agent: filepath.Join(t.TempDir(), "none"), CacheDir: t.TempDir(), OutputDir: t.TempDir(), Flavour: agentimage.Cloud}
	if _, err := agentimage.Build(t.Context(), o); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no agent: %v", err)
	}
	o.Flavour = "exotic"
	if _, err := agentimage.Build(t.Context(), o); err == nil || !strings.Contains(err.Error(), `"exotic"`) {
		t.Errorf("no such flavour: %v", err)
	}
	if _, err := agentimage.Read(t.TempDir()); err == nil || !strings.Contains(err.Error(), "build-agent") {
		t.Errorf("an empty folder: %v", err)
	}
}
