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
	Kernel       = netboot.FileKernel
	Ramdisk      = netboot.FileRamdisk
	ISO          = "agent.iso"
	SNPOnly      = netboot.FileSNPOnly
	UNDIOnly     = netboot.FileUNDIOnly
	IPXE         = netboot.FileIPXE
	ManifestFile = "artifacts.json"
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

// Artifacts is an opened and verified directory. Its files stay open: what was verified is what is served, also while the directory is built anew.
type Artifacts struct {
	Manifest
	files map[string]*os.File
}

// Open reads the manifest in dir, and opens and verifies every file that it names. The caller closes the result.
func Open(dir string) (*Artifacts, error) {
	a := &Artifacts{files: map[string]*os.File{}}
	raw, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("no boot artifacts in %s: build them with 'ingot image build-agent'", dir)
	}
	if err != nil {
		return nil, fmt.Errorf("read boot artifacts: %w", err)
	}
	if err := json.Unmarshal(raw, &a.Manifest); err != nil {
		return nil, fmt.Errorf("read %s of the boot artifacts in %s: %w", ManifestFile, dir, err)
	}
	if err := a.open(dir); err != nil {
		return nil, errors.Join(fmt.Errorf("boot artifacts in %s: %w; build them again with 'ingot image build-agent'", dir, err), a.Close())
	}
	return a, nil
}

func (a *Artifacts) open(dir string) error {
	if err := a.CommandLine.Validate(); err != nil {
		return err
	}
	for _, name := range names() {
		want, ok := a.Files[name]
		if !ok {
			return fmt.Errorf("the manifest has no %s", name)
		}
		f, err := os.Open(filepath.Join(dir, name))
		if err != nil {
			return err
		}
		a.files[name] = f
		got, err := describe(f)
		if err != nil {
			return err
		}
		if got != want {
			return fmt.Errorf("%s is not the file that was built: it has %d bytes with SHA-256 %s, the manifest says %d and %s",
				name, got.Bytes, got.SHA256, want.Bytes, want.SHA256)
		}
	}
	if a.Region.Bytes != medium.Size {
		return fmt.Errorf("the ISO's region has %d bytes and this program patches %d", a.Region.Bytes, medium.Size)
	}
	return checkBlank(a.files[ISO], a.Region)
}

// Close closes the files.
func (a *Artifacts) Close() error {
	var errs []error
	for _, f := range a.files {
		errs = append(errs, f.Close())
	}
	return errors.Join(errs...)
}

// File is a file's content; false for a name that there is not. Its ReadAt is for any number of goroutines.
func (a *Artifacts) File(name string) (*io.SectionReader, bool) {
	f, ok := a.files[name]
	if !ok {
		return nil, false
	}
	return io.NewSectionReader(f, 0, a.Files[name].Bytes), true
}

// PatchedISO is the ISO with an archive in its region's place.
func (a *Artifacts) PatchedISO(archive []byte) (*io.SectionReader, error) {
	return Patched(a.files[ISO], a.Files[ISO].Bytes, a.Region, archive)
}

// describe reads a whole file.
func describe(f *os.File) (File, error) {
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", f.Name(), err)
	}
	return File{Bytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
