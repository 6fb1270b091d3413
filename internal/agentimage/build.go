package agentimage

import (
	"cmp"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/netboot"
)

// The files of a result.
const (
	KernelFile   = "vmlinuz"
	RamdiskFile  = "initrd.img"
	ManifestFile = "manifest.json"
)

// format changes when the same inputs give another result.
const format = "2"

// Flavour is one of Debian's kernels.
type Flavour string

// The flavours.
const (
	// Generic has the drivers of real hardware.
	Generic Flavour = "generic"
	// Cloud has virtio, NVMe and little else, and starts seconds faster in an emulator: for the lab.
	Cloud Flavour = "cloud"
)

// Options say what to build from what.
type Options struct {
	// Agent is the file of the static ingot-agent program.
	Agent string
	// CacheDir keeps the packages and their content between builds.
	CacheDir string
	// OutputDir takes the result.
	OutputDir string
	// Flavour is Generic when empty.
	Flavour Flavour
	// Progress takes lines for a person; nil: nobody watches.
	Progress func(line string)
}

// Result is a finished image.
type Result struct {
	Manifest Manifest
	// Kernel and Ramdisk are the files' paths.
	Kernel, Ramdisk string
	// Cached: the folder held this very image already.
	Cached bool
}

// Manifest describes an image.
type Manifest struct {
	// Key is the digest of everything that the image was made of.
	Key           string  `json:"key"`
	Flavour       Flavour `json:"flavour"`
	Architecture  string  `json:"architecture"`
	KernelRelease string  `json:"kernelRelease"`
	// Packages are "name=version".
	Packages    []string `json:"packages"`
	Modules     int      `json:"modules"`
	AgentBytes  int64    `json:"agentBytes"`
	AgentSHA256 string   `json:"agentSHA256"`
	// CommandLine is what the kernel must be given on every way of booting.
	CommandLine netboot.CommandLine `json:"commandLine"`
	Files       map[string]File     `json:"files"`
}

// File is one file of an image.
type File struct {
	SizeBytes int64  `json:"sizeBytes"`
	SHA256    string `json:"sha256"`
}

// commandLine is a flavour's: the cloud kernel is for emulated machines.
func commandLine(f Flavour) netboot.CommandLine {
	c := netboot.DefaultCommandLine()
	c.Emulated = f == Cloud
	return c
}

// Build makes the image, or finds that it is there. Concurrent builds over one cache wait for each other.
func Build(ctx context.Context, o Options) (Result, error) {
	o.Flavour = cmp.Or(o.Flavour, Generic)
	if o.Progress == nil {
		o.Progress = func(string) {}
	}
	if o.Agent == "" || o.CacheDir == "" || o.OutputDir == "" {
		return Result{}, errors.New("build the agent image: the agent's program, a cache folder and an output folder must be given")
	}
	for _, dir := range []string{o.CacheDir, o.OutputDir} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return Result{}, fmt.Errorf("build the agent image: %w", err)
		}
	}
	unlock, err := lock(filepath.Join(o.CacheDir, "lock"))
	if err != nil {
		return Result{}, fmt.Errorf("build the agent image: %w", err)
	}
	defer unlock()
	result, err := build(ctx, o)
	if err != nil {
		return Result{}, fmt.Errorf("build the agent image in %s: %w", o.OutputDir, err)
	}
	return result, nil
}

func build(ctx context.Context, o Options) (Result, error) {
	apt := apt{cache: o.CacheDir, progress: o.Progress}
	kernel, err := apt.kernel(ctx, o.Flavour)
	if err != nil {
		return Result{}, err
	}
	roots, err := apt.find(ctx, "ca-certificates")
	if err != nil {
		return Result{}, err
	}
	if err := requireStatic(o.Agent, elf.EM_X86_64); err != nil {
		return Result{}, err
	}
	agent, err := describe(o.Agent)
	if err != nil {
		return Result{}, err
	}
	tools, err := apt.tools(ctx)
	if err != nil {
		return Result{}, err
	}
	m := Manifest{
		Flavour: o.Flavour, Architecture: "x86_64", Packages: []string{kernel.String(), roots.String()},
		AgentBytes: agent.SizeBytes, AgentSHA256: agent.SHA256, CommandLine: commandLine(o.Flavour),
	}
	inputs := []string{format, string(m.Flavour), kernel.SHA256, roots.SHA256, agent.SHA256, strings.Join(patterns(), "\n"), m.CommandLine.String(), loaderRecipe()}
	for _, p := range tools {
		m.Packages, inputs = append(m.Packages, p.String()), append(inputs, p.SHA256)
	}
	m.Key = digest(inputs...)
	result := Result{Kernel: filepath.Join(o.OutputDir, KernelFile), Ramdisk: filepath.Join(o.OutputDir, RamdiskFile)}
	if old, err := Read(o.OutputDir); err == nil && old.Key == m.Key {
		result.Manifest, result.Cached = old, true
		o.Progress("agent image is up to date: " + o.OutputDir)
		return result, nil
	}
	// Without a manifest the folder counts as empty while it is being filled.
	if err := os.Remove(filepath.Join(o.OutputDir, ManifestFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return Result{}, err
	}
	tree, err := apt.unpack(ctx, kernel)
	if err != nil {
		return Result{}, err
	}
	certificates, err := apt.unpack(ctx, roots)
	if err != nil {
		return Result{}, err
	}
	extra, err := apt.programFiles(ctx, tools)
	if err != nil {
		return Result{}, err
	}
	if err := fill(o, &m, tree, certificates, extra, result); err != nil {
		return Result{}, err
	}
	result.Manifest = m
	return result, nil
}

// fill writes the three files, the manifest last.
func fill(o Options, m *Manifest, tree, certificates string, extra []packed, r Result) error {
	o.Progress("choosing kernel modules")
	modules, err := choose(tree)
	if err != nil {
		return err
	}
	m.KernelRelease, m.Modules = modules.index.Kernel, len(modules.index.Modules)
	if err := requireModules(o.Flavour, modules); err != nil {
		return err
	}
	if err := copyFile(filepath.Join(tree, "boot", "vmlinuz-"+m.KernelRelease), r.Kernel); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("packing the ramdisk: agent (%d KiB) and %d kernel modules", m.AgentBytes>>10, m.Modules))
	if err := writeRamdisk(r.Ramdisk, o.Agent, certificates, extra, modules); err != nil {
		return err
	}
	m.Files = map[string]File{}
	for name, path := range map[string]string{KernelFile: r.Kernel, RamdiskFile: r.Ramdisk} {
		if m.Files[name], err = describe(path); err != nil {
			return err
		}
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := writeAtomically(filepath.Join(o.OutputDir, ManifestFile), func(w io.Writer) error {
		_, err := w.Write(append(data, '\n'))
		return err
	}); err != nil {
		return err
	}
	o.Progress(fmt.Sprintf("agent image ready: kernel %s (%d KiB), ramdisk %d KiB", m.KernelRelease, m.Files[KernelFile].SizeBytes>>10, m.Files[RamdiskFile].SizeBytes>>10))
	return nil
}

// Read reads the manifest of a folder and checks that its files are the manifest's.
func Read(dir string) (Manifest, error) {
	var m Manifest
	data, err := os.ReadFile(filepath.Join(dir, ManifestFile))
	if err != nil {
		return m, fmt.Errorf("read the agent image: %w (make it with: ingot image build-agent)", err)
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return m, fmt.Errorf("read the agent image's manifest in %s: %w", dir, err)
	}
	for _, name := range []string{KernelFile, RamdiskFile} {
		got, err := describe(filepath.Join(dir, name))
		if err != nil {
			return m, fmt.Errorf("read the agent image: %w", err)
		}
		if got != m.Files[name] {
			return m, fmt.Errorf("the agent image's file %s in %s is not the one that its manifest names: build it again", name, dir)
		}
	}
	return m, nil
}

// describe gives a file's size and digest.
func describe(path string) (File, error) {
	f, err := os.Open(path)
	if err != nil {
		return File{}, err
	}
	defer func() { _ = f.Close() }()
	h := sha256.New()
	n, err := io.Copy(h, f)
	if err != nil {
		return File{}, fmt.Errorf("read %s: %w", path, err)
	}
	return File{SizeBytes: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}

func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s\n", len(p), p)
	}
	return hex.EncodeToString(h.Sum(nil))
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	return writeAtomically(to, func(w io.Writer) error {
		_, err := io.Copy(w, in)
		return err
	})
}

// writeAtomically writes a file under another name and renames it.
func writeAtomically(path string, write func(io.Writer) error) error {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-")
	if err != nil {
		return err
	}
	err = errors.Join(write(f), f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", path, errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// lock waits for the cache's lock, which ends with the process at the latest.
func lock(path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
