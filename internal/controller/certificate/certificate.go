// Package certificate is the controller of the certificates by which nodes renew who they are.
//
// It owns the approval: a request that a node makes for its own name, as an API client, is approved while the node has a host endpoint; anything else that a node asks for
// is denied with the reason. It refuses first certificates, which an administrator issues by name (`ingot node enroll`), requests of anybody else, which it leaves alone, and
// keys: the API server's signer makes the certificate, so that no process of ours holds the CA.
//
// Invariant: whoever takes over a node gains that node's name and no other; a host whose endpoints are gone loses its identity within pki.RoleLifetime. An admission policy
// holds the controller to the same.
package certificate

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	"github.com/ingotmetal/ingot/internal/pki"
	"github.com/ingotmetal/ingot/matrix"
)

// Reconciler looks at one request.
type Reconciler struct {
	cached, live client.Client
	log          *slog.Logger
}

// Add builds a reconciler and hangs it into the manager. Live is a client without a cache.
func Add(mgr manager.Manager, live client.Client, log *slog.Logger) error {
	r := &Reconciler{cached: mgr.GetClient(), live: live, log: log}
	c, err := controller.New("certificate", mgr, controller.Options{Reconciler: r})
	if err != nil {
		return fmt.Errorf("build the certificate controller: %w", err)
	}
	requests := source.Kind(mgr.GetCache(), &certificatesv1.CertificateSigningRequest{}, &handler.TypedEnqueueRequestForObject[*certificatesv1.CertificateSigningRequest]{})
	if err := c.Watch(requests); err != nil {
		return fmt.Errorf("watch CertificateSigningRequests: %w", err)
	}
	return nil
}

// Reconcile approves or denies a node's request.
func (r *Reconciler) Reconcile(ctx context.Context, q reconcile.Request) (reconcile.Result, error) {
	csr := &certificatesv1.CertificateSigningRequest{}
	if err := r.cached.Get(ctx, q.NamespacedName, csr); err != nil {
		return reconcile.Result{}, client.IgnoreNotFound(err)
	}
	node, ours := asker(csr)
	if !ours || len(csr.Status.Conditions) > 0 {
		return reconcile.Result{}, nil
	}
	var endpoints api.HostEndpointList
	if err := r.cached.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return reconcile.Result{}, fmt.Errorf("look for the endpoints of host %s, which asks for a certificate: %w", node, err)
	}
	known := slices.ContainsFunc(endpoints.Items, func(e api.HostEndpoint) bool { return e.Spec.Node == node })
	condition := certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "OwnName", Message: "a node's next certificate for its own name",
	}
	if why := judge(csr, node, known); why != "" {
		condition.Type, condition.Reason, condition.Message = certificatesv1.CertificateDenied, "NotANodesOwn", why
		r.log.Warn("certificate denied", "node", node, "request", csr.Name, "reason", why)
	}
	csr.Status.Conditions = append(csr.Status.Conditions, condition)
	if err := r.live.SubResource("approval").Update(ctx, csr); err != nil {
		return reconcile.Result{}, fmt.Errorf("decide on the certificate request %s of host %s: %w", csr.Name, node, client.IgnoreNotFound(err))
	}
	return reconcile.Result{}, nil
}

// asker is the node that made a request; false where nobody did that this controller decides on.
func asker(csr *certificatesv1.CertificateSigningRequest) (string, bool) {
	node, ok := strings.CutPrefix(csr.Spec.Username, pki.RoleName(string(matrix.Node), "")+":")
	return node, ok && node != "" && csr.Spec.SignerName == certificatesv1.KubeAPIServerClientSignerName
}

// judge says why a node does not get what it asks for; empty: it does.
func judge(csr *certificatesv1.CertificateSigningRequest, node string, known bool) string {
	if !known {
		return fmt.Sprintf("spec.username: there is no HostEndpoint of host %s: make one, or let an administrator enroll it again", node)
	}
	for _, u := range csr.Spec.Usages {
		if u != certificatesv1.UsageDigitalSignature && u != certificatesv1.UsageClientAuth {
			return fmt.Sprintf("spec.usages: %q is more than an API client needs", u)
		}
	}
	block, rest := pem.Decode(csr.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(strings.TrimSpace(string(rest))) > 0 {
		return "spec.request: want one PEM block CERTIFICATE REQUEST"
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return "spec.request: " + err.Error()
	}
	if err := request.CheckSignature(); err != nil {
		return "spec.request: " + err.Error()
	}
	name, group := pki.RoleName(string(matrix.Node), node), pki.RoleGroup(string(matrix.Node))
	switch {
	case request.Subject.CommonName != name:
		return fmt.Sprintf("spec.request: it asks for the name %q, and %s may ask for its own only", request.Subject.CommonName, name)
	case !slices.Equal(request.Subject.Organization, []string{group}):
		return fmt.Sprintf("spec.request: it asks for the groups %q, and a node is in %s only", request.Subject.Organization, group)
	case len(request.DNSNames)+len(request.EmailAddresses)+len(request.IPAddresses)+len(request.URIs) > 0:
		return "spec.request: an API client has no further names"
	}
	return ""
}
