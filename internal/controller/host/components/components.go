// Package components keeps the HostFirmwareComponents of hosts, and reads their HostUpdatePolicies.
//
// It owns the objects' shape as Metal3 has it: one HostFirmwareComponents per host with its name, made when its BMC first showed components and owned by the host; status.components from the last reading,
// status.updates and the versions that were flashed from the host's record, the conditions Valid and ChangeDetected from the spec. It refuses decisions (update, prepare, run) and the order of the actions on
// BMCs (the host controller's).
//
// Invariants: nothing is written that did not change; status.updates never names an update that the record does not have as done, or had when the status was written; the initial version of a component
// is the one that was seen first.
package components

import (
	"context"
	"fmt"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firmware"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/journey"
)

// Keeper reads and writes the objects through a client that reads from watches and sees its own writes.
type Keeper struct {
	client client.Client
	images Images
}

// New makes a keeper. Without images, updates whose URL has a digest are refused.
func New(c client.Client, images Images) *Keeper { return &Keeper{client: c, images: images} }

// Get is the host's object; nil while there is none, or where it belongs to an earlier host of the name.
func (k *Keeper) Get(ctx context.Context, host *metal3.BareMetalHost) (*metal3.HostFirmwareComponents, error) {
	o := &metal3.HostFirmwareComponents{}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(host), o)
	if apierrors.IsNotFound(err) || err == nil && ofEarlier(o, host) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read HostFirmwareComponents: %w", err)
	}
	return o, nil
}

func ofEarlier(o client.Object, host *metal3.BareMetalHost) bool {
	owner := metav1.GetControllerOf(o)
	return owner != nil && owner.Kind == "BareMetalHost" && owner.UID != host.UID
}

// Policy is what the host's HostUpdatePolicy allows. One of an earlier host counts as well: it has no owner in Metal3's documents, and says what people want of the host of this name.
func (k *Keeper) Policy(ctx context.Context, host *metal3.BareMetalHost) (journey.UpdatePolicy, error) {
	o := &metal3.HostUpdatePolicy{}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(host), o)
	if apierrors.IsNotFound(err) || err == nil && !o.DeletionTimestamp.IsZero() {
		return journey.UpdatePolicy{}, nil
	}
	if err != nil {
		return journey.UpdatePolicy{}, fmt.Errorf("read HostUpdatePolicy: %w", err)
	}
	return journey.UpdatePolicy{
		Settings: o.Spec.FirmwareSettings == metal3.HostUpdatePolicyOnReboot, Updates: o.Spec.FirmwareUpdates == metal3.HostUpdatePolicyOnReboot,
	}, nil
}

// Facts is the object as decisions see it; o may be nil.
func Facts(o *metal3.HostFirmwareComponents) journey.ComponentsFacts {
	if o == nil || !o.DeletionTimestamp.IsZero() {
		return journey.ComponentsFacts{}
	}
	f := journey.ComponentsFacts{Generation: o.Generation, Wanted: updatesOf(o.Spec.Updates), Applied: updatesOf(o.Status.Updates), Read: len(o.Status.Components) > 0}
	for _, c := range o.Status.Components {
		f.Current = append(f.Current, firmware.Component{Name: c.Component, Version: c.CurrentVersion})
	}
	return f
}

func updatesOf(list []metal3.FirmwareUpdate) []firmware.Update {
	var out []firmware.Update
	for _, u := range list {
		out = append(out, firmware.Update{Component: u.Component, URL: u.URL})
	}
	return out
}

// Save writes the versions that were read into the host's object, and makes it where it is missing. A BMC that shows nothing gets none.
func (k *Keeper) Save(ctx context.Context, host *metal3.BareMetalHost, read []bmc.Component, now time.Time) error {
	o, err := k.Get(ctx, host)
	if err != nil || o == nil && len(read) == 0 {
		return err
	}
	if o, err = k.own(ctx, host); err != nil {
		return err
	}
	before := o.DeepCopy()
	o.Status.Components = merge(o.Status.Components, read)
	return k.write(ctx, before, o, now)
}

// merge keeps what is known of each component beside its version.
func merge(was []metal3.FirmwareComponentStatus, read []bmc.Component) []metal3.FirmwareComponentStatus {
	out := make([]metal3.FirmwareComponentStatus, 0, len(read))
	for _, c := range read {
		next := metal3.FirmwareComponentStatus{Component: c.Name, InitialVersion: c.Version}
		if i := slices.IndexFunc(was, func(w metal3.FirmwareComponentStatus) bool { return w.Component == c.Name }); i >= 0 {
			next = was[i]
		}
		next.CurrentVersion = c.Version
		out = append(out, next)
	}
	return out
}

// Sync brings what the record says was done, and the conditions, into the object. waits is what changes of this host wait for, empty for nothing.
func (k *Keeper) Sync(ctx context.Context, o *metal3.HostFirmwareComponents, r *ingot.HostLifecycleStatus, waits string, now time.Time) error {
	if o == nil || !o.DeletionTimestamp.IsZero() {
		return nil
	}
	next := o.DeepCopy()
	f := Facts(o)
	if r.Components != nil && len(f.Current) > 0 {
		flashed(next, r.Components.Done)
	}
	outstanding := f.Outstanding(r)
	next.Status.Updates = slices.DeleteFunc(slices.Clone(o.Spec.Updates), func(u metal3.FirmwareUpdate) bool {
		return slices.Contains(outstanding, firmware.Update{Component: u.Component, URL: u.URL})
	})
	if len(next.Status.Updates) == 0 {
		next.Status.Updates = nil
	}
	judge(next, f, len(outstanding) > 0, waits)
	return k.write(ctx, o, next, now)
}

// flashed notes when each component got its version.
func flashed(o *metal3.HostFirmwareComponents, done []ingot.UpdateDone) {
	for _, d := range done {
		for i := range o.Status.Components {
			if c := &o.Status.Components[i]; c.Component == d.Component {
				c.LastVersionFlashed, c.UpdatedAt = d.Version, *d.At.DeepCopy()
			}
		}
	}
}

// write patches the status where it differs. lastUpdated moves with it and never alone.
func (k *Keeper) write(ctx context.Context, was, next *metal3.HostFirmwareComponents, now time.Time) error {
	if equality.Semantic.DeepEqual(was.Status, next.Status) {
		return nil
	}
	at := metav1.NewTime(now.Truncate(time.Second))
	next.Status.LastUpdated = &at
	if err := k.client.Status().Patch(ctx, next, client.MergeFrom(was)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of HostFirmwareComponents: %w", err)
	}
	return nil
}

// own is the host's object with the host as its owner: one that was made by hand before the host's first preparation is adopted, so that it goes with the host.
func (k *Keeper) own(ctx context.Context, host *metal3.BareMetalHost) (*metal3.HostFirmwareComponents, error) {
	owner := *metav1.NewControllerRef(host, metal3.GroupVersion.WithKind("BareMetalHost"))
	o := &metal3.HostFirmwareComponents{}
	err := k.client.Get(ctx, client.ObjectKeyFromObject(host), o)
	switch {
	case apierrors.IsNotFound(err):
		o = &metal3.HostFirmwareComponents{ObjectMeta: metav1.ObjectMeta{Namespace: host.Namespace, Name: host.Name, OwnerReferences: []metav1.OwnerReference{owner}}}
		o.Spec.Updates = []metal3.FirmwareUpdate{}
		if err := k.client.Create(ctx, o); err != nil {
			return nil, fmt.Errorf("create HostFirmwareComponents: %w", err)
		}
		return o, nil
	case err != nil:
		return nil, fmt.Errorf("read HostFirmwareComponents: %w", err)
	case ofEarlier(o, host):
		return nil, fmt.Errorf("the HostFirmwareComponents of an earlier host %s are not collected yet", host.Name)
	case metav1.GetControllerOf(o) == nil:
		before := o.DeepCopy()
		o.OwnerReferences = append(o.OwnerReferences, owner)
		if err := k.client.Patch(ctx, o, client.MergeFrom(before)); err != nil {
			return nil, fmt.Errorf("adopt HostFirmwareComponents: %w", err)
		}
	}
	return o.DeepCopy(), nil
}
