package address

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

// Finalizers of address objects and claims of Cluster API. Of Metal3's provider they are taken off where they are met.
const (
	protectFinalizer        = "ipam.cluster.x-k8s.io/protect-address"
	metal3AddressFinalizer  = "ipam.metal3.io/ipaddress"
	metal3AddressClaimFinal = "ipam.metal3.io/ipaddressclaim"
)

// addressClaims gives Cluster API's claims their addresses.
type addressClaims struct{ *base }

// source is where a claim's addresses come from.
type source struct {
	pool    string
	owner   metav1.OwnerReference
	metal3  *metal3ipam.IPPool
	network *ingot.Network
}

// Reconcile implements reconcile.Reconciler.
func (r addressClaims) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	o := &clusteripam.IPAddressClaim{}
	claim := ledger.Claim{Kind: kindAddressClaim, Namespace: q.Namespace, Name: q.Name}
	if err := r.cached.Get(ctx, q.NamespacedName, o); apierrors.IsNotFound(err) {
		return reconcile.Result{}, r.gone(ctx, claim, &clusteripam.IPAddressClaim{}, r.clear)
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read IPAddressClaim %s: %w", q, err)
	}
	pool, ours := r.poolOf(o.Namespace, o.Spec.PoolRef)
	if !ours {
		return reconcile.Result{}, nil
	}
	if paused, err := r.paused(ctx, o, o.Spec.ClusterName); err != nil || paused {
		return reconcile.Result{RequeueAfter: pausedCheck}, err
	}
	o = o.DeepCopy()
	claim.UID = string(o.UID)
	if !o.DeletionTimestamp.IsZero() {
		return r.remove(ctx, o, claim)
	}
	from, why, err := r.source(ctx, o, pool)
	if err != nil {
		return reconcile.Result{}, err
	}
	if why.reason != "" {
		return r.tell(ctx, o, why)
	}
	request, why, err := r.request(ctx, o, from, claim)
	if err != nil {
		return reconcile.Result{}, err
	}
	if why.reason != "" {
		return r.tell(ctx, o, why)
	}
	grant, err := r.ledger.Acquire(ctx, request)
	if _, former := asFormer(err); former {
		return reconcile.Result{RequeueAfter: 10 * time.Millisecond}, r.gone(ctx, claim, &clusteripam.IPAddressClaim{}, r.clear)
	}
	if why, expected := r.refused(err); expected {
		return r.tell(ctx, o, capiWords(why))
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if o.Status.AddressRef.Name == "" || !meta.IsStatusConditionTrue(o.Status.Conditions, clusteripam.IPAddressClaimReadyCondition) {
		there, err := r.make(ctx, o, from, grant)
		if err != nil {
			return soon(err)
		}
		if there != grant.Address {
			// Another process was first to make the object, which shows another address: that one counts.
			return reconcile.Result{RequeueAfter: 50 * time.Millisecond}, r.ledger.Keep(ctx, claim, request.Pool, there)
		}
		o.Status.AddressRef.Name = o.Name
		condition(&o.Status.Conditions, clusteripam.IPAddressClaimReadyCondition, metav1.ConditionTrue, ingot.ReasonAllocated, "", o.Generation)
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of IPAddressClaim %s: %w", q, err))
		}
	}
	return reconcile.Result{}, r.ledger.Keep(ctx, claim, request.Pool, grant.Address)
}

// source finds the pool of a claim, and why it can't give anything.
func (r addressClaims) source(ctx context.Context, o *clusteripam.IPAddressClaim, pool string) (source, refusal, error) {
	key := client.ObjectKey{Namespace: o.Namespace, Name: o.Spec.PoolRef.Name}
	s := source{pool: pool}
	var object client.Object
	if o.Spec.PoolRef.Kind == "IPPool" {
		s.metal3 = &metal3ipam.IPPool{}
		object = s.metal3
		s.owner = metav1.OwnerReference{APIVersion: metal3ipam.GroupVersion.String(), Kind: "IPPool"}
	} else {
		s.network = &ingot.Network{}
		object = s.network
		s.owner = metav1.OwnerReference{APIVersion: ingot.GroupVersion.String(), Kind: "Network"}
	}
	notReady := func(format string, args ...any) (source, refusal, error) {
		return s, refusal{reason: clusteripam.IPAddressClaimReadyPoolNotReadyReason, message: fmt.Sprintf(format, args...), again: 10 * time.Second}, nil
	}
	if err := r.cached.Get(ctx, key, object); apierrors.IsNotFound(err) {
		return notReady("%s %s is not there: create it", o.Spec.PoolRef.Kind, key)
	} else if err != nil {
		return s, refusal{}, fmt.Errorf("read %s %s: %w", o.Spec.PoolRef.Kind, key, err)
	}
	s.owner.Name, s.owner.UID, s.owner.BlockOwnerDeletion, s.owner.Controller = object.GetName(), object.GetUID(), ptr.To(true), ptr.To(false)
	if o.Status.AddressRef.Name != "" {
		return s, refusal{}, nil
	}
	if !object.GetDeletionTimestamp().IsZero() {
		return notReady("%s %s is being deleted", o.Spec.PoolRef.Kind, key)
	}
	if _, paused := object.GetAnnotations()[pausedAnnotation]; paused {
		return notReady("%s %s is paused", o.Spec.PoolRef.Kind, key)
	}
	if s.network != nil {
		if s.network.Spec.Type == ingot.SuperNetwork {
			return notReady("network %s is a Super network: name one that is cut from it", key)
		}
		if !meta.IsStatusConditionTrue(s.network.Status.Conditions, ingot.ReadyCondition) {
			return notReady("network %s is not ready: see its condition Ready", key)
		}
		return s, refusal{}, nil
	}
	why, err := r.problem(ctx, s.metal3)
	if err != nil {
		return s, refusal{}, err
	}
	if why != "" {
		return notReady("%s", why)
	}
	return s, refusal{}, nil
}

// request is what the claim asks for: the address that its object shows, or the one that an annotation names, or any. One claim has addresses of one family.
func (r addressClaims) request(ctx context.Context, o *clusteripam.IPAddressClaim, from source, claim ledger.Claim) (ledger.Request, refusal, error) {
	q := ledger.Request{Pool: from.pool, Claim: claim}
	if from.metal3 != nil {
		var why refusal
		if q, why = requestOf(o, from.metal3, claim); why.reason != "" {
			why.reason = clusteripam.IPAddressClaimReadyAllocationFailedReason
			return q, why, nil
		}
	}
	q.Wake = r.wake(kindAddressClaim, client.ObjectKeyFromObject(o))
	there := &clusteripam.IPAddress{}
	err := r.cached.Get(ctx, client.ObjectKeyFromObject(o), there)
	if client.IgnoreNotFound(err) != nil {
		return q, refusal{}, fmt.Errorf("read the address of IPAddressClaim %s/%s: %w", o.Namespace, o.Name, err)
	}
	if err == nil && there.DeletionTimestamp.IsZero() && there.Spec.PoolRef == o.Spec.PoolRef && ownerUID(there, kindAddressClaim) == string(o.UID) {
		if a, err := netip.ParseAddr(there.Spec.Address); err == nil {
			q.Address, q.Settled = a, true
		}
	}
	return q, refusal{}, nil
}

// capiWords turns a refusal into the reasons of the contract.
func capiWords(why refusal) refusal {
	switch ipam.Reason(why.reason) {
	case ipam.NoFree:
		why.reason = clusteripam.IPAddressClaimReadyPoolExhaustedReason
	case ipam.Unknown:
		why.reason = clusteripam.IPAddressClaimReadyPoolNotReadyReason
	default:
		why.reason = clusteripam.IPAddressClaimReadyAllocationFailedReason
	}
	return why
}

// make creates the object that shows the address, and returns the one that it shows.
func (r addressClaims) make(ctx context.Context, o *clusteripam.IPAddressClaim, from source, g ledger.Grant) (netip.Addr, error) {
	prefix, gateway := g.Prefix.Bits(), ""
	if from.metal3 != nil {
		d := detailOf(from.metal3, g.Address)
		prefix = d.prefix
		if d.gateway != nil {
			gateway = string(*d.gateway)
		}
	} else {
		for _, text := range from.network.Spec.Gateways {
			if a, err := netip.ParseAddr(text); err == nil && a.Is4() == g.Address.Is4() && g.Prefix.Contains(a) {
				gateway = a.String()
			}
		}
	}
	made := &clusteripam.IPAddress{
		ObjectMeta: metav1.ObjectMeta{
			Name: o.Name, Namespace: o.Namespace, Labels: o.Labels, Finalizers: []string{protectFinalizer},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: clusteripam.GroupVersion.String(), Kind: kindAddressClaim, Name: o.Name, UID: o.UID, Controller: ptr.To(true), BlockOwnerDeletion: ptr.To(true)},
				from.owner,
			},
		},
		Spec: clusteripam.IPAddressSpec{
			ClaimRef: clusteripam.IPAddressClaimReference{Name: o.Name}, PoolRef: o.Spec.PoolRef,
			Address: g.Address.String(), Prefix: ptr.To(int32(prefix)), Gateway: gateway, // at most 128
		},
	}
	err := r.live.Create(ctx, made)
	if err == nil {
		return g.Address, nil
	}
	if !apierrors.IsAlreadyExists(err) {
		return netip.Addr{}, fmt.Errorf("create IPAddress %s/%s: %w", o.Namespace, o.Name, err)
	}
	there := &clusteripam.IPAddress{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(made), there); err != nil {
		return netip.Addr{}, fmt.Errorf("read IPAddress %s/%s: %w", o.Namespace, o.Name, err)
	}
	if uid := ownerUID(there, kindAddressClaim); uid != string(o.UID) {
		// It is of a claim of the same name that is gone.
		if err := r.unclaim(ctx, there, client.ObjectKeyFromObject(made), kindAddressClaim, uid, protectFinalizer, metal3AddressFinalizer); err != nil {
			return netip.Addr{}, err
		}
		return netip.Addr{}, fmt.Errorf("IPAddress %s/%s was of another claim: trying again", o.Namespace, o.Name)
	}
	return netip.ParseAddr(there.Spec.Address)
}

// clear takes the object away that shows an address of a claim that is gone.
func (r addressClaims) clear(ctx context.Context, h ledger.Holding) error {
	key := client.ObjectKey{Namespace: h.Claim.Namespace, Name: h.Claim.Name}
	if err := r.unclaim(ctx, &clusteripam.IPAddress{}, key, kindAddressClaim, h.Claim.UID, protectFinalizer, metal3AddressFinalizer); err != nil {
		return err
	}
	// Metal3's provider names objects by their address.
	var all clusteripam.IPAddressList
	if err := r.cached.List(ctx, &all, client.InNamespace(h.Claim.Namespace), client.MatchingFields{claimIndex: h.Claim.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list addresses of %s: %w", h.Claim.Key(), err)
	}
	for i := range all.Items {
		if all.Items[i].Name == h.Claim.Name {
			continue
		}
		key.Name = all.Items[i].Name
		if err := r.unclaim(ctx, &clusteripam.IPAddress{}, key, kindAddressClaim, h.Claim.UID, protectFinalizer, metal3AddressFinalizer); err != nil {
			return err
		}
	}
	return nil
}

// remove lets a claim go that has the finalizer of Metal3's provider, once nobody else's is on it.
func (r addressClaims) remove(ctx context.Context, o *clusteripam.IPAddressClaim, claim ledger.Claim) (reconcile.Result, error) {
	if len(o.Finalizers) != 1 || o.Finalizers[0] != metal3AddressClaimFinal {
		return reconcile.Result{}, nil
	}
	held, err := r.ledger.Holdings(ctx, claim.Key())
	if err != nil {
		return reconcile.Result{}, err
	}
	for _, h := range held {
		if err := r.clear(ctx, h); err != nil {
			return reconcile.Result{}, err
		}
	}
	if _, err := r.ledger.Release(ctx, claim); err != nil {
		return reconcile.Result{}, err
	}
	o.Finalizers = nil
	if err := r.live.Update(ctx, o); client.IgnoreNotFound(err) != nil {
		return soon(fmt.Errorf("take the finalizer off IPAddressClaim %s/%s: %w", o.Namespace, o.Name, err))
	}
	return reconcile.Result{}, nil
}

func (r addressClaims) tell(ctx context.Context, o *clusteripam.IPAddressClaim, why refusal) (reconcile.Result, error) {
	if why.reason == clusteripam.IPAddressClaimReadyPoolNotReadyReason {
		r.await(kindAddressClaim, o)
	}
	if condition(&o.Status.Conditions, clusteripam.IPAddressClaimReadyCondition, metav1.ConditionFalse, why.reason, why.message, o.Generation) {
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of IPAddressClaim %s/%s: %w", o.Namespace, o.Name, err))
		}
	}
	return reconcile.Result{RequeueAfter: why.again}, nil
}
