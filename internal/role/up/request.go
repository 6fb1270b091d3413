package up

import (
	"context"
	"encoding/pem"
	"fmt"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"github.com/ingotmetal/ingot/internal/pki"
)

const (
	signDeadline = time.Minute
	signPoll     = 200 * time.Millisecond
)

// requestIdentity has a foreign cluster sign a role's client certificate: the way that every Kubernetes offers, and the only one by which its API server believes a name.
// The administrator approves the request, which is why this needs an administrator's kubeconfig.
func requestIdentity(ctx context.Context, cfg *rest.Config, p pki.Profile) (pki.Identity, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return pki.Identity{}, fmt.Errorf("make a client for %s: %w", cfg.Host, err)
	}
	key, err := pki.NewKey()
	if err != nil {
		return pki.Identity{}, err
	}
	p.DNSNames = nil // a client's certificate names no hosts
	der, err := pki.NewRequest(key, p)
	if err != nil {
		return pki.Identity{}, err
	}
	seconds := int32(p.Lifetime / time.Second)
	requests := client.CertificatesV1().CertificateSigningRequests()
	csr, err := requests.Create(ctx, &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "ingot-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:           pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			SignerName:        certificatesv1.KubeAPIServerClientSignerName,
			Usages:            []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
			ExpirationSeconds: &seconds,
		},
	}, metav1.CreateOptions{})
	if err != nil {
		return pki.Identity{}, fmt.Errorf("request a certificate for %s from %s: %w", p.CommonName, cfg.Host, err)
	}
	csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "IngotUp", Message: "started by an administrator with ingot up",
	})
	if csr, err = requests.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{}); err != nil {
		return pki.Identity{}, fmt.Errorf("approve the certificate of %s: the kubeconfig must be an administrator's: %w", p.CommonName, err)
	}
	err = wait.PollUntilContextTimeout(ctx, signPoll, signDeadline, true, func(ctx context.Context) (bool, error) {
		csr, err = requests.Get(ctx, csr.Name, metav1.GetOptions{})
		return err == nil && len(csr.Status.Certificate) > 0, err
	})
	if err != nil {
		return pki.Identity{}, fmt.Errorf("wait for the certificate of %s: does the cluster run a signer for %s? %w", p.CommonName, certificatesv1.KubeAPIServerClientSignerName, err)
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		return pki.Identity{}, err
	}
	return pki.Identity{CertPEM: csr.Status.Certificate, KeyPEM: keyPEM}, nil
}
