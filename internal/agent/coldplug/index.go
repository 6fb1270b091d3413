package coldplug

import (
	"encoding/json"
	"fmt"
	"path"
	"strings"
)

// IndexPath is where the ramdisk has the index; ModuleDir is where the modules' files are.
const (
	IndexPath = "lib/modules/index.json"
	ModuleDir = "lib/modules"
)

// Index is every module of a ramdisk.
type Index struct {
	// Kernel is the release that the modules belong to ("6.1.0-56-amd64").
	Kernel  string   `json:"kernel"`
	Modules []Module `json:"modules"`
	// Always are the names of modules without aliases that fit any machine (file systems, disk classes), loaded before the devices are looked at.
	Always []string `json:"always,omitempty"`
}

// Module is one module, as its .modinfo section describes it. Names have underscores.
type Module struct {
	Name string `json:"name"`
	// File is the name below ModuleDir.
	File    string   `json:"file"`
	Depends []string `json:"depends,omitempty"`
	// Before are soft dependencies that are loaded first where the ramdisk has them.
	Before  []string `json:"before,omitempty"`
	Aliases []string `json:"aliases,omitempty"`
}

// ParseIndex reads an index.
func ParseIndex(data []byte) (Index, error) {
	var x Index
	if err := json.Unmarshal(data, &x); err != nil {
		return x, fmt.Errorf("read the module index: %w", err)
	}
	for _, m := range x.Modules {
		if m.Name == "" || m.File == "" || path.Clean(m.File) != m.File || strings.HasPrefix(m.File, "/") || strings.HasPrefix(m.File, "..") {
			return x, fmt.Errorf("read the module index: module %q has the file name %q", m.Name, m.File)
		}
	}
	return x, nil
}

// Name is a module's name as the kernel has it, from a file name or a dependency.
func Name(file string) string {
	name, _, _ := strings.Cut(path.Base(file), ".ko")
	return strings.ReplaceAll(name, "-", "_")
}
