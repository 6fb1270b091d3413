package host

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/secret"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

// Secrets are read one by one with live GETs and never watched: a watch, even on a label and on metadata only, needs the right to list every Secret of the
// cluster, and RBAC knows no labels. A GET costs about 1 ms of API server CPU. The BMC's Secret is read again when the last read is older than credentialsFresh (one GET a
// minute for a host at rest), at once after the BMC refused a login, and every missingSecretRetry while it is missing or incomplete.
const (
	credentialsFresh   = 55 * time.Second
	missingSecretRetry = 10 * time.Second
	// secretsFresh is how long the first-boot Secrets' facts count.
	secretsFresh = 30 * time.Second
)

// The label, and the finalizer of the BMC's Secret, as Metal3 sets them.
const (
	secretLabel      = "environment.metal3.io"
	secretLabelValue = "baremetal"
	secretFinalizer  = metal3.BareMetalHostFinalizer + "/secret"
)

// failureDenied is how the record spells step.Denied.
const failureDenied = string(step.Denied)

// credentialsOf gives the BMC's credentials, from memory while they are fresh. Those that a BMC refused are read again soon: a person may be correcting them.
func (r *Reconciler) credentialsOf(ctx context.Context, host *metal3.BareMetalHost, failure *ingot.FailureStatus, now time.Time) (credentials, error) {
	name := host.Spec.BMC.CredentialsName
	if name == "" {
		return credentials{}, nil
	}
	m := r.memories.snapshot(keyOf(host), host.UID)
	fresh := credentialsFresh
	if doubtful(m.credentials.fact, failure) {
		fresh = missingSecretRetry / 2
	}
	if m.credentials.name == name && now.Sub(m.credentialsAt) < fresh {
		return m.credentials, nil
	}
	c, err := r.readCredentials(ctx, host, name)
	if err != nil {
		return credentials{}, err
	}
	r.memories.with(keyOf(host), host.UID, func(m *memory) { m.credentials, m.credentialsAt = c, now })
	return c, nil
}

func (r *Reconciler) readCredentials(ctx context.Context, host *metal3.BareMetalHost, name string) (credentials, error) {
	c := credentials{name: name, fact: journey.Credentials{Named: true}}
	s := &corev1.Secret{}
	err := r.live.Get(ctx, types.NamespacedName{Namespace: host.Namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return c, nil
	}
	if err != nil {
		return c, fmt.Errorf("read BMC Secret %s/%s: %w", host.Namespace, name, err)
	}
	if host.DeletionTimestamp.IsZero() && s.DeletionTimestamp.IsZero() {
		if err := r.claimSecret(ctx, host, s); err != nil {
			return c, err
		}
	}
	c.username, c.password = string(s.Data["username"]), secret.New(string(s.Data["password"]))
	c.fact.Found, c.fact.Version = true, s.ResourceVersion
	c.fact.Complete = c.username != "" && !c.password.IsZero()
	return c, nil
}

// claimSecret sets label, owner and finalizer on the BMC's Secret, so that it does not go before the host. The version that the credentials are known under is the
// one after this write.
func (r *Reconciler) claimSecret(ctx context.Context, host *metal3.BareMetalHost, s *corev1.Secret) error {
	before := s.DeepCopy()
	setLabel(s)
	controllerutil.AddFinalizer(s, secretFinalizer)
	if err := controllerutil.SetOwnerReference(host, s, r.live.Scheme()); err != nil {
		return fmt.Errorf("own BMC Secret %s/%s: %w", s.Namespace, s.Name, err)
	}
	if equality.Semantic.DeepEqual(before.ObjectMeta, s.ObjectMeta) {
		return nil
	}
	if err := r.live.Patch(ctx, s, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("claim BMC Secret %s/%s: %w", s.Namespace, s.Name, err)
	}
	return nil
}

// releaseSecret takes our finalizer off the BMC's Secret, unless another host uses it too.
func (r *Reconciler) releaseSecret(ctx context.Context, host *metal3.BareMetalHost) error {
	name := host.Spec.BMC.CredentialsName
	if name == "" {
		return nil
	}
	s := &corev1.Secret{}
	if err := r.live.Get(ctx, types.NamespacedName{Namespace: host.Namespace, Name: name}, s); err != nil {
		return client.IgnoreNotFound(err)
	}
	for _, o := range s.OwnerReferences {
		if o.Kind == "BareMetalHost" && o.UID != host.UID {
			return nil
		}
	}
	before := s.DeepCopy()
	if !controllerutil.RemoveFinalizer(s, secretFinalizer) {
		return nil
	}
	if err := r.live.Patch(ctx, s, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return client.IgnoreNotFound(err)
	}
	return nil
}

// setLabel marks a Secret as Metal3 does.
func setLabel(s *corev1.Secret) {
	if s.Labels == nil {
		s.Labels = map[string]string{}
	}
	s.Labels[secretLabel] = secretLabelValue
}
