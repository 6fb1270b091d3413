package catalog

import (
	"context"
	"fmt"
	"time"

	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// How long a change waits for others, and the pauses after errors of the API server.
const (
	settle       = time.Second
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
)

// Add builds the controller and hangs it into the manager, whose scheme has ingot.dev.
func Add(mgr manager.Manager, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Settle <= 0 {
		o.Settle = settle
	}
	c, err := controller.New("catalog", mgr, controller.Options{
		Reconciler: &reconciler{cached: mgr.GetClient(), live: o.Live, log: o.Log, now: o.Now}, MaxConcurrentReconciles: 1,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of images: %w", err)
	}
	in := mgr.GetCache()
	for _, s := range []source.Source{
		source.Kind(in, &ingot.Image{}, later[*ingot.Image](o.Settle), edited[*ingot.Image]()),
		source.Kind(in, &ingot.ImageTrust{}, later[*ingot.ImageTrust](o.Settle), edited[*ingot.ImageTrust]()),
		source.Kind(in, &ingot.FilesystemLayout{}, later[*ingot.FilesystemLayout](o.Settle), edited[*ingot.FilesystemLayout]()),
		source.Kind(in, &ingot.Machine{}, later[*ingot.Machine](o.Settle), installed()),
	} {
		if err := c.Watch(s); err != nil {
			return fmt.Errorf("watch for images: %w", err)
		}
	}
	return nil
}

// later asks for one pass, some time after the first of many changes.
func later[O client.Object](settle time.Duration) handler.TypedEventHandler[O, reconcile.Request] {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	ask := func(q queue) {
		q.AddAfter(reconcile.Request{NamespacedName: client.ObjectKey{Name: "all"}}, settle)
	}
	return handler.TypedFuncs[O, reconcile.Request]{
		CreateFunc:  func(_ context.Context, _ event.TypedCreateEvent[O], q queue) { ask(q) },
		UpdateFunc:  func(_ context.Context, _ event.TypedUpdateEvent[O], q queue) { ask(q) },
		DeleteFunc:  func(_ context.Context, _ event.TypedDeleteEvent[O], q queue) { ask(q) },
		GenericFunc: func(_ context.Context, _ event.TypedGenericEvent[O], q queue) { ask(q) },
	}
}

// edited passes what people change, and not the statuses that are written here.
func edited[O client.Object]() predicate.TypedPredicate[O] {
	return predicate.TypedFuncs[O]{UpdateFunc: func(e event.TypedUpdateEvent[O]) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration() || e.ObjectOld.GetUID() != e.ObjectNew.GetUID()
	}}
}

// installed passes machines that have another image than before.
func installed() predicate.TypedPredicate[*ingot.Machine] {
	return predicate.TypedFuncs[*ingot.Machine]{UpdateFunc: func(e event.TypedUpdateEvent[*ingot.Machine]) bool {
		return imageOf(e.ObjectOld) != imageOf(e.ObjectNew)
	}}
}

func imageOf(m *ingot.Machine) string {
	if m.Status.Image == nil {
		return ""
	}
	return m.Status.Image.Name
}
