package machine

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/machine/invite"
)

// When a Machine is looked at again though nothing woke it.
const (
	// afterConflict: somebody wrote meanwhile; the cache has it soon.
	afterConflict = 100 * time.Millisecond
	// recheck: Secrets and the proof of a wipe are not watched.
	recheck = 10 * time.Second
)

// Reconciler looks after Machines.
type Reconciler struct {
	// cached reads from watches; live asks the API server.
	cached, live client.Client
	log          *slog.Logger
	now          func() time.Time
	recheck      time.Duration
	told         memory
	// mesh is nil where the site has none.
	mesh *invite.Keeper
}

// Reconcile looks at one Machine.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	m := &ingot.Machine{}
	if err := r.cached.Get(ctx, q.NamespacedName, m); err != nil {
		if apierrors.IsNotFound(err) {
			r.told.forget(q.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	again, err := r.look(ctx, m)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		// The cache was behind, or somebody was faster.
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("machine %s: %w", q.NamespacedName, err)
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// look does what can be done now, and says when to look again.
func (r *Reconciler) look(ctx context.Context, m *ingot.Machine) (time.Duration, error) {
	if !m.DeletionTimestamp.IsZero() {
		return r.release(ctx, m)
	}
	if err := r.hold(ctx, m, true); err != nil {
		return 0, err
	}
	m.Status.Hostname = m.Name
	image, err := r.image(ctx, m)
	if err != nil {
		return 0, err
	}
	addressed, err := r.addresses(ctx, m)
	if err != nil {
		return 0, err
	}
	k, err := r.claimOf(ctx, m, image != nil && addressed)
	if err != nil {
		return 0, err
	}
	if k != nil {
		reflect(m, k)
	}
	if k != nil && is(m, ingot.MachineHostCondition) && addressed {
		if err := r.install(ctx, m, k, image); err != nil {
			return 0, err
		}
	}
	sum(m)
	if err := r.say(ctx, m); err != nil {
		return 0, err
	}
	if m.Status.Phase == ingot.MachineReady || m.Status.Phase == ingot.MachineOff {
		return 0, nil
	}
	return r.recheck, nil
}

// hold puts the finalizer on a Machine or takes it off.
func (r *Reconciler) hold(ctx context.Context, m *ingot.Machine, want bool) error {
	if controllerutil.ContainsFinalizer(m, ingot.MachineFinalizer) == want {
		return nil
	}
	before := m.DeepCopy()
	if want {
		controllerutil.AddFinalizer(m, ingot.MachineFinalizer)
	} else {
		controllerutil.RemoveFinalizer(m, ingot.MachineFinalizer)
	}
	if err := r.cached.Patch(ctx, m, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write the finalizer: %w", err)
	}
	return nil
}

// owner is the reference by which what is made for a Machine is its own.
func owner(m *ingot.Machine) metav1.OwnerReference {
	return *metav1.NewControllerRef(m, ingot.GroupVersion.WithKind("Machine"))
}

// hostNow asks the API server for the Machine's host, nil where it is gone.
func (r *Reconciler) hostNow(ctx context.Context, m *ingot.Machine) (*metal3.BareMetalHost, error) {
	h := &metal3.BareMetalHost{}
	key := client.ObjectKey{Namespace: m.Status.Host.Namespace, Name: m.Status.Host.Name}
	err := r.live.Get(ctx, key, h)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read host %s: %w", key, err)
	}
	return h, nil
}

// is says whether a condition holds.
func is(m *ingot.Machine, kind string) bool {
	return meta.IsStatusConditionTrue(m.Status.Conditions, kind)
}
