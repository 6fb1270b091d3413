package address

import (
	"context"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

// countEvery is how often the numbers in the status of a network follow what is held.
const countEvery = 10 * time.Second

// networks gives Networks their prefixes and numbers.
type networks struct{ *base }

// Reconcile implements reconcile.Reconciler.
func (r networks) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	o := &ingot.Network{}
	if err := r.cached.Get(ctx, q.NamespacedName, o); apierrors.IsNotFound(err) {
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read network %s: %w", q, err)
	}
	o = o.DeepCopy()
	w, why, err := r.wanted(ctx, o)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !o.DeletionTimestamp.IsZero() {
		return r.remove(ctx, o, w)
	}
	if why != nil {
		return r.tell(ctx, o, *why)
	}
	if controllerutil.AddFinalizer(o, ingot.NetworkFinalizer) {
		if err := r.live.Update(ctx, o); err != nil {
			return soon(fmt.Errorf("put the finalizer on network %s: %w", q, err))
		}
	}
	before := o.Status.DeepCopy()
	err = r.allocate(ctx, o, w)
	if why, expected := r.refused(err); expected {
		return r.tell(ctx, o, why)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	changed := condition(&o.Status.Conditions, ingot.ReadyCondition, metav1.ConditionTrue, ingot.ReasonAllocated, "", o.Generation)
	if err := r.count(ctx, o); err != nil {
		return reconcile.Result{}, err
	}
	if !changed && statusEqual(before, &o.Status) {
		return reconcile.Result{RequeueAfter: countEvery}, nil
	}
	if err := r.live.Status().Update(ctx, o); err != nil {
		return soon(fmt.Errorf("write the status of network %s: %w", q, err))
	}
	return reconcile.Result{RequeueAfter: countEvery}, nil
}

func statusEqual(a, b *ingot.NetworkStatus) bool {
	return slices.Equal(a.Prefixes, b.Prefixes) && a.VRF == b.VRF && a.VRFID == b.VRFID && a.ASN == b.ASN && a.Children == b.Children &&
		a.Held == b.Held && a.SizeIPv4 == b.SizeIPv4 && a.FreeIPv4 == b.FreeIPv4
}

// wanted is what the object asks for. A child is in the VRF of its parent, which must be ready.
func (r networks) wanted(ctx context.Context, o *ingot.Network) (ledger.Wanted, *refusal, error) {
	w := ledger.Wanted{Name: o.Namespace + "/" + o.Name, UID: string(o.UID), VRF: o.Spec.VRF, Kind: ipam.Kind(o.Spec.Type)}
	if w.VRF == "" {
		w.VRF = ledger.DefaultVRF
	}
	for _, text := range o.Spec.Prefixes {
		p, err := netip.ParsePrefix(text)
		if err != nil {
			return w, &refusal{reason: string(ipam.Invalid), message: fmt.Sprintf("spec.prefixes: %q is no prefix", text), again: recheck}, nil //nolint:nilerr // an outcome
		}
		w.Prefixes = append(w.Prefixes, p)
	}
	if l := o.Spec.PrefixLength; l != nil {
		w.Lengths = ipam.Lengths{V4: int(l.IPv4), V6: int(l.IPv6)}
	}
	if _, err := networkFacts(o); err != nil {
		return w, &refusal{reason: string(ipam.Invalid), message: "spec.excluded: " + err.Error(), again: recheck}, nil //nolint:nilerr // an outcome
	}
	var err error
	if w.Limits, err = r.networkLimits(ctx, o.Namespace); err != nil || o.Spec.Parent == nil {
		return w, nil, err
	}
	if o.Status.VRF != "" {
		w.VRF = o.Status.VRF
	}
	key := client.ObjectKey{Namespace: o.Spec.Parent.Namespace, Name: o.Spec.Parent.Name}
	if key.Namespace == "" {
		key.Namespace = o.Namespace
	}
	w.Parent = key.Namespace + "/" + key.Name
	if o.Status.VRF != "" {
		return w, nil, nil
	}
	parent := &ingot.Network{}
	if err := r.cached.Get(ctx, key, parent); client.IgnoreNotFound(err) != nil {
		return w, nil, fmt.Errorf("read network %s: %w", key, err)
	} else if err != nil || parent.Spec.Type != ingot.SuperNetwork {
		return w, &refusal{reason: ingot.ReasonNetworkNotReady, message: fmt.Sprintf("there is no Super network %s to cut from", w.Parent), again: recheck}, nil //nolint:nilerr // not found is an outcome
	}
	if !parent.DeletionTimestamp.IsZero() || !meta.IsStatusConditionTrue(parent.Status.Conditions, ingot.ReadyCondition) {
		return w, &refusal{reason: ingot.ReasonNetworkNotReady, message: fmt.Sprintf("the parent %s is not ready: see its condition Ready", w.Parent), again: 5 * time.Second}, nil
	}
	w.VRF = parent.Status.VRF
	return w, nil, nil
}

// allocate records prefixes and numbers, each of which is atomic and returned again, and enters them into the status.
func (r networks) allocate(ctx context.Context, o *ingot.Network, w ledger.Wanted) error {
	prefixes, err := r.ledger.SetNetwork(ctx, w)
	if err != nil {
		return err
	}
	o.Status.Prefixes = nil
	for _, p := range prefixes {
		o.Status.Prefixes = append(o.Status.Prefixes, p.String())
	}
	o.Status.VRF = w.VRF
	for _, n := range []struct {
		kind   string
		choice *ingot.NumberChoice
		to     *int64
	}{{ledger.VRFNumber, o.Spec.VRFID, &o.Status.VRFID}, {ledger.ASNNumber, o.Spec.ASN, &o.Status.ASN}} {
		if n.choice == nil {
			*n.to = 0
			continue
		}
		number := int64(0)
		if n.choice.Number != nil {
			number = *n.choice.Number
		} else if *n.to != 0 {
			// It keeps the one that it has.
			number = *n.to
		}
		if *n.to, err = r.ledger.SetNumber(ctx, n.kind, w.Name, w.UID, number); err != nil {
			return err
		}
	}
	return nil
}

// count enters how full the network is.
func (r networks) count(ctx context.Context, o *ingot.Network) error {
	children, err := r.ledger.Children(ctx, o.Status.VRF, o.Namespace+"/"+o.Name)
	if err != nil {
		return err
	}
	u, held, err := r.ledger.Usage(ctx, networkPool(o.Namespace, o.Name))
	if err != nil {
		return err
	}
	o.Status.Children, o.Status.Held = int32(children), int64(held) // a record has no such number of networks
	o.Status.SizeIPv4, o.Status.FreeIPv4 = saturate(u.V4.Size), saturate(u.V4.Free)
	return nil
}

func saturate(n uint64) int64 { return int64(min(n, math.MaxInt64)) } // bounded

func (r networks) tell(ctx context.Context, o *ingot.Network, why refusal) (reconcile.Result, error) {
	r.await(kindNetwork, o)
	if condition(&o.Status.Conditions, ingot.ReadyCondition, metav1.ConditionFalse, why.reason, why.message, o.Generation) {
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of network %s/%s: %w", o.Namespace, o.Name, err))
		}
	}
	return reconcile.Result{RequeueAfter: min(why.again, recheck)}, nil
}

// remove gives prefixes and numbers back once nobody has anything of them.
func (r networks) remove(ctx context.Context, o *ingot.Network, w ledger.Wanted) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(o, ingot.NetworkFinalizer) {
		return reconcile.Result{}, nil
	}
	err := r.ledger.RemoveNetwork(ctx, w)
	if why, expected := r.refused(err); expected {
		why.reason, why.again = ingot.ReasonInUse, 2*time.Second
		return r.tell(ctx, o, why)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	controllerutil.RemoveFinalizer(o, ingot.NetworkFinalizer)
	if err := r.live.Update(ctx, o); client.IgnoreNotFound(err) != nil {
		return soon(fmt.Errorf("take the finalizer off network %s/%s: %w", o.Namespace, o.Name, err))
	}
	return reconcile.Result{}, nil
}
