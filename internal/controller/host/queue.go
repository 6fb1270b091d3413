package host

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
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
