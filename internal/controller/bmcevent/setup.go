package bmcevent

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// The pauses after errors of the API server.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
	workers      = 2
)

// Add builds a reconciler and hangs it into the manager, whose cache has hosts, their records and BMCEventSubscriptions.
func Add(mgr manager.Manager, o Options) (*Reconciler, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.BMCTimeout <= 0 {
		o.BMCTimeout = time.Minute
	}
	r := &Reconciler{o: o, cached: mgr.GetClient()}
	c, err := controller.New("bmceventsubscription", mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: workers,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return nil, fmt.Errorf("build the controller of event subscriptions: %w", err)
	}
	own := source.Kind(mgr.GetCache(), &metal3.BMCEventSubscription{}, &handler.TypedEnqueueRequestForObject[*metal3.BMCEventSubscription]{}, asked())
	if err := c.Watch(own); err != nil {
		return nil, fmt.Errorf("watch BMCEventSubscriptions: %w", err)
	}
	hosts := source.Kind(mgr.GetCache(), &metal3.BareMetalHost{}, handler.TypedEnqueueRequestsFromMapFunc(r.ofHost), moved())
	if err := c.Watch(hosts); err != nil {
		return nil, fmt.Errorf("watch BareMetalHosts: %w", err)
	}
	return r, nil
}

// asked passes what somebody asks. What this role writes is in the status, and a finalizer.
func asked() predicate.TypedPredicate[*metal3.BMCEventSubscription] {
	return predicate.TypedFuncs[*metal3.BMCEventSubscription]{
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BMCEventSubscription]) bool {
			a, b := e.ObjectOld, e.ObjectNew
			return a.Generation != b.Generation || a.UID != b.UID || a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero()
		},
	}
}

// moved passes what matters to subscriptions: a host comes, goes, changes its state or its annotations.
func moved() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BareMetalHost]) bool {
			a, b := e.ObjectOld, e.ObjectNew
			_, wasPaused := a.Annotations[metal3.PausedAnnotation]
			_, isPaused := b.Annotations[metal3.PausedAnnotation]
			return a.UID != b.UID || a.Status.OperationalStatus != b.Status.OperationalStatus || a.Status.Provisioning.State != b.Status.Provisioning.State ||
				a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() || wasPaused != isPaused || a.Spec.BMC != b.Spec.BMC
		},
	}
}

// ofHost are the subscriptions of a host.
func (r *Reconciler) ofHost(ctx context.Context, host *metal3.BareMetalHost) []reconcile.Request {
	var all metal3.BMCEventSubscriptionList
	if err := r.cached.List(ctx, &all, client.InNamespace(host.Namespace)); err != nil {
		r.o.Log.Warn("event subscriptions of a host not found", "machine", host.Namespace+"/"+host.Name, "err", err)
		return nil
	}
	var out []reconcile.Request
	for i := range all.Items {
		if all.Items[i].Spec.HostName == host.Name {
			out = append(out, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: host.Namespace, Name: all.Items[i].Name}})
		}
	}
	return out
}
