// Package hardware keeps the HardwareData of hosts: what inspection found, under the host's name, owned by it, and held by Metal3's finalizer until the host lets go of it.
//
// It owns the objects of that kind. It refuses what is in them: inspection decides.
//
// The finalizer is Metal3's, set where Metal3 sets it (at creation), so that tools that move hosts between clusters see what they know. It must never hold an object for nothing: it is taken off
// when somebody deletes the object by hand, when an earlier host's object gives way, when the host is let go, and when the host is gone without having been asked.
//
// Another inspection writes into the object that there is, where Metal3 deletes it and makes another: a watch sees an update, nobody finds it missing, and what was found already costs no write.
//
// Invariant: data of an earlier host of the name is never read as this one's.
package hardware

import (
	"context"
	"fmt"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

// Finalizer is Metal3's on a HardwareData.
const Finalizer = metal3.BareMetalHostFinalizer + "/hardwareData"

// Keeper reads and writes HardwareData.
type Keeper struct {
	cached client.Client
}

// New makes a keeper on a client that reads from watches and sees its own writes.
func New(cached client.Client) *Keeper { return &Keeper{cached: cached} }

// Get is what is known of the host's hardware, nil while there is nothing. An object of an earlier host of the name, or one that goes, says nothing of this machine.
func (k *Keeper) Get(ctx context.Context, host *metal3.BareMetalHost) (*metal3.HardwareDetails, error) {
	d, err := k.read(ctx, client.ObjectKeyFromObject(host))
	switch {
	case d == nil || err != nil:
		return nil, err
	case !d.DeletionTimestamp.IsZero():
		// Whoever deleted it meant it; a host that wants to know more is inspected again.
		return nil, k.letGo(ctx, d)
	case OfEarlierHost(d, host):
		return nil, nil
	}
	return d.Spec.HardwareDetails.DeepCopy(), nil
}

func (k *Keeper) read(ctx context.Context, key types.NamespacedName) (*metal3.HardwareData, error) {
	d := &metal3.HardwareData{}
	err := k.cached.Get(ctx, key, d)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read HardwareData: %w", err)
	}
	return d, nil
}

// OfEarlierHost: the object is owned by another BareMetalHost than this one. Without an owner it was given by a person, or moved here.
func OfEarlierHost(o client.Object, host *metal3.BareMetalHost) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.Kind == "BareMetalHost" && owner.UID != host.UID
}

// Save writes the HardwareData of the host, owned by it; nil deletes it.
func (k *Keeper) Save(ctx context.Context, host *metal3.BareMetalHost, hardware *metal3.HardwareDetails) error {
	d, err := k.read(ctx, client.ObjectKeyFromObject(host))
	if err != nil {
		return err
	}
	if d != nil && (hardware == nil || OfEarlierHost(d, host)) {
		if err := k.remove(ctx, d); err != nil {
			return err
		}
		d = nil
	}
	switch {
	case hardware == nil:
		return nil
	case d == nil:
		d = &metal3.HardwareData{ObjectMeta: metav1.ObjectMeta{
			Namespace: host.Namespace, Name: host.Name, Finalizers: []string{Finalizer},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(host, metal3.GroupVersion.WithKind("BareMetalHost"))},
		}}
		d.Spec.HardwareDetails = hardware
		if err := k.cached.Create(ctx, d); err != nil {
			return fmt.Errorf("create HardwareData: %w", err)
		}
		return nil
	case equality.Semantic.DeepEqual(d.Spec.HardwareDetails, hardware):
		return nil
	}
	d = d.DeepCopy()
	d.Spec.HardwareDetails = hardware
	if err := k.cached.Update(ctx, d); err != nil {
		return fmt.Errorf("update HardwareData: %w", err)
	}
	return nil
}

// remove deletes an object for good.
func (k *Keeper) remove(ctx context.Context, d *metal3.HardwareData) error {
	if err := k.letGo(ctx, d); err != nil {
		return err
	}
	if err := k.cached.Delete(ctx, d, client.Preconditions{UID: &d.UID}); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("delete HardwareData: %w", err)
	}
	return nil
}

// letGo takes the finalizer off.
func (k *Keeper) letGo(ctx context.Context, d *metal3.HardwareData) error {
	i := slices.Index(d.Finalizers, Finalizer)
	if i < 0 {
		return nil
	}
	next := d.DeepCopy()
	next.Finalizers = slices.Delete(next.Finalizers, i, i+1)
	if err := k.cached.Patch(ctx, next, client.MergeFromWithOptions(d, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("release HardwareData %s/%s: %w", d.Namespace, d.Name, err)
	}
	return nil
}

// Release lets the host's object go with the host, or without it, where the host is gone already.
func (k *Keeper) Release(ctx context.Context, host types.NamespacedName) error {
	d, err := k.read(ctx, host)
	if d == nil || err != nil {
		return err
	}
	return k.letGo(ctx, d)
}

// Going passes objects that somebody deletes: nothing else about them is news to a host.
func Going() predicate.TypedPredicate[*metal3.HardwareData] {
	going := func(d *metal3.HardwareData) bool { return !d.DeletionTimestamp.IsZero() }
	return predicate.TypedFuncs[*metal3.HardwareData]{
		CreateFunc: func(e event.TypedCreateEvent[*metal3.HardwareData]) bool { return going(e.Object) },
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.HardwareData]) bool { return going(e.ObjectNew) },
		DeleteFunc: func(event.TypedDeleteEvent[*metal3.HardwareData]) bool { return false },
	}
}
