// Package certificate is the controller of the certificates by which nodes renew who they are.
//
// It owns the approval: a request that a node makes for its own name, as an API client, is approved while the node has a host endpoint, or, in a group of their own, while its Firewall exists; anything else that it asks for
// is denied with the reason. A Firewall's first one is approved where the partition role asks, and the
// Firewall is on the very host that showed its one-time token there. It refuses all other first certificates, which an administrator issues by name (`ingot node enroll`), requests of anybody else, which it leaves alone, and
// keys: the API server's signer makes the certificate, so that no process of ours holds the CA.
//
// Invariant: whoever takes over a node gains that node's name and no other; a host whose endpoints and Firewall are gone loses its identity within pki.RoleLifetime. An admission policy
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

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/controller-runtime/pkg/source"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
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
	role, node, ours := asker(csr)
	if !ours {
		role, node, ours = firstBoot(csr)
	}
	if !ours || len(csr.Status.Conditions) > 0 {
		return reconcile.Result{}, nil
	}
	known, err := r.known(ctx, csr, role, node)
	if err != nil {
		return reconcile.Result{}, err
	}
	condition := certificatesv1.CertificateSigningRequestCondition{
		Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "OwnName", Message: "a node's next certificate for its own name",
	}
	if why := judge(csr, role, node, known); why != "" {
		condition.Type, condition.Reason, condition.Message = certificatesv1.CertificateDenied, "NotANodesOwn", why
		r.log.Warn("certificate denied", "node", node, "request", csr.Name, "reason", why)
	}
	csr.Status.Conditions = append(csr.Status.Conditions, condition)
	if err := r.live.SubResource("approval").Update(ctx, csr); err != nil {
		return reconcile.Result{}, fmt.Errorf("decide on the certificate request %s of host %s: %w", csr.Name, node, client.IgnoreNotFound(err))
	}
	return reconcile.Result{}, nil
}

// known says whether there is still what a machine's name stands for: a HostEndpoint of the host, or the Firewall.
func (r *Reconciler) known(ctx context.Context, csr *certificatesv1.CertificateSigningRequest, role matrix.Role, node string) (bool, error) {
	if role == matrix.Firewall {
		return r.isFirewall(ctx, csr, node)
	}
	var endpoints api.HostEndpointList
	if err := r.cached.List(ctx, &endpoints, client.UnsafeDisableDeepCopy); err != nil {
		return false, fmt.Errorf("look for the endpoints of host %s, which asks for a certificate: %w", node, err)
	}
	return slices.ContainsFunc(endpoints.Items, func(e api.HostEndpoint) bool { return e.Spec.Node == node }), nil
}

// isFirewall says whether a node is a machine of a Firewall: their names are NAMESPACE.MACHINE, and a namespace has no dots.
// Where a partition asks in its stead, the Machine has to be installed on the very host that showed its token there.
func (r *Reconciler) isFirewall(ctx context.Context, csr *certificatesv1.CertificateSigningRequest, node string) (bool, error) {
	namespace, name, ok := strings.Cut(node, ".")
	if !ok || namespace == "" || name == "" {
		return false, nil // a read of an empty name fails each time, and the request would wait for ever
	}
	m := &ingot.Machine{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: name}, m)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("look for the Machine of host %s, which asks for a certificate: %w", node, err)
	}
	// A machine that was not installed by Ingot has its Firewall's name, and so has a Firewall's first one.
	firewall := name
	o := metav1.GetControllerOf(m)
	ours := err == nil && o != nil && o.Kind == "Firewall" && o.APIVersion == ingot.GroupVersion.String()
	if ours {
		firewall = o.Name
	}
	f := &ingot.Firewall{}
	err = r.live.Get(ctx, client.ObjectKey{Namespace: namespace, Name: firewall}, f)
	if apierrors.IsNotFound(err) || err == nil && ours && f.UID != o.UID {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the Firewall of host %s, which asks for a certificate: %w", node, err)
	}
	partition, asks := strings.CutPrefix(csr.Spec.Username, pki.RoleName(string(matrix.Partition), "")+":")
	if !asks {
		return true, nil
	}
	if !ours || m.Status.Host == nil || m.Status.Host.Namespace+"/"+m.Status.Host.Name != csr.Annotations[ingot.FirstBootHostAnnotation] {
		return false, nil
	}
	return r.inPartition(ctx, m, partition)
}

// inPartition says whether a machine's host is one of that partition.
func (r *Reconciler) inPartition(ctx context.Context, m *ingot.Machine, partition string) (bool, error) {
	h := &metal3.BareMetalHost{}
	err := r.live.Get(ctx, client.ObjectKey{Namespace: m.Status.Host.Namespace, Name: m.Status.Host.Name}, h)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read the host of Machine %s/%s: %w", m.Namespace, m.Name, err)
	}
	return err == nil && partition != "" && h.Labels[ingot.PartitionLabel] == partition, nil
}

// asker is the node, or the Firewall's machine, that made a request; false where nobody did that this controller decides on.
func asker(csr *certificatesv1.CertificateSigningRequest) (matrix.Role, string, bool) {
	for _, role := range []matrix.Role{matrix.Node, matrix.Firewall} {
		if node, ok := strings.CutPrefix(csr.Spec.Username, pki.RoleName(string(role), "")+":"); ok && node != "" {
			return role, node, csr.Spec.SignerName == certificatesv1.KubeAPIServerClientSignerName
		}
	}
	return "", "", false
}

// firstBoot is the Firewall's machine in whose stead a partition asks: the name is what it asks for, and its Firewall is looked for.
func firstBoot(csr *certificatesv1.CertificateSigningRequest) (matrix.Role, string, bool) {
	if !strings.HasPrefix(csr.Spec.Username, pki.RoleName(string(matrix.Partition), "")+":") || csr.Spec.SignerName != certificatesv1.KubeAPIServerClientSignerName || csr.Annotations[ingot.FirstBootHostAnnotation] == "" {
		return "", "", false
	}
	name := ""
	if block, _ := pem.Decode(csr.Spec.Request); block != nil {
		if request, err := x509.ParseCertificateRequest(block.Bytes); err == nil {
			name, _ = strings.CutPrefix(request.Subject.CommonName, pki.RoleName(string(matrix.Firewall), "")+":")
		}
	}
	return matrix.Firewall, name, true
}

// judge says why a node does not get what it asks for; empty: it does.
func judge(csr *certificatesv1.CertificateSigningRequest, role matrix.Role, node string, known bool) string {
	if !known && role == matrix.Firewall {
		return fmt.Sprintf("spec.username: there is no Firewall that %s is the machine of (NAMESPACE.MACHINE), or it is not on the host that asks: make one, or let an administrator enroll it again", node)
	}
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
	name, group := pki.RoleName(string(role), node), pki.RoleGroup(string(role))
	switch {
	case request.Subject.CommonName != name:
		return fmt.Sprintf("spec.request: it asks for the name %q, and %s may ask for its own only", request.Subject.CommonName, name)
	case !slices.Equal(request.Subject.Organization, []string{group}):
		return fmt.Sprintf("spec.request: it asks for the groups %q, and it is in %s only", request.Subject.Organization, group)
	case len(request.DNSNames)+len(request.EmailAddresses)+len(request.IPAddresses)+len(request.URIs) > 0:
		return "spec.request: an API client has no further names"
	}
	return ""
}
