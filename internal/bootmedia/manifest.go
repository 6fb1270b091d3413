// Package bootmedia builds and opens the prebuilt artifacts that machines boot the agent from: the kernel and the ramdisk, a bootable ISO around them, and the iPXE
// programs. They are built once per version of the agent; nothing is ever built for a host.
//
// It owns the layout of the artifacts' directory, its manifest, and the ISO with the region that is replaced while it is read. It refuses tokens and hosts: what
// goes into the region is encoded by netboot/medium, and who may read it is decided by netboot.
//
// The ISO holds three files that GRUB loads: the kernel, the ramdisk, and an archive of fixed size with nothing in it. Patched shows the ISO with another
// archive in that place. The place is found once, from the ISO's own directory, and then patched by its absolute offset, so that a read that
// begins or ends in the middle of it is right too.
//
// Invariants: the manifest is written last, so a directory with a manifest is whole; Open verifies every file's digest and that the region is blank.
package bootmedia

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
)

// The files of an artifacts directory.
const (
	Kernel       = "vmlinuz"
	Ramdisk      = "initrd.img"
	ISO          = "agent.iso"
	SNPOnly      = "snponly.efi"   // iPXE for UEFI PXE: drives the NIC through the firmware
	UNDIOnly     = "undionly.kpxe" // iPXE for BIOS PXE: drives the NIC through its option ROM
	IPXE         = "ipxe.efi"      // iPXE for UEFI HTTP boot, with drivers of its own
	ManifestFile = "manifest.json"
)

// Manifest describes an artifacts directory.
type Manifest struct {
	// Version is the agent's.
	Version string `json:"version"`
	// CommandLine is the kernel's, on every way of booting.
	CommandLine netboot.CommandLine `json:"commandLine"`
	// Files by name; all that the directory holds but the manifest.
	Files map[string]File `json:"files"`
	// Region is where the boot configuration stands in the ISO.
	Region Region `json:"region"`
}

// File is one file's size and digest.
type File struct {
	Bytes int64 `json:"bytes"`
	// SHA256 in lower-case hex.
	SHA256 string `json:"sha256"`
}

// Region is a part of the ISO, in bytes.
type Region struct {
	Offset int64 `json:"offset"`
	Bytes  int64 `json:"bytes"`
}

// names are the files that every artifacts directory has.
func names() []string { return []string{Kernel, Ramdisk, ISO, SNPOnly, UNDIOnly, IPXE} }

// Artifacts is an opened and verified directory.
type Artifacts struct {
	Manifest
	dir string
}

// Open reads the manifest in dir and verifies every file that it names.
func Open(dir string) (*Artifacts, error) {
	a := &Artifacts{dir: dir}
	raw, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no boot artifacts in %s: build them with 'ingot image build-agent --output %s'", dir, dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read boot artifacts: %w", err)
	}
	if err := json.Unmarshal(raw, &a.Manifest); err != nil {
		return nil, fmt.Errorf("read %s of the boot artifacts in %s: %w", ManifestFile, dir, err)
	}
	if err := a.verify(); err != nil {
		return nil, fmt.Errorf("boot artifacts in %s: %w; build them again with 'ingot image build-agent'", dir, err)
	}
	return a, nil
}

func (a *Artifacts) verify() error {
	if err := a.CommandLine.Validate(); err != nil {
		return err
	}
	for _, name := range names() {
		want, ok := a.Files[name]
		if !ok {
			return fmt.Errorf("the manifest has no %s", name)
		}
		got, err := describe(a.Path(name))
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s is not the file that was built: it has %d bytes with SHA-256 %s, the manifest says %d and %s",
				name, got.Bytes, got.SHA256, want.Bytes, want.SHA256)
		}
	}
	return a.verifyRegion()
}

func (a *Artifacts) verifyRegion() error {
	if a.Region.Bytes != medium.Size {
		return fmt.Errorf("the ISO's region has %d bytes and this program patches %d", a.Region.Bytes, medium.Size)
	}
	iso, err := os.Open(a.Path(ISO))
	if err != nil {
		return err
	}
	defer iso.Close()
	return checkBlank(iso, a.Region)
}

// Path is where a file of the directory is.
func (a *Artifacts) Path(name string) string { return filepath.Join(a.dir, name) }

// describe reads a whole file.
func describe(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer f.Close()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", path, err)
	}
	return File{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
