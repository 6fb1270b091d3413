package machine

import (
	"cmp"
	"context"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/catalog"
)

// image says what is to be installed: what was fixed, or, before an installation, what spec.image means now; nil: nothing that may be used.
func (r *Reconciler) image(ctx context.Context, m *ingot.Machine) (*ingot.MachineImage, error) {
	if m.Status.Image != nil && m.Status.InstallRequest == m.Spec.InstallRequest {
		set(m, ingot.MachineImageCondition, metav1.ConditionTrue, reasonResolved, "the image is "+m.Status.Image.Name)
		return m.Status.Image, nil
	}
	var images ingot.ImageList
	if err := r.cached.List(ctx, &images, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list images: %w", err)
	}
	var trusts ingot.ImageTrustList
	if err := r.cached.List(ctx, &trusts, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list ImageTrusts: %w", err)
	}
	feature := ingot.ImageForMachine
	if m.Spec.Role == ingot.RoleFirewall {
		feature = ingot.ImageForFirewall
	}
	size, err := r.sizeOf(ctx, m)
	if err != nil {
		return nil, err
	}
	found, refusal := catalog.Resolve(catalog.Read(images.Items, trusts.Items), m.Spec.Image, size, feature, r.now())
	if refusal != nil {
		set(m, ingot.MachineImageCondition, metav1.ConditionFalse, string(refusal.Reason), refusal.Message)
		return nil, nil
	}
	o := found.Image.Object
	set(m, ingot.MachineImageCondition, metav1.ConditionTrue, reasonResolved, cmp.Or(found.Warning, "the image is "+o.Name))
	return &ingot.MachineImage{Name: o.Name, URL: o.Spec.URL, Digest: o.Spec.Digest, Format: string(o.Spec.Format)}, nil
}

// sizeOf is the size that images are held against: the one that is asked for, or that of the host that is named; nil: it is not known.
func (r *Reconciler) sizeOf(ctx context.Context, m *ingot.Machine) (*ingot.Size, error) {
	name := m.Spec.Size
	if h := m.Spec.Host; h != nil {
		host := &metal3.BareMetalHost{}
		if err := r.cached.Get(ctx, client.ObjectKey{Namespace: h.Namespace, Name: h.Name}, host); client.IgnoreNotFound(err) != nil {
			return nil, fmt.Errorf("read host %s/%s: %w", h.Namespace, h.Name, err)
		}
		name = host.Labels[ingot.SizeLabel]
	}
	size := &ingot.Size{}
	err := r.cached.Get(ctx, client.ObjectKey{Name: name}, size)
	if name == "" || apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read Size %s: %w", name, err)
	}
	return size, nil
}
