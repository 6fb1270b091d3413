package boot

import (
	"errors"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"

	corev1 "k8s.io/api/core/v1"
	toolscache "k8s.io/client-go/tools/cache"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/internal/server/window"
	"github.com/ingotmetal/ingot/netboot"
)

// feed keeps the index equal to the objects. Windows and Secrets come from two watches in any order, so a window is put in again when its Secret comes.
type feed struct {
	partition string
	index     *window.Index
	log       *slog.Logger
	// fallback and httpPort go into the settings.
	fallback netip.Addr
	httpPort uint16
	// changed is told when the settings changed.
	changed chan struct{}
	// recorded is told what the Partition wants recorded of unknown machines; nil: nobody asks.
	recorded *atomic.Pointer[ingot.DiscoveryPolicy]
	// over is told the boots whose windows nothing is served in any more; nil: nobody asks.
	over func(boot string)
	// refused is why the Partition's provisioning network cannot be served as it says; nil for no reason.
	refused atomic.Pointer[error]

	mu      sync.Mutex
	windows map[string]*ingot.BootWindow // by name
	tokens  map[string]secret.String     // by the Secret's name
	waiting map[string]map[string]bool   // names of the windows that name a Secret, by the Secret's name
}

func newFeed(partition string, index *window.Index, fallback netip.Addr, httpPort uint16, log *slog.Logger) *feed {
	return &feed{partition: partition, index: index, fallback: fallback, httpPort: httpPort, log: log, changed: make(chan struct{}, 1),
		windows: map[string]*ingot.BootWindow{}, tokens: map[string]secret.String{}, waiting: map[string]map[string]bool{}}
}

// OnAdd implements toolscache.ResourceEventHandler.
func (f *feed) OnAdd(object any, _ bool) { f.put(object) }

// OnUpdate implements toolscache.ResourceEventHandler.
func (f *feed) OnUpdate(_, object any) { f.put(object) }

// OnDelete implements toolscache.ResourceEventHandler.
func (f *feed) OnDelete(object any) {
	if last, ok := object.(toolscache.DeletedFinalStateUnknown); ok {
		object = last.Obj
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch o := object.(type) {
	case *ingot.BootWindow:
		f.forget(o.Name)
		f.ended(o.Name)
	case *corev1.Secret:
		delete(f.tokens, o.Name)
		f.refresh(o.Name)
	case *ingot.Partition:
		if o.Name == f.partition {
			f.refused.Store(nil)
			f.record(nil)
			f.set(netboot.Settings{Mode: netboot.Off})
		}
	}
}

func (f *feed) put(object any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch o := object.(type) {
	case *ingot.BootWindow:
		f.putWindow(o)
	case *corev1.Secret:
		f.tokens[o.Name] = secret.New(string(o.Data[ingot.BootTokenKey]))
		f.refresh(o.Name)
	case *ingot.Partition:
		f.putPartition(o)
	}
}

func (f *feed) putWindow(w *ingot.BootWindow) {
	if old, ok := f.windows[w.Name]; ok && w.ResourceVersion != "" && old.ResourceVersion == w.ResourceVersion {
		return // a watch that began anew shows what is known
	}
	f.forget(w.Name)
	if w.Namespace != ingot.BootNamespace || w.Spec.Partition != f.partition || w.DeletionTimestamp != nil {
		return
	}
	if w.Status.RedeemedAt != nil {
		f.ended(w.Name)
	}
	f.windows[w.Name] = w
	if name := w.Spec.TokenSecretName; name != "" {
		if f.waiting[name] == nil {
			f.waiting[name] = map[string]bool{}
		}
		f.waiting[name][w.Name] = true
	}
	f.serve(w)
}

// serve puts a window into the index, or takes it out when it cannot be served.
func (f *feed) serve(w *ingot.BootWindow) {
	e, err := entryOf(w, f.tokens[w.Spec.TokenSecretName])
	if err == nil {
		err = f.index.Put(e)
	}
	if err == nil {
		f.log.Info("boot window known", "boot", w.Name, "machine", w.Spec.Host.Name, "purpose", string(w.Spec.Purpose), "method", string(w.Spec.Method),
			"until", w.Spec.ClosesAt.Time, "redeemed", w.Status.RedeemedAt != nil)
		return
	}
	f.index.Remove(w.Name)
	if errors.Is(err, errNoToken) {
		f.log.Debug("boot window not served yet", "boot", w.Name, "err", err)
		return
	}
	f.log.Warn("boot window not served", "boot", w.Name, "machine", w.Spec.Host.Name, "err", err)
}

// refresh serves the windows of a Secret again.
func (f *feed) refresh(secretName string) {
	for name := range f.waiting[secretName] {
		f.serve(f.windows[name])
	}
}

func (f *feed) forget(name string) {
	f.index.Remove(name)
	w, ok := f.windows[name]
	if !ok {
		return
	}
	delete(f.windows, name)
	if names := f.waiting[w.Spec.TokenSecretName]; names != nil {
		if delete(names, name); len(names) == 0 {
			delete(f.waiting, w.Spec.TokenSecretName)
		}
	}
}

func (f *feed) ended(boot string) {
	if f.over != nil {
		f.over(boot)
	}
}

func (f *feed) putPartition(p *ingot.Partition) {
	if p.Name != f.partition {
		return
	}
	f.record(p.Spec.Discovery)
	s, err := settingsOf(p, f.fallback, f.httpPort)
	f.refused.Store(nil)
	if err != nil {
		f.refused.Store(&err)
		f.log.Warn("provisioning network not served", "partition", p.Name, "err", err)
		s.Mode = netboot.Off
	}
	f.set(s)
}

func (f *feed) set(s netboot.Settings) {
	f.index.SetSettings(s)
	select {
	case f.changed <- struct{}{}:
	default: // somebody is told already
	}
}

func (f *feed) record(wanted *ingot.DiscoveryPolicy) {
	if f.recorded != nil {
		f.recorded.Store(wanted)
	}
}
