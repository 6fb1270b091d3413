package address

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
)

// requestAnnotation is Metal3's: the one address that a claim of either kind asks for.
const requestAnnotation = "ipAddress"

// ipClaims gives Metal3's claims their addresses.
type ipClaims struct{ *base }

func asFormer(err error) (*ledger.FormerError, bool) {
	var former *ledger.FormerError
	return former, errors.As(err, &former)
}

// Reconcile implements reconcile.Reconciler.
func (r ipClaims) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	o := &metal3ipam.IPClaim{}
	claim := ledger.Claim{Kind: kindIPClaim, Namespace: q.Namespace, Name: q.Name}
	if err := r.cached.Get(ctx, q.NamespacedName, o); apierrors.IsNotFound(err) {
		return reconcile.Result{}, r.gone(ctx, claim, &metal3ipam.IPClaim{}, r.clear)
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read IPClaim %s: %w", q, err)
	}
	if paused, err := r.paused(ctx, o, ""); err != nil || paused {
		return reconcile.Result{RequeueAfter: pausedCheck}, err
	}
	o = o.DeepCopy()
	claim.UID = string(o.UID)
	if !o.DeletionTimestamp.IsZero() {
		return r.remove(ctx, o, claim)
	}
	pool, why, err := r.pool(ctx, o)
	if err != nil {
		return reconcile.Result{}, err
	}
	if pool == nil {
		return r.tell(ctx, o, why)
	}
	if paused, err := r.paused(ctx, pool, clusterOf(pool)); err != nil || paused {
		return reconcile.Result{RequeueAfter: pausedCheck}, err
	}
	request, why := requestOf(o, pool, claim)
	if why.reason != "" {
		return r.tell(ctx, o, why)
	}
	request.Wake = r.wake(kindIPClaim, q.NamespacedName)
	if shown, err := r.shown(ctx, o, pool); err != nil {
		return reconcile.Result{}, err
	} else if shown.IsValid() {
		request.Address, request.Settled = shown, o.Status.Address != nil
	}
	grant, err := r.ledger.Acquire(ctx, request)
	if _, former := asFormer(err); former {
		return reconcile.Result{RequeueAfter: 10 * time.Millisecond}, r.gone(ctx, claim, &metal3ipam.IPClaim{}, r.clear)
	}
	if why, expected := r.refused(err); expected {
		return r.tell(ctx, o, why)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	name := addressName(pool, grant.Address)
	if o.Status.Address == nil || o.Status.Address.Name != name {
		if o.Status.Address != nil {
			return r.tell(ctx, o, refusal{reason: "Moved", message: fmt.Sprintf("the status names %s and the record has %s", o.Status.Address.Name, grant.Address), again: recheck})
		}
		if err := r.make(ctx, o, pool, name, grant); err != nil {
			return soon(err)
		}
		o.Status.Address, o.Status.ErrorMessage = &corev1.ObjectReference{Name: name, Namespace: o.Namespace}, nil
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of IPClaim %s: %w", q, err))
		}
	}
	return reconcile.Result{}, r.settle(ctx, claim, request.Pool, grant.Address)
}

// settle gives back what the claim has besides what its status names, with the object that shows it.
func (r ipClaims) settle(ctx context.Context, claim ledger.Claim, pool string, address netip.Addr) error {
	held, err := r.ledger.Holdings(ctx, claim.Key())
	if err != nil || len(held) < 2 {
		return err
	}
	for _, h := range held {
		if h.Claim.UID == claim.UID && h.Address != address {
			if err := r.clear(ctx, h); err != nil {
				return err
			}
		}
	}
	return r.ledger.Keep(ctx, claim, pool, address)
}

// pool is the claim's, or why there is none.
func (r ipClaims) pool(ctx context.Context, o *metal3ipam.IPClaim) (*metal3ipam.IPPool, refusal, error) {
	if ns := o.Spec.Pool.Namespace; ns != "" && ns != o.Namespace {
		return nil, refusal{reason: "PoolNotAllowed", message: fmt.Sprintf("spec.pool.namespace: a claim has addresses of pools of its own namespace, and %s is another", ns), permanent: true}, nil
	}
	pool := &metal3ipam.IPPool{}
	key := client.ObjectKey{Namespace: o.Namespace, Name: o.Spec.Pool.Name}
	if err := r.cached.Get(ctx, key, pool); apierrors.IsNotFound(err) {
		return nil, refusal{reason: "PoolNotReady", message: fmt.Sprintf("IPPool %s is not there: create it", key), again: 10 * time.Second}, nil
	} else if err != nil {
		return nil, refusal{}, fmt.Errorf("read pool %s: %w", key, err)
	}
	if !pool.DeletionTimestamp.IsZero() && o.Status.Address == nil {
		return nil, refusal{reason: "PoolNotReady", message: fmt.Sprintf("IPPool %s is being deleted", key), again: recheck}, nil
	}
	if why, err := r.problem(ctx, pool); err != nil {
		return nil, refusal{}, err
	} else if why != "" {
		return nil, refusal{reason: "PoolNotReady", message: why, again: recheck}, nil
	}
	return pool, refusal{}, nil
}

// requestOf reads what a claim of either kind asks for.
func requestOf(o client.Object, pool *metal3ipam.IPPool, claim ledger.Claim) (ledger.Request, refusal) {
	q := ledger.Request{Pool: ipPool(pool.Namespace, pool.Name), Claim: claim}
	kept, preAllocated := pool.Spec.PreAllocations[claim.Name]
	if claim.Kind != kindIPClaim && preAllocated {
		q.As = preallocated(claim.Namespace, claim.Name)
	}
	text := o.GetAnnotations()[requestAnnotation]
	if text == "" {
		return q, refusal{}
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return q, refusal{reason: "InvalidAddress", message: fmt.Sprintf("the annotation %s asks for %q, which is no address", requestAnnotation, text), permanent: true}
	}
	if keptAddress, err := netip.ParseAddr(string(kept)); preAllocated && (err != nil || keptAddress != a) {
		return q, refusal{reason: "Conflict", message: fmt.Sprintf("the annotation %s asks for %s and the pool keeps %s for the claim: change one of them", requestAnnotation, a, kept), permanent: true}
	}
	q.Address = a
	return q, refusal{}
}

// shown is the address that the claim's status or an address object shows already, which it keeps: it was moved here, or another program gave it.
func (r ipClaims) shown(ctx context.Context, o *metal3ipam.IPClaim, pool *metal3ipam.IPPool) (netip.Addr, error) {
	if o.Status.Address == nil {
		var all metal3ipam.IPAddressList
		if err := r.cached.List(ctx, &all, client.InNamespace(o.Namespace), client.MatchingFields{claimIndex: o.Name}, client.UnsafeDisableDeepCopy); err != nil {
			return netip.Addr{}, fmt.Errorf("list addresses of IPClaim %s/%s: %w", o.Namespace, o.Name, err)
		}
		for i := range all.Items {
			a := &all.Items[i]
			if a.Spec.Pool.Name == pool.Name && a.DeletionTimestamp.IsZero() && ownerUID(a, kindIPClaim) == string(o.UID) {
				return netip.ParseAddr(string(a.Spec.Address))
			}
		}
		return netip.Addr{}, nil
	}
	a := &metal3ipam.IPAddress{}
	err := r.cached.Get(ctx, client.ObjectKey{Namespace: o.Namespace, Name: o.Status.Address.Name}, a)
	if apierrors.IsNotFound(err) {
		// The cache is behind, or somebody took the object away: what is recorded counts.
		return netip.Addr{}, nil
	}
	if err != nil {
		return netip.Addr{}, fmt.Errorf("read the address of IPClaim %s/%s: %w", o.Namespace, o.Name, err)
	}
	return netip.ParseAddr(string(a.Spec.Address))
}

// addressName is Metal3's: the prefix and the address with dashes.
func addressName(pool *metal3ipam.IPPool, a netip.Addr) string {
	return strings.TrimRight(pool.Spec.NamePrefix+"-"+strings.NewReplacer(".", "-", ":", "-").Replace(a.String()), "-")
}

// make creates the object that shows the address. One that is there must be this claim's.
func (r ipClaims) make(ctx context.Context, o *metal3ipam.IPClaim, pool *metal3ipam.IPPool, name string, g ledger.Grant) error {
	d := detailOf(pool, g.Address)
	version := metal3ipam.GroupVersion.String()
	made := &metal3ipam.IPAddress{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: o.Namespace, Labels: o.Labels, Finalizers: []string{metal3ipam.IPAddressFinalizer},
			OwnerReferences: []metav1.OwnerReference{
				{APIVersion: version, Kind: "IPPool", Name: pool.Name, UID: pool.UID},
				{APIVersion: version, Kind: kindIPClaim, Name: o.Name, UID: o.UID},
			},
		},
		Spec: metal3ipam.IPAddressSpec{
			Address: metal3ipam.IPAddressStr(g.Address.String()),
			Pool:    corev1.ObjectReference{Name: pool.Name, Namespace: pool.Namespace},
			Claim:   corev1.ObjectReference{Name: o.Name, Namespace: o.Namespace},
			Prefix:  d.prefix, Gateway: d.gateway, DNSServers: d.dns,
		},
	}
	err := r.live.Create(ctx, made)
	if !apierrors.IsAlreadyExists(err) {
		if err != nil {
			return fmt.Errorf("create IPAddress %s/%s: %w", o.Namespace, name, err)
		}
		return nil
	}
	there := &metal3ipam.IPAddress{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(made), there); err != nil {
		return fmt.Errorf("read IPAddress %s/%s: %w", o.Namespace, name, err)
	}
	if uid := ownerUID(there, kindIPClaim); uid == string(o.UID) && there.DeletionTimestamp.IsZero() {
		return nil
	} else if uid != string(o.UID) {
		if err := r.stranger(ctx, there, uid); err != nil {
			return err
		}
	}
	return fmt.Errorf("IPAddress %s/%s of IPClaim %s is in the way until it is gone", o.Namespace, name, there.Spec.Claim.Name)
}

// stranger clears an address object of a claim that is gone.
func (r ipClaims) stranger(ctx context.Context, there *metal3ipam.IPAddress, uid string) error {
	claim := &metal3ipam.IPClaim{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: there.Namespace, Name: there.Spec.Claim.Name}, claim)
	if err == nil && string(claim.UID) == uid {
		return fmt.Errorf("IPAddress %s/%s is of IPClaim %s, which is there: two pools have the name prefix of one", there.Namespace, there.Name, claim.Name)
	}
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read IPClaim %s/%s: %w", there.Namespace, there.Spec.Claim.Name, err)
	}
	return r.unclaim(ctx, &metal3ipam.IPAddress{}, client.ObjectKeyFromObject(there), kindIPClaim, uid, metal3ipam.IPAddressFinalizer)
}

// clear takes the objects away that show an address of a claim that is gone.
func (r ipClaims) clear(ctx context.Context, h ledger.Holding) error {
	var all metal3ipam.IPAddressList
	if err := r.cached.List(ctx, &all, client.InNamespace(h.Claim.Namespace), client.MatchingFields{claimIndex: h.Claim.Name}, client.UnsafeDisableDeepCopy); err != nil {
		return fmt.Errorf("list addresses of %s: %w", h.Claim.Key(), err)
	}
	names := map[string]bool{}
	for i := range all.Items {
		if string(all.Items[i].Spec.Address) == h.Address.String() {
			names[all.Items[i].Name] = true
		}
	}
	// The cache may not have it yet, and the pool, which has the name's prefix, may be gone only after all its addresses.
	_, poolName, _ := strings.Cut(strings.TrimPrefix(h.Pool, "IPPool/"), "/")
	pool := &metal3ipam.IPPool{}
	if err := r.live.Get(ctx, client.ObjectKey{Namespace: h.Claim.Namespace, Name: poolName}, pool); err == nil {
		names[addressName(pool, h.Address)] = true
	} else if !apierrors.IsNotFound(err) {
		return fmt.Errorf("read IPPool %s: %w", poolName, err)
	}
	for name := range names {
		key := client.ObjectKey{Namespace: h.Claim.Namespace, Name: name}
		if err := r.unclaim(ctx, &metal3ipam.IPAddress{}, key, kindIPClaim, h.Claim.UID, metal3ipam.IPAddressFinalizer); err != nil {
			return err
		}
	}
	return nil
}

// remove lets a claim go that has Metal3's finalizer, once nobody else's is on it.
func (r ipClaims) remove(ctx context.Context, o *metal3ipam.IPClaim, claim ledger.Claim) (reconcile.Result, error) {
	if !controllerutil.ContainsFinalizer(o, metal3ipam.IPClaimFinalizer) || len(o.Finalizers) > 1 {
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
	controllerutil.RemoveFinalizer(o, metal3ipam.IPClaimFinalizer)
	if err := r.live.Update(ctx, o); client.IgnoreNotFound(err) != nil {
		return soon(fmt.Errorf("take the finalizer off IPClaim %s/%s: %w", o.Namespace, o.Name, err))
	}
	return reconcile.Result{}, nil
}

// tell says why a claim has no address: as an event, or, where nothing but another claim would help, in the status, which whoever made the claim takes for the last word.
func (r ipClaims) tell(ctx context.Context, o *metal3ipam.IPClaim, why refusal) (reconcile.Result, error) {
	if !why.permanent {
		if why.reason == "PoolNotReady" {
			r.await(kindIPClaim, o)
		}
		r.events.Eventf(o, nil, corev1.EventTypeWarning, why.reason, "Allocate", "%s", why.message)
		return reconcile.Result{RequeueAfter: why.again}, nil
	}
	if o.Status.ErrorMessage == nil || *o.Status.ErrorMessage != why.message {
		o.Status.ErrorMessage = ptr.To(why.message)
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of IPClaim %s/%s: %w", o.Namespace, o.Name, err))
		}
	}
	return reconcile.Result{}, nil
}
