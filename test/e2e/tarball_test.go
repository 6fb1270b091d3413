package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/debian"
)

func serverLayout() filesystem.Layout {
	return filesystem.Layout{
		Partitions: []filesystem.Partition{
			{Name: "bios", Type: filesystem.BIOSBoot, SizeMiB: 1}, {Name: "esp", Type: filesystem.EFISystem, SizeMiB: 64},
			{Name: "swap", Type: filesystem.LinuxSwap, SizeMiB: 64}, {Name: "data", Type: filesystem.Linux, SizeMiB: 512}, {Name: "root", Type: filesystem.Linux},
		},
		Filesystems: []filesystem.Filesystem{
			{Partition: "root", Format: filesystem.Ext4, Path: "/", MountOptions: []string{"noatime"}}, {Partition: "esp", Format: filesystem.VFAT, Path: "/boot/efi", MountOptions: []string{"umask=0077"}},
			{Partition: "data", Format: filesystem.XFS, Path: "/srv/data", Label: "data"}, {Partition: "swap", Format: filesystem.Swap},
			{Format: filesystem.TmpFS, Path: "/tmp", MountOptions: []string{"size=64m"}},
		},
	}
}

// TestBootsFromAnUnpackedArchive unpacks Debian's root file system on a virtual machine's disk by a layout, with the kernel and the programs of the agent's ramdisk, and boots what came of it by both firmwares.
func TestBootsFromAnUnpackedArchive(t *testing.T) {
	t.Parallel()
	w := newMachineWorld(t, openArtifacts(t), 4<<30, false)
	ctx, cancel := context.WithTimeout(t.Context(), installPatience)
	defer cancel()
	lap, layout := stopwatch(t), serverLayout()
	written := w.installs(ctx, t, lap, protocol.WriteImage{Image: tarballImage(t, w.lab), Layout: &layout, ConfigDrive: reportingDrive(t, w.lab.State().Machines[0].UUID, "/ /boot/efi /srv/data /tmp", false)})
	if written.DownloadedBytes == 0 || written.ImageBytes < 200<<20 {
		t.Errorf("written %+v", written)
	}
	for _, mode := range []bmc.Mode{bmc.ModeUEFI, bmc.ModeLegacy} {
		w.boots(ctx, t, mode, "/ ext4, /boot/efi vfat, /srv/data xfs, /tmp tmpfs, swap /dev/")
		lap("Debian runs, firmware mode " + string(mode))
	}
}

// tarballImage is Debian's root file system in the lab's image store.
func tarballImage(t *testing.T, l *lab.Lab) protocol.Image {
	t.Helper()
	image := filepath.Join(cacheDir(t), "images", debian.TarName)
	for _, path := range []string{image, image + ".sha256"} {
		if _, err := os.Stat(path); err != nil {
			t.Fatalf("%v: make image builds it", err)
		}
		if err := os.Symlink(path, filepath.Join(l.State().ImageDir, filepath.Base(path))); err != nil {
			t.Fatal(err)
		}
	}
	url := l.State().ImageURL + "/" + debian.TarName
	return protocol.Image{URL: url, Format: protocol.FormatTarball, Checksum: url + ".sha256", ChecksumType: "sha256"}
}
