package bootmedia

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/netboot"
)

// Sources are what an artifacts directory is built from.
type Sources struct {
	// Kernel and Ramdisk are the paths of the agent's kernel and ramdisk, in another directory than the one that is built.
	Kernel, Ramdisk string
	// Version is the agent's.
	Version     string
	CommandLine netboot.CommandLine
	// GRUB is the directory of Debian's packages grub-pc-bin and grub-efi-amd64-bin, IPXE that of its package ipxe.
	GRUB, IPXE string
}

// Where Debian's packages have their files.
const (
	DebianGRUB = "/usr/lib/grub"
	DebianIPXE = "/usr/lib/ipxe"
)

// ramdiskAlign is the size in bytes that the ramdisk is padded to a multiple of. Linux looks for the next archive at a multiple of four bytes, and not every boot
// loader sees to that when it puts two archives one behind the other.
const ramdiskAlign = 4096

// Build makes the artifacts in dir, which is created if needed. The manifest is removed first and written last: a build that is cut off leaves a directory that
// Open refuses.
func Build(ctx context.Context, s Sources, dir string) (Manifest, error) {
	m := Manifest{Version: s.Version, CommandLine: s.CommandLine, Files: map[string]File{}}
	if err := s.CommandLine.Validate(); err != nil {
		return m, fmt.Errorf("kernel command line of the agent: %w", err)
	}
	for _, path := range []string{s.Kernel, s.Ramdisk} {
		if filepath.Clean(filepath.Dir(path)) == filepath.Clean(dir) {
			return m, fmt.Errorf("build boot artifacts: %s lies in the directory that is built, where it would be replaced", path)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return m, err
	}
	if err := os.Remove(filepath.Join(dir, ManifestFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return m, err
	}
	copies := []struct {
		from, to string
		align    int64
	}{
		{s.Kernel, Kernel, 1},
		{s.Ramdisk, Ramdisk, ramdiskAlign},
		{filepath.Join(s.IPXE, SNPOnly), SNPOnly, 1},
		{filepath.Join(s.IPXE, UNDIOnly), UNDIOnly, 1},
		{filepath.Join(s.IPXE, IPXE), IPXE, 1},
	}
	for _, c := range copies {
		if err := copyFile(c.from, filepath.Join(dir, c.to), c.align); err != nil {
			return m, fmt.Errorf("boot artifact %s: %w", c.to, err)
		}
	}
	region, err := buildISO(ctx, s, dir)
	if err != nil {
		return m, fmt.Errorf("build the agent's ISO: %w", err)
	}
	m.Region = region
	for _, name := range names() {
		if m.Files[name], err = describePath(filepath.Join(dir, name)); err != nil {
			return m, err
		}
	}
	return m, writeManifest(m, dir)
}

func describePath(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	file, err := describe(f)
	return file, errors.Join(err, f.Close())
}

func writeManifest(m Manifest, dir string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, ManifestFile), func(f *os.File) error {
		_, err := f.Write(append(raw, '\n'))
		return err
	})
}

// copyFile copies a file and pads it with zeros to a multiple of align bytes.
func copyFile(from, to string, align int64) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	err = replaceFile(to, func(f *os.File) error {
		n, err := io.Copy(f, src)
		if err != nil {
			return fmt.Errorf("copy %s: %w", from, err)
		}
		return f.Truncate((n + align - 1) / align * align)
	})
	return errors.Join(err, src.Close())
}

// replaceFile writes a file beside its place and moves it there when it is whole.
func replaceFile(path string, write func(f *os.File) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(f.Name()) }() // there is nothing left when it was moved
	err = errors.Join(write(f), f.Chmod(0o644), f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
