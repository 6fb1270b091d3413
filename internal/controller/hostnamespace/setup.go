package hostnamespace

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/identity"
)

// The pauses after errors of the API server.
const (
	firstBackOff = 50 * time.Millisecond
	lastBackOff  = 30 * time.Second
)

// Caches are the watches on bindings: those of our one name, since the right to see them is bounded to it.
func Caches() map[client.Object]cache.ByObject {
	return map[client.Object]cache.ByObject{&rbacv1.RoleBinding{}: {
		Field: fields.OneTermEqualSelector("metadata.name", identity.HostNamespacesRole(matrix.Partition)),
	}}
}

// Add builds a reconciler and hangs it into the manager, whose scheme has rbac.authorization.k8s.io, metal3.io and ingot.dev, and whose cache has Caches. Live is a client without a cache.
func Add(mgr manager.Manager, live client.Client, log *slog.Logger) error {
	r := &Reconciler{cached: mgr.GetClient(), live: live, log: log}
	c, err := controller.New("hostnamespace", mgr, controller.Options{
		Reconciler:  r,
		RateLimiter: workqueue.NewTypedItemExponentialFailureRateLimiter[reconcile.Request](firstBackOff, lastBackOff),
	})
	if err != nil {
		return fmt.Errorf("build the controller of host namespaces: %w", err)
	}
	in := mgr.GetCache()
	for _, watch := range []source.Source{
		source.Kind(in, &metal3.BareMetalHost{}, handler.TypedEnqueueRequestsFromMapFunc(namespaceOf[*metal3.BareMetalHost]), comesOrGoes()),
		source.Kind(in, &ingot.DiscoveredHost{}, handler.TypedEnqueueRequestsFromMapFunc(namespaceOf[*ingot.DiscoveredHost]), accepted()),
		source.Kind(in, &rbacv1.RoleBinding{}, handler.TypedEnqueueRequestsFromMapFunc(namespaceOf[*rbacv1.RoleBinding])),
	} {
		if err := c.Watch(watch); err != nil {
			return fmt.Errorf("watch for host namespaces: %w", err)
		}
	}
	return nil
}

// namespaceOf is the request for an object's namespace.
func namespaceOf[O client.Object](_ context.Context, o O) []reconcile.Request {
	return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: o.GetNamespace(), Name: identity.HostNamespacesRole(matrix.Partition)}}}
}

// comesOrGoes passes hosts that are new and hosts that went; what happens to them meanwhile changes nothing.
func comesOrGoes() predicate.TypedPredicate[*metal3.BareMetalHost] {
	return predicate.TypedFuncs[*metal3.BareMetalHost]{UpdateFunc: func(event.TypedUpdateEvent[*metal3.BareMetalHost]) bool { return false }}
}

// accepted passes finds that begin or cease to become a host.
func accepted() predicate.TypedPredicate[*ingot.DiscoveredHost] {
	return predicate.TypedFuncs[*ingot.DiscoveredHost]{
		CreateFunc: func(e event.TypedCreateEvent[*ingot.DiscoveredHost]) bool { return becomesHost(e.Object) },
		UpdateFunc: func(e event.TypedUpdateEvent[*ingot.DiscoveredHost]) bool {
			return becomesHost(e.ObjectOld) != becomesHost(e.ObjectNew)
		},
	}
}
