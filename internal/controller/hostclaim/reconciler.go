package hostclaim

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ingotmetal/ingot/claim/survey"
)

// When a claim is looked at again though nothing woke it.
const (
	// afterConflict: somebody wrote meanwhile; the cache has it soon.
	afterConflict = 100 * time.Millisecond
	// recheck: Secrets are not watched, nor are hosts' records.
	recheck = 10 * time.Second
	// whileChoosing: others' choices are in the book and not in the watches yet.
	whileChoosing = time.Second
	// whileWaiting for a host: claims are woken when one is free.
	whileWaiting = 5 * time.Minute
)

// Reconciler looks after claims.
type Reconciler struct {
	// cached reads from watches; live asks the API server.
	cached, live client.Client
	log          *slog.Logger
	now          func() time.Time
	recheck      time.Duration
	// choosing is held from the look at all hosts until the choice is in the book.
	choosing sync.Mutex
	book     book
	// copied says of whose Secrets the copies were looked at a moment ago.
	copied copied
}

// Reconcile looks at one claim.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	c := &metal3.HostClaim{}
	if err := r.cached.Get(ctx, q.NamespacedName, c); err != nil {
		if apierrors.IsNotFound(err) {
			r.copied.forget(q.NamespacedName)
		}
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if _, paused := c.Annotations[metal3.PausedAnnotation]; paused {
		return reconcile.Result{}, nil
	}
	again, err := r.look(ctx, c)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) {
		// The cache was behind, or somebody was faster.
		return reconcile.Result{RequeueAfter: afterConflict}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("claim %s: %w", q.NamespacedName, err)
	}
	return reconcile.Result{RequeueAfter: again}, nil
}

// look does the next thing that is to be done, and says when to look again.
func (r *Reconciler) look(ctx context.Context, c *metal3.HostClaim) (time.Duration, error) {
	if !c.DeletionTimestamp.IsZero() {
		return r.release(ctx, c)
	}
	if err := r.hold(ctx, c, true); err != nil {
		return 0, err
	}
	associated := condition(c, metal3.AssociatedCondition)
	switch {
	case c.Status.BareMetalHost == nil:
		return r.find(ctx, c)
	case associated.Reason == reasonWithdrawing:
		return r.withdraw(ctx, c)
	case associated.Reason == reasonBinding:
		return r.take(ctx, c)
	}
	return r.serve(ctx, c)
}

// hold puts the finalizer on a claim or takes it off.
func (r *Reconciler) hold(ctx context.Context, c *metal3.HostClaim, want bool) error {
	if controllerutil.ContainsFinalizer(c, metal3.HostClaimFinalizer) == want {
		return nil
	}
	before := c.DeepCopy()
	if want {
		controllerutil.AddFinalizer(c, metal3.HostClaimFinalizer)
	} else {
		controllerutil.RemoveFinalizer(c, metal3.HostClaimFinalizer)
	}
	if err := r.cached.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write the finalizer: %w", err)
	}
	return nil
}

// patch writes a host under the resource version that was read.
func (r *Reconciler) patch(ctx context.Context, before, after *metal3.BareMetalHost) error {
	if err := r.cached.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("write host %s/%s: %w", before.Namespace, before.Name, err)
	}
	return nil
}

// hostNow asks the API server for the claim's host, nil where it is gone.
func (r *Reconciler) hostNow(ctx context.Context, ref *metal3.ObjectReference) (*metal3.BareMetalHost, error) {
	h := &metal3.BareMetalHost{}
	err := r.live.Get(ctx, types.NamespacedName{Namespace: ref.Namespace, Name: ref.Name}, h)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read host %s/%s: %w", ref.Namespace, ref.Name, err)
	}
	return h, nil
}

// has says whether a host names this claim. By name and not by UID: a claim that was moved to another cluster has a new one, and a claim's finalizer keeps its name until its host is free.
func has(c *metal3.HostClaim, h *metal3.BareMetalHost) bool {
	key, claimed := survey.ClaimOf(h)
	return claimed && key == client.ObjectKeyFromObject(c)
}

func consumer(c *metal3.HostClaim) *corev1.ObjectReference {
	return &corev1.ObjectReference{APIVersion: metal3.GroupVersion.String(), Kind: survey.ClaimKind, Namespace: c.Namespace, Name: c.Name}
}
