package agentimage

import (
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cavaliergopher/cpio"
)

// LoaderFolder is where the ramdisk has the boot loader that the agent puts on disks.
const LoaderFolder = "usr/lib/ingot/grub"

// packed is a file of the ramdisk.
type packed struct {
	name    string
	mode    int
	content []byte
}

// programs are what the agent runs to make and grow file systems, by the package that has them. XFS is grown by the kernel alone.
func programs() map[string][]string {
	return map[string][]string{"e2fsprogs": {"mke2fs", "resize2fs"}, "xfsprogs": {"mkfs.xfs"}, "dosfstools": {"mkfs.fat"}}
}

// toolPackages are those of the programs, of the libraries that they are linked with, and of the boot loader.
func toolPackages() []string {
	return []string{
		"e2fsprogs", "xfsprogs", "dosfstools", "libc6", "libext2fs2", "libcom-err2", "libblkid1", "libuuid1", "libinih1", "liburcu8", "grub-pc-bin", "grub-efi-amd64-bin",
	}
}

func (a apt) tools(ctx context.Context) ([]debianPackage, error) {
	return a.findAll(ctx, toolPackages()...)
}

// programFiles are the programs with all libraries that they ask for, and the boot loader.
func (a apt) programFiles(ctx context.Context, tools []debianPackage) ([]packed, error) {
	trees := map[string]string{}
	for _, p := range tools {
		tree, err := a.unpack(ctx, p)
		if err != nil {
			return nil, err
		}
		trees[p.Name] = tree
	}
	out, err := linked(trees)
	if err != nil {
		return nil, err
	}
	a.progress("making the boot loader that the agent puts on disks")
	loader, err := loaderFiles(ctx, trees["grub-pc-bin"], trees["grub-efi-amd64-bin"])
	if err != nil {
		return nil, err
	}
	all := slices.Concat(out, loader)
	return append(foldersOf(all), all...), nil
}

// folders of Debian's packages for libraries; programs are in sbin or usr/sbin.
const (
	libraryFolder = "lib/x86_64-linux-gnu"
	dynamicLoader = "lib64/ld-linux-x86-64.so.2"
)

// linked takes the programs and follows what they are linked with.
func linked(trees map[string]string) ([]packed, error) {
	var out []packed
	taken := map[string]bool{}
	var add func(name, file string) error
	add = func(name, file string) error {
		content, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		out = append(out, packed{name, int(cpio.TypeReg) | 0o755, content})
		needed, err := neededBy(file)
		if err != nil {
			return err
		}
		for _, library := range needed {
			if taken[library] || strings.HasPrefix(library, "ld-linux") {
				continue
			}
			taken[library] = true
			at, err := findIn(trees, libraryFolder+"/"+library, "usr/"+libraryFolder+"/"+library)
			if err != nil {
				return fmt.Errorf("%s is linked with %s: %w; add its package to internal/agentimage/programs.go", name, library, err)
			}
			if err := add(libraryFolder+"/"+library, at); err != nil {
				return err
			}
		}
		return nil
	}
	for _, pkg := range toolPackages() {
		for _, program := range programs()[pkg] {
			at, err := findIn(map[string]string{pkg: trees[pkg]}, "sbin/"+program, "usr/sbin/"+program)
			if err != nil {
				return nil, err
			}
			if err := add("usr/sbin/"+program, at); err != nil {
				return nil, err
			}
		}
	}
	at, err := findIn(trees, dynamicLoader, libraryFolder+"/"+path.Base(dynamicLoader), "usr/"+libraryFolder+"/"+path.Base(dynamicLoader))
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(at)
	return append(out, packed{dynamicLoader, int(cpio.TypeReg) | 0o755, content}), err
}

func neededBy(file string) ([]string, error) {
	f, err := elf.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	needed, err := f.ImportedLibraries()
	return needed, errors.Join(err, f.Close())
}

// findIn finds a file under one of its names in one of the trees, and follows its links within the tree.
func findIn(trees map[string]string, names ...string) (string, error) {
	for _, tree := range trees {
		for _, name := range names {
			at := filepath.Join(tree, name)
			for range 4 {
				info, err := os.Lstat(at)
				if err != nil {
					break
				}
				if info.Mode().IsRegular() {
					return at, nil
				}
				to, err := os.Readlink(at)
				if err != nil {
					break
				}
				if path.IsAbs(to) {
					at = filepath.Join(tree, to)
				} else {
					at = filepath.Join(filepath.Dir(at), to)
				}
			}
		}
	}
	return "", fmt.Errorf("none of the packages has %s", strings.Join(names, " or "))
}

// foldersOf are the folders above files, each once and before what is below it, but for those that the ramdisk has anyway.
func foldersOf(files []packed) []packed {
	var out []packed
	made := map[string]bool{".": true}
	for _, name := range empty {
		made[name] = true
	}
	var add func(dir string)
	add = func(dir string) {
		if made[dir] {
			return
		}
		made[dir] = true
		add(path.Dir(dir))
		out = append(out, packed{dir, int(cpio.TypeDir) | 0o755, nil})
	}
	for _, f := range files {
		add(path.Dir(f.name))
	}
	return out
}

// sorted puts files in the order of their names, since the ramdisk's bytes are the same for the same inputs.
func sorted(files []packed) []packed {
	slices.SortFunc(files, func(a, b packed) int { return strings.Compare(a.name, b.name) })
	return files
}
