package address

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	toolscache "k8s.io/client-go/tools/cache"
	"k8s.io/client-go/util/workqueue"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	crsource "sigs.k8s.io/controller-runtime/pkg/source"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
)

const (
	// workers are how many claims of a kind are served at once. Most of them wait for a record's next write, which they share: see ledger.
	workers      = 128
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
	// claimIndex finds address objects by the name of their claim.
	claimIndex = "claim"
	// sweepEvery is how often records are held against the claims that are there.
	sweepEvery = 10 * time.Minute
)

// Options are what the controllers are built on.
type Options struct {
	// Live is a client without a cache.
	Live client.Client
	Log  *slog.Logger
	// NoMetal3 leaves Metal3's pools and claims alone, for a cluster where Metal3's own manager serves them.
	NoMetal3 bool
	// Now is time.Now when nil. Pace is the ledger's, Sweep how often leaks are looked for; 0: the controller's own.
	Now         func() time.Time
	Pace, Sweep time.Duration
}

// AddToScheme registers the kinds of Metal3's and Cluster API's address management.
func AddToScheme(s *runtime.Scheme) error {
	if err := metal3ipam.AddToScheme(s); err != nil {
		return fmt.Errorf("register Metal3's kinds of addresses: %w", err)
	}
	if err := clusteripam.AddToScheme(s); err != nil {
		return fmt.Errorf("register Cluster API's kinds of addresses: %w", err)
	}
	return nil
}

// Add hangs the controllers into the manager, whose scheme has the core kinds, ingot.dev and those of AddToScheme. The ledger is returned for who counts its writes.
func Add(ctx context.Context, mgr manager.Manager, o Options) (*ledger.Ledger, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sweep <= 0 {
		o.Sweep = sweepEvery
	}
	b := &base{cached: mgr.GetClient(), live: o.Live, log: o.Log, now: o.Now, events: mgr.GetEventRecorder("ingot-controller"), metal3: !o.NoMetal3, queues: map[string]*atomic.Pointer[queue]{}}
	for _, kind := range []string{kindNetwork, kindIP, kindIPClaim, kindAddressClaim} {
		b.queues[kind] = &atomic.Pointer[queue]{}
	}
	b.ledger = ledger.New(ledger.Options{Live: o.Live, Config: b.config, Imports: b.imports, Lost: b.lost, Log: o.Log, Now: o.Now, Pace: o.Pace})
	if err := b.index(ctx, mgr); err != nil {
		return nil, err
	}
	if err := add(mgr, "network", networks{b}, 4, &ingot.Network{}, b.networks(), crsource.Func(b.capture(kindNetwork))); err != nil {
		return nil, err
	}
	if err := add(mgr, "ip", ips{b}, workers, &ingot.IP{}, edited[*ingot.IP](), crsource.Func(b.capture(kindIP))); err != nil {
		return nil, err
	}
	if err := add(mgr, "ipaddressclaim", addressClaims{b}, workers, &clusteripam.IPAddressClaim{}, edited[*clusteripam.IPAddressClaim](), crsource.Func(b.capture(kindAddressClaim))); err != nil {
		return nil, err
	}
	if b.metal3 {
		if err := add(mgr, "ippool", ipPools{b}, 4, &metal3ipam.IPPool{}, b.pools()); err != nil {
			return nil, err
		}
		if err := add(mgr, "ipclaim", ipClaims{b}, workers, &metal3ipam.IPClaim{}, edited[*metal3ipam.IPClaim](), crsource.Func(b.capture(kindIPClaim))); err != nil {
			return nil, err
		}
	}
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return b.watchRecords(ctx, mgr) })); err != nil {
		return nil, fmt.Errorf("watch address records: %w", err)
	}
	if err := mgr.Add(manager.RunnableFunc(func(ctx context.Context) error { return b.sweep(ctx, o.Sweep) })); err != nil {
		return nil, fmt.Errorf("look for leaked addresses: %w", err)
	}
	return b.ledger, nil
}

func add[O client.Object](mgr manager.Manager, name string, r reconcile.Reconciler, workers int, kind O, which predicate.TypedPredicate[O], more ...crsource.Source) error {
	c, err := controller.New(name, mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: workers,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller %s: %w", name, err)
	}
	for _, s := range append(more, crsource.Kind(mgr.GetCache(), kind, &handler.TypedEnqueueRequestForObject[O]{}, which)) {
		if err := c.Watch(s); err != nil {
			return fmt.Errorf("watch for the controller %s: %w", name, err)
		}
	}
	return nil
}

// edited passes what somebody asks, and the first that is seen of an object. What these controllers write themselves, statuses, wakes nobody.
func edited[O client.Object]() predicate.TypedPredicate[O] {
	return predicate.TypedFuncs[O]{UpdateFunc: func(e event.TypedUpdateEvent[O]) bool { return differs(e.ObjectOld, e.ObjectNew) }}
}

func differs(a, b client.Object) bool {
	if a.GetGeneration() != b.GetGeneration() || a.GetUID() != b.GetUID() || a.GetDeletionTimestamp().IsZero() != b.GetDeletionTimestamp().IsZero() || len(a.GetFinalizers()) != len(b.GetFinalizers()) ||
		len(a.GetOwnerReferences()) != len(b.GetOwnerReferences()) || len(a.GetAnnotations()) != len(b.GetAnnotations()) {
		return true
	}
	for k, v := range a.GetAnnotations() {
		if b.GetAnnotations()[k] != v {
			return true
		}
	}
	return false
}

// pools passes what edited passes, and has all that waits asked again: a pool is other than it was.
func (b *base) pools() predicate.TypedPredicate[*metal3ipam.IPPool] {
	return predicate.TypedFuncs[*metal3ipam.IPPool]{
		CreateFunc: func(event.TypedCreateEvent[*metal3ipam.IPPool]) bool { b.ledger.Changed(); return true },
		DeleteFunc: func(event.TypedDeleteEvent[*metal3ipam.IPPool]) bool { b.ledger.Changed(); return true },
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3ipam.IPPool]) bool {
			if !differs(e.ObjectOld, e.ObjectNew) {
				return false
			}
			b.ledger.Changed()
			return true
		},
	}
}

// networks passes what edited passes, and has all that waits asked again once a network is other than it was, or ready.
func (b *base) networks() predicate.TypedPredicate[*ingot.Network] {
	return predicate.TypedFuncs[*ingot.Network]{
		CreateFunc: func(event.TypedCreateEvent[*ingot.Network]) bool { b.ledger.Changed(); return true },
		DeleteFunc: func(event.TypedDeleteEvent[*ingot.Network]) bool { b.ledger.Changed(); return false },
		UpdateFunc: func(e event.TypedUpdateEvent[*ingot.Network]) bool {
			edited := differs(e.ObjectOld, e.ObjectNew)
			ready := func(n *ingot.Network) bool {
				return meta.IsStatusConditionTrue(n.Status.Conditions, ingot.ReadyCondition)
			}
			if edited || ready(e.ObjectOld) != ready(e.ObjectNew) {
				b.ledger.Changed()
			}
			return edited
		},
	}
}

func (b *base) index(ctx context.Context, mgr manager.Manager) error {
	in := mgr.GetFieldIndexer()
	err := in.IndexField(ctx, &clusteripam.IPAddress{}, claimIndex, func(o client.Object) []string {
		return []string{o.(*clusteripam.IPAddress).Spec.ClaimRef.Name}
	})
	if err == nil && b.metal3 {
		err = in.IndexField(ctx, &metal3ipam.IPAddress{}, claimIndex, func(o client.Object) []string {
			return []string{o.(*metal3ipam.IPAddress).Spec.Claim.Name}
		})
	}
	if err != nil {
		return fmt.Errorf("index addresses by their claim: %w", err)
	}
	return nil
}

// watchRecords tells the ledger of what other processes write.
func (b *base) watchRecords(ctx context.Context, mgr manager.Manager) error {
	informer, err := mgr.GetCache().GetInformer(ctx, &ingot.AddressRecord{})
	if err != nil {
		return fmt.Errorf("watch address records: %w", err)
	}
	_, err = informer.AddEventHandler(recordHandler{b.ledger})
	if err != nil {
		return fmt.Errorf("watch address records: %w", err)
	}
	<-ctx.Done()
	return nil
}

type recordHandler struct{ ledger *ledger.Ledger }

// OnAdd implements cache.ResourceEventHandler.
func (h recordHandler) OnAdd(o any, _ bool) {
	if r, ok := o.(*ingot.AddressRecord); ok {
		h.ledger.Observe(r, false)
	}
}

// OnUpdate implements cache.ResourceEventHandler.
func (h recordHandler) OnUpdate(_, o any) { h.OnAdd(o, false) }

// OnDelete implements cache.ResourceEventHandler. A deletion that was missed is known without its version: the record is read.
func (h recordHandler) OnDelete(o any) {
	switch r := o.(type) {
	case *ingot.AddressRecord:
		h.ledger.Observe(r, true)
	case toolscache.DeletedFinalStateUnknown:
		h.ledger.Doubt(r.Key)
	}
}
