// Package access hears where the partition role may read Secrets, so that hosts that wait for it go on at once.
//
// It owns the watch on the RoleBindings of one name, which the controller role makes (internal/controller/hostnamespace), and when each was heard of. It refuses to say whether the right is there: that is the API
// server's answer to a read, and may come a moment after the binding, or by a binding of another name.
package access

import (
	"context"
	"fmt"
	"sync"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// The API server's own watch on bindings may be behind ours: for as long as recent a host that is refused asks again after Retry.
const (
	recent = 30 * time.Second
	// Retry is how soon a host asks again whose namespace was bound a moment ago.
	Retry = 250 * time.Millisecond
)

// Cache is the watch's: of our one name, since the right to see bindings is bounded to it.
func Cache() cache.ByObject {
	return cache.ByObject{Field: fields.OneTermEqualSelector("metadata.name", identity.HostNamespacesRole(matrix.Partition))}
}

// Book is what was heard. It is safe for concurrent use.
type Book struct {
	mu    sync.Mutex
	bound map[string]time.Time
}

// New makes an empty book.
func New() *Book { return &Book{bound: map[string]time.Time{}} }

// Fresh says that the namespace was bound a moment ago.
func (b *Book) Fresh(namespace string, now time.Time) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	at, heard := b.bound[namespace]
	return heard && now.Sub(at) < recent
}

func (b *Book) hear(namespace string, at time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.bound[namespace] = at
}

func (b *Book) forget(namespace string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.bound, namespace)
}

// Watch has the waiting hosts of a namespace looked at when it is bound.
func (b *Book) Watch(c controller.Controller, in cache.Cache, waiting func(namespace string) []types.NamespacedName, now func() time.Time) error {
	type queue = workqueue.TypedRateLimitingInterface[reconcile.Request]
	heard := func(o *rbacv1.RoleBinding, q queue) {
		b.hear(o.Namespace, now())
		for _, host := range waiting(o.Namespace) {
			q.Add(reconcile.Request{NamespacedName: host})
		}
	}
	err := c.Watch(source.Kind(in, &rbacv1.RoleBinding{}, handler.TypedFuncs[*rbacv1.RoleBinding, reconcile.Request]{
		CreateFunc: func(_ context.Context, e event.TypedCreateEvent[*rbacv1.RoleBinding], q queue) { heard(e.Object, q) },
		UpdateFunc: func(_ context.Context, e event.TypedUpdateEvent[*rbacv1.RoleBinding], q queue) { heard(e.ObjectNew, q) },
		DeleteFunc: func(_ context.Context, e event.TypedDeleteEvent[*rbacv1.RoleBinding], _ queue) {
			b.forget(e.Object.Namespace)
		},
	}))
	if err != nil {
		return fmt.Errorf("watch the bindings of namespaces with hosts: %w", err)
	}
	return nil
}
