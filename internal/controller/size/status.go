package size

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/size"
)

// The bounds of a status, as the API has them.
const (
	maxOverlaps = 16
	maxExample  = 1024
)

// statuses makes the statuses of all sizes.
type statuses struct {
	cached, live client.Client
	log          *slog.Logger
	// of is what the overlaps were found for, one goroutine's own.
	of       string
	overlaps []size.Overlap
}

// Reconcile makes the status of every size; the request says only that something changed.
func (r *statuses) Reconcile(ctx context.Context, _ reconcile.Request) (reconcile.Result, error) {
	var all ingot.SizeList
	if err := r.cached.List(ctx, &all); err != nil {
		return reconcile.Result{}, fmt.Errorf("list Sizes: %w", err)
	}
	if len(all.Items) == 0 {
		return reconcile.Result{}, nil
	}
	sizes, _ := size.All(all.Items)
	with, ambiguous, err := r.count(ctx, sizes)
	if err != nil {
		return reconcile.Result{}, err
	}
	overlaps := r.overlapsOf(all.Items, sizes)
	var failures []error
	for i := range all.Items {
		o := &all.Items[i]
		was := o.DeepCopy()
		o.Status.Hosts, o.Status.Ambiguous = with[o.Name], ambiguous[o.Name]
		judge(o, overlaps)
		if equality.Semantic.DeepEqual(was.Status, o.Status) {
			continue
		}
		if err := r.live.Status().Patch(ctx, o, client.MergeFrom(was)); client.IgnoreNotFound(err) != nil {
			failures = append(failures, fmt.Errorf("write the status of Size %s: %w", o.Name, err))
		}
	}
	return reconcile.Result{}, errors.Join(failures...)
}

// count is how many hosts have each size, and how many match it and another one too.
func (r *statuses) count(ctx context.Context, sizes []size.Size) (with, ambiguous map[string]int32, err error) {
	var all metal3.BareMetalHostList
	if err := r.cached.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, nil, fmt.Errorf("list hosts: %w", err)
	}
	with, ambiguous = map[string]int32{}, map[string]int32{}
	for i := range all.Items {
		h := &all.Items[i]
		if name := h.Labels[ingot.SizeLabel]; name != "" {
			with[name]++
			continue
		}
		data := &metal3.HardwareData{}
		if err := r.cached.Get(ctx, client.ObjectKeyFromObject(h), data); err != nil {
			if client.IgnoreNotFound(err) != nil {
				return nil, nil, err
			}
			continue
		}
		// Few hosts are left: those of no size, whose GPUs are read only where something matches without them.
		bare, known := size.Of(data.Spec.HardwareDetails, nil)
		if !known || len(size.Match(withoutGPUs(sizes), bare).Matching) < 2 {
			continue
		}
		hardware, known, err := hardwareOf(ctx, r.cached, r.live, client.ObjectKeyFromObject(h))
		if err != nil {
			return nil, nil, err
		}
		if matching := size.Match(sizes, hardware).Matching; known && len(matching) > 1 {
			for _, name := range matching {
				ambiguous[name]++
			}
		}
	}
	return with, ambiguous, nil
}

func withoutGPUs(sizes []size.Size) []size.Size {
	out := make([]size.Size, len(sizes))
	for i, s := range sizes {
		out[i] = size.Size{Name: s.Name, Constraints: slices.DeleteFunc(slices.Clone(s.Constraints), func(c size.Constraint) bool { return c.Type == size.GPUs })}
	}
	return out
}

// overlapsOf looks for overlaps only where a size changed.
func (r *statuses) overlapsOf(objects []ingot.Size, sizes []size.Size) []size.Overlap {
	var of strings.Builder
	for _, o := range slices.SortedFunc(slices.Values(objects), func(a, b ingot.Size) int { return cmp.Compare(a.Name, b.Name) }) {
		fmt.Fprintf(&of, "%s %s %d\n", o.Name, o.UID, o.Generation)
	}
	if of.String() != r.of {
		r.of, r.overlaps = of.String(), size.Overlaps(sizes)
	}
	return r.overlaps
}

// judge writes what is to be said of a size.
func judge(o *ingot.Size, overlaps []size.Overlap) {
	o.Status.ObservedGeneration = o.Generation
	o.Status.Overlaps = nil
	for _, v := range overlaps {
		other := v.A
		if other == o.Name {
			other = v.B
		} else if v.B != o.Name {
			continue
		}
		if len(o.Status.Overlaps) < maxOverlaps {
			o.Status.Overlaps = append(o.Status.Overlaps, ingot.SizeOverlap{Size: other, Example: cut(v.Example.Words())})
		}
	}
	c := metav1.Condition{Type: "Ready", Status: metav1.ConditionTrue, Reason: "Ready", Message: count(int(o.Status.Hosts), "host") + " have this size", ObservedGeneration: o.Generation}
	if _, err := size.From(o); err != nil {
		c.Status, c.Reason, c.Message = metav1.ConditionFalse, "Invalid", err.Error()+": no host has this size"
	} else if len(o.Status.Overlaps) > 0 {
		first := o.Status.Overlaps[0]
		c.Status, c.Reason = metav1.ConditionFalse, "Overlaps"
		c.Message = fmt.Sprintf("the size %s matches some of the same machines, which then have no size: narrow one of them. Both match: %s", first.Size, first.Example)
		if o.Status.Ambiguous > 0 {
			c.Message = count(int(o.Status.Ambiguous), "host") + " without a size for that reason; " + c.Message
		}
	}
	meta.SetStatusCondition(&o.Status.Conditions, c)
}

func cut(text string) string {
	if r := []rune(text); len(r) > maxExample {
		return string(r[:maxExample-1]) + "…"
	}
	return text
}

// settle is how long a change waits for others.
const settle = time.Second
