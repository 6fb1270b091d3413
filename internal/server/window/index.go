// Package window holds the boot windows that this boot server knows, found by MAC, boot and medium.
//
// It owns the index and the tokens that belong to the windows. It refuses decisions (netboot) and the API: somebody puts windows in and takes them out. What was put in last goes on
// when the API is away, until the windows close by themselves: every reader compares with the time.
//
// Lookups take the same time however many windows there are. Where two windows claim one MAC, the one that opened last has it, and of two that opened together the one
// whose boot ID is greater: every boot server must choose the same one. The partition role closes a host's older window before it opens a new one, so
// this happens only between the two writes, or between hosts that claim one MAC by mistake.
package window

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/netboot"
	"github.com/ingotmetal/ingot/netboot/medium"
	"github.com/ingotmetal/ingot/tracing"
)

// Entry is one window and what its medium tells the agent.
type Entry struct {
	netboot.Window
	// MediumName is the last part of the virtual medium's URL, without its suffix; empty for none.
	MediumName string
	// Config is the boot configuration without its token.
	Config medium.Config
	// Token is zero in a window that boots no agent.
	Token secret.String
	// Trace is what spans of this boot hang below; zero: it is not traced.
	Trace tracing.Parent
}

// Archive is the boot configuration with the token, as the agent's kernel unpacks it.
func (e *Entry) Archive() ([]byte, error) {
	c := e.Config
	c.Token = e.Token.Reveal()
	return medium.Encode(c)
}

// Index is safe for any number of goroutines. An entry is never changed after it was put in.
type Index struct {
	settings atomic.Pointer[netboot.Settings]

	mu       sync.RWMutex
	byBoot   map[string]*Entry
	byMedium map[string]*Entry
	byMAC    map[netboot.MAC][]*Entry // the one that is served first
}

// New gives an empty index whose mode is off.
func New() *Index {
	i := &Index{byBoot: map[string]*Entry{}, byMedium: map[string]*Entry{}, byMAC: map[netboot.MAC][]*Entry{}}
	i.SetSettings(netboot.Settings{Mode: netboot.Off})
	return i
}

// SetSettings replaces the settings of the provisioning network.
func (i *Index) SetSettings(s netboot.Settings) { i.settings.Store(&s) }

// Settings are the provisioning network's.
func (i *Index) Settings() netboot.Settings { return *i.settings.Load() }

// Put adds a window, or replaces the one of the same boot. A window that cannot be served is refused, and an older version of it forgotten.
func (i *Index) Put(e Entry) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.remove(e.BootID)
	if err := e.Check(); err != nil {
		return err
	}
	p := &e
	i.byBoot[e.BootID] = p
	if e.MediumName != "" {
		i.byMedium[e.MediumName] = p
	}
	for _, m := range e.MACs {
		if slices.Contains(i.byMAC[m], p) {
			continue
		}
		i.byMAC[m] = append(i.byMAC[m], p)
		slices.SortFunc(i.byMAC[m], func(a, b *Entry) int {
			return cmp.Or(b.OpensAt.Compare(a.OpensAt), cmp.Compare(b.BootID, a.BootID))
		})
	}
	return nil
}

// Remove forgets a boot's window.
func (i *Index) Remove(bootID string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.remove(bootID)
}

func (i *Index) remove(bootID string) {
	p, ok := i.byBoot[bootID]
	if !ok {
		return
	}
	delete(i.byBoot, bootID)
	if i.byMedium[p.MediumName] == p {
		delete(i.byMedium, p.MediumName)
	}
	for _, m := range p.MACs {
		i.byMAC[m] = slices.DeleteFunc(i.byMAC[m], func(e *Entry) bool { return e == p })
		if len(i.byMAC[m]) == 0 {
			delete(i.byMAC, m)
		}
	}
}

// ByMAC is the window of a MAC, nil for none.
func (i *Index) ByMAC(m netboot.MAC) *Entry {
	i.mu.RLock()
	defer i.mu.RUnlock()
	if list := i.byMAC[m]; len(list) > 0 {
		return list[0]
	}
	return nil
}

// ByBoot is the window of a boot, nil for none.
func (i *Index) ByBoot(bootID string) *Entry {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.byBoot[bootID]
}

// ByMedium is the window of a virtual medium, nil for none.
func (i *Index) ByMedium(name string) *Entry {
	i.mu.RLock()
	defer i.mu.RUnlock()
	return i.byMedium[name]
}

// Boots are the IDs of all windows that are known, in no order.
func (i *Index) Boots() []string {
	i.mu.RLock()
	defer i.mu.RUnlock()
	ids := make([]string, 0, len(i.byBoot))
	for id := range i.byBoot {
		ids = append(ids, id)
	}
	return ids
}

// WindowOf is the netboot.Window of an entry that may be nil.
func (e *Entry) WindowOf() *netboot.Window {
	if e == nil {
		return nil
	}
	return &e.Window
}
