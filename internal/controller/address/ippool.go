package address

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam"
)

// shownAllocations is up to how many addresses a pool's status lists who has which, as Metal3's does: with some 20,000 the object would be larger than etcd takes. The records have all of them.
const shownAllocations = 1000

// ipPools keeps IPPools while they are in use, and shows who has which of their addresses.
type ipPools struct{ *base }

// Reconcile implements reconcile.Reconciler.
func (r ipPools) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	o := &metal3ipam.IPPool{}
	if err := r.cached.Get(ctx, q.NamespacedName, o); apierrors.IsNotFound(err) {
		r.ledger.Changed()
		return reconcile.Result{}, nil
	} else if err != nil {
		return reconcile.Result{}, fmt.Errorf("read pool %s: %w", q, err)
	}
	if paused, err := r.paused(ctx, o, clusterOf(o)); err != nil || paused {
		return reconcile.Result{RequeueAfter: pausedCheck}, err
	}
	o = o.DeepCopy()
	name := ipPool(o.Namespace, o.Name)
	held, err := r.ledger.PoolHoldings(ctx, name)
	if err != nil {
		return reconcile.Result{}, err
	}
	if !o.DeletionTimestamp.IsZero() {
		if len(held) > 0 {
			r.events.Eventf(o, nil, corev1.EventTypeNormal, "InUse", "Delete", "%d addresses have holders, %s has %s: the pool goes when they are released", len(held), held[0].Claim.Key(), held[0].Address)
			return reconcile.Result{RequeueAfter: 2 * time.Second}, nil
		}
		if controllerutil.RemoveFinalizer(o, metal3ipam.IPPoolFinalizer) {
			if err := r.live.Update(ctx, o); client.IgnoreNotFound(err) != nil {
				return soon(fmt.Errorf("take the finalizer off pool %s: %w", q, err))
			}
		}
		return reconcile.Result{}, nil
	}
	if controllerutil.AddFinalizer(o, metal3ipam.IPPoolFinalizer) {
		if err := r.live.Update(ctx, o); err != nil {
			return soon(fmt.Errorf("put the finalizer on pool %s: %w", q, err))
		}
		r.ledger.Changed()
	}
	if why, err := r.problem(ctx, o); err != nil {
		return reconcile.Result{}, err
	} else if why != "" {
		r.events.Eventf(o, nil, corev1.EventTypeWarning, "NotReady", "Allocate", "%s", why)
	}
	shown := map[string]metal3ipam.IPAddressStr{}
	if len(held) <= shownAllocations {
		for _, h := range held {
			shown[h.Claim.Name] = metal3ipam.IPAddressStr(h.Address.String())
		}
	}
	if o.Status.LastUpdated == nil || !maps.Equal(o.Status.Allocations, shown) {
		now := metav1.NewTime(r.now())
		o.Status.Allocations, o.Status.LastUpdated = shown, &now
		if err := r.live.Status().Update(ctx, o); err != nil {
			return soon(fmt.Errorf("write the status of pool %s: %w", q, err))
		}
	}
	return reconcile.Result{RequeueAfter: countEvery}, nil
}

// problem is why a pool can give nothing, or "".
func (b *base) problem(ctx context.Context, o *metal3ipam.IPPool) (string, error) {
	if _, wrong := PoolOf(o); wrong != nil {
		return wrong.Error(), nil //nolint:nilerr // what is wrong with a pool is an outcome
	}
	refused, err := b.ledger.Problem(ctx, ipPool(o.Namespace, o.Name))
	if err != nil || refused == nil {
		return "", err
	}
	if by, inside := strings.CutPrefix(refused.By, "network "); inside && refused.Reason == ipam.Overlap {
		return fmt.Sprintf("the pool's range has addresses of %s, which Network %s gives itself: ask that Network for them, by an IP or by an IPAddressClaim whose poolRef has apiGroup %s, kind Network and its name; or "+
			"give the pool other ranges; or a scope of its own with the annotation %s", refused.Prefix, by, ingot.GroupVersion.Group, VRFAnnotation), nil
	}
	return refused.Error(), nil
}

func clusterOf(o *metal3ipam.IPPool) string {
	if o.Spec.ClusterName == nil {
		return ""
	}
	return *o.Spec.ClusterName
}
