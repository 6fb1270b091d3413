package discovery

import (
	"context"
	"fmt"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
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
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/internal/controller/discovery/scan"
)

// keyIndex is the index of hosts and of DiscoveredHosts by what machines are known by.
const keyIndex = "discovery.keys"

// The pauses after errors of the API server.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
)

// Add builds a reconciler and hangs it into the manager, whose cache has hosts and DiscoveredHosts, and whose client waits for its own writes.
func Add(ctx context.Context, mgr manager.Manager, o Options) error {
	r := &Reconciler{o: o, client: mgr.GetClient()}
	for kind, keys := range map[client.Object]client.IndexerFunc{
		&metal3.BareMetalHost{}: func(o client.Object) []string {
			h, ok := o.(*metal3.BareMetalHost)
			if !ok {
				return nil
			}
			return texts(discovery.HostKeys(h))
		},
		&ingot.DiscoveredHost{}: func(o client.Object) []string {
			d, ok := o.(*ingot.DiscoveredHost)
			if !ok {
				return nil
			}
			return append(texts(discovery.Keys(d)), nameKey(d.Namespace, discovery.HostName(d)))
		},
		&ingot.HostLifecycle{}: func(o client.Object) []string {
			l, ok := o.(*ingot.HostLifecycle)
			if !ok {
				return nil
			}
			return texts(discovery.RecordKeys(l))
		},
	} {
		if err := mgr.GetFieldIndexer().IndexField(ctx, kind, keyIndex, keys); err != nil {
			return fmt.Errorf("index %T by what machines are known by: %w", kind, err)
		}
	}
	c, err := controller.New("discoveredhost", mgr, controller.Options{
		Reconciler: r, MaxConcurrentReconciles: 1,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of discovered hosts: %w", err)
	}
	own := source.Kind(mgr.GetCache(), &ingot.DiscoveredHost{}, &handler.TypedEnqueueRequestForObject[*ingot.DiscoveredHost]{}, asked())
	if err := c.Watch(own); err != nil {
		return fmt.Errorf("watch DiscoveredHosts: %w", err)
	}
	hosts := source.Kind(mgr.GetCache(), &metal3.BareMetalHost{}, handler.TypedEnqueueRequestsFromMapFunc(r.ofHost), moved())
	if err := c.Watch(hosts); err != nil {
		return fmt.Errorf("watch BareMetalHosts: %w", err)
	}
	if err := addFolder(mgr, o); err != nil || o.Prober == nil {
		return err
	}
	s := scan.New(mgr.GetClient(), scan.Options{Partition: o.Partition, Prober: o.Prober, Log: o.Log, KeyIndex: keyIndex, LookEvery: o.LookEvery})
	if err := mgr.Add(s); err != nil {
		return fmt.Errorf("add the search for BMCs: %w", err)
	}
	return nil
}

// addFolder adds the part that reads what boot servers heard.
func addFolder(mgr manager.Manager, o Options) error {
	c, err := controller.New("netbootrecord", mgr, controller.Options{
		Reconciler: &folder{o: o, client: mgr.GetClient()}, MaxConcurrentReconciles: 1,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](time.Second, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of what boot servers heard: %w", err)
	}
	records := source.Kind(mgr.GetCache(), &ingot.NetbootRecord{}, &handler.TypedEnqueueRequestForObject[*ingot.NetbootRecord]{})
	if err := c.Watch(records); err != nil {
		return fmt.Errorf("watch NetbootRecords: %w", err)
	}
	sites := source.Kind(mgr.GetCache(), &ingot.Partition{}, handler.TypedEnqueueRequestsFromMapFunc(func(_ context.Context, p *ingot.Partition) []reconcile.Request {
		return []reconcile.Request{{NamespacedName: client.ObjectKey{Namespace: ingot.BootNamespace, Name: p.Name}}}
	}), predicate.TypedGenerationChangedPredicate[*ingot.Partition]{})
	if err := c.Watch(sites); err != nil {
		return fmt.Errorf("watch Partitions: %w", err)
	}
	return nil
}

// nameKey finds the objects that want a host's name.
func nameKey(namespace, name string) string { return "name " + namespace + "/" + name }

func texts(keys []discovery.Key) []string {
	out := make([]string, len(keys))
	for i, k := range keys {
		out[i] = string(k)
	}
	return out
}

// asked passes what somebody asks, and what a BMC says of itself by which it is known. What this controller writes is in the status.
func asked() predicate.TypedPredicate[*ingot.DiscoveredHost] {
	return predicate.TypedFuncs[*ingot.DiscoveredHost]{
		UpdateFunc: func(e event.TypedUpdateEvent[*ingot.DiscoveredHost]) bool {
			return e.ObjectOld.Generation != e.ObjectNew.Generation || e.ObjectOld.UID != e.ObjectNew.UID || !slices.Equal(discovery.Keys(e.ObjectOld), discovery.Keys(e.ObjectNew))
		},
		DeleteFunc: func(event.TypedDeleteEvent[*ingot.DiscoveredHost]) bool { return false },
	}
}

// moved passes what matters to found machines: a host comes, goes, or is known by something else.
func moved() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.BareMetalHost]) bool {
			return e.ObjectOld.UID != e.ObjectNew.UID || e.ObjectOld.Spec.BMC.Address != e.ObjectNew.Spec.BMC.Address ||
				!slices.Equal(discovery.HostKeys(e.ObjectOld), discovery.HostKeys(e.ObjectNew))
		},
	}
}

// ofHost are the found machines that a host may be, or may have been: those that share a key with it, those that it was named for, and those that want its name.
func (r *Reconciler) ofHost(ctx context.Context, host *metal3.BareMetalHost) []reconcile.Request {
	var out []reconcile.Request
	for _, k := range append(texts(discovery.HostKeys(host)), nameKey(host.Namespace, host.Name)) {
		var found ingot.DiscoveredHostList
		if err := r.client.List(ctx, &found, client.MatchingFields{keyIndex: k}); err != nil {
			r.o.Log.Warn("discovered machines of a host not found", "machine", host.Namespace+"/"+host.Name, "err", err)
			return nil
		}
		for i := range found.Items {
			out = append(out, reconcile.Request{NamespacedName: client.ObjectKeyFromObject(&found.Items[i])})
		}
	}
	return out
}
