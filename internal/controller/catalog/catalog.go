// Package catalog is the controller that says of images, of the keys that are trusted for them, and of filesystem layouts how they are.
//
// It owns their statuses. Package catalog decides whether an image can be used and who signed it, package filesystem whether a layout has a meaning. It refuses to change what it judges: an image that expired stays,
// for machines have it, and an image without the signature that is asked for is refused where a machine wants it.
//
// All are made at once, a moment after the last change, and again when the next image changes its phase: what a shorthand means hangs on all images.
//
// Invariant: what a condition says is what Resolve does.
package catalog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
	"github.com/ingotmetal/ingot/filesystem"
	"github.com/ingotmetal/ingot/filesystem/choice"
)

// Options are what the controller is built on.
type Options struct {
	// Live writes statuses.
	Live client.Client
	Log  *slog.Logger
	// Now is time.Now when nil.
	Now func() time.Time
	// Settle is how long after a change statuses are made; 0: the controller's own.
	Settle time.Duration
}

type reconciler struct {
	cached, live client.Client
	log          *slog.Logger
	now          func() time.Time
}

// Reconcile makes every status; the request says only that something changed.
func (r *reconciler) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	now := r.now()
	var images ingot.ImageList
	var trusts ingot.ImageTrustList
	var layouts ingot.FilesystemLayoutList
	var machines ingot.MachineList
	for _, list := range []client.ObjectList{&images, &trusts, &layouts} {
		if err := r.cached.List(ctx, list); err != nil {
			return reconcile.Result{}, fmt.Errorf("list %T: %w", list, err)
		}
	}
	if len(images.Items)+len(trusts.Items)+len(layouts.Items) == 0 {
		return reconcile.Result{}, nil
	}
	if err := r.cached.List(ctx, &machines, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("list Machines: %w", err)
	}
	used := map[string]int32{}
	for i := range machines.Items {
		if m := machines.Items[i].Status.Image; m != nil {
			used[m.Name]++
		}
	}
	all := catalog.Read(images.Items, trusts.Items)
	next := time.Time{}
	var failures []error
	for i := range images.Items {
		o := &images.Items[i]
		failures = append(failures, write(ctx, r.live, o, o.DeepCopy(), func() { describe(o, all, used[o.Name], now) }))
		next = sooner(next, all, o.Name, now)
	}
	for i := range trusts.Items {
		o := &trusts.Items[i]
		failures = append(failures, write(ctx, r.live, o, o.DeepCopy(), func() { describeTrust(o, all) }))
	}
	for i := range layouts.Items {
		o := &layouts.Items[i]
		failures = append(failures, write(ctx, r.live, o, o.DeepCopy(), func() { describeLayout(o) }))
	}
	result := reconcile.Result{}
	if !next.IsZero() {
		result.RequeueAfter = min(max(next.Sub(now), time.Second), longest)
	}
	return result, errors.Join(failures...)
}

// longest is how long a timer runs at most: the clock may be set meanwhile.
const longest = time.Hour

// write changes an object's status where it is another one.
func write(ctx context.Context, to client.Client, o, was client.Object, change func()) error {
	change()
	if equality.Semantic.DeepEqual(was, o) {
		return nil
	}
	if err := to.Status().Patch(ctx, o, client.MergeFrom(was)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of %T %s: %w", o, o.GetName(), err)
	}
	return nil
}

// sooner is the earlier of a time and the end of an image's phase.
func sooner(at time.Time, all []catalog.Image, name string, now time.Time) time.Time {
	i := slices.IndexFunc(all, func(i catalog.Image) bool { return i.Name == name })
	if i < 0 {
		return at
	}
	if _, ends := all[i].PhaseAt(now); !ends.IsZero() && (at.IsZero() || ends.Before(at)) {
		return ends
	}
	return at
}

// describe writes what is to be said of an image.
func describe(o *ingot.Image, all []catalog.Image, machines int32, now time.Time) {
	s := &o.Status
	s.ObservedGeneration, s.Machines, s.Shorthands, s.SignedBy = o.Generation, machines, nil, ""
	set := func(kind string, holds bool, reason, message string) {
		status := metav1.ConditionFalse
		if holds {
			status = metav1.ConditionTrue
		}
		meta.SetStatusCondition(&s.Conditions, metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: o.Generation})
	}
	i := slices.IndexFunc(all, func(i catalog.Image) bool { return i.Name == o.Name })
	if i < 0 {
		set(ingot.ImageReady, false, string(catalog.BadName), "its name is not its spec.os, a dash and its spec.version")
		return
	}
	image := all[i]
	s.SignedBy = image.SignedBy
	s.Shorthands = catalog.Shorthands(all, image, now)
	switch {
	case image.SignedBy != "":
		set(ingot.ImageSigned, true, "Verified", "the signature is by the key "+image.SignedBy)
	case image.Untrusted != "":
		set(ingot.ImageSigned, false, string(catalog.NotSigned), image.Untrusted)
	default:
		set(ingot.ImageSigned, false, "NotAsked", "no ImageTrust is for this image, and its signature is not looked at")
	}
	phase, ends := image.PhaseAt(now)
	switch phase {
	case catalog.Current:
		message := "it does not expire"
		if !ends.IsZero() {
			message = "it expires at " + ends.UTC().Format(time.RFC3339)
		}
		set(ingot.ImageExpired, false, string(phase), message)
	case catalog.Grace:
		set(ingot.ImageExpired, true, string(phase), "it can be used by its full name until "+ends.UTC().Format(time.RFC3339))
	default:
		set(ingot.ImageExpired, true, string(phase), "its days of grace are over; it stays, for those who have it")
	}
	set(ingot.ImageInUse, machines > 0, map[bool]string{true: "InUse", false: "Unused"}[machines > 0], fmt.Sprintf("%d machines have it", machines))
	r, refusal := catalog.Resolve(all, o.Name, nil, feature(o), now)
	switch {
	case refusal != nil:
		set(ingot.ImageReady, false, string(refusal.Reason), refusal.Message)
	case r.Warning != "":
		set(ingot.ImageReady, true, reasonOf(o, phase), r.Warning)
	case len(s.Shorthands) > 0:
		set(ingot.ImageReady, true, "Usable", "it is meant by "+strings.Join(s.Shorthands, ", "))
	default:
		set(ingot.ImageReady, true, "Usable", "it is had by its full name; shorthands mean newer ones")
	}
}

func feature(o *ingot.Image) ingot.ImageFeature {
	if len(o.Spec.Features) == 0 {
		return ingot.ImageForMachine
	}
	return o.Spec.Features[0]
}

// reasonOf is what a warning is about, in a word.
func reasonOf(o *ingot.Image, phase catalog.Phase) string {
	switch {
	case phase == catalog.Grace:
		return string(catalog.Expired)
	case o.Spec.Classification == ingot.ImageDeprecated:
		return "Deprecated"
	}
	return "Preview"
}

// describeTrust writes what is to be said of keys.
func describeTrust(o *ingot.ImageTrust, all []catalog.Image) {
	o.Status.ObservedGeneration, o.Status.Images, o.Status.Unsigned = o.Generation, 0, 0
	for _, i := range all {
		if catalog.NeedsSignature(o, i.Name) {
			o.Status.Images++
			if i.Untrusted != "" {
				o.Status.Unsigned++
			}
		}
	}
	c := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready", Message: fmt.Sprintf("%d keys are trusted", len(o.Spec.Keys)), ObservedGeneration: o.Generation}
	if _, problems := catalog.ReadTrust(o); len(problems) > 0 {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "BadKey", errors.Join(problems...).Error()
	}
	meta.SetStatusCondition(&o.Status.Conditions, c)
}

// describeLayout writes what is to be said of a layout.
func describeLayout(o *ingot.FilesystemLayout) {
	o.Status.ObservedGeneration = o.Generation
	c := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready", Message: "it is chosen by its name only", ObservedGeneration: o.Generation}
	if o.Spec.Constraints != nil {
		c.Message = "hosts whose image and disk fit its constraints get it"
	}
	l, err := choice.Words(o.Spec)
	if err == nil {
		if problems := filesystem.Check(l); len(problems) > 0 {
			err = problems
		}
	}
	if err != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Invalid", err.Error()
	}
	meta.SetStatusCondition(&o.Status.Conditions, c)
}
