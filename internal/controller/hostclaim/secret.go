package hostclaim

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// SecretType is the type of the copies. An admission policy (config/policy/controller-secrets.yaml) lets this role make, change and delete Secrets of this type and no others; a type never
// changes, and one that Kubernetes does not know has no power of its own.
const SecretType corev1.SecretType = "ingot.dev/hostclaim"

// part is one of the Secrets that a claim may name.
type part struct {
	// name is the end of the copy's.
	name string
	// source is the claim's Secret, empty for none; namespace the one that the claim writes down, which must be its own.
	source, namespace string
	// reason is said where it cannot be copied.
	reason string
}

const imagePull = "image-pull"

// parts are the Secrets of a claim. The pull secret of an image is named in the image, and a BareMetalHost looks it up beside itself: without a copy a tenant could name a BMC's.
func parts(c *metal3.HostClaim) []part {
	of := func(name, reason string, ref *corev1.SecretReference) part {
		if ref == nil {
			return part{name: name, reason: reason}
		}
		return part{name, ref.Name, ref.Namespace, reason}
	}
	all := []part{
		of("user-data", metal3.BadUserDataSecretReason, c.Spec.UserData),
		of("network-data", metal3.BadNetworkDataSecretReason, c.Spec.NetworkData),
		of("meta-data", metal3.BadMetaDataSecretReason, c.Spec.MetaData),
		{name: imagePull, reason: reasonBadImagePull},
	}
	if i := c.Spec.Image; i != nil && i.OCIAuthSecretName != nil {
		all[3].source = *i.OCIAuthSecretName
	}
	return all
}

// copyName is the name of a copy. It follows from the claim's, so that a copy is found again after any crash, also one that was moved to another cluster.
func copyName(c *metal3.HostClaim, part string) string {
	sum := sha256.Sum256([]byte(c.Namespace + "/" + c.Name))
	return "hostclaim-" + hex.EncodeToString(sum[:8]) + "-" + part
}

// copySecrets brings the claim's Secrets beside its host. problem says which could not be, in words for the tenant, who owns them.
func (r *Reconciler) copySecrets(ctx context.Context, c *metal3.HostClaim, h *metal3.BareMetalHost) (reason, problem string, err error) {
	for _, p := range parts(c) {
		if p.source == "" {
			continue
		}
		if p.namespace != "" && p.namespace != c.Namespace {
			return p.reason, fmt.Sprintf("the Secret %s is of namespace %s: a claim's Secrets are in its own namespace", p.source, p.namespace), nil
		}
		from := &corev1.Secret{}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: c.Namespace, Name: p.source}, from)
		if apierrors.IsNotFound(err) {
			return p.reason, fmt.Sprintf("there is no Secret %s in namespace %s: make it; it is looked for every %s", p.source, c.Namespace, r.recheck), nil
		}
		if err != nil {
			return "", "", fmt.Errorf("read Secret %s/%s: %w", c.Namespace, p.source, err)
		}
		if err := r.copySecret(ctx, c, h, p, from.Data); err != nil {
			return "", "", err
		}
	}
	return "", "", nil
}

func (r *Reconciler) copySecret(ctx context.Context, c *metal3.HostClaim, h *metal3.BareMetalHost, p part, data map[string][]byte) error {
	want := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: h.Namespace, Name: copyName(c, p.name),
			// Where the host goes without us, the garbage collector follows it.
			OwnerReferences: []metav1.OwnerReference{{APIVersion: metal3.GroupVersion.String(), Kind: "BareMetalHost", Name: h.Name, UID: h.UID}},
		},
		Type: SecretType, Data: data,
	}
	have := &corev1.Secret{}
	err := r.live.Get(ctx, client.ObjectKeyFromObject(want), have)
	if apierrors.IsNotFound(err) {
		if err := r.live.Create(ctx, want); err != nil {
			return fmt.Errorf("make the copy %s/%s: %w", want.Namespace, want.Name, err)
		}
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the copy %s/%s: %w", want.Namespace, want.Name, err)
	}
	if equality.Semantic.DeepEqual(have.Data, want.Data) && equality.Semantic.DeepEqual(have.OwnerReferences, want.OwnerReferences) {
		return nil
	}
	have.Data, have.OwnerReferences = want.Data, want.OwnerReferences
	if err := r.live.Update(ctx, have); err != nil {
		return fmt.Errorf("write the copy %s/%s (a Secret of that name that is not of type %s is somebody else's: delete it): %w", want.Namespace, want.Name, SecretType, err)
	}
	return nil
}

// dropSecrets takes the copies away: all of them, or those that the claim names no more.
func (r *Reconciler) dropSecrets(ctx context.Context, c *metal3.HostClaim, namespace string, all bool) error {
	for _, p := range parts(c) {
		if !all && p.source != "" {
			continue
		}
		s := &corev1.Secret{}
		err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: copyName(c, p.name)}, s)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err == nil && s.Type == SecretType {
			err = r.live.Delete(ctx, s, client.Preconditions{UID: &s.UID})
		}
		if client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete the copy %s/%s: %w", namespace, copyName(c, p.name), err)
		}
	}
	return nil
}
