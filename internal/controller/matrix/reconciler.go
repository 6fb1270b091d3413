package matrix

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
)

// Reconciler looks at one matrix, its parts included, whenever one of its objects, or of those made from it, changes.
type Reconciler struct {
	cached client.Client
	// live is a client without a cache.
	live     client.Client
	events   events.EventRecorder
	log      *slog.Logger
	accepted accepted

	mu sync.Mutex
	// last is what was compiled last of each matrix, good the last that had a meaning.
	last, good map[string]*compilation
	// moved is when each matrix's objects were first seen as they are.
	moved  map[string]movement
	settle time.Duration
}

type movement struct {
	stamp string
	at    time.Time
}

// Matrix is the matrix of that name as it was compiled last with a meaning; false where there is none, and before this process has looked at it.
func (r *Reconciler) Matrix(name string) (matrix.Matrix, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.good[name]
	if c == nil {
		return matrix.Matrix{}, false
	}
	return c.matrix, true
}

// Reconcile looks at the matrix that the request names.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	root := &ingot.CommunicationMatrix{}
	err := r.cached.Get(ctx, q.NamespacedName, root, client.UnsafeDisableDeepCopy)
	if apierrors.IsNotFound(err) || err == nil && !root.DeletionTimestamp.IsZero() {
		// The API server's garbage collector takes away what the matrix owned.
		r.forget(q.Name)
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read matrix %s: %w", q.Name, err)
	}
	if root.Spec.Extends != "" {
		r.forget(q.Name)
		return reconcile.Result{}, r.part(ctx, root)
	}
	parts, err := r.partsOf(ctx, root)
	if err != nil {
		return reconcile.Result{}, err
	}
	if rest := r.unsettled(root.Name, stamp(root, parts), time.Now()); rest > 0 {
		return reconcile.Result{RequeueAfter: rest}, nil
	}
	last, good := r.compiled(root, parts)
	var out outcome
	if good != nil {
		if out, err = r.apply(ctx, root, good); err != nil {
			return reconcile.Result{}, fmt.Errorf("apply matrix %s: %w", root.Name, err)
		}
		if out.applied+out.removed > 0 {
			r.log.Info("matrix applied", "matrix", root.Name, "applied", out.applied, "removed", out.removed, "repaired", out.repaired)
			r.events.Eventf(root, nil, corev1.EventTypeNormal, "Applied", "Apply", "%d objects applied, %d removed", out.applied, out.removed)
		}
	}
	return reconcile.Result{}, r.report(ctx, root, last, good, out)
}

// unsettled is how long to wait until a matrix's objects have been left alone.
func (r *Reconciler) unsettled(name, stamp string, now time.Time) time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	m := r.moved[name]
	if m.stamp != stamp {
		m = movement{stamp, now}
		r.moved[name] = m
	}
	return r.settle - now.Sub(m.at)
}

// compiled is the last compilation, made anew where the objects changed, and the last good one.
func (r *Reconciler) compiled(root *ingot.CommunicationMatrix, parts []*ingot.CommunicationMatrix) (last, good *compilation) {
	r.mu.Lock()
	last = r.last[root.Name]
	r.mu.Unlock()
	if last == nil || last.from != stamp(root, parts) {
		last = compile(root, parts)
		if !last.good() {
			r.events.Eventf(root, nil, corev1.EventTypeWarning, "Refused", "Compile", "%s", cut(last.refused+last.failed, maxNote))
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last[root.Name] = last
	if last.good() {
		r.good[root.Name] = last
	}
	return last, r.good[root.Name]
}

func (r *Reconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, name)
	delete(r.good, name)
	delete(r.moved, name)
}

// part reports on an object that is a part of another: everything about the whole stands there.
func (r *Reconciler) part(ctx context.Context, part *ingot.CommunicationMatrix) error {
	whole := &ingot.CommunicationMatrix{}
	err := r.cached.Get(ctx, client.ObjectKey{Name: string(part.Spec.Extends)}, whole, client.UnsafeDisableDeepCopy)
	if client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("read matrix %s, which %s extends: %w", part.Spec.Extends, part.Name, err)
	}
	accepted := metav1.Condition{Type: conditionAccepted, Status: metav1.ConditionTrue, Reason: "Part", Message: "matrix " + string(part.Spec.Extends) + " has it, and says what was found"}
	switch {
	case err != nil:
		accepted.Status, accepted.Reason, accepted.Message = metav1.ConditionFalse, "NoSuchMatrix", "spec.extends: there is no matrix "+string(part.Spec.Extends)
	case whole.Spec.Extends != "":
		accepted.Status, accepted.Reason = metav1.ConditionFalse, "ExtendsAPart"
		accepted.Message = "spec.extends: " + whole.Name + " is itself a part, of " + string(whole.Spec.Extends) + ": extend that one"
	}
	status := ingot.CommunicationMatrixStatus{ObservedGeneration: part.Generation}
	setConditions(&status, part, accepted)
	return r.writeStatus(ctx, part, status)
}

// belongsTo is the matrix that an object was compiled from; empty where it was not.
func belongsTo(obj client.Object) string { return obj.GetLabels()[api.MatrixLabel] }
