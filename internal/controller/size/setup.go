package size

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
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

// The pauses after errors of the API server.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
)

// Caches are what the watches keep of hardware: what sizes ask for.
func Caches() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{&metal3.HardwareData{}: {Transform: func(o any) (any, error) {
		if h, ok := o.(*metal3.HardwareData); ok {
			h.ManagedFields, h.Annotations = nil, nil
			if d := h.Spec.HardwareDetails; d != nil {
				d.NIC, d.CPU.Flags = nil, nil
			}
		}
		return o, nil
	}}}
}

// Add builds the two controllers and hangs them into the manager, whose scheme has metal3.io and ingot.dev, and whose cache has Caches.
func Add(mgr manager.Manager, o Options) error {
	if o.Settle <= 0 {
		o.Settle = settle
	}
	labels := &hosts{cached: mgr.GetClient(), live: o.Live, log: o.Log}
	status := &statuses{cached: mgr.GetClient(), live: o.Live, log: o.Log}
	if err := watch(mgr, "size-of-host", labels, func(in cache.Cache) []source.Source {
		return []source.Source{
			source.Kind(in, &metal3.BareMetalHost{}, &handler.TypedEnqueueRequestForObject[*metal3.BareMetalHost]{}, turned()),
			source.Kind(in, &metal3.HardwareData{}, &handler.TypedEnqueueRequestForObject[*metal3.HardwareData]{}),
			source.Kind(in, &ingot.Size{}, handler.TypedEnqueueRequestsFromMapFunc(labels.all), edited()),
		}
	}); err != nil {
		return err
	}
	return watch(mgr, "size", status, func(in cache.Cache) []source.Source {
		return []source.Source{
			source.Kind(in, &metal3.BareMetalHost{}, later[*metal3.BareMetalHost](o.Settle), relabelled()),
			source.Kind(in, &metal3.HardwareData{}, later[*metal3.HardwareData](o.Settle)),
			source.Kind(in, &ingot.Size{}, later[*ingot.Size](o.Settle), edited()),
		}
	})
}

func watch(mgr manager.Manager, name string, r reconcile.Reconciler, sources func(cache.Cache) []source.Source) error {
	c, err := controller.New(name, mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: 1,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller %s: %w", name, err)
	}
	for _, s := range sources(mgr.GetCache()) {
		if err := c.Watch(s); err != nil {
			return fmt.Errorf("watch for the controller %s: %w", name, err)
		}
	}
	return nil
}

// all are the hosts that a changed size may matter to.
func (r *hosts) all(ctx context.Context, _ *ingot.Size) []reconcile.Request {
	var list metal3.BareMetalHostList
	if err := r.cached.List(ctx, &list, client.UnsafeDisableDeepCopy); err != nil {
		r.log.Error("hosts cannot be listed for a changed size", "err", err)
		return nil
	}
	out := make([]reconcile.Request, len(list.Items))
	for i := range list.Items {
		out[i] = reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&list.Items[i])}
	}
	return out
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

// turned passes hosts whose size may be another one: whose label was written, or that left a state, since the record of an inspection is written before the host leaves it.
func turned() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BareMetalHost]) bool {
			a, b := e.ObjectOld, e.ObjectNew
			inspected := a.Status.Provisioning.State == metal3.StateInspecting && b.Status.Provisioning.State != metal3.StateInspecting
			return inspected || a.UID != b.UID || a.Labels[ingot.SizeLabel] != b.Labels[ingot.SizeLabel]
		},
		DeleteFunc: func(event.TypedDeleteEvent[*metal3.BareMetalHost]) bool { return false },
	}
}

// relabelled passes hosts that count for another size than before.
func relabelled() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BareMetalHost]) bool {
		return e.ObjectOld.Labels[ingot.SizeLabel] != e.ObjectNew.Labels[ingot.SizeLabel]
	}}
}

// edited passes what people change of sizes, and not the statuses that are written here.
func edited() predicate.TypedPredicate[*ingot.Size] {
	return predicate.TypedFuncs[*ingot.Size]{UpdateFunc: func(e event.TypedUpdateEvent[*ingot.Size]) bool {
		return e.ObjectOld.Generation != e.ObjectNew.Generation || e.ObjectOld.UID != e.ObjectNew.UID
	}}
}
