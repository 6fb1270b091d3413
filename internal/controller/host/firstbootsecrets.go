package host

import (
	"context"
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/artifact"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/journey"
)

// secretRefs are the Secrets that a host names for its agent and its first boot, nil for those it does not name.
type secretRefs struct {
	userData, networkData, metaData, preprovisioning, imagePull *corev1.SecretReference
}

func refsOf(host *metal3.BareMetalHost) secretRefs {
	named := func(r *corev1.SecretReference) *corev1.SecretReference {
		if r == nil || r.Name == "" {
			return nil
		}
		return r
	}
	s := secretRefs{userData: named(host.Spec.UserData), networkData: named(host.Spec.NetworkData), metaData: named(host.Spec.MetaData)}
	if n := host.Spec.PreprovisioningNetworkDataName; n != "" {
		s.preprovisioning = &corev1.SecretReference{Name: n, Namespace: host.Namespace}
	}
	s.imagePull = imagePullOf(host)
	return s
}

// names tells two sets of references apart.
func (s secretRefs) names() string {
	return fmt.Sprint(s.userData, s.networkData, s.metaData, s.preprovisioning, s.imagePull)
}

func (s secretRefs) none() bool { return s == secretRefs{} }

// firstBootSecrets gives the facts of the Secrets that go into the agent's medium and into the config drive. They don't matter to a host that is at rest with its image.
func (r *Reconciler) firstBootSecrets(ctx context.Context, host *metal3.BareMetalHost, now time.Time) (journey.SecretFacts, error) {
	refs, f := refsOf(host), journey.SecretFacts{}
	for _, one := range refs.each(&f) {
		one.fact.Named = true
	}
	if refs.none() || atRest(host) {
		return f, nil
	}
	m := r.memories.snapshot(keyOf(host), host.UID)
	if m.secretNames == refs.names() && now.Sub(m.secretsAt) < secretsFresh {
		return m.secrets, nil
	}
	good := true
	for _, one := range refs.each(&f) {
		problem, err := r.secretProblem(ctx, host, one)
		if err != nil {
			return f, err
		}
		one.fact.Problem = problem
		good = good && problem == ""
	}
	if good {
		r.memories.with(keyOf(host), host.UID, func(m *memory) { m.secrets, m.secretNames, m.secretsAt = f, refs.names(), now })
	}
	return f, nil
}

// secretProblem says what is wrong with a Secret and its content.
func (r *Reconciler) secretProblem(ctx context.Context, host *metal3.BareMetalHost, n namedSecret) (string, error) {
	if n.key == keyImagePull {
		_, problem, err := r.imageLogin(ctx, host, host.Spec.Image)
		return problem, err
	}
	value, problem, err := r.secretValue(ctx, host, n.ref, n.key)
	if err == nil && problem == "" {
		problem = contentProblem(n.key, value)
	}
	return problem, err
}

// namedSecret is one reference with the fact it is judged by and the key that its value stands under.
type namedSecret struct {
	ref  *corev1.SecretReference
	fact *journey.SecretFact
	key  string
}

func (s secretRefs) each(f *journey.SecretFacts) []namedSecret {
	var out []namedSecret
	for _, n := range []namedSecret{
		{s.userData, &f.UserData, keyUserData},
		{s.networkData, &f.NetworkData, keyNetworkData},
		{s.metaData, &f.MetaData, keyMetaData},
		{s.preprovisioning, &f.PreprovisioningNetworkData, keyNetworkData},
		{s.imagePull, &f.ImagePull, keyImagePull},
	} {
		if n.ref != nil {
			out = append(out, n)
		}
	}
	return out
}

// The keys of first-boot Secrets; keyAny is read where the proper key is missing (Metal3's rule).
const (
	keyUserData    = "userData"
	keyNetworkData = "networkData"
	keyMetaData    = "metaData"
	keyImagePull   = "image pull"
	keyAny         = "value"
)

// secretValue reads one Secret of the host's own namespace. problem is for people and says what is wrong with the reference or the Secret.
//
// A reference into another namespace is refused, whatever that Secret is: a tenant who may make hosts must not read others' Secrets through us
// (GHSA-pqfh-xh7w-7h3p and its two successors).
func (r *Reconciler) secretValue(ctx context.Context, host *metal3.BareMetalHost, ref *corev1.SecretReference, key string) (value []byte, problem string, err error) {
	if ref == nil || ref.Name == "" {
		return nil, "", nil
	}
	if ref.Namespace != "" && ref.Namespace != host.Namespace {
		return nil, fmt.Sprintf("the %s Secret %s/%s is in another namespace than the host (%s): only Secrets of the host's own namespace are read",
			key, ref.Namespace, ref.Name, host.Namespace), nil
	}
	data, problem, err := r.secretData(ctx, host, ref.Name, key)
	if err != nil || problem != "" {
		return nil, problem, err
	}
	for _, k := range []string{key, keyAny} {
		if v, ok := data[k]; ok {
			return v, "", nil
		}
	}
	return nil, fmt.Sprintf("the Secret %s has neither a key %q nor a key %q: put the data under one of them", ref.Name, key, keyAny), nil
}

// secretData reads a Secret of the host's own namespace; what is the word for it in a problem.
func (r *Reconciler) secretData(ctx context.Context, host *metal3.BareMetalHost, name, what string) (data map[string][]byte, problem string, err error) {
	s := &corev1.Secret{}
	err = r.live.Get(ctx, types.NamespacedName{Namespace: host.Namespace, Name: name}, s)
	if apierrors.IsNotFound(err) {
		return nil, fmt.Sprintf("the %s Secret %s does not exist in namespace %s: create it, or take the reference off the host", what, name, host.Namespace), nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("read %s Secret %s/%s: %w", what, host.Namespace, name, err)
	}
	return s.Data, "", r.labelSecret(ctx, s)
}

// labelSecret marks the Secret as Metal3 does.
func (r *Reconciler) labelSecret(ctx context.Context, s *corev1.Secret) error {
	if s.Labels[secretLabel] == secretLabelValue || !s.DeletionTimestamp.IsZero() {
		return nil
	}
	before := s.DeepCopy()
	setLabel(s)
	if err := r.live.Patch(ctx, s, client.MergeFrom(before)); err != nil {
		return client.IgnoreNotFound(err)
	}
	return nil
}

// atRest: the host has its image, or is none of ours to provision.
func atRest(host *metal3.BareMetalHost) bool {
	switch host.Status.Provisioning.State {
	case metal3.StateProvisioned, metal3.StateExternallyProvisioned, metal3.StateUnmanaged:
		return true
	default:
		return false
	}
}

// imagePullOf is the pull secret of the image that the host asks for, nil where the image is in no registry or names none.
func imagePullOf(host *metal3.BareMetalHost) *corev1.SecretReference {
	i := host.Spec.Image
	if !i.IsOCI() || i.OCIAuthSecretName == nil || *i.OCIAuthSecretName == "" {
		return nil
	}
	return &corev1.SecretReference{Name: *i.OCIAuthSecretName, Namespace: host.Namespace}
}

// imageLogin finds what an image's registry wants to see in the image's pull secret, which is in the host's own namespace as the API has no other place for it. Of all entries
// only the one for this registry leaves the process.
func (r *Reconciler) imageLogin(ctx context.Context, host *metal3.BareMetalHost, i *metal3.Image) (login *protocol.Login, problem string, err error) {
	if !i.IsOCI() || i.OCIAuthSecretName == nil || *i.OCIAuthSecretName == "" {
		return nil, "", nil
	}
	ref, err := artifact.Parse(i.URL)
	if err != nil {
		return nil, err.Error(), nil //nolint:nilerr // an address that cannot be read is the owner's problem, and no error of ours
	}
	name := *i.OCIAuthSecretName
	data, problem, err := r.secretData(ctx, host, name, keyImagePull)
	if err != nil || problem != "" {
		return nil, problem, err
	}
	user, password, err := artifact.PullSecret(data, ref)
	if err != nil {
		return nil, fmt.Sprintf("image pull Secret %s: %v", name, err), nil
	}
	return &protocol.Login{Username: user, Password: password}, "", nil
}
