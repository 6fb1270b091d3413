package discovery

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
	"github.com/ingotmetal/ingot/internal/controller/discovery/scan"
)

// Options are a reconciler's.
type Options struct {
	// Partition is the site whose finds are looked at.
	Partition string
	Log       *slog.Logger
	// Prober asks for BMCs; nil: nobody does.
	Prober scan.Prober
	// LookEvery is how often the search looks whether it has something to do; 0: its own.
	LookEvery time.Duration
}

// Reconciler looks at DiscoveredHosts.
type Reconciler struct {
	o      Options
	client client.Client
}

// refusedAgain is when an accepted machine that the API server took no host of is tried again: a quota or a terminating namespace passes without a change to our object.
const refusedAgain = 5 * time.Minute

// namespacePolicy refuses hosts where this role may read no Secrets (config/policy/discovery.yaml). The right follows an operator's accept within a moment (internal/controller/hostnamespace), so that it is tried again
// soon.
const (
	namespacePolicy = "ingot-discovery-namespace"
	unboundAgain    = 500 * time.Millisecond
)

// Reconcile implements reconcile.Reconciler.
func (r *Reconciler) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	o := &ingot.DiscoveredHost{}
	if err := r.client.Get(ctx, req.NamespacedName, o); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if o.Spec.Partition != r.o.Partition || !o.DeletionTimestamp.IsZero() {
		return reconcile.Result{}, nil
	}
	f, err := r.facts(ctx, o)
	if err != nil {
		return reconcile.Result{}, err
	}
	d := discovery.Decide(f)
	next := reconcile.Result{}
	if d.Make != nil {
		err := r.client.Create(ctx, d.Make)
		switch {
		case apierrors.IsAlreadyExists(err):
			// Somebody made one of that name since we looked; the next look says whose it is.
			return reconcile.Result{RequeueAfter: time.Second}, nil
		case apierrors.IsForbidden(err) && strings.Contains(err.Error(), namespacePolicy):
			d.Status, next.RequeueAfter = discovery.Waits(o, reason(err)), unboundAgain
		case apierrors.IsInvalid(err), apierrors.IsForbidden(err), apierrors.IsBadRequest(err):
			d.Status, next.RequeueAfter = discovery.Refused(o, reason(err)), refusedAgain
		case err != nil:
			return reconcile.Result{}, fmt.Errorf("make host %s/%s of DiscoveredHost %s: %w", d.Make.Namespace, d.Make.Name, o.Name, err)
		default:
			made := discovery.Reference(d.Make)
			d.Status.Host = &made
			r.o.Log.Info("host made of a discovered machine", "machine", d.Make.Namespace+"/"+d.Make.Name, "bmc", d.Make.Spec.BMC.Address, "mac", d.Make.Spec.BootMACAddress)
		}
	}
	return next, r.write(ctx, o, d.Status)
}

// facts gathers the hosts that may be this machine.
func (r *Reconciler) facts(ctx context.Context, o *ingot.DiscoveredHost) (discovery.Facts, error) {
	f := discovery.Facts{Object: o}
	if o.Status.Host != nil {
		return f, nil
	}
	for _, k := range discovery.Keys(o) {
		var hosts metal3.BareMetalHostList
		if err := r.client.List(ctx, &hosts, client.MatchingFields{keyIndex: string(k)}); err != nil {
			return f, fmt.Errorf("find the hosts with %s: %w", k, err)
		}
		for i := range hosts.Items {
			f.Same = append(f.Same, &hosts.Items[i])
		}
	}
	if err := r.sameUUID(ctx, &f); err != nil {
		return f, err
	}
	h := &metal3.BareMetalHost{}
	err := r.client.Get(ctx, types.NamespacedName{Namespace: o.Namespace, Name: discovery.HostName(o)}, h)
	switch {
	case err == nil:
		f.Named = h
	case !apierrors.IsNotFound(err):
		return f, fmt.Errorf("read host %s/%s: %w", o.Namespace, discovery.HostName(o), err)
	}
	return f, nil
}

// sameUUID finds the hosts whose BMC or agent told the object's UUID.
func (r *Reconciler) sameUUID(ctx context.Context, f *discovery.Facts) error {
	k, ok := discovery.UUIDKey(f.Object)
	if !ok {
		return nil
	}
	var records ingot.HostLifecycleList
	if err := r.client.List(ctx, &records, client.MatchingFields{keyIndex: string(k)}); err != nil {
		return fmt.Errorf("find the hosts with %s: %w", k, err)
	}
	for i := range records.Items {
		h := &metal3.BareMetalHost{}
		switch err := r.client.Get(ctx, client.ObjectKeyFromObject(&records.Items[i]), h); {
		case err == nil:
			f.SameUUID = append(f.SameUUID, h)
		case !apierrors.IsNotFound(err):
			return fmt.Errorf("read the host of HostLifecycle %s: %w", records.Items[i].Name, err)
		}
	}
	return nil
}

func (r *Reconciler) write(ctx context.Context, o *ingot.DiscoveredHost, s ingot.DiscoveredHostStatus) error {
	if equality.Semantic.DeepEqual(o.Status, s) {
		return nil
	}
	next := o.DeepCopy()
	next.Status = s
	if err := r.client.Status().Patch(ctx, next, client.MergeFrom(o)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of DiscoveredHost %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}

// reason is the API server's message without what it begins with.
func reason(err error) string {
	var s apierrors.APIStatus
	if errors.As(err, &s) {
		if d := s.Status().Details; d != nil && len(d.Causes) > 0 && d.Causes[0].Message != "" {
			return d.Causes[0].Message
		}
	}
	return err.Error()
}
