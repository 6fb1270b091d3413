package console

import (
	"context"
	"errors"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	toolscache "k8s.io/client-go/tools/cache"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/console"
)

// watch tells the gate of each object that changed. The watches keep names only: what an object is now, the gate reads itself.
func (p *process) watch(ctx context.Context) error {
	s, err := scheme()
	if err != nil {
		return err
	}
	watches, err := cache.New(p.config, cache.Options{Scheme: s, DefaultTransform: onlyNames})
	if err != nil {
		return fmt.Errorf("watch who has which machine: %w", err)
	}
	for kind, of := range map[console.Kind]schema.GroupVersionKind{
		console.MachineKind: ingot.GroupVersion.WithKind("Machine"), console.ClaimKind: metal3.GroupVersion.WithKind("HostClaim"), console.HostKind: metal3.GroupVersion.WithKind("BareMetalHost"),
	} {
		o := &metav1.PartialObjectMetadata{}
		o.SetGroupVersionKind(of)
		informer, err := watches.GetInformer(ctx, o, cache.BlockUntilSynced(false))
		if err != nil {
			return fmt.Errorf("watch %s: %w", of.Kind, err)
		}
		changed := func(o any) {
			if gone, is := o.(toolscache.DeletedFinalStateUnknown); is {
				o = gone.Obj
			}
			if at, is := o.(client.Object); is {
				p.gate.Changed(kind, client.ObjectKeyFromObject(at))
			}
		}
		if _, err := informer.AddEventHandler(toolscache.ResourceEventHandlerFuncs{
			AddFunc: changed, DeleteFunc: changed, UpdateFunc: func(_, now any) { changed(now) },
		}); err != nil {
			return fmt.Errorf("watch %s: %w", of.Kind, err)
		}
	}
	ended := make(chan error, 1)
	go func() { ended <- watches.Start(ctx) }()
	if watches.WaitForCacheSync(ctx) {
		p.ready.Store(true)
	}
	if err := <-ended; err != nil && ctx.Err() == nil {
		return fmt.Errorf("watch who has which machine: %w", err)
	}
	if ctx.Err() == nil {
		return errors.New("watch who has which machine: the watches ended")
	}
	return nil
}

// onlyNames strips what is kept of an object: thousands of hosts are a few megabytes.
func onlyNames(o any) (any, error) {
	if m, is := o.(*metav1.PartialObjectMetadata); is {
		m.ManagedFields, m.Annotations, m.Labels, m.OwnerReferences, m.Finalizers = nil, nil, nil, nil, nil
	}
	return o, nil
}
