package bmcevent

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/subscription"
)

// BMCs lends sessions. bmc.Pool is one.
type BMCs interface {
	Use(ctx context.Context, t bmc.Target, do func(bmc.Session) error) error
}

// Targets says how to get at a host's BMC. The host controller is one.
type Targets interface {
	Target(ctx context.Context, host types.NamespacedName) (bmc.Target, error)
}

// Options are a reconciler's.
type Options struct {
	// Partition is the site whose hosts are served.
	Partition string
	BMCs      BMCs
	Targets   Targets
	// Live is a client without a cache, for Secrets.
	Live client.Client
	// BMCTimeout bounds one action on a BMC; 0: 1 min.
	BMCTimeout time.Duration
	Log        *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
}

// Reconciler brings BMCEventSubscriptions to BMCs.
type Reconciler struct {
	o      Options
	cached client.Client
	memory memory
	// hosts has a lock for each host whose BMC was asked for a subscription: two objects that ask for the same must not take one for theirs.
	hosts sync.Map
}

// stepsAtOnce bounds the steps of one turn: hold, look, subscribe, and a last look at what came of it.
const stepsAtOnce = 6

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	for range stepsAtOnce {
		after, again, err := r.step(ctx, req.NamespacedName)
		switch {
		case apierrors.IsConflict(err):
			return reconcile.Result{RequeueAfter: 50 * time.Millisecond}, nil
		case err != nil:
			return reconcile.Result{}, err
		case !again:
			return reconcile.Result{RequeueAfter: after}, nil
		}
	}
	return reconcile.Result{RequeueAfter: time.Second}, nil
}

// step is one look: facts, decision, one action, status. again: there is more to do at once.
func (r *Reconciler) step(ctx context.Context, key types.NamespacedName) (after time.Duration, again bool, err error) {
	o := &metal3.BMCEventSubscription{}
	if err := r.cached.Get(ctx, key, o); err != nil {
		if apierrors.IsNotFound(err) {
			r.memory.forget(key)
			return 0, false, nil
		}
		return 0, false, fmt.Errorf("read BMCEventSubscription: %w", err)
	}
	f, headers, err := r.facts(ctx, o)
	if err != nil {
		return 0, false, err
	}
	d := subscription.Decide(f, r.o.Now())
	if d.Ignore {
		return 0, false, nil
	}
	if d.Do == subscription.Nothing {
		return d.After, false, r.writeStatus(ctx, o, d.ID, d.Error)
	}
	return 0, true, r.act(ctx, o, d, headers)
}

// facts gathers what the decision looks at.
func (r *Reconciler) facts(ctx context.Context, o *metal3.BMCEventSubscription) (subscription.Facts, map[string]secret.String, error) {
	f := subscription.Facts{Object: o.DeepCopy()}
	f.Seen, f.Failed = r.memory.of(o)
	host := &metal3.BareMetalHost{}
	key := types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.HostName}
	err := r.cached.Get(ctx, key, host)
	if apierrors.IsNotFound(err) {
		return f, nil, nil
	}
	if err != nil {
		return f, nil, fmt.Errorf("read host %s: %w", key, err)
	}
	f.Host = subscription.Host{Object: host, Detached: subscription.IsDetached(host)}
	record := &ingot.HostLifecycle{}
	if err := r.cached.Get(ctx, key, record); client.IgnoreNotFound(err) != nil {
		return f, nil, fmt.Errorf("read HostLifecycle %s: %w", key, err)
	}
	// The record is the claim on a host, as for the host controller.
	f.Host.Ours = record.Labels[ingot.PartitionLabel] == r.o.Partition && metav1.IsControlledBy(record, host)
	f.Host.Registered = record.Status.BMC != nil
	if !f.Host.Ours || !o.DeletionTimestamp.IsZero() {
		return f, nil, nil
	}
	headers, problem, err := r.headers(ctx, o)
	f.HeadersProblem = problem
	return f, headers, err
}

// headers reads the Secret of the headers, each of its keys one header. A Secret of another namespace is never read, whatever the admission policies let through.
func (r *Reconciler) headers(ctx context.Context, o *metal3.BMCEventSubscription) (map[string]secret.String, string, error) {
	ref := o.Spec.HTTPHeadersRef
	if ref == nil {
		return nil, "", nil
	}
	if problem := subscription.Foreign(o); problem != "" {
		return nil, problem, nil
	}
	s := &corev1.Secret{}
	err := r.o.Live.Get(ctx, types.NamespacedName{Namespace: o.Namespace, Name: ref.Name}, s)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Sprintf("spec.httpHeadersRef: there is no Secret %q in this namespace", ref.Name), nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read Secret %s/%s: %w", o.Namespace, ref.Name, err)
	}
	out := make(map[string]secret.String, len(s.Data))
	for name, value := range s.Data {
		if problem := subscription.CheckHeader(name, string(value)); problem != "" {
			return nil, fmt.Sprintf("spec.httpHeadersRef: Secret %q: %s", ref.Name, problem), nil
		}
		out[name] = secret.New(string(value))
	}
	return out, "", nil
}

// act does one action and remembers what came of it.
func (r *Reconciler) act(ctx context.Context, o *metal3.BMCEventSubscription, d subscription.Decision, headers map[string]secret.String) error {
	switch d.Do {
	case subscription.Hold:
		return r.hold(ctx, o, true)
	case subscription.Release:
		return r.hold(ctx, o, false)
	default:
	}
	id, err := r.onBMC(ctx, o, d, headers)
	if failure := bmc.FailureOf(err); failure != nil {
		r.o.Log.Info("event subscription not brought to the BMC", "machine", o.Namespace+"/"+o.Spec.HostName, "step", string(d.Do), "kind", failure.Kind, "err", failure.Message)
		r.memory.fail(o, failure, r.o.Now())
		return nil
	}
	switch d.Do {
	case subscription.Look:
		r.memory.saw(o, id != "", r.o.Now())
		return nil
	case subscription.Remove:
		r.memory.forget(client.ObjectKeyFromObject(o))
		if !o.DeletionTimestamp.IsZero() {
			return r.hold(ctx, o, false)
		}
		return r.writeStatus(ctx, o, "", "")
	default:
		if err := r.writeStatus(ctx, o, id, ""); err != nil {
			return err
		}
		r.memory.saw(o, true, r.o.Now())
		return nil
	}
}

// onBMC is an action's part at the BMC. It returns the ID that the BMC has the subscription under, empty where it has none.
func (r *Reconciler) onBMC(ctx context.Context, o *metal3.BMCEventSubscription, d subscription.Decision, headers map[string]secret.String) (id string, err error) {
	ctx, cancel := context.WithTimeout(ctx, r.o.BMCTimeout)
	defer cancel()
	t, err := r.o.Targets.Target(ctx, types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.HostName})
	if err != nil {
		return "", err
	}
	lock, _ := r.hosts.LoadOrStore(types.NamespacedName{Namespace: o.Namespace, Name: o.Spec.HostName}, &sync.Mutex{})
	own := lock.(*sync.Mutex) // stored above
	own.Lock()
	defer own.Unlock()
	want := bmc.Subscription{ID: d.ID, Destination: o.Spec.Destination, Context: o.Spec.Context, Headers: headers}
	others, err := r.othersOf(ctx, o)
	if err != nil {
		return "", err
	}
	err = r.o.BMCs.Use(ctx, t, func(s bmc.Session) (err error) {
		id, err = work(ctx, s, d.Do, want, others)
		return err
	})
	r.memory.claim(o, id)
	return id, err
}

// othersOf are the IDs that other objects have at the same BMC.
func (r *Reconciler) othersOf(ctx context.Context, o *metal3.BMCEventSubscription) ([]string, error) {
	var all metal3.BMCEventSubscriptionList
	if err := r.cached.List(ctx, &all, client.InNamespace(o.Namespace)); err != nil {
		return nil, fmt.Errorf("list BMCEventSubscriptions: %w", err)
	}
	var ids []string
	for i := range all.Items {
		if x := &all.Items[i]; x.UID != o.UID && x.Spec.HostName == o.Spec.HostName && x.Status.SubscriptionID != "" {
			ids = append(ids, x.Status.SubscriptionID)
		}
	}
	return append(ids, r.memory.claims(o)...), nil
}

// hold puts our finalizer on an object, or takes it off.
func (r *Reconciler) hold(ctx context.Context, o *metal3.BMCEventSubscription, want bool) error {
	i := slices.Index(o.Finalizers, metal3.BMCEventSubscriptionFinalizer)
	if i >= 0 == want {
		return nil
	}
	next := o.DeepCopy()
	if want {
		next.Finalizers = append(next.Finalizers, metal3.BMCEventSubscriptionFinalizer)
	} else {
		next.Finalizers = slices.Delete(next.Finalizers, i, i+1)
	}
	err := r.cached.Patch(ctx, next, client.MergeFromWithOptions(o, client.MergeFromWithOptimisticLock{}))
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write finalizer of BMCEventSubscription %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}

func (r *Reconciler) writeStatus(ctx context.Context, o *metal3.BMCEventSubscription, id, text string) error {
	if o.Status.SubscriptionID == id && o.Status.Error == text {
		return nil
	}
	next := o.DeepCopy()
	next.Status.SubscriptionID, next.Status.Error = id, text
	if err := r.cached.Status().Patch(ctx, next, client.MergeFrom(o)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status of BMCEventSubscription %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}
