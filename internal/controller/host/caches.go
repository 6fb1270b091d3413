package host

import (
	"context"
	"fmt"
	"net/http"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/access"
	"github.com/ingotmetal/ingot/internal/controller/host/bootwindow"
)

// Scheme holds the kinds that this controller reads and writes.
func Scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			// Two kinds under one name: no test would pass.
			panic(err)
		}
	}
	return s
}

// Caches are the watches: these kinds and no others. A read of another kind through the cache is an error and not a new watch, so that no Secret is ever watched.
func Caches(h *http.Client) cache.Options {
	return cache.Options{
		HTTPClient:                  h,
		ReaderFailOnMissingInformer: true,
		DefaultTransform:            cache.TransformStripManagedFields(),
		ByObject: map[client.Object]cache.ByObject{
			&ingot.BootWindow{}:     {Namespaces: map[string]cache.Config{ingot.BootNamespace: {}}},
			&rbacv1.RoleBinding{}:   access.Cache(),
			&ingot.NetbootRecord{}:  {Namespaces: map[string]cache.Config{ingot.BootNamespace: {}}},
			&metal3.BareMetalHost{}: {}, &metal3.HardwareData{}: {}, &metal3.DataImage{}: {}, &metal3.BMCEventSubscription{}: {}, &metal3.HostFirmwareSettings{}: {}, &metal3.FirmwareSchema{}: {},
			&metal3.HostFirmwareComponents{}: {}, &metal3.HostUpdatePolicy{}: {}, &ingot.HostLifecycle{}: {}, &ingot.Partition{}: {}, &ingot.DiscoveredHost{}: {},
		},
	}
}

// CachedClient reads from the watches, after waiting for its own writes to show there: a decision on what was true before our last write would repeat it.
func CachedClient(h *http.Client) client.Options {
	return client.Options{HTTPClient: h, Cache: &client.CacheOptions{EnableReadYourWritesConsistency: ptr.To(true)}}
}

// startWatches begins with the watches and indexes that reads rely on.
func startWatches(ctx context.Context, mgr manager.Manager) error {
	for _, o := range []client.Object{&metal3.HardwareData{}, &metal3.FirmwareSchema{}, &ingot.Partition{}} {
		if _, err := mgr.GetCache().GetInformer(ctx, o, cache.BlockUntilSynced(false)); err != nil {
			return fmt.Errorf("watch %T: %w", o, err)
		}
	}
	for _, x := range Indexes() {
		if err := mgr.GetFieldIndexer().IndexField(ctx, x.Object, x.Field, x.Values); err != nil {
			return fmt.Errorf("index %T by %s: %w", x.Object, x.Field, err)
		}
	}
	return nil
}

// Index is a field by which cached objects of a kind are found.
type Index struct {
	Object client.Object
	Field  string
	Values client.IndexerFunc
}

// Indexes are those that this controller reads by.
func Indexes() []Index {
	return []Index{
		{&ingot.HostLifecycle{}, BootIndex, func(o client.Object) []string {
			if l, ok := o.(*ingot.HostLifecycle); ok && l.Status.Boot != nil {
				return []string{l.Status.Boot.ID}
			}
			return nil
		}},
		{&ingot.BootWindow{}, bootwindow.HostIndex, func(o client.Object) []string {
			if w, ok := o.(*ingot.BootWindow); ok {
				return []string{w.Spec.Host.UID}
			}
			return nil
		}},
	}
}
