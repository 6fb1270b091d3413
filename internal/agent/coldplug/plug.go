package coldplug

import (
	"errors"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
)

// Kernel loads a module into the running kernel.
type Kernel interface {
	// Load loads the module's file, a name below ModuleDir. It is nil as well when the module is there already.
	Load(file string) error
}

// Plug loads modules. Safe for several goroutines.
type Plug struct {
	matcher *Matcher
	kernel  Kernel
	logger  *slog.Logger
	always  []string

	mu sync.Mutex
	// modules by name; tried are those that Load was called for.
	modules map[string]Module
	tried   map[string]bool
	// known are the modaliases that were seen.
	known map[string]bool
}

// New makes a Plug.
func New(x Index, k Kernel, logger *slog.Logger) *Plug {
	p := &Plug{matcher: NewMatcher(x), kernel: k, logger: logger, always: x.Always,
		modules: map[string]Module{}, tried: map[string]bool{}, known: map[string]bool{}}
	for _, m := range x.Modules {
		p.modules[m.Name] = m
	}
	return p
}

// LoadAlways loads the modules that fit any machine.
func (p *Plug) LoadAlways() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, name := range p.always {
		p.load(name)
	}
}

// Named loads a module by its name, for what no device announces (a kind of virtual link, a file system).
func (p *Plug) Named(name string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.load(name)
}

// Device loads the modules for one device, and says whether its modalias is new.
func (p *Plug) Device(modalias string) bool {
	modalias = strings.TrimSpace(modalias)
	p.mu.Lock()
	defer p.mu.Unlock()
	if modalias == "" || p.known[modalias] {
		return false
	}
	p.known[modalias] = true
	for _, name := range p.matcher.Match(modalias) {
		p.load(name)
	}
	return true
}

// load loads a module after its dependencies; the caller holds mu.
func (p *Plug) load(name string) {
	name = Name(name)
	if p.tried[name] {
		return
	}
	p.tried[name] = true
	m, ok := p.modules[name]
	if !ok {
		// Built into the kernel, or not carried.
		return
	}
	for _, dependency := range m.Before {
		p.load(dependency)
	}
	for _, dependency := range m.Depends {
		p.load(dependency)
	}
	if err := p.kernel.Load(m.File); err != nil {
		p.logger.Warn("Kernel module not loaded", "module", name, "err", err)
		return
	}
	p.logger.Debug("Kernel module loaded", "module", name)
}

// maxWalks bounds the walks: a bus below a bus below a controller appears one walk later each.
const maxWalks = 8

// Walk loads the modules of all devices below root, which is /sys/devices, again and again until a walk finds no new device.
func (p *Plug) Walk(root fs.FS) error {
	for range maxWalks {
		fresh := 0
		err := fs.WalkDir(root, ".", func(name string, d fs.DirEntry, err error) error {
			if err != nil {
				// A device that went away during the walk.
				if errors.Is(err, fs.ErrNotExist) {
					return nil
				}
				return err
			}
			if d.IsDir() || d.Name() != "modalias" {
				return nil
			}
			data, err := fs.ReadFile(root, name)
			if err != nil {
				return nil //nolint:nilerr // the device went away, or does not say what it is
			}
			if p.Device(string(data)) {
				fresh++
			}
			return nil
		})
		if err != nil || fresh == 0 {
			return err
		}
	}
	return nil
}
