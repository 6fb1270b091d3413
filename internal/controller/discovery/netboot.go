package discovery

import (
	"context"
	"errors"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/discovery"
)

// folder makes DiscoveredHosts of what the boot servers of this partition heard, and keeps what they say of it.
type folder struct {
	o      Options
	client client.Client
}

// Reconcile implements reconcile.Reconciler.
func (f *folder) Reconcile(ctx context.Context, req reconcile.Request) (reconcile.Result, error) {
	if req.Namespace != ingot.BootNamespace || req.Name != f.o.Partition {
		return reconcile.Result{}, nil
	}
	record := &ingot.NetbootRecord{}
	if err := f.client.Get(ctx, req.NamespacedName, record); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	site := &ingot.Partition{}
	if err := f.client.Get(ctx, types.NamespacedName{Name: f.o.Partition}, site); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	if site.Spec.Discovery == nil {
		return reconcile.Result{}, nil
	}
	var all ingot.DiscoveredHostList
	if err := f.client.List(ctx, &all); err != nil {
		return reconcile.Result{}, fmt.Errorf("list DiscoveredHosts: %w", err)
	}
	waiting := 0
	for i := range all.Items {
		if s := &all.Items[i].Spec; (s.Source == ingot.SourceNetboot || s.Source == ingot.SourceDHCP) && s.Partition == f.o.Partition && s.Accept == nil && !s.Ignore {
			waiting++
		}
	}
	var problems error
	for _, m := range record.Machines {
		if ctx.Err() != nil {
			break
		}
		made, err := f.fold(ctx, site.Spec.Discovery.Namespace, m, waiting)
		if made {
			waiting++
		}
		problems = errors.Join(problems, err)
	}
	return reconcile.Result{}, problems
}

// fold brings one machine to its object. It is true where one was made.
func (f *folder) fold(ctx context.Context, namespace string, m ingot.NetbootMachine, waiting int) (bool, error) {
	key := client.MatchingFields{keyIndex: string(discovery.NetbootKey(m))}
	var known ingot.DiscoveredHostList
	if err := f.client.List(ctx, &known, key); err != nil {
		return false, fmt.Errorf("find the DiscoveredHosts of %s: %w", m.MACAddress, err)
	}
	var hosts metal3.BareMetalHostList
	if err := f.client.List(ctx, &hosts, key); err != nil {
		return false, fmt.Errorf("find the hosts of %s: %w", m.MACAddress, err)
	}
	for i := range known.Items {
		if o := &known.Items[i]; o.Spec.Partition == f.o.Partition && discovery.Newer(o.Status.Netboot, m.NetbootRequests) {
			if err := f.note(ctx, o, m.NetbootRequests); err != nil {
				return false, err
			}
		}
	}
	if m.BMC && len(known.Items)+len(hosts.Items) == 0 {
		there, err := f.somebodyAt(ctx, m.Address)
		if err != nil || there {
			return false, err
		}
	}
	if len(known.Items)+len(hosts.Items) > 0 || !discovery.Worth(m.NetbootRequests, waiting) {
		return false, nil
	}
	o := discovery.FromNetboot(namespace, f.o.Partition, m)
	switch err := f.client.Create(ctx, o); {
	case apierrors.IsAlreadyExists(err):
		return false, nil
	case err != nil:
		return false, fmt.Errorf("record the machine %s, which asked to boot, in namespace %s: %w", m.MACAddress, namespace, err)
	}
	f.o.Log.Info("unknown machine recorded", "mac", m.MACAddress, "namespace", namespace)
	return true, f.note(ctx, o, m.NetbootRequests)
}

// somebodyAt says whether a host, or a find, is at the address that a BMC says to have.
func (f *folder) somebodyAt(ctx context.Context, address string) (bool, error) {
	k, ok := discovery.BMCAt(address)
	if !ok {
		return false, nil
	}
	var found ingot.DiscoveredHostList
	var hosts metal3.BareMetalHostList
	for _, list := range []client.ObjectList{&found, &hosts} {
		if err := f.client.List(ctx, list, client.MatchingFields{keyIndex: string(k)}); err != nil {
			return false, fmt.Errorf("find who has %s: %w", k, err)
		}
	}
	return len(found.Items)+len(hosts.Items) > 0, nil
}

// note writes what a machine asked. The rest of the status is the Reconciler's, and is not touched.
func (f *folder) note(ctx context.Context, o *ingot.DiscoveredHost, r ingot.NetbootRequests) error {
	next := o.DeepCopy()
	next.Status.Netboot = r.DeepCopy()
	if err := f.client.Status().Patch(ctx, next, client.MergeFrom(o)); client.IgnoreNotFound(err) != nil {
		return fmt.Errorf("write the status of DiscoveredHost %s/%s: %w", o.Namespace, o.Name, err)
	}
	return nil
}
