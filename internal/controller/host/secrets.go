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
	"github.com/ingotmetal/ingot/internal/controller/host/login"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
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
	if m.credentials.name == name && !m.credentials.fact.Forbidden && now.Sub(m.credentialsAt) < fresh {
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
	if apierrors.IsForbidden(err) {
		c.fact.Forbidden = true
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
		if apierrors.IsForbidden(err) && host.Status.TriedCredentials.Reference == nil {
			return nil // it was never read, and is not held
		}
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

// useBMC runs do with a session of the host's BMC. A verification is by the credentials that the host names and no others, since those are what it verifies. While a BMC answers, what is due about our own account at it
// is done too.
func (r *Reconciler) useBMC(ctx context.Context, w *bmcWork, a journey.Action, do func(bmc.Session) error) error {
	use, tends := r.logins.Use, false
	switch a.(type) {
	case journey.Verify:
		use, tends = r.logins.UseGiven, true
	case journey.ReadPower:
		tends = true
	}
	if err := use(ctx, w.host, w.target, do); err != nil || !tends {
		return err
	}
	if p, err := login.Policy(w.host, w.site); err == nil {
		r.logins.Tend(ctx, w.host, w.target, p)
	}
	return nil
}

// loginDue says that the host's BMC should be asked something, so that its account can be looked after.
func (r *Reconciler) loginDue(v *view) bool {
	p, err := login.Policy(v.host, v.partition.Spec.BMCAccount)
	return err == nil && r.logins.Due(v.host, p)
}

// releaseLogin takes our account from the BMC of a host that goes, beside the work queue. The look after it finds none to let go of.
func (r *Reconciler) releaseLogin(ctx context.Context, v *view, now time.Time) (started bool, err error) {
	held, err := r.logins.Holds(ctx, v.host)
	if err != nil || !held {
		return false, err
	}
	c, err := r.credentialsOf(ctx, v.host, v.facts.Record.Failure, now)
	if err != nil {
		return false, err
	}
	key, uid, target := keyOf(v.host), v.host.UID, r.target(v.host, c)
	r.memories.with(key, uid, func(m *memory) { m.busy = true })
	r.hands.run(func(ctx context.Context) {
		err := r.logins.Release(ctx, v.host, target)
		r.memories.finish(key, uid, func(m *memory) { m.busy = false })
		if err != nil {
			r.log.Warn("BMC account not let go of", "machine", key.String(), "err", err)
			r.wakeSoon(key)
			return
		}
		r.wake(key)
	})
	return true, nil
}
