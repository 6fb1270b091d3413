package hostclaim

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
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
	"github.com/ingotmetal/ingot/claim/survey"
)

// The pauses after errors of the API server, and the claims that are looked at at once.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
	workers      = 4
)

// The fields by which cached objects are found.
const (
	// consumerIndex finds hosts by the claim that they name.
	consumerIndex = "claim"
	// hostIndex finds claims by the host that they have, or mean to have; "" for none.
	hostIndex = "host"
)

// Options are what a reconciler is built on.
type Options struct {
	// Live is a client without a cache: Secrets are read through it, and what a binding rests on.
	Live client.Client
	Log  *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
	// Recheck is how often claims are looked at that wait for what is not watched, Secrets and the proof of a wipe; 0: the controller's own.
	Recheck time.Duration
}

// Caches are what the watches keep of hosts: all but the inventory, which is large.
func Caches() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{&metal3.BareMetalHost{}: {Transform: func(o any) (any, error) {
		if h, ok := o.(*metal3.BareMetalHost); ok {
			h.Status.HardwareDetails, h.ManagedFields = nil, nil
		}
		return o, nil
	}}}
}

// Add builds a reconciler and hangs it into the manager, whose scheme has metal3.io, ingot.dev and the core kinds.
func Add(ctx context.Context, mgr manager.Manager, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Recheck <= 0 {
		o.Recheck = recheck
	}
	r := &Reconciler{cached: mgr.GetClient(), live: o.Live, log: o.Log, now: o.Now, recheck: o.Recheck}
	if err := index(ctx, mgr); err != nil {
		return err
	}
	c, err := controller.New("hostclaim", mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: workers,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of HostClaims: %w", err)
	}
	in := mgr.GetCache()
	for _, watch := range []source.Source{
		source.Kind(in, &metal3.HostClaim{}, &handler.TypedEnqueueRequestForObject[*metal3.HostClaim]{}, edited()),
		source.Kind(in, &metal3.HostClaim{}, handler.TypedEnqueueRequestsFromMapFunc(waiting[*metal3.HostClaim](r)), gaveUp()),
		source.Kind(in, &metal3.BareMetalHost{}, handler.TypedEnqueueRequestsFromMapFunc(r.claimsOf)),
		source.Kind(in, &metal3.BareMetalHost{}, handler.TypedEnqueueRequestsFromMapFunc(waiting[*metal3.BareMetalHost](r)), becameFree()),
		source.Kind(in, &metal3.HostDeployPolicy{}, handler.TypedEnqueueRequestsFromMapFunc(waiting[*metal3.HostDeployPolicy](r))),
		source.Kind(in, &corev1.Namespace{}, handler.TypedEnqueueRequestsFromMapFunc(waiting[*corev1.Namespace](r)), relabelled()),
		source.Kind(in, &ingot.Quota{}, handler.TypedEnqueueRequestsFromMapFunc(waiting[*ingot.Quota](r)), respecified[*ingot.Quota]()),
		source.Kind(in, &ingot.SizeReservation{}, handler.TypedEnqueueRequestsFromMapFunc(waiting[*ingot.SizeReservation](r)), respecified[*ingot.SizeReservation]()),
		source.Kind(in, &ingot.Machine{}, &handler.TypedEnqueueRequestForObject[*ingot.Machine]{}, made()),
	} {
		if err := c.Watch(watch); err != nil {
			return fmt.Errorf("watch for HostClaims: %w", err)
		}
	}
	return nil
}

func index(ctx context.Context, mgr manager.Manager) error {
	err := mgr.GetFieldIndexer().IndexField(ctx, &metal3.BareMetalHost{}, consumerIndex, func(o client.Object) []string {
		if h, ok := o.(*metal3.BareMetalHost); ok {
			if key, claimed := survey.ClaimOf(h); claimed {
				return []string{key.String()}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("index hosts by their claim: %w", err)
	}
	err = mgr.GetFieldIndexer().IndexField(ctx, &metal3.HostClaim{}, hostIndex, func(o client.Object) []string {
		if c, ok := o.(*metal3.HostClaim); ok && c.Status.BareMetalHost != nil {
			return []string{c.Status.BareMetalHost.Namespace + "/" + c.Status.BareMetalHost.Name}
		}
		return []string{""}
	})
	if err != nil {
		return fmt.Errorf("index claims by their host: %w", err)
	}
	return nil
}

// edited passes what somebody asks. What this controller writes, a status and a finalizer, wakes nobody.
func edited() predicate.TypedPredicate[*metal3.HostClaim] {
	return predicate.TypedFuncs[*metal3.HostClaim]{UpdateFunc: func(e event.TypedUpdateEvent[*metal3.HostClaim]) bool {
		a, b := e.ObjectOld, e.ObjectNew
		return a.Generation != b.Generation || a.UID != b.UID || a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() || !maps.Equal(a.Annotations, b.Annotations)
	}}
}

// becameFree passes hosts that a waiting claim may have now and could not before, so that what happens to thousands of busy hosts does not have all waiting claims looked at.
func becameFree() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{
		CreateFunc: func(e event.TypedCreateEvent[*metal3.BareMetalHost]) bool { return survey.Unready(e.Object) == "" },
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BareMetalHost]) bool {
			a, b := e.ObjectOld, e.ObjectNew
			return survey.Unready(b) == "" && (survey.Unready(a) != "" || !maps.Equal(a.Labels, b.Labels) || a.Annotations[ingot.CordonAnnotation] != b.Annotations[ingot.CordonAnnotation])
		},
		DeleteFunc: func(event.TypedDeleteEvent[*metal3.BareMetalHost]) bool { return false },
	}
}

// gaveUp passes claims that had a host, or meant to have one, and do no more.
func gaveUp() predicate.TypedPredicate[*metal3.HostClaim] {
	return predicate.TypedFuncs[*metal3.HostClaim]{
		CreateFunc: func(event.TypedCreateEvent[*metal3.HostClaim]) bool { return false },
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.HostClaim]) bool {
			return survey.Holds(e.ObjectOld) && !survey.Holds(e.ObjectNew)
		},
		DeleteFunc: func(e event.TypedDeleteEvent[*metal3.HostClaim]) bool { return survey.Holds(e.Object) },
	}
}

// respecified passes what may let a waiting claim have a host: not what a controller writes into a status.
func respecified[O client.Object]() predicate.TypedPredicate[O] {
	return predicate.TypedFuncs[O]{UpdateFunc: func(e event.TypedUpdateEvent[O]) bool {
		return e.ObjectOld.GetGeneration() != e.ObjectNew.GetGeneration()
	}}
}

// made passes new Machines: the claim of one has its name, and may have been seen before it.
func made() predicate.TypedPredicate[*ingot.Machine] {
	return predicate.TypedFuncs[*ingot.Machine]{
		UpdateFunc: func(event.TypedUpdateEvent[*ingot.Machine]) bool { return false },
		DeleteFunc: func(event.TypedDeleteEvent[*ingot.Machine]) bool { return false },
	}
}

func relabelled() predicate.TypedPredicate[*corev1.Namespace] {
	return predicate.TypedFuncs[*corev1.Namespace]{
		UpdateFunc: func(e event.TypedUpdateEvent[*corev1.Namespace]) bool {
			return !maps.Equal(e.ObjectOld.Labels, e.ObjectNew.Labels)
		},
		DeleteFunc: func(event.TypedDeleteEvent[*corev1.Namespace]) bool { return false },
	}
}

// claimsOf are the claims that a host matters to: the one it names, and those that mean to have it.
func (r *Reconciler) claimsOf(ctx context.Context, h *metal3.BareMetalHost) []reconcile.Request {
	all := r.listed(ctx, h.Namespace+"/"+h.Name)
	if key, claimed := survey.ClaimOf(h); claimed {
		all = append(all, reconcile.Request{NamespacedName: key})
	}
	return all
}

// waiting are the claims that have no host; of a namespace that changed its labels, too many are looked at, which does no harm.
func waiting[O client.Object](r *Reconciler) handler.TypedMapFunc[O, reconcile.Request] {
	return func(ctx context.Context, _ O) []reconcile.Request { return r.listed(ctx, "") }
}

func (r *Reconciler) listed(ctx context.Context, host string) []reconcile.Request {
	var claims metal3.HostClaimList
	if err := r.cached.List(ctx, &claims, client.MatchingFields{hostIndex: host}, client.UnsafeDisableDeepCopy); err != nil {
		r.log.Warn("claims not listed", "machine", host, "err", err)
		return nil
	}
	all := make([]reconcile.Request, 0, len(claims.Items))
	for i := range claims.Items {
		all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: claims.Items[i].Namespace, Name: claims.Items[i].Name}})
	}
	return all
}
