package agentimage

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	"github.com/ulikunitz/xz"

	"github.com/ingotmetal/ingot/internal/agent/coldplug"
)

// moduleSet is what the ramdisk carries.
type moduleSet struct {
	index coldplug.Index
	// files are the modules' content by coldplug.Module.File.
	files   map[string][]byte
	builtin map[string]bool
}

func (m moduleSet) has(name string) bool {
	return m.builtin[name] || slices.ContainsFunc(m.index.Modules, func(x coldplug.Module) bool { return x.Name == name })
}

// choose reads the modules of an unpacked kernel package and takes what is carried, with dependencies.
func choose(tree string) (moduleSet, error) {
	base, release, err := modulesDir(tree)
	if err != nil {
		return moduleSet{}, err
	}
	builtin, err := readBuiltin(filepath.Join(base, "modules.builtin"))
	if err != nil {
		return moduleSet{}, err
	}
	paths, err := modulePaths(filepath.Join(base, "kernel"))
	if err != nil {
		return moduleSet{}, err
	}
	set := moduleSet{index: coldplug.Index{Kernel: release, Always: always}, files: map[string][]byte{}, builtin: builtin}
	c := closure{base: filepath.Join(base, "kernel"), paths: paths, set: &set}
	for _, name := range slices.Sorted(maps.Keys(paths)) {
		if carried(paths[name]) || slices.Contains(always, name) {
			if err := c.add(name); err != nil {
				return moduleSet{}, err
			}
		}
	}
	slices.SortFunc(set.index.Modules, func(a, b coldplug.Module) int { return strings.Compare(a.Name, b.Name) })
	return set, nil
}

// modulesDir finds lib/modules/<release>, which merged-/usr releases have below usr.
func modulesDir(tree string) (dir, release string, err error) {
	for _, lib := range []string{"lib", "usr/lib"} {
		found, err := filepath.Glob(filepath.Join(tree, lib, "modules", "*"))
		if err == nil && len(found) == 1 {
			return found[0], filepath.Base(found[0]), nil
		}
	}
	return "", "", fmt.Errorf("the kernel package unpacked in %s has no single folder lib/modules/<release>", tree)
}

func readBuiltin(file string) (map[string]bool, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for line := range strings.FieldsSeq(string(data)) {
		names[coldplug.Name(line)] = true
	}
	return names, nil
}

// modulePaths gives the path of every module below base by the module's name.
func modulePaths(base string) (map[string]string, error) {
	paths := map[string]string{}
	err := fs.WalkDir(os.DirFS(base), ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.Contains(d.Name(), ".ko") {
			return err
		}
		paths[coldplug.Name(p)] = p
		return nil
	})
	if err == nil && len(paths) == 0 {
		err = fmt.Errorf("no kernel modules below %s", base)
	}
	return paths, err
}

// closure adds modules and what they need.
type closure struct {
	base  string
	paths map[string]string
	set   *moduleSet
}

func (c closure) add(name string) error {
	name = coldplug.Name(name)
	file := name + ".ko"
	if _, done := c.set.files[file]; done || c.set.builtin[name] {
		return nil
	}
	p, ok := c.paths[name]
	if !ok {
		return fmt.Errorf("kernel module %s is depended on and not in the package", name)
	}
	content, err := readModule(filepath.Join(c.base, p))
	if err != nil {
		return err
	}
	m, err := parseModule(name, content)
	if err != nil {
		return fmt.Errorf("kernel module %s: %w", p, err)
	}
	m.File = file
	c.set.files[file] = content
	c.set.index.Modules = append(c.set.index.Modules, m)
	for _, d := range m.Depends {
		if err := c.add(d); err != nil {
			return fmt.Errorf("kernel module %s: %w", name, err)
		}
	}
	for _, d := range m.Before {
		// Soft: wanted where it exists.
		if _, ok := c.paths[coldplug.Name(d)]; ok {
			if err := c.add(d); err != nil {
				return fmt.Errorf("kernel module %s: %w", name, err)
			}
		}
	}
	return nil
}

// readModule reads a module's file and decompresses it: the ramdisk as a whole is compressed better.
func readModule(file string) ([]byte, error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	switch path.Ext(file) {
	case ".ko":
		return data, nil
	case ".xz":
		r, err := xz.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("decompress %s: %w", file, err)
		}
		return io.ReadAll(r)
	case ".zst":
		r, err := zstd.NewReader(bytes.NewReader(data))
		if err != nil {
			return nil, fmt.Errorf("decompress %s: %w", file, err)
		}
		defer r.Close()
		return io.ReadAll(r)
	}
	return nil, fmt.Errorf("kernel module %s is compressed in an unknown way", file)
}

// parseModule reads a module's .modinfo section: "key=value" texts, each ended by NUL.
func parseModule(name string, content []byte) (coldplug.Module, error) {
	m := coldplug.Module{Name: name}
	f, err := elf.NewFile(bytes.NewReader(content))
	if err != nil {
		return m, err
	}
	section := f.Section(".modinfo")
	if section == nil {
		return m, errors.New("it has no section .modinfo")
	}
	info, err := section.Data()
	if err != nil {
		return m, fmt.Errorf("read section .modinfo: %w", err)
	}
	for text := range strings.SplitSeq(string(info), "\x00") {
		key, value, _ := strings.Cut(text, "=")
		switch key {
		case "alias":
			m.Aliases = append(m.Aliases, value)
		case "depends":
			for d := range strings.SplitSeq(value, ",") {
				if d != "" {
					m.Depends = append(m.Depends, coldplug.Name(d))
				}
			}
		case "softdep":
			m.Before = append(m.Before, before(value)...)
		}
	}
	return m, nil
}

// before gives the modules of a softdep ("pre: a b post: c") that come first.
func before(softdep string) []string {
	var names []string
	pre := false
	for word := range strings.FieldsSeq(softdep) {
		switch {
		case strings.HasSuffix(word, ":"):
			pre = word == "pre:"
		case pre:
			names = append(names, coldplug.Name(word))
		}
	}
	return names
}
