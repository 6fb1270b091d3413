package address

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

const (
	// recheck is when what is refused is asked for again, if nothing wakes it before; pausedCheck is when a paused cluster is looked at again.
	recheck     = time.Minute
	pausedCheck = 20 * time.Second
	// pausedAnnotation is Cluster API's, on whatever is not to be touched.
	pausedAnnotation = "cluster.x-k8s.io/paused"
	clusterLabel     = "cluster.x-k8s.io/cluster-name"
)

type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]

// base is what the reconcilers share.
type base struct {
	cached, live client.Client
	ledger       *ledger.Ledger
	log          *slog.Logger
	now          func() time.Time
	events       events.EventRecorder
	metal3       bool
	// queues are by the kind of claim, once its controller runs.
	queues map[string]*atomic.Pointer[queue]
}

// wake has a claim looked at.
func (b *base) wake(kind string, key client.ObjectKey) func() {
	return func() {
		if q := b.queues[kind].Load(); q != nil {
			(*q).Add(reconcile.Request{NamespacedName: key})
		}
	}
}

// lost has a claim looked at whose address went out of its record by another's hand: if it is there still, it asks for that address again.
func (b *base) lost(c ledger.Claim) {
	if b.queues[c.Kind] == nil {
		return
	}
	b.log.Debug("an address went out of its record", "claim", c.Key())
	b.wake(c.Kind, client.ObjectKey{Namespace: c.Namespace, Name: c.Name})()
}

// await has a claim looked at when a network or a pool has changed.
func (b *base) await(kind string, o client.Object) {
	key := client.ObjectKeyFromObject(o)
	b.ledger.Await(kind+"/"+key.String(), b.wake(kind, key))
}

// capture keeps a controller's queue.
func (b *base) capture(kind string) func(context.Context, queue) error {
	return func(_ context.Context, q queue) error {
		b.queues[kind].Store(&q)
		return nil
	}
}

// gone gives back what is recorded for a claim of a name, unless the API server still has the object; clear is asked before to take away the object that shows an address. An object of the same name with another UID
// keeps what is its own.
func (b *base) gone(ctx context.Context, claim ledger.Claim, o client.Object, clear func(context.Context, ledger.Holding) error) error {
	held, err := b.ledger.Holdings(ctx, claim.Key())
	if err != nil || len(held) == 0 {
		return err
	}
	uid := ""
	switch err := b.live.Get(ctx, client.ObjectKey{Namespace: claim.Namespace, Name: claim.Name}, o); {
	case err == nil:
		uid = string(o.GetUID())
	case !apierrors.IsNotFound(err):
		return fmt.Errorf("read %s: %w", claim.Key(), err)
	}
	for _, h := range held {
		if h.Claim.UID == uid {
			continue
		}
		if clear != nil {
			if err := clear(ctx, h); err != nil {
				return err
			}
		}
		if _, err := b.ledger.Release(ctx, h.Claim); err != nil {
			return fmt.Errorf("give %s of %s back: %w", h.Address, claim.Key(), err)
		}
		b.log.Debug("address given back", "claim", claim.Key(), "address", h.Address.String())
	}
	return nil
}

// unclaim deletes an address object and takes the finalizer off it that keeps it, if it is of the claim with the UID.
func (b *base) unclaim(ctx context.Context, o client.Object, key client.ObjectKey, kind, uid string, finalizers ...string) error {
	if err := b.live.Get(ctx, key, o); err != nil {
		if apierrors.IsNotFound(err) {
			return nil
		}
		return fmt.Errorf("read the address %s: %w", key, err)
	}
	// The garbage collector takes an owner off that is gone, where another one is left.
	if of := ownerUID(o, kind); of != uid && of != "" {
		return nil
	}
	if o.GetDeletionTimestamp().IsZero() {
		version := o.GetResourceVersion()
		if err := b.live.Delete(ctx, o, client.Preconditions{ResourceVersion: &version}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("delete the address %s: %w", key, err)
		}
		if err := b.live.Get(ctx, key, o); apierrors.IsNotFound(err) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the address %s: %w", key, err)
		}
	}
	kept := withoutFinalizers(o, finalizers...)
	if len(kept) != len(o.GetFinalizers()) {
		o.SetFinalizers(kept)
		if err := b.live.Update(ctx, o); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("take the finalizer off the address %s: %w", key, err)
		}
	}
	if len(kept) > 0 {
		return fmt.Errorf("the address %s is kept by finalizers of others: %v", key, kept)
	}
	return nil
}

func withoutFinalizers(o client.Object, names ...string) []string {
	var kept []string
	for _, f := range o.GetFinalizers() {
		ours := false
		for _, n := range names {
			ours = ours || f == n
		}
		if !ours {
			kept = append(kept, f)
		}
	}
	return kept
}

var clusterKind = schema.GroupVersionKind{Group: "cluster.x-k8s.io", Version: "v1beta2", Kind: "Cluster"}

// paused says whether a claim is to be left alone: by its own annotation, or since its cluster is paused or not there. Where nobody serves clusters, none is paused. A claim that is being deleted does not wait for a
// cluster that is gone: clusters go before their last claims do, and these would stay for ever.
func (b *base) paused(ctx context.Context, o client.Object, clusterName string) (bool, error) {
	if _, ok := o.GetAnnotations()[pausedAnnotation]; ok {
		return true, nil
	}
	if clusterName == "" {
		clusterName = o.GetLabels()[clusterLabel]
	}
	if clusterName == "" {
		return false, nil
	}
	cluster := &unstructured.Unstructured{}
	cluster.SetGroupVersionKind(clusterKind)
	err := b.live.Get(ctx, client.ObjectKey{Namespace: o.GetNamespace(), Name: clusterName}, cluster)
	switch {
	case meta.IsNoMatchError(err):
		return false, nil
	case apierrors.IsNotFound(err):
		return o.GetDeletionTimestamp().IsZero(), nil
	case err != nil:
		return false, fmt.Errorf("read the cluster %s: %w", clusterName, err)
	}
	if _, ok := cluster.GetAnnotations()[pausedAnnotation]; ok {
		return true, nil
	}
	paused, _, _ := unstructured.NestedBool(cluster.Object, "spec", "paused")
	return paused, nil
}

// refusal is an expected outcome in words.
type refusal struct {
	reason, message string
	permanent       bool
	// again is when to ask again.
	again time.Duration
}

// refused tells what is expected from what is broken.
func (b *base) refused(err error) (refusal, bool) {
	var by *ipam.Refusal
	var quota *ledger.QuotaError
	var networks *ledger.NetworkQuotaError
	switch {
	case errors.As(err, &by):
		r := refusal{reason: string(by.Reason), message: by.Error(), permanent: by.Permanent(), again: recheck}
		if !by.Until.IsZero() {
			r.again = min(max(by.Until.Sub(b.now()), time.Second), time.Hour)
		}
		return r, true
	case errors.As(err, &quota):
		return refusal{reason: ingot.ReasonQuotaExceeded, message: quota.Error(), again: patience(quota.Raced)}, true
	case errors.As(err, &networks):
		return refusal{reason: ingot.ReasonQuotaExceeded, message: networks.Error(), again: patience(networks.Raced)}, true
	}
	return refusal{}, false
}

// patience is when a refusal by a quota is asked again. Of several processes that were refused together each waits for another time, so that one is first.
func patience(raced bool) time.Duration {
	if raced {
		return 100*time.Millisecond + rand.N(900*time.Millisecond) // it spreads retries and guards nothing
	}
	return recheck
}

// condition sets one and says whether that changed anything.
func condition(all *[]metav1.Condition, kind string, status metav1.ConditionStatus, reason, message string, generation int64) bool {
	return meta.SetStatusCondition(all, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: generation})
}

// soon is a reconcile that comes again, for what somebody else changed or took away meanwhile.
func soon(err error) (reconcile.Result, error) {
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return reconcile.Result{RequeueAfter: 50 * time.Millisecond}, nil
	}
	return reconcile.Result{}, err
}
