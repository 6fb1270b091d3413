package host

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/host/components"
	"github.com/ingotmetal/ingot/internal/controller/host/dataimage"
	"github.com/ingotmetal/ingot/internal/controller/host/layout"
	"github.com/ingotmetal/ingot/journey"
)

// view is everything one pass looks at: the facts for the decision, and the objects they come from for the writes.
type view struct {
	facts     journey.Facts
	host      *metal3.BareMetalHost
	lifecycle *ingot.HostLifecycle
	partition *ingot.Partition
	dataImage *metal3.DataImage
	// settings are nil while there are none.
	settings *metal3.HostFirmwareSettings
	// components are nil while there are none.
	components *metal3.HostFirmwareComponents
	// busy: an action on the BMC was under way when the facts were read.
	busy bool
	// wordsDue is when words that were not worth a write yet are; zero: there are none.
	wordsDue time.Time
}

// gather reads the facts. A nil view: there is nothing to decide (the host is gone, or belongs to another partition).
func (r *Reconciler) gather(ctx context.Context, key types.NamespacedName, now time.Time) (*view, error) {
	host := &metal3.BareMetalHost{}
	if err := r.cached.Get(ctx, key, host); apierrors.IsNotFound(err) {
		r.memories.forget(key)
		r.metrics.metal3.Forget(key)
		r.streams.Drop(key)
		if err := r.hardware.Release(ctx, key); err != nil {
			return nil, err
		}
		return nil, r.dataImages.Orphan(ctx, key)
	} else if err != nil {
		return nil, fmt.Errorf("read host: %w", err)
	}
	partition := &ingot.Partition{}
	if err := r.cached.Get(ctx, types.NamespacedName{Name: r.config.Partition}, partition); err != nil {
		return nil, fmt.Errorf("read Partition %s, which says how machines boot here: %w", r.config.Partition, err)
	}
	lifecycle, err := r.lifecycleOf(ctx, host)
	if lifecycle == nil || err != nil {
		return nil, err
	}
	v := &view{host: host, lifecycle: lifecycle, partition: partition}
	v.facts = journey.Facts{Host: host.DeepCopy(), Record: *lifecycle.Status.DeepCopy(), Site: r.siteOf(partition)}
	if err := r.gatherObjects(ctx, v, now); err != nil {
		return nil, err
	}
	m := r.memories.snapshot(key, host.UID)
	// One look at the memory gives both: an action that ends between two looks would be neither under way nor have a result.
	v.facts.Power, v.facts.Media, v.facts.Result, v.busy = m.reading(), m.media, m.result, m.busy
	if r.loginDue(v) {
		v.facts.Power = journey.PowerReading{}
	}
	v.facts.Listening = r.streams.Open(key)
	if b := v.facts.Record.Boot; b != nil && b.Purpose != ingot.PurposeFirstBoot {
		v.facts.Agent = r.agents.Facts(b.ID)
	}
	return v, nil
}

// gatherObjects reads what hangs on the host. A host that is paused or let go of is not asked about.
func (r *Reconciler) gatherObjects(ctx context.Context, v *view, now time.Time) error {
	if _, paused := v.host.Annotations[metal3.PausedAnnotation]; paused && v.host.DeletionTimestamp.IsZero() {
		return nil
	}
	hardware, err := r.hardware.Get(ctx, v.host)
	if err != nil {
		return err
	}
	v.facts.Hardware = hardware
	if v.dataImage, err = r.dataImages.Get(ctx, keyOf(v.host)); err != nil {
		return err
	}
	v.facts.DataImage = dataimage.Facts(v.dataImage)
	if v.settings, err = r.firmware.Get(ctx, v.host); err != nil {
		return err
	}
	if v.facts.Firmware, err = r.firmware.Facts(ctx, v.settings); err != nil {
		return err
	}
	if v.components, err = r.components.Get(ctx, v.host); err != nil {
		return err
	}
	v.facts.Components = components.Facts(v.components)
	if v.facts.Policy, err = r.components.Policy(ctx, v.host); err != nil {
		return err
	}
	c, err := r.credentialsOf(ctx, v.host, v.facts.Record.Failure, now)
	if err != nil {
		return err
	}
	v.facts.Credentials = c.fact
	if c.fact.Forbidden {
		return nil // its other Secrets stand beside it
	}
	if v.facts.Secrets, err = r.firstBootSecrets(ctx, v.host, now); err != nil {
		return err
	}
	if !atRest(v.host) {
		if v.facts.Layout, _, err = layout.Of(ctx, r.live, v.host, v.facts.Record.Disk); err != nil {
			return err
		}
	}
	if b := v.facts.Record.Boot; b != nil {
		v.facts.Window, err = r.windows.Get(ctx, b.ID)
	}
	return err
}

// lifecycleOf is the host's record, made when there is none. Nil: the host is another partition's.
//
// A host's label says whose it is. A host without the label belongs to the partition that made its record; making it is the claim, since only one create of a name
// succeeds, and only the sole partition of the cluster makes one for a host without a label.
func (r *Reconciler) lifecycleOf(ctx context.Context, host *metal3.BareMetalHost) (*ingot.HostLifecycle, error) {
	named := host.Labels[ingot.PartitionLabel]
	if named != "" && named != r.config.Partition {
		return nil, nil
	}
	l := &ingot.HostLifecycle{}
	err := r.cached.Get(ctx, keyOf(host), l)
	switch {
	case err == nil && metav1.IsControlledBy(l, host):
		if named == "" && l.Labels[ingot.PartitionLabel] != r.config.Partition {
			return nil, nil
		}
		return l, nil
	case err == nil:
		// The record of an earlier host of this name; the garbage collector is about to take it.
		return nil, r.dropLifecycle(ctx, host, l)
	case !apierrors.IsNotFound(err):
		return nil, fmt.Errorf("read HostLifecycle: %w", err)
	}
	if named == "" {
		if sole, err := r.solePartition(ctx); !sole || err != nil {
			return nil, err
		}
	}
	return r.createLifecycle(ctx, host)
}

// createLifecycle makes the record, and ends the API server's account of who owns which field of it where there is one (our own API server keeps none of what roles make): one empty entry
// does, and an object without one gets none again. This role is the record's only writer, and the account is a quarter of the object and of the cost of each write.
func (r *Reconciler) createLifecycle(ctx context.Context, host *metal3.BareMetalHost) (*ingot.HostLifecycle, error) {
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{
		Namespace: host.Namespace, Name: host.Name,
		Labels:          map[string]string{ingot.PartitionLabel: r.config.Partition},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(host, metal3.GroupVersion.WithKind("BareMetalHost"))},
	}}
	if err := r.cached.Create(ctx, l); err != nil {
		return nil, fmt.Errorf("create HostLifecycle: %w", err)
	}
	if len(l.ManagedFields) == 0 {
		return l, nil
	}
	if err := r.cached.Patch(ctx, l, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"managedFields":[{}]}}`))); err != nil {
		return nil, fmt.Errorf("end the account of field owners of HostLifecycle: %w", err)
	}
	return l, nil
}

// dropLifecycle deletes a record that belongs to a host that is gone. Its successor is made at the next look.
func (r *Reconciler) dropLifecycle(ctx context.Context, host *metal3.BareMetalHost, l *ingot.HostLifecycle) error {
	err := r.cached.Delete(ctx, l, client.Preconditions{UID: &l.UID})
	switch {
	case apierrors.IsNotFound(err):
		// It is gone, and the cache has not heard of it. Nothing else would wake this host.
		r.wakeSoon(keyOf(host))
	case err != nil:
		return fmt.Errorf("delete the HostLifecycle of an earlier host %s: %w", host.Name, err)
	default:
		r.wake(keyOf(host))
	}
	return nil
}

// solePartition: this partition is the only one, so that hosts without a label are its.
func (r *Reconciler) solePartition(ctx context.Context) (bool, error) {
	var all ingot.PartitionList
	if err := r.cached.List(ctx, &all); err != nil {
		return false, fmt.Errorf("list Partitions: %w", err)
	}
	return len(all.Items) == 1 && all.Items[0].Name == r.config.Partition, nil
}

// siteOf says how the partition's machines can boot.
func (r *Reconciler) siteOf(p *ingot.Partition) journey.Site {
	var asked ingot.TPMPolicy
	if p.Spec.TPM != nil {
		asked = *p.Spec.TPM
	}
	return journey.Site{
		TPM:          asked,
		Name:         p.Name,
		VirtualMedia: r.config.MediaEndpoint != "",
		UEFIHTTP:     r.config.HTTPBootEndpoint != "",
		BootDeadline: r.config.BootDeadline,
		PXE:          p.Spec.ProvisioningNetwork.DHCPMode == ingot.DHCPServer || p.Spec.ProvisioningNetwork.DHCPMode == ingot.DHCPProxy,
	}
}

func keyOf(o client.Object) types.NamespacedName { return client.ObjectKeyFromObject(o) }
