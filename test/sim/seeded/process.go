package seeded

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlevent "sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/test/sim/seeded/store"
)

const (
	agentEndpoint = "https://10.9.0.2:8443"
	mediaEndpoint = "https://10.9.0.2:8445"
	partitionName = "sim"
)

// process is one life of the partition role: a reconciler with a cache, a queue and sessions to BMCs, all of which are gone with it.
type process struct {
	w     *world
	cache *cache
	hosts *host.Reconciler
	bmcs  *bmc.Pool
	ended atomic.Bool
	stop  context.CancelFunc
	idle  chan struct{}
	ctx   context.Context

	mu  sync.Mutex
	due map[types.NamespacedName]time.Time
	// failures count the errors in a row, for the queue's back-off.
	failures map[types.NamespacedName]int
}

// startProcess makes a process from nothing but the objects.
func (w *world) startProcess() error {
	p := &process{w: w, due: map[types.NamespacedName]time.Time{}, failures: map[types.NamespacedName]int{}, idle: make(chan struct{})}
	p.ctx, p.stop = context.WithCancel(context.Background())
	p.cache = newCache(w.store, w.now, w.lag, p.seen)
	p.bmcs = bmc.NewPool(w.bmcs, bmc.PoolOptions{})
	cached := apiClient{w.store, p, &reader{p.cache, true}}
	o := host.Options{
		Config: host.Config{
			Partition: partitionName, AgentEndpoint: agentEndpoint, MediaEndpoint: mediaEndpoint, CABundle: []byte("CA"),
			FirstBootKey: secret.New("a key of the partition, at least 32 bytes"), BMCTimeout: time.Minute, BMCActions: 16, ProgressEvery: 10 * time.Second,
		},
		BMCs: p, Live: apiClient{w.store, p, nil}, Log: slog.New(slog.DiscardHandler),
		Decide: w.decide, Now: w.now, Metrics: prometheus.NewRegistry(),
	}
	var err error
	p.hosts, err = host.New(o, host.Surroundings{Cached: cached, Index: reader{p.cache, false}, Events: silence{}, Queue: p})
	if err != nil {
		return err
	}
	go func() {
		defer close(p.idle)
		_ = p.hosts.Act(p.ctx)
	}()
	w.process = p
	p.cache.store.Each(func(id store.ID, _ client.Object) {
		if id.Kind.Kind == "BareMetalHost" {
			p.AddAfter(reconcile.Request{NamespacedName: id.Key}, 0)
		}
	})
	return nil
}

// Use implements host.BMCs: a dead process does nothing any more.
func (p *process) Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error {
	if p.dead() {
		return errDead
	}
	return p.bmcs.Use(ctx, t, do)
}

func (p *process) dead() bool { return p.ended.Load() }

// die ends the process where it is. What it was about to do does not happen.
func (p *process) die(where string) {
	if p.ended.Swap(true) {
		return
	}
	p.w.note("", "the process dies at %s", where)
	p.stop()
}

// AddAfter implements host.Queue.
func (p *process) AddAfter(r reconcile.Request, after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	at := p.w.now().Add(after)
	if old, waits := p.due[r.NamespacedName]; !waits || at.Before(old) {
		p.due[r.NamespacedName] = at
		p.w.poke()
	}
}

// seen wakes hosts as the watches do.
func (p *process) seen(old client.Object, c store.Change) {
	switch o := c.Object.(type) {
	case *metal3.BareMetalHost:
		was, known := old.(*metal3.BareMetalHost)
		if known && !c.Deleted && !host.Edited().Update(ctrlevent.TypedUpdateEvent[*metal3.BareMetalHost]{ObjectOld: was, ObjectNew: o}) {
			return
		}
	case *metal3.DataImage:
	case *metal3.HostFirmwareSettings:
		if was, known := old.(*metal3.HostFirmwareSettings); known && was.Generation == o.Generation && was.UID == o.UID {
			return
		}
	default:
		return
	}
	p.AddAfter(reconcile.Request{NamespacedName: c.ID.Key}, 0)
}

// next is when the process has something to do.
func (p *process) next() (time.Time, bool) {
	at, any := p.cache.catchUp(0)
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range p.due {
		if !any || t.Before(at) {
			at, any = t, true
		}
	}
	return at, any
}

// look has the first host looked at that is due, in order of names. False: none is.
func (p *process) look() bool {
	now := p.w.now()
	p.mu.Lock()
	keys := slices.SortedFunc(maps.Keys(p.due), func(a, b types.NamespacedName) int { return strings.Compare(a.String(), b.String()) })
	i := slices.IndexFunc(keys, func(k types.NamespacedName) bool { return !p.due[k].After(now) })
	if i < 0 {
		p.mu.Unlock()
		return false
	}
	key := keys[i]
	delete(p.due, key)
	p.mu.Unlock()
	p.w.passes++
	p.w.checkPace(key, now)
	r, err := p.hosts.Reconcile(p.ctx, reconcile.Request{NamespacedName: key})
	switch {
	case p.dead():
	case err != nil && !errors.Is(err, context.Canceled):
		p.failures[key]++
		p.AddAfter(reconcile.Request{NamespacedName: key}, min(30*time.Second, 50*time.Millisecond<<min(p.failures[key], 12)))
	default:
		p.failures[key] = 0
		if r.RequeueAfter > 0 {
			p.AddAfter(reconcile.Request{NamespacedName: key}, r.RequeueAfter)
		}
	}
	return true
}

// bury waits for what the process had under way on BMCs, which its end cut off.
func (p *process) bury() {
	p.stop()
	<-p.idle
	p.bmcs.CloseIdle(context.Background(), 0)
}

// silence records no events; what they say stands in the record, too.
type silence struct{}

// Eventf implements events.EventRecorder.
func (silence) Eventf(_, _ runtime.Object, _, _, _, _ string, _ ...any) {}
