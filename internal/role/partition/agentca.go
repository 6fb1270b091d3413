package partition

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/internal/secret"
)

// agentTrust is what a partition's agents and first boots are trusted by. It stands in one Secret of the system namespace, made by the first process of the
// partition and used by all later ones: agents in the field keep their certificates over a restart.
//
// The CA signs nothing but agents' client certificates and is trusted by nobody but this partition's agent endpoint, so that its key in this process endangers no other flow.
type agentTrust struct {
	ca           *pki.CA
	firstBootKey secret.String
}

// The keys of the Secret.
const (
	keyCACert    = "ca.crt"
	keyCAKey     = "ca.key"
	keyFirstBoot = "first-boot.key"
)

// agentCALifetime is long: machines are asked for a certificate of it only while an agent runs, and a new CA needs no distribution (delete the Secret, restart).
const agentCALifetime = 10 * 365 * 24 * time.Hour

const firstBootKeyBytes = 32

func agentTrustName(partition string) string { return "partition-" + partition + "-agents" }

// openAgentTrust reads the Secret, or makes it. Two processes that both make one end up with the same: the second create fails and reads.
func openAgentTrust(ctx context.Context, c client.Client, partition string, now time.Time) (agentTrust, error) {
	key := client.ObjectKey{Namespace: ingot.SystemNamespace, Name: agentTrustName(partition)}
	s := &corev1.Secret{}
	err := c.Get(ctx, key, s)
	if apierrors.IsNotFound(err) {
		if s, err = newAgentTrust(key, partition, now); err != nil {
			return agentTrust{}, err
		}
		if err = c.Create(ctx, s); apierrors.IsAlreadyExists(err) {
			err = c.Get(ctx, key, s)
		}
	}
	if err != nil {
		return agentTrust{}, fmt.Errorf("open the agents' CA in Secret %s: %w", key, err)
	}
	ca, err := pki.LoadCA(s.Data[keyCACert], secret.New(string(s.Data[keyCAKey])))
	if err != nil {
		return agentTrust{}, fmt.Errorf("read the agents' CA in Secret %s (delete the Secret to have a new one made; running agents then lose their boot): %w", key, err)
	}
	if len(s.Data[keyFirstBoot]) < firstBootKeyBytes {
		return agentTrust{}, fmt.Errorf("the Secret %s has no usable %q: delete the Secret to have a new one made", key, keyFirstBoot)
	}
	return agentTrust{ca: ca, firstBootKey: secret.New(string(s.Data[keyFirstBoot]))}, nil
}

func newAgentTrust(key client.ObjectKey, partition string, now time.Time) (*corev1.Secret, error) {
	ca, err := pki.NewCA("ingot agents of partition "+partition, now, agentCALifetime)
	if err != nil {
		return nil, fmt.Errorf("make the agents' CA: %w", err)
	}
	keyPEM, err := ca.KeyPEM()
	if err != nil {
		return nil, fmt.Errorf("encode the agents' CA: %w", err)
	}
	firstBoot := make([]byte, firstBootKeyBytes)
	// The system's source of randomness does not fail.
	_, _ = rand.Read(firstBoot)
	immutable := true
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name, Labels: map[string]string{ingot.PartitionLabel: partition}},
		Immutable:  &immutable,
		Data: map[string][]byte{
			keyCACert: ca.CertPEM(), keyCAKey: []byte(keyPEM.Reveal()),
			keyFirstBoot: []byte(base64.RawStdEncoding.EncodeToString(firstBoot)),
		},
	}, nil
}
