package hostnamespace

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// Finalizer holds a binding until the last host of its namespace went.
const Finalizer = "ingot.dev/host-namespace"

// Reconciler looks at one namespace; a request names it twice, as the binding's namespace and name.
type Reconciler struct {
	cached, live client.Client
	log          *slog.Logger
}

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	have := &rbacv1.RoleBinding{}
	err := r.cached.Get(ctx, q.NamespacedName, have)
	if apierrors.IsNotFound(err) {
		have, err = nil, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("read RoleBinding %s: %w", q.NamespacedName, err)
	}
	wanted, err := holdsHosts(ctx, r.cached, q.Namespace)
	if err != nil {
		return reconcile.Result{}, err
	}
	switch {
	case have != nil && !ours(have):
		return reconcile.Result{}, nil
	case wanted && have == nil:
		return reconcile.Result{}, r.bind(ctx, q.Namespace)
	case wanted && have.DeletionTimestamp.IsZero():
		return reconcile.Result{}, r.mend(ctx, have)
	case !wanted && have != nil:
		return reconcile.Result{}, r.unbind(ctx, have)
	}
	return reconcile.Result{}, nil
}

// ours: it is a binding that this controller made. Its role cannot be changed once it is made.
func ours(b *rbacv1.RoleBinding) bool {
	want := identity.HostNamespacesBinding(matrix.Partition, b.Namespace)
	return b.Labels["app.kubernetes.io/managed-by"] == want.Labels["app.kubernetes.io/managed-by"] && b.RoleRef == want.RoleRef
}

// holdsHosts: the namespace has a host, or a find that becomes one at an operator's word.
func holdsHosts(ctx context.Context, c client.Client, namespace string) (bool, error) {
	var hosts metal3.BareMetalHostList
	if err := c.List(ctx, &hosts, client.InNamespace(namespace), client.Limit(1)); err != nil {
		return false, fmt.Errorf("look for hosts in namespace %s: %w", namespace, err)
	}
	if len(hosts.Items) > 0 {
		return true, nil
	}
	var found ingot.DiscoveredHostList
	if err := c.List(ctx, &found, client.InNamespace(namespace)); err != nil {
		return false, fmt.Errorf("look for DiscoveredHosts in namespace %s: %w", namespace, err)
	}
	return slices.ContainsFunc(found.Items, func(o ingot.DiscoveredHost) bool { return becomesHost(&o) }), nil
}

// becomesHost: an operator accepted it, and its host is still to be made. Once it was made, the host counts.
func becomesHost(o *ingot.DiscoveredHost) bool {
	return o.Spec.Accept != nil && o.Status.Host == nil && o.DeletionTimestamp.IsZero()
}

func (r *Reconciler) bind(ctx context.Context, namespace string) error {
	b := identity.HostNamespacesBinding(matrix.Partition, namespace)
	b.Finalizers = []string{Finalizer}
	err := r.live.Create(ctx, &b)
	switch {
	case apierrors.IsAlreadyExists(err):
		return nil // its event brings us here again
	case apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		r.log.Warn("hosts in a namespace that is being deleted: nothing can be bound there, and their machines cannot be reached", "err", err)
		return nil
	case err != nil:
		return fmt.Errorf("let the partition role read Secrets in namespace %s: %w", namespace, err)
	}
	r.log.Info("the partition role may read Secrets in a namespace with hosts", "machine", namespace+"/*")
	return nil
}

// mend puts back what somebody changed.
func (r *Reconciler) mend(ctx context.Context, have *rbacv1.RoleBinding) error {
	want := identity.HostNamespacesBinding(matrix.Partition, have.Namespace)
	next := have.DeepCopy()
	next.Subjects = want.Subjects
	if !slices.Contains(next.Finalizers, Finalizer) {
		next.Finalizers = append(next.Finalizers, Finalizer)
	}
	if equality.Semantic.DeepEqual(have, next) {
		return nil
	}
	if err := r.live.Patch(ctx, next, client.MergeFromWithOptions(have, client.MergeFromWithOptimisticLock{})); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("mend RoleBinding %s/%s: %w", have.Namespace, have.Name, err)
	}
	return nil
}

// unbind takes the binding away, once the API server says too that there is no host. A host that is made at the same moment brings it back.
func (r *Reconciler) unbind(ctx context.Context, have *rbacv1.RoleBinding) error {
	if wanted, err := holdsHosts(ctx, r.live, have.Namespace); wanted || err != nil {
		return err
	}
	if have.DeletionTimestamp.IsZero() {
		if err := r.live.Delete(ctx, have, client.Preconditions{UID: &have.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete RoleBinding %s/%s: %w", have.Namespace, have.Name, err)
		}
	}
	i := slices.Index(have.Finalizers, Finalizer)
	if i < 0 {
		return nil
	}
	next := have.DeepCopy()
	next.Finalizers = slices.Delete(next.Finalizers, i, i+1)
	if err := r.live.Patch(ctx, next, client.MergeFrom(have)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("let go of RoleBinding %s/%s: %w", have.Namespace, have.Name, err)
	}
	r.log.Info("the partition role may no longer read Secrets in a namespace: its last host went", "machine", have.Namespace+"/*")
	return nil
}
