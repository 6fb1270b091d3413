package components

import (
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/source"
)

// Watch wakes a host for what is asked of its components, and for its policy; both have its name.
func Watch(c controller.Controller, from cache.Cache) error {
	components := source.Kind(from, &metal3.HostFirmwareComponents{}, &handler.TypedEnqueueRequestForObject[*metal3.HostFirmwareComponents]{}, asked())
	if err := c.Watch(components); err != nil {
		return fmt.Errorf("watch HostFirmwareComponents: %w", err)
	}
	if err := c.Watch(source.Kind(from, &metal3.HostUpdatePolicy{}, &handler.TypedEnqueueRequestForObject[*metal3.HostUpdatePolicy]{})); err != nil {
		return fmt.Errorf("watch HostUpdatePolicies: %w", err)
	}
	return nil
}

// asked passes what somebody asks for. What this role writes is in the status.
func asked() predicate.TypedPredicate[*metal3.HostFirmwareComponents] {
	return predicate.TypedFuncs[*metal3.HostFirmwareComponents]{
		CreateFunc: func(e event.TypedCreateEvent[*metal3.HostFirmwareComponents]) bool {
			return len(e.Object.Spec.Updates) > 0
		},
		UpdateFunc: func(e event.TypedUpdateEvent[*metal3.HostFirmwareComponents]) bool {
			return e.ObjectOld.Generation != e.ObjectNew.Generation || e.ObjectOld.UID != e.ObjectNew.UID
		},
	}
}
