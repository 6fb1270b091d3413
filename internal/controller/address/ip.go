package address

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

// ips gives Ingot's IPs their addresses.
type ips struct{ *base }

// Reconcile implements reconcile.Reconciler.
func (r ips) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	o := &ingot.IP{}
	claim := ledger.Claim{Kind: kindIP, Namespace: q.Namespace, Name: q.Name}
	if err := r.cached.Get(ctx, q.NamespacedName, o); apierrors.IsNotFound(err) {
		return reconcile.Result{}, r.gone(ctx, claim, &ingot.IP{}, nil)
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read IP %s: %w", q, err)
	}
	if !o.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	if o.Spec.Type == ingot.StaticIP && len(o.OwnerReferences) > 0 {
		// Whoever owned it would take it along.
		kept := o.DeepCopy()
		kept.OwnerReferences = nil
		if err := r.live.Update(ctx, kept); err != nil {
			return soon(fmt.Errorf("take owners off the static IP %s: %w", q, err))
		}
		o = kept
	}
	claim.UID = string(o.UID)
	n, why, err := r.network(ctx, o)
	if err != nil {
		return reconcile.Result{}, err
	}
	if why != nil {
		return r.tell(ctx, o, *why)
	}
	request := ledger.Request{Pool: networkPool(n.Namespace, n.Name), Claim: claim, Family: family(o.Spec.Family), Wake: r.wake(kindIP, q.NamespacedName)}
	for _, text := range []string{o.Spec.Address, o.Status.Address} {
		if a, err := netip.ParseAddr(text); err == nil {
			request.Address, request.Settled = a, o.Status.Address != ""
		}
	}
	if o.Status.Address == "" {
		if request.Limits, err = r.addressLimits(ctx, o.Namespace); err != nil {
			return reconcile.Result{}, err
		}
	}
	grant, err := r.ledger.Acquire(ctx, request)
	if former, ok := asFormer(err); ok {
		r.log.Debug("the address of an IP of the same name goes first", "claim", former.Claim.Key())
		return reconcile.Result{RequeueAfter: 10 * time.Millisecond}, r.gone(ctx, claim, &ingot.IP{}, nil)
	}
	if why, expected := r.refused(err); expected {
		return r.tell(ctx, o, why)
	}
	if err != nil {
		return reconcile.Result{}, err
	}
	if err := r.show(ctx, o, n, grant); err != nil {
		return soon(err)
	}
	// Only what the status names is kept: another process may have recorded another one.
	return reconcile.Result{}, r.ledger.Keep(ctx, claim, request.Pool, grant.Address)
}

// network is the one that an IP asks, or why it can't have an address of it.
func (r ips) network(ctx context.Context, o *ingot.IP) (*ingot.Network, *refusal, error) {
	key := client.ObjectKey{Namespace: o.Spec.Network.Namespace, Name: o.Spec.Network.Name}
	if key.Namespace == "" {
		key.Namespace = o.Namespace
	}
	n := &ingot.Network{}
	err := r.cached.Get(ctx, key, n)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, nil, fmt.Errorf("read network %s: %w", key, err)
	}
	foreign := key.Namespace != o.Namespace
	switch {
	case err != nil || foreign && n.Spec.Type != ingot.ExternalNetwork && n.Spec.Type != ingot.SharedNetwork:
		// A network that is not open to a project is as one that is not there, for who may not see it.
		if foreign {
			return nil, &refusal{reason: ingot.ReasonNotAllowed, message: fmt.Sprintf("network %s is not there, or neither External nor Shared: ask its provider", key), again: recheck}, nil
		}
		return nil, &refusal{reason: ingot.ReasonNetworkNotReady, message: fmt.Sprintf("network %s is not there: create it", key), again: recheck}, nil
	case n.Spec.Type == ingot.SuperNetwork:
		return nil, &refusal{reason: ingot.ReasonNotAllowed, message: fmt.Sprintf("network %s is a Super network: ask for an address of a network that is cut from it", key), again: recheck}, nil
	case o.Status.Address != "":
		return n, nil, nil
	case !n.DeletionTimestamp.IsZero() || !meta.IsStatusConditionTrue(n.Status.Conditions, ingot.ReadyCondition):
		return nil, &refusal{reason: ingot.ReasonNetworkNotReady, message: fmt.Sprintf("network %s is not ready: see its condition Ready", key), again: recheck}, nil
	}
	return n, nil, nil
}

// tell writes why there is no address. An address that the status has already stays in it.
func (r ips) tell(ctx context.Context, o *ingot.IP, why refusal) (reconcile.Result, error) {
	if why.reason == ingot.ReasonNetworkNotReady || why.reason == ingot.ReasonNotAllowed {
		r.await(kindIP, o)
	}
	o = o.DeepCopy()
	if condition(&o.Status.Conditions, ingot.ReadyCondition, metav1.ConditionFalse, why.reason, why.message, o.Generation) {
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of IP %s/%s: %w", o.Namespace, o.Name, err))
		}
	}
	return reconcile.Result{RequeueAfter: why.again}, nil
}

// show writes the address into the status, over the version that was read: of two processes one succeeds.
func (r ips) show(ctx context.Context, o *ingot.IP, n *ingot.Network, g ledger.Grant) error {
	o = o.DeepCopy()
	first := o.Status.Address == ""
	if first {
		o.Status.Address, o.Status.PrefixLength, o.Status.DNSServers = g.Address.String(), int32(g.Prefix.Bits()), n.Spec.DNSServers // at most 128
		for _, text := range n.Spec.Gateways {
			if a, err := netip.ParseAddr(text); err == nil && a.Is4() == g.Address.Is4() && g.Prefix.Contains(a) {
				o.Status.Gateway = a.String()
			}
		}
	}
	if !condition(&o.Status.Conditions, ingot.ReadyCondition, metav1.ConditionTrue, ingot.ReasonAllocated, "", o.Generation) && !first {
		return nil
	}
	if err := r.live.Status().Update(ctx, o); err != nil {
		return fmt.Errorf("write the status of IP %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}

func family(f ingot.IPFamily) ipam.Family {
	switch f {
	case ingot.IPv4:
		return ipam.V4
	case ingot.IPv6:
		return ipam.V6
	}
	return ipam.Any
}
