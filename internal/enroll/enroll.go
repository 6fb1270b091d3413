// Package enroll gets certificates from a Kubernetes API: the way that every Kubernetes offers, and the only one by which its API server believes a name.
//
// It owns the request, its approval by an administrator, the wait, and the renewal of a node's identity in its files. It refuses keys of others: a key is made where it is
// used, but for the first identity of a node, which an administrator carries to the host (`ingot node enroll`). That one is good for an hour at most, and `ingot-node enroll`
// replaces it by one of a key that never leaves the host.
//
// A node renews by asking for its own name with the certificate that it has; the controller role approves that, and only that (internal/controller/certificate). A node
// that was off for longer than its certificate lives has to be enrolled again: an identity that outlives its host's absence is one that somebody else may find.
//
// Invariants: a private key is never part of a request; a renewed identity is on disk before the old one is forgotten; what does not work leaves the old one in place.
package enroll

import (
	"context"
	"encoding/pem"
	"fmt"
	"strings"
	"time"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

const (
	// FirstLifetime is how long a node's first identity is good for: long enough to carry it to the host and to start ingot-node there.
	FirstLifetime = time.Hour

	signDeadline = time.Minute
	signPoll     = 200 * time.Millisecond
)

// NodeProfile is a node's identity towards the API server.
func NodeProfile(node string, lifetime time.Duration) pki.Profile {
	return pki.ClientProfile(pki.RoleName(string(matrix.Node), node), lifetime, pki.RoleGroup(string(matrix.Node)))
}

// FirewallProfile is the identity of a Firewall's machine towards the API server: in a group of its own, which may read no policy of the site.
func FirewallProfile(namespace, name string, lifetime time.Duration) pki.Profile {
	return pki.ClientProfile(pki.RoleName(string(matrix.Firewall), namespace+"."+name), lifetime, pki.RoleGroup(string(matrix.Firewall)))
}

// profileOf is that of a machine by its common name.
func profileOf(commonName string, lifetime time.Duration) (pki.Profile, error) {
	for _, role := range []matrix.Role{matrix.Node, matrix.Firewall} {
		if name, ok := strings.CutPrefix(commonName, pki.RoleName(string(role), "")+":"); ok && name != "" {
			return pki.ClientProfile(commonName, lifetime, pki.RoleGroup(string(role))), nil
		}
	}
	return pki.Profile{}, fmt.Errorf("it is of %s, which is neither a node nor a firewall", commonName)
}

// AsAdministrator has the cluster sign a client certificate and approves the request itself, which takes an administrator's configuration. Why is for whoever reads the request.
func AsAdministrator(ctx context.Context, cfg *rest.Config, p pki.Profile, why string) (pki.Identity, error) {
	return request(ctx, cfg, p, why)
}

// AsItself has the cluster sign the next certificate of whoever the configuration is of. The controller role decides on it.
func AsItself(ctx context.Context, cfg *rest.Config, p pki.Profile) (pki.Identity, error) {
	return request(ctx, cfg, p, "")
}

// request makes a key and has a certificate made for it; approve is the message of the approval, empty where somebody else approves.
func request(ctx context.Context, cfg *rest.Config, p pki.Profile, approve string) (pki.Identity, error) {
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
	requests := client.CertificatesV1().CertificateSigningRequests()
	csr, err := requests.Create(ctx, asked(der, p.Lifetime), metav1.CreateOptions{})
	if err != nil {
		return pki.Identity{}, fmt.Errorf("request a certificate for %s from %s: %w", p.CommonName, cfg.Host, err)
	}
	if approve != "" {
		csr.Status.Conditions = append(csr.Status.Conditions, certificatesv1.CertificateSigningRequestCondition{
			Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "Administrator", Message: approve,
		})
		if csr, err = requests.UpdateApproval(ctx, csr.Name, csr, metav1.UpdateOptions{}); err != nil {
			return pki.Identity{}, fmt.Errorf("approve the certificate of %s: the kubeconfig must be an administrator's: %w", p.CommonName, err)
		}
	}
	certificate, err := signed(ctx, client, csr.Name, p.CommonName)
	if err != nil {
		return pki.Identity{}, err
	}
	keyPEM, err := pki.EncodeKey(key)
	if err != nil {
		return pki.Identity{}, err
	}
	return pki.Identity{CertPEM: certificate, KeyPEM: keyPEM}, nil
}

// asked is the object by which a client's certificate is asked for.
func asked(der []byte, lifetime time.Duration) *certificatesv1.CertificateSigningRequest {
	seconds := int32(lifetime / time.Second)
	return &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "ingot-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request:           pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}),
			SignerName:        certificatesv1.KubeAPIServerClientSignerName,
			Usages:            []certificatesv1.KeyUsage{certificatesv1.UsageDigitalSignature, certificatesv1.UsageClientAuth},
			ExpirationSeconds: &seconds,
		},
	}
}

// ForFirstBoot has the cluster sign the first certificate of a Firewall's machine, of a key that never left it, which takes the partition role's configuration. host is "namespace/name" of the host that showed its
// one-time token; the controller role approves it where that is the Firewall's own.
func ForFirstBoot(ctx context.Context, cfg *rest.Config, host string, der []byte) ([]byte, error) {
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return nil, fmt.Errorf("make a client for %s: %w", cfg.Host, err)
	}
	o := asked(der, pki.RoleLifetime)
	o.Annotations = map[string]string{ingot.FirstBootHostAnnotation: host}
	csr, err := client.CertificatesV1().CertificateSigningRequests().Create(ctx, o, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("request a certificate for the firewall on host %s from %s: %w", host, cfg.Host, err)
	}
	return signed(ctx, client, csr.Name, "the firewall on host "+host)
}

// signed waits for a certificate, or for the reason why there is none.
func signed(ctx context.Context, client kubernetes.Interface, name, forWhom string) ([]byte, error) {
	var certificate []byte
	err := wait.PollUntilContextTimeout(ctx, signPoll, signDeadline, true, func(ctx context.Context) (bool, error) {
		csr, err := client.CertificatesV1().CertificateSigningRequests().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		for _, c := range csr.Status.Conditions {
			if c.Type == certificatesv1.CertificateDenied || c.Type == certificatesv1.CertificateFailed {
				return false, fmt.Errorf("request %s was %s: %s", name, map[bool]string{true: "denied", false: "not signed"}[c.Type == certificatesv1.CertificateDenied], c.Message)
			}
		}
		certificate = csr.Status.Certificate
		return len(certificate) > 0, nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the certificate of %s: does the cluster run a signer for %s, and does the controller role run? %w",
			forWhom, certificatesv1.KubeAPIServerClientSignerName, err)
	}
	return certificate, nil
}
