package host

import (
	"context"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/internal/controller/host/vitals"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
)

// queue is the controller's work queue, known from the moment that the controller starts. Waking a host before that has no effect and needs none: every host is looked at then.
type queue struct {
	mu sync.Mutex
	q  Queue
}

// Queue has a host looked at after a while; a host that waits in it already is looked at at the earlier time.
type Queue interface {
	AddAfter(host reconcile.Request, after time.Duration)
}

// source hands the controller's queue to us.
func (k *queue) source() source.Source {
	return source.Func(func(_ context.Context, q workqueue.TypedRateLimitingInterface[reconcile.Request]) error {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.q = q
		return nil
	})
}

func (k *queue) add(key types.NamespacedName, after time.Duration) {
	k.mu.Lock()
	q := k.q
	k.mu.Unlock()
	if q != nil {
		q.AddAfter(reconcile.Request{NamespacedName: key}, after)
	}
}

// wake has the host looked at as soon as a worker is free.
func (r *Reconciler) wake(key types.NamespacedName) { r.queue.add(key, 0) }

// heard has the host's power read: its BMC told of a change, or of none any more. What the BMC said is not believed.
func (r *Reconciler) heard(key types.NamespacedName, uid types.UID) {
	r.memories.finish(key, uid, func(m *memory) { m.heard = true })
	r.wake(key)
}

// listen keeps a stream of events for a host at rest, and ends it for one that is let go of.
func (r *Reconciler) listen(ctx context.Context, v *view, d *journey.Decision, now time.Time) error {
	key, uid, since := keyOf(v.host), v.host.UID, d.Record.Outcome.Since
	gone := !d.Host.DeletionTimestamp.IsZero() || d.Host.Status.OperationalStatus == metal3.OperationalStatusDetached || d.Host.Spec.BMC.Address == ""
	switch {
	case gone:
		r.streams.Drop(key)
		return nil
	case d.Outcome.Kind != journey.Done || since == nil || !event.Worthwhile(since.Time, now) || !vitals.Tells(d.Record.BMC) || !v.facts.Credentials.Complete:
		return nil
	}
	c, err := r.credentialsOf(ctx, v.host, d.Record.Failure, now)
	if err != nil {
		return err
	}
	r.streams.Keep(key, r.logins.Target(v.host, r.target(v.host, c)), func() { r.heard(key, uid) })
	return nil
}

// hushed ends what listens to a host that is let go.
func (r *Reconciler) hushed(key types.NamespacedName, uid types.UID) {
	r.streams.Drop(key)
	r.vitals.Forget(uid)
	r.logins.Forget(uid)
}

// Streams keep one open stream of events per BMC, for as many as they think worth it.
type Streams interface {
	// Keep wants one for a host. heard is called at an event that is a reason to read, when the stream opens and when it ends.
	Keep(key types.NamespacedName, t bmc.Target, heard func())
	// Open says whether there is one now.
	Open(key types.NamespacedName) bool
	// Drop ends it.
	Drop(key types.NamespacedName)
}

// deaf are no streams at all.
type deaf struct{}

func (deaf) Keep(types.NamespacedName, bmc.Target, func()) {}
func (deaf) Open(types.NamespacedName) bool                { return false }
func (deaf) Drop(types.NamespacedName)                     {}

// wakeSoon has it looked at in a second, for what would fail again at once.
func (r *Reconciler) wakeSoon(key types.NamespacedName) { r.queue.add(key, time.Second) }

// hands run actions on BMCs beside the work queue, a bounded number at once.
type hands struct {
	slots chan struct{}
	wg    sync.WaitGroup

	mu  sync.Mutex
	ctx context.Context
}

func newHands(n int) *hands { return &hands{slots: make(chan struct{}, n)} }

// Start implements manager.Runnable: actions live as long as the process holds the leadership, and it ends when the last one did.
func (h *hands) Start(ctx context.Context) error {
	h.mu.Lock()
	h.ctx = ctx
	h.mu.Unlock()
	<-ctx.Done()
	h.wg.Wait()
	return nil
}

// run runs f in its own goroutine as soon as there is a free hand. f is always called, with an ended context when the process stops.
func (h *hands) run(f func(context.Context)) {
	h.mu.Lock()
	ctx := h.ctx
	h.mu.Unlock()
	if ctx == nil {
		ctx = context.Background()
	}
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		select {
		case h.slots <- struct{}{}:
			defer func() { <-h.slots }()
		case <-ctx.Done():
		}
		f(ctx)
	}()
}
