// Package size is the controller that gives hosts their size.
//
// It owns the label ingot.dev/size of BareMetalHosts and the status of Sizes. Package size decides: what matches, what overlaps. It refuses to remember: hardware stands in the HardwareData and in the record of
// the host's inspection, and is read when the host left its inspection, when its hardware changes and when a size does.
//
// A host's size is a label, not a field of a record, since people and claims select hosts by labels. It is put right when somebody else writes it, also when a backup or a move between clusters brings an old one.
// Sizes' statuses are made all at once, a moment after the last change, so that a thousand hosts that come out of their inspection cost a few writes.
//
// Invariants: a host has the label only while exactly one size matches what is known of it; without any Size no hardware is read, and nothing is written but that labels which are left go.
package size

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"strconv"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/size"
)

// Options are what the controllers are built on.
type Options struct {
	// Live is a client without a cache: the records of inspections are read through it, which nobody here watches, for they change with every step of a host.
	Live client.Client
	Log  *slog.Logger
	// Settle is how long after a change sizes' statuses are made; 0: the controller's own.
	Settle time.Duration
}

// hosts gives hosts their label.
type hosts struct {
	cached, live client.Client
	log          *slog.Logger
}

// Reconcile gives one host the label of its size, or takes it.
func (r *hosts) Reconcile(ctx context.Context, request reconcile.Request) (reconcile.Result, error) {
	h := &metal3.BareMetalHost{}
	if err := r.cached.Get(ctx, request.NamespacedName, h); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if !h.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	want, err := r.sizeOf(ctx, h)
	if err != nil {
		return reconcile.Result{}, err
	}
	has, labelled := h.Labels[ingot.SizeLabel]
	if has == want && labelled == (want != "") {
		return reconcile.Result{}, nil
	}
	if err := r.label(ctx, h, want); err != nil {
		return reconcile.Result{}, fmt.Errorf("write the label %s of host %s/%s: %w", ingot.SizeLabel, h.Namespace, h.Name, err)
	}
	r.log.Info("host has another size", "machine", h.Namespace+"/"+h.Name, "size", want, "before", has)
	return reconcile.Result{}, nil
}

// sizeOf is the one size of a host, empty for none.
func (r *hosts) sizeOf(ctx context.Context, h *metal3.BareMetalHost) (string, error) {
	sizes, err := list(ctx, r.cached)
	if err != nil || len(sizes) == 0 {
		return "", err
	}
	hardware, known, err := hardwareOf(ctx, r.cached, r.live, client.ObjectKeyFromObject(h))
	if err != nil || !known {
		return "", err
	}
	return size.Match(sizes, hardware).Name, nil
}

// label changes the one label, whoever else writes the host meanwhile.
func (r *hosts) label(ctx context.Context, h *metal3.BareMetalHost, value string) error {
	var to any
	if value != "" {
		to = value
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"uid": h.UID, "labels": map[string]any{ingot.SizeLabel: to}}})
	if err != nil {
		return err
	}
	err = r.live.Patch(ctx, &metal3.BareMetalHost{ObjectMeta: h.ObjectMeta}, client.RawPatch(types.MergePatchType, patch))
	if apierrors.IsConflict(err) {
		return nil // another host of that name, which has an event of its own
	}
	return client.IgnoreNotFound(err)
}

// hardwareOf reads what inspection found of a host.
func hardwareOf(ctx context.Context, cached, live client.Client, key client.ObjectKey) (size.Hardware, bool, error) {
	data := &metal3.HardwareData{}
	if err := cached.Get(ctx, key, data); err != nil {
		return size.Hardware{}, false, client.IgnoreNotFound(err)
	}
	record := &ingot.HostLifecycle{}
	if err := live.Get(ctx, key, record); client.IgnoreNotFound(err) != nil {
		return size.Hardware{}, false, fmt.Errorf("read HostLifecycle %s: %w", key, err)
	}
	hardware, known := size.Of(data.Spec.HardwareDetails, record.Status.Hardware)
	return hardware, known, nil
}

// list reads all sizes. Those without a meaning match nothing; their status says so.
func list(ctx context.Context, from client.Client) ([]size.Size, error) {
	var all ingot.SizeList
	if err := from.List(ctx, &all, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Sizes: %w", err)
	}
	sizes, _ := size.All(all.Items)
	return sizes, nil
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
