package e2e

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/debian"
)

// TestBootsFromAPartitionImage writes Debian's root as one file system, qcow2, to a disk of 6 GiB by the standard layout, with the kernel and the programs of the agent's ramdisk, and boots what came of it: the root has grown
// to its partition. `make lives` boots it by BIOS, too.
func TestBootsFromAPartitionImage(t *testing.T) {
	t.Parallel()
	w := newMachineWorld(t, openArtifacts(t), 6<<30, false)
	ctx, cancel := context.WithTimeout(t.Context(), installPatience)
	defer cancel()
	lap := stopwatch(t)
	image := partitionImage(ctx, t, w.lab)
	lap("the image is made")
	written := w.installs(ctx, t, lap, protocol.WriteImage{Image: image, ConfigDrive: reportingDrive(t, w.lab.State().Machines[0].UUID, "/ /boot/efi", true)})
	if written.ImageBytes != partitionImageBytes || written.DownloadedBytes == 0 || written.WrittenBytes < 200<<20 {
		t.Errorf("written %+v", written)
	}
	modes := []bmc.Mode{bmc.ModeUEFI}
	if os.Getenv("INGOT_E2E_LIVES") == "all" {
		modes = append(modes, bmc.ModeLegacy)
	}
	for _, mode := range modes {
		w.boots(ctx, t, mode, "/ ext4 6 GiB, /boot/efi vfat 1 GiB, swap")
		lap("Debian runs, firmware mode " + string(mode))
	}
}

// partitionImageBytes is the size of the file system before it grows.
const partitionImageBytes = 2 << 30

// partitionImage makes a file system of Debian's files, as qcow2 with compressed clusters in the lab's image store.
func partitionImage(ctx context.Context, t *testing.T, l *lab.Lab) protocol.Image {
	t.Helper()
	archive := filepath.Join(cacheDir(t), "images", debian.TarName)
	if _, err := os.Stat(archive); err != nil {
		t.Fatalf("%v: make image builds it", err)
	}
	work := t.TempDir()
	root, raw, name := filepath.Join(work, "root"), filepath.Join(work, "root.ext4"), "debian-12-partition.qcow2"
	out := filepath.Join(l.State().ImageDir, name)
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range [][]string{
		{"tar", "--extract", "--zstd", "--numeric-owner", "--same-permissions", "--exclude=./dev/*", "--file", archive, "--directory", root},
		{"truncate", "--size=2G", raw},
		{"mkfs.ext4", "-q", "-F", "-m", "1", "-O", "^metadata_csum_seed,^orphan_file", "-E", "nodiscard", "-d", root, raw},
		{"qemu-img", "convert", "-c", "-W", "-f", "raw", "-O", "qcow2", raw, out},
	} {
		if said, err := exec.CommandContext(ctx, c[0], c[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v (in scripts/packages.txt?): %v: %s", c, err, said)
		}
	}
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		t.Fatal(err)
	}
	return protocol.Image{URL: l.State().ImageURL + "/" + name, Format: protocol.FormatFilesystem + "+qcow2", Checksum: hex.EncodeToString(sum.Sum(nil)), ChecksumType: "sha256"}
}
