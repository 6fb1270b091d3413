package firewall

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The pauses after errors of the API server, and the Firewalls that are looked at at once.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
	workers      = 2
)

// Options are what a reconciler is built on.
type Options struct {
	// Live is a client without a cache.
	Live client.Client
	Log  *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
	// Recheck is how often a Firewall is looked at though nothing woke it; 0: the controller's own.
	Recheck time.Duration
}

// Add builds a reconciler and hangs it into the manager, whose scheme has ingot.dev and the RBAC kinds.
func Add(mgr manager.Manager, o Options) error {
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Reconciler{cached: mgr.GetClient(), live: o.Live, events: mgr.GetEventRecorder("ingot-controller"), log: o.Log, now: o.Now, recheck: cmp.Or(o.Recheck, recheck)}
	c, err := controller.New("firewall", mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: workers,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of Firewalls: %w", err)
	}
	in := mgr.GetCache()
	for _, watch := range []source.Source{
		source.Kind(in, &ingot.Firewall{}, &handler.TypedEnqueueRequestForObject[*ingot.Firewall]{}),
		source.Kind(in, &ingot.Machine{}, handler.TypedEnqueueRequestsFromMapFunc(ofMachine)),
		source.Kind(in, &ingot.Network{}, handler.TypedEnqueueRequestsFromMapFunc(r.ofNetwork)),
	} {
		if err := c.Watch(watch); err != nil {
			return fmt.Errorf("watch for Firewalls: %w", err)
		}
	}
	return nil
}

// ofMachine is the Firewall whose Machine it is, or that waits for its name.
func ofMachine(_ context.Context, m *ingot.Machine) []reconcile.Request {
	if m.Spec.Role != ingot.RoleFirewall {
		return nil
	}
	all := []reconcile.Request{{NamespacedName: client.ObjectKeyFromObject(m)}}
	if o := metav1.GetControllerOf(m); o != nil && o.Kind == "Firewall" && o.Name != m.Name {
		all = append(all, reconcile.Request{NamespacedName: types.NamespacedName{Namespace: m.Namespace, Name: o.Name}})
	}
	return all
}

// ofNetwork are the Firewalls that join a network.
func (r *Reconciler) ofNetwork(ctx context.Context, n *ingot.Network) []reconcile.Request {
	var firewalls ingot.FirewallList
	if err := r.cached.List(ctx, &firewalls, client.UnsafeDisableDeepCopy); err != nil {
		r.log.Warn("firewalls not listed", "step", "network", "err", err)
		return nil
	}
	var all []reconcile.Request
	for i := range firewalls.Items {
		f := &firewalls.Items[i]
		for _, one := range f.Spec.Networks {
			if (types.NamespacedName{Namespace: cmp.Or(one.Namespace, f.Namespace), Name: one.Name}) == client.ObjectKeyFromObject(n) {
				all = append(all, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(f)})
				break
			}
		}
	}
	return all
}
