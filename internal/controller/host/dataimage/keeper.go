// Package dataimage keeps the DataImages of hosts: the finalizer that holds one while its medium is in a drive, and the status that says so.
//
// It owns the objects of that kind. It refuses the drive: package run decides what is in it at the machine's next start, as in Metal3, and the host's record says what is.
//
// Invariant: a DataImage without our finalizer is attached to nothing, and one loses it only once nothing of it is left in the drive, or its host is gone.
package dataimage

import (
	"context"
	"fmt"
	"slices"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/run"
)

// Keeper reads and writes DataImages.
type Keeper struct {
	cached client.Client
}

// New makes a keeper on a client that reads from watches.
func New(cached client.Client) *Keeper { return &Keeper{cached: cached} }

// Get is the DataImage of a host's name, nil for none.
func (k *Keeper) Get(ctx context.Context, host types.NamespacedName) (*metal3.DataImage, error) {
	d := &metal3.DataImage{}
	err := k.cached.Get(ctx, host, d)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read DataImage %s: %w", host, err)
	}
	return d, nil
}

// Facts is what decisions see of a DataImage: nothing before it is held.
func Facts(d *metal3.DataImage) *journey.DataImageFacts {
	if d == nil || !slices.Contains(d.Finalizers, metal3.DataImageFinalizer) {
		return nil
	}
	return &journey.DataImageFacts{URL: d.Spec.URL, Deleting: !d.DeletionTimestamp.IsZero()}
}

// Orphan lets a DataImage go whose host does not exist.
func (k *Keeper) Orphan(ctx context.Context, host types.NamespacedName) error {
	d, err := k.Get(ctx, host)
	if d == nil || err != nil {
		return err
	}
	return k.hold(ctx, d, false)
}

// Sync brings finalizer and status to where the host's record says that the drive is. result is what the last action on the BMC came to, nil for none.
func (k *Keeper) Sync(ctx context.Context, d *metal3.DataImage, host *metal3.BareMetalHost, record *ingot.HostLifecycleStatus, result *journey.ActionResult, now time.Time) error {
	if d == nil {
		return nil
	}
	if _, paused := host.Annotations[metal3.PausedAnnotation]; paused {
		return nil
	}
	deleting := !d.DeletionTimestamp.IsZero()
	if deleting && run.LetGo(record) {
		return k.hold(ctx, d, false)
	}
	if !deleting {
		if err := k.hold(ctx, d, true); err != nil {
			return err
		}
	}
	want := status(d, host, record, result)
	if want == d.Status {
		return nil
	}
	next := d.DeepCopy()
	next.Status = want
	at := metav1.NewTime(now.Truncate(time.Second))
	next.Status.LastReconciled = &at
	if err := k.cached.Status().Patch(ctx, next, client.MergeFrom(d)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write status of DataImage %s/%s: %w", d.Namespace, d.Name, err)
	}
	return nil
}

// status is what the record says of a DataImage. Errors are counted until it is attached.
func status(d *metal3.DataImage, host *metal3.BareMetalHost, record *ingot.HostLifecycleStatus, result *journey.ActionResult) metal3.DataImageStatus {
	out := d.Status
	out.AttachedImage.URL = run.Attached(record)
	problem := run.NoDataImage(host, record)
	switch {
	case failedAtDrive(result):
		out.Error.Count++
		out.Error.Message = result.Failure.Message
	case problem != "" && out.Error.Message != problem && d.DeletionTimestamp.IsZero():
		out.Error.Count++
		out.Error.Message = problem
	case problem == "" && out.AttachedImage.URL == d.Spec.URL:
		out.Error = metal3.DataImageError{}
	}
	return out
}

// failedAtDrive: a start of the machine failed before the drive was as it should be.
func failedAtDrive(r *journey.ActionResult) bool {
	if r == nil || r.Failure == nil || r.Drive != nil || !r.OwnsDrive {
		return false
	}
	return r.Action == (journey.SetPower{}).Name() || r.Action == (journey.Restart{}).Name()
}

// hold puts our finalizer on a DataImage, or takes it off.
func (k *Keeper) hold(ctx context.Context, d *metal3.DataImage, want bool) error {
	i := slices.Index(d.Finalizers, metal3.DataImageFinalizer)
	if i >= 0 == want {
		return nil
	}
	next := d.DeepCopy()
	if want {
		next.Finalizers = append(next.Finalizers, metal3.DataImageFinalizer)
	} else {
		next.Finalizers = slices.Delete(next.Finalizers, i, i+1)
	}
	patch := client.MergeFromWithOptions(d, client.MergeFromWithOptimisticLock{})
	if err := k.cached.Patch(ctx, next, patch); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write finalizer of DataImage %s/%s: %w", d.Namespace, d.Name, err)
	}
	return nil
}
