package machine

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// install does the next step of an installation, and follows it. The steps stand in the condition Installed: "" (nothing yet), Wiping, Installing, Installed.
func (r *Reconciler) install(ctx context.Context, m *ingot.Machine, k *metal3.HostClaim, image *ingot.MachineImage) error {
	if image != nil && (m.Status.Image == nil || m.Status.InstallRequest != m.Spec.InstallRequest) {
		// What is installed is written down before it is begun.
		if m.Status.Image == nil {
			set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonInstalling, "the image is about to be installed")
		} else {
			set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonWiping, "the machine is wiped, to be installed anew")
		}
		m.Status.Image, m.Status.InstallRequest, m.Status.InstalledAt = image, m.Spec.InstallRequest, nil
		return nil
	}
	if m.Status.Image == nil {
		return nil
	}
	h, err := r.hostNow(ctx, m)
	if err != nil {
		return err
	}
	if h == nil {
		// The claim says so soon.
		return nil
	}
	if reasonOf(m, ingot.MachineInstalledCondition) == reasonWiping {
		return r.wipe(ctx, m, k, h)
	}
	if reasonOf(m, ingot.MachineInstalledCondition) == reasonInstalled && k.Spec.Image != nil {
		// What is installed is not told of anything any more; it can be turned on and off.
		before := k.DeepCopy()
		k.Spec.PoweredOn = online(m)
		err := r.patchClaim(ctx, before, k)
		r.follow(m, k, h)
		return err
	}
	told, lately := r.told.lately(m, h, r.now(), r.recheck)
	if !lately {
		parts, problem, err := r.tell(ctx, m, h)
		if err != nil {
			return err
		}
		if problem != "" {
			set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonBadData, problem)
			return nil
		}
		told = parts
		r.told.note(m, h, told, r.now())
	}
	if err := r.order(ctx, m, k, told); err != nil {
		return err
	}
	r.follow(m, k, h)
	return nil
}

// online says whether a machine is to be on.
func online(m *ingot.Machine) bool { return m.Spec.Online == nil || *m.Spec.Online }

// wipe takes the image off, and goes on once the host is proved to be clean.
func (r *Reconciler) wipe(ctx context.Context, m *ingot.Machine, k *metal3.HostClaim, h *metal3.BareMetalHost) error {
	before := k.DeepCopy()
	k.Spec = metal3.HostClaimSpec{HostSelector: k.Spec.HostSelector, FailureDomain: k.Spec.FailureDomain}
	delete(k.Annotations, ingot.LayoutAnnotation)
	if err := r.patchClaim(ctx, before, k); err != nil {
		return err
	}
	s := h.Status.Provisioning
	if h.Spec.Image != nil || h.Spec.CustomDeploy != nil || s.State != metal3.StateAvailable || s.Image.URL != "" {
		set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonWiping, fmt.Sprintf("the machine is wiped, to be installed anew: the host is %q", s.State))
		return nil
	}
	l := &ingot.HostLifecycle{}
	if err := r.live.Get(ctx, client.ObjectKeyFromObject(h), l); err != nil {
		return fmt.Errorf("read the record of host %s/%s: %w", h.Namespace, h.Name, err)
	}
	if l.Status.CleanedAt == nil {
		set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonWiping, "the wipe of the host's disks is not proved yet")
		return nil
	}
	set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonInstalling, "the image is about to be installed")
	return nil
}

// order writes into the claim what its host is to have; told are the Secrets that there are.
func (r *Reconciler) order(ctx context.Context, m *ingot.Machine, k *metal3.HostClaim, told []string) error {
	before := k.DeepCopy()
	i := m.Status.Image
	algorithm, sum, _ := strings.Cut(i.Digest, ":")
	k.Spec.Image = &metal3.Image{URL: i.URL, Checksum: sum, ChecksumType: metal3.ChecksumType(algorithm)}
	k.Spec.CustomDeploy = nil
	delete(k.Annotations, ingot.LayoutAnnotation)
	if i.Format == string(ingot.ImageTar) {
		k.Spec.CustomDeploy = &metal3.CustomDeploy{Method: ingot.DeployTarball}
		if m.Spec.FilesystemLayout != "" {
			metav1.SetMetaDataAnnotation(&k.ObjectMeta, ingot.LayoutAnnotation, m.Spec.FilesystemLayout)
		}
	} else {
		k.Spec.Image.DiskFormat = ptr.To(i.Format)
	}
	k.Spec.PoweredOn = online(m)
	named := func(part string) *corev1.SecretReference {
		if !slices.Contains(told, part) {
			return nil
		}
		return &corev1.SecretReference{Name: secretName(m, part)}
	}
	k.Spec.UserData, k.Spec.NetworkData, k.Spec.MetaData = named(partUserData), named(partNetworkData), named(partMetaData)
	return r.patchClaim(ctx, before, k)
}

func (r *Reconciler) patchClaim(ctx context.Context, before, after *metal3.HostClaim) error {
	if equality.Semantic.DeepEqual(before.Spec, after.Spec) && equality.Semantic.DeepEqual(before.Annotations, after.Annotations) {
		return nil
	}
	if err := r.live.Patch(ctx, after, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		if apierrors.IsInvalid(err) || apierrors.IsForbidden(err) {
			return fmt.Errorf("write the machine's claim, which is refused: %w", err)
		}
		return fmt.Errorf("write the machine's claim: %w", err)
	}
	return nil
}

// follow says how far the host is with the image.
func (r *Reconciler) follow(m *ingot.Machine, k *metal3.HostClaim, h *metal3.BareMetalHost) {
	s := h.Status.Provisioning
	switch x := meta.FindStatusCondition(k.Status.Conditions, metal3.SynchronizedCondition); {
	case s.State == metal3.StateProvisioned && s.Image.URL == m.Status.Image.URL && h.Spec.Image != nil:
		if m.Status.InstalledAt == nil {
			m.Status.InstalledAt = ptr.To(metav1.NewTime(r.now()))
			r.log.Info("machine installed", "machine", client.ObjectKeyFromObject(m).String(), "step", m.Status.Image.Name)
		}
		set(m, ingot.MachineInstalledCondition, metav1.ConditionTrue, reasonInstalled, m.Status.Image.Name+" is installed")
	case x != nil && x.Status == metav1.ConditionFalse && x.ObservedGeneration == k.Generation:
		set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonNotServed, x.Message)
	default:
		set(m, ingot.MachineInstalledCondition, metav1.ConditionFalse, reasonInstalling, fmt.Sprintf("%s is being installed: the host is %q", m.Status.Image.Name, s.State))
	}
}
