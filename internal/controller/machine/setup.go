package machine

import (
	"context"
	"fmt"
	"log/slog"
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

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/claim/survey"
	"github.com/ingotmetal/ingot/internal/controller/machine/invite"
	"github.com/ingotmetal/ingot/internal/meshkey"
)

// The pauses after errors of the API server, and the Machines that are looked at at once.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
	workers      = 4
)

// ipIndex finds Machines by the IPs that they name.
const ipIndex = "ip"

// Options are what a reconciler is built on.
type Options struct {
	// Live is a client without a cache: Secrets are read through it, and what must not be behind.
	Live client.Client
	Log  *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
	// Recheck is how often Machines are looked at that wait for what is not watched; 0: the controller's own.
	Recheck time.Duration
	// Mesh is where firewalls get the keys by which they join; nil: there is no mesh, and they are told of none.
	Mesh *Mesh
}

// Mesh is the site's.
type Mesh struct {
	Minter meshkey.Minter
	// CA is PEM, of the coordinator and its relays.
	CA string
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
	if o.Mesh != nil {
		r.mesh = invite.New(invite.Options{Live: o.Live, Minter: o.Mesh.Minter, CA: o.Mesh.CA, SecretType: SecretType, Now: o.Now, Log: o.Log})
	}
	err := mgr.GetFieldIndexer().IndexField(ctx, &ingot.Machine{}, ipIndex, func(x client.Object) []string {
		m, ok := x.(*ingot.Machine)
		if !ok {
			return nil
		}
		var all []string
		for _, n := range m.Spec.Networks {
			all = append(all, n.Addresses...)
		}
		return all
	})
	if err != nil {
		return fmt.Errorf("index machines by their IPs: %w", err)
	}
	c, err := controller.New("machine", mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: workers,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of Machines: %w", err)
	}
	in := mgr.GetCache()
	for _, watch := range []source.Source{
		source.Kind(in, &ingot.Machine{}, &handler.TypedEnqueueRequestForObject[*ingot.Machine]{}, edited()),
		source.Kind(in, &metal3.HostClaim{}, handler.TypedEnqueueRequestsFromMapFunc(ofClaim)),
		source.Kind(in, &metal3.BareMetalHost{}, handler.TypedEnqueueRequestsFromMapFunc(ofHost)),
		source.Kind(in, &ingot.IP{}, handler.TypedEnqueueRequestsFromMapFunc(r.ofIP)),
		source.Kind(in, &ingot.Network{}, handler.TypedEnqueueRequestsFromMapFunc(pending[*ingot.Network](r))),
		source.Kind(in, &ingot.Image{}, handler.TypedEnqueueRequestsFromMapFunc(pending[*ingot.Image](r))),
	} {
		if err := c.Watch(watch); err != nil {
			return fmt.Errorf("watch for Machines: %w", err)
		}
	}
	return nil
}

// edited passes what somebody asks. What this controller writes wakes nobody, but for the status: the next step rests on it.
func edited() predicate.TypedPredicate[*ingot.Machine] {
	return predicate.TypedFuncs[*ingot.Machine]{UpdateFunc: func(e event.TypedUpdateEvent[*ingot.Machine]) bool {
		a, b := e.ObjectOld, e.ObjectNew
		return a.Generation != b.Generation || a.UID != b.UID || a.DeletionTimestamp.IsZero() != b.DeletionTimestamp.IsZero() || a.Status.Phase != b.Status.Phase ||
			reasonOf(a, ingot.MachineInstalledCondition) != reasonOf(b, ingot.MachineInstalledCondition)
	}}
}

func one(key types.NamespacedName) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: key}}
}

// ofClaim is the Machine that a claim is of.
func ofClaim(_ context.Context, k *metal3.HostClaim) []reconcile.Request {
	if survey.MachineOf(k) == nil {
		return nil
	}
	return one(client.ObjectKeyFromObject(k))
}

// ofHost is the Machine whose claim has a host, if it is one's: of other claims there is none of that name.
func ofHost(_ context.Context, h *metal3.BareMetalHost) []reconcile.Request {
	if key, claimed := survey.ClaimOf(h); claimed {
		return one(key)
	}
	return nil
}

// ofIP are the Machines that an IP was made for, or that name it.
func (r *Reconciler) ofIP(ctx context.Context, ip *ingot.IP) []reconcile.Request {
	var all []reconcile.Request
	for _, o := range ip.OwnerReferences {
		if o.Kind == "Machine" && o.APIVersion == ingot.GroupVersion.String() {
			all = append(all, one(types.NamespacedName{Namespace: ip.Namespace, Name: o.Name})...)
		}
	}
	var named ingot.MachineList
	if err := r.cached.List(ctx, &named, client.InNamespace(ip.Namespace), client.MatchingFields{ipIndex: ip.Name}, client.UnsafeDisableDeepCopy); err != nil {
		r.log.Warn("machines not listed", "step", "ip", "err", err)
		return all
	}
	for i := range named.Items {
		all = append(all, one(client.ObjectKeyFromObject(&named.Items[i]))...)
	}
	return all
}

// pending are the Machines that wait for something that has a name.
func pending[O client.Object](r *Reconciler) handler.TypedMapFunc[O, reconcile.Request] {
	return func(ctx context.Context, _ O) []reconcile.Request {
		var machines ingot.MachineList
		if err := r.cached.List(ctx, &machines, client.UnsafeDisableDeepCopy); err != nil {
			r.log.Warn("machines not listed", "step", "pending", "err", err)
			return nil
		}
		var all []reconcile.Request
		for i := range machines.Items {
			if p := machines.Items[i].Status.Phase; p == "" || p == ingot.MachinePending {
				all = append(all, one(client.ObjectKeyFromObject(&machines.Items[i]))...)
			}
		}
		return all
	}
}
