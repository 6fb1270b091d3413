package install_test

import (
	"context"
	"testing"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/install"
	"github.com/ingotmetal/ingot/internal/pki"
)

// question is one thing that a role may or may not do.
type question struct {
	verb, group, resource, namespace string
	want                             bool
}

var partitionQuestions = []question{
	{"list", "metal3.io", "baremetalhosts", "", true},
	{"watch", "metal3.io", "baremetalhosts", "", true},
	{"patch", "metal3.io", "baremetalhosts", "hosts", true},
	{"create", "metal3.io", "baremetalhosts", "hosts", true},
	{"patch", "metal3.io", "baremetalhosts/status", "hosts", true},
	{"create", "metal3.io", "hardwaredata", "hosts", true},
	{"delete", "metal3.io", "hardwaredata", "hosts", true},
	{"create", "metal3.io", "hostfirmwaresettings", "hosts", true},
	{"delete", "metal3.io", "hostfirmwaresettings", "hosts", false},
	{"create", "metal3.io", "hostfirmwarecomponents", "hosts", true},
	{"patch", "metal3.io", "hostfirmwarecomponents/status", "hosts", true},
	{"delete", "metal3.io", "hostfirmwarecomponents", "hosts", false},
	{"watch", "metal3.io", "hostupdatepolicies", "hosts", true},
	{"patch", "metal3.io", "hostupdatepolicies", "hosts", false},
	{"create", "metal3.io", "firmwareschemas", "hosts", true},
	{"patch", "metal3.io", "firmwareschemas", "hosts", false},
	{"create", "ingot.dev", "hostlifecycles", "hosts", true},
	{"update", "ingot.dev", "hostlifecycles/status", "hosts", true},
	// In a namespace without hosts; TestSecretsWhereHostsAre has the others.
	{"get", "", "secrets", "hosts", false},
	{"patch", "", "secrets", "hosts", false},
	{"get", "", "secrets", "kube-system", false},
	{"get", "", "secrets", "", false},
	{"get", "", "secrets", ingot.BootNamespace, true},
	{"get", "", "secrets", ingot.BMCNamespace, true},
	{"get", "", "secrets", install.SystemNamespace, true},
	{"update", "", "secrets", ingot.BootNamespace, false},
	{"update", "", "secrets", install.SystemNamespace, false},
	{"list", "", "secrets", ingot.BootNamespace, false},
	{"update", "metal3.io", "baremetalhosts", "hosts", false},
	{"update", "ingot.dev", "hostlifecycles", "hosts", false},
	{"update", "ingot.dev", "bootwindows", ingot.BootNamespace, false},
	{"update", "", "events", "hosts", false},
	{"list", "rbac.authorization.k8s.io", "rolebindings", "hosts", false},
	{"create", "rbac.authorization.k8s.io", "rolebindings", "hosts", false},
	{"create", "events.k8s.io", "events", "hosts", true},
	{"create", "ingot.dev", "bootwindows", ingot.BootNamespace, true},
	{"delete", "ingot.dev", "bootwindows", ingot.BootNamespace, true},
	{"create", "", "secrets", ingot.BootNamespace, true},
	{"create", "", "secrets", ingot.BMCNamespace, true},
	{"update", "", "secrets", ingot.BMCNamespace, true},
	{"delete", "", "secrets", ingot.BMCNamespace, true},
	{"delete", "", "secrets", install.SystemNamespace, false},
	{"list", "", "secrets", "", false},
	{"create", "", "secrets", install.SystemNamespace, true},
	{"update", "coordination.k8s.io", "leases", install.SystemNamespace, true},
	{"patch", "ingot.dev", "partitions/status", "", true},
	{"create", "authorization.k8s.io", "subjectaccessreviews", "", true},
	{"create", "authentication.k8s.io", "tokenreviews", "", true},

	{"create", "ingot.dev", "discoveredhosts", "hosts", true},
	{"patch", "ingot.dev", "discoveredhosts/status", "hosts", true},
	{"watch", "ingot.dev", "netbootrecords", ingot.BootNamespace, true},
	{"patch", "ingot.dev", "discoveredhosts", "hosts", false},
	{"update", "ingot.dev", "netbootrecords", ingot.BootNamespace, false},

	{"delete", "metal3.io", "baremetalhosts", "hosts", false},
	{"delete", "", "secrets", "hosts", false},
	{"create", "", "secrets", "hosts", false},
	{"deletecollection", "", "secrets", "hosts", false},
	{"update", "ingot.dev", "partitions", "", false},
	{"create", "ingot.dev", "bootwindows", "hosts", false},
	{"create", "rbac.authorization.k8s.io", "clusterrolebindings", "", false},
	{"update", "apiextensions.k8s.io", "customresourcedefinitions", "", false},
	{"impersonate", "", "users", "", false},
	{"create", "", "serviceaccounts/token", "hosts", false},
	{"approve", "certificates.k8s.io", "signers", "", false},
}

var bootQuestions = []question{
	{"list", "ingot.dev", "bootwindows", ingot.BootNamespace, true},
	{"watch", "ingot.dev", "bootwindows", ingot.BootNamespace, true},
	{"get", "", "secrets", ingot.BootNamespace, true},
	{"get", "ingot.dev", "partitions", "", true},
	{"create", "ingot.dev", "netbootrecords", ingot.BootNamespace, true},
	{"update", "ingot.dev", "netbootrecords", ingot.BootNamespace, true},

	{"create", "ingot.dev", "netbootrecords", "hosts", false},
	{"delete", "ingot.dev", "netbootrecords", ingot.BootNamespace, false},
	{"create", "ingot.dev", "discoveredhosts", "hosts", false},
	{"get", "", "secrets", "hosts", false},
	{"list", "", "secrets", "", false},
	{"get", "", "secrets", install.SystemNamespace, false},
	{"get", "", "secrets", ingot.BMCNamespace, false},
	{"get", "", "secrets", "kube-system", false},
	{"get", "metal3.io", "baremetalhosts", "hosts", false},
	{"get", "ingot.dev", "hostlifecycles", "hosts", false},
	{"patch", "ingot.dev", "bootwindows", ingot.BootNamespace, false},
	{"patch", "ingot.dev", "bootwindows/status", ingot.BootNamespace, false},
	{"delete", "", "secrets", ingot.BootNamespace, false},
	{"patch", "ingot.dev", "partitions/status", "", false},
	{"create", "", "serviceaccounts/token", ingot.BootNamespace, false},
}

var controllerQuestions = []question{
	{"list", "metal3.io", "baremetalhosts", "", true},
	{"get", "ingot.dev", "partitions", "", true},
	{"patch", "metal3.io", "baremetalhosts", "hosts", true},
	{"update", "metal3.io", "hostclaims/status", "tenant", true},
	{"get", "", "secrets", "tenant", true},
	{"create", "", "secrets", "hosts", true},
	{"list", "", "secrets", "", false},
	{"watch", "", "secrets", "tenant", false},
	{"deletecollection", "", "secrets", "hosts", false},
	{"patch", "metal3.io", "baremetalhosts/status", "hosts", false},
	{"create", "metal3.io", "baremetalhosts", "hosts", false},
	{"delete", "metal3.io", "baremetalhosts", "hosts", false},
	{"create", "metal3.io", "hostclaims", "tenant", true},
	{"patch", "metal3.io", "hostdeploypolicies", "hosts", false},
	{"watch", "ingot.dev", "communicationmatrices", "", true},
	{"patch", "ingot.dev", "communicationmatrices/status", "", true},
	{"patch", "projectcalico.org", "globalnetworkpolicies", "", true},
	{"delete", "projectcalico.org", "hostendpoints", "", true},
	{"patch", "projectcalico.org", "hostendpoints/status", "", true},
	{"list", "projectcalico.org", "profiles", "", true},
	{"update", "certificates.k8s.io", "certificatesigningrequests/approval", "", true},

	{"create", "rbac.authorization.k8s.io", "rolebindings", "hosts", true},
	{"update", "rbac.authorization.k8s.io", "rolebindings", "hosts", false},
	{"delete", "rbac.authorization.k8s.io", "rolebindings", "hosts", false},
	{"list", "rbac.authorization.k8s.io", "rolebindings", "", false},
	{"create", "rbac.authorization.k8s.io", "clusterrolebindings", "", false},
	{"bind", "rbac.authorization.k8s.io", "clusterroles", "", false},
	{"escalate", "rbac.authorization.k8s.io", "clusterroles", "", false},
	{"update", "ingot.dev", "communicationmatrices", "", false},
	{"create", "projectcalico.org", "profiles", "", false},
	{"create", "projectcalico.org", "networkpolicies", "hosts", false},
	{"delete", "projectcalico.org", "tiers", "", false},
	{"create", "certificates.k8s.io", "certificatesigningrequests", "", false},
	{"sign", "certificates.k8s.io", "signers", "", false},
	{"create", "rbac.authorization.k8s.io", "clusterrolebindings", "", false},
}

var nodeQuestions = []question{
	{"watch", "projectcalico.org", "globalnetworkpolicies", "", true},
	{"watch", "projectcalico.org", "hostendpoints", "", true},
	{"list", "projectcalico.org", "stagednetworkpolicies", "", true},
	{"patch", "projectcalico.org", "hostendpoints/status", "", true},
	{"create", "certificates.k8s.io", "certificatesigningrequests", "", true},
	{"create", "events.k8s.io", "events", "default", true},

	{"patch", "projectcalico.org", "hostendpoints", "", false},
	{"create", "projectcalico.org", "hostendpoints", "", false},
	{"create", "projectcalico.org", "globalnetworkpolicies", "", false},
	{"get", "", "secrets", "hosts", false},
	{"get", "metal3.io", "baremetalhosts", "hosts", false},
	{"update", "certificates.k8s.io", "certificatesigningrequests/approval", "", false},
	{"approve", "certificates.k8s.io", "signers", "", false},
	{"create", "events.k8s.io", "events", "hosts", false},
}

func TestRolesMayDoWhatTheMatrixSays(t *testing.T) {
	cp := controlplanetest.Shared(t)
	for role, questions := range map[string][]question{"partition": partitionQuestions, "boot": bootQuestions, "controller": controllerQuestions, "node": nodeQuestions, "stranger": {
		{"get", "", "secrets", ingot.BootNamespace, false},
		{"list", "ingot.dev", "bootwindows", ingot.BootNamespace, false},
		{"get", "metal3.io", "baremetalhosts", "hosts", false},
		{"get", "ingot.dev", "partitions", "", false},
	}} {
		client := clientset(t, cp.As(t, role, "site1"))
		for _, q := range questions {
			group, resource, sub := q.group, q.resource, ""
			for i := range resource {
				if resource[i] == '/' {
					resource, sub = resource[:i], resource[i+1:]
					break
				}
			}
			review, err := client.AuthorizationV1().SelfSubjectAccessReviews().Create(t.Context(), &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &authorizationv1.ResourceAttributes{
					Verb: q.verb, Group: group, Resource: resource, Subresource: sub, Namespace: q.namespace, Name: "x",
				}},
			}, metav1.CreateOptions{})
			if err != nil {
				t.Fatalf("%s asks about itself: %v", role, err)
			}
			if review.Status.Allowed != q.want {
				t.Errorf("%s may %s %s in %q: %v, want %v", role, q.verb, q.resource, q.namespace, review.Status.Allowed, q.want)
			}
		}
	}
}

// TestBootCannotReadABMCSecret asks for a real one rather than about the rule.
func TestBootCannotReadABMCSecret(t *testing.T) {
	cp := controlplanetest.Shared(t)
	admin := clientset(t, cp.Admin)
	ns := namespace(t, admin)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: "bmc", Namespace: ns}, StringData: map[string]string{"username": "root", "password": "calvin"}}
	if _, err := admin.CoreV1().Secrets(ns).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	get := func(cfg *rest.Config) error {
		_, err := clientset(t, cfg).CoreV1().Secrets(ns).Get(t.Context(), "bmc", metav1.GetOptions{})
		return err
	}
	if err := get(cp.As(t, "partition", "site1")); !apierrors.IsForbidden(err) {
		t.Errorf("partition reads a Secret where no host is: want forbidden, have %v", err)
	}
	cp.BindHosts(t, ns)
	if err := get(cp.As(t, "partition", "site1")); err != nil {
		t.Errorf("partition cannot read a BMC secret: %v", err)
	}
	if err := get(cp.As(t, "boot", "site1")); !apierrors.IsForbidden(err) {
		t.Errorf("boot reads a BMC secret: want forbidden, have %v", err)
	}
	anonymous := &rest.Config{Host: cp.URL, TLSClientConfig: rest.TLSClientConfig{CAData: cp.Admin.CAData}}
	if err := get(anonymous); !apierrors.IsUnauthorized(err) {
		t.Errorf("without a certificate: want unauthorized, have %v", err)
	}
	if err := get(cp.Client(t, "ingot:boot:site1")); !apierrors.IsForbidden(err) {
		t.Errorf("a name without the group: want forbidden, have %v", err)
	}
}

// TestForeignCA shows a certificate with all the right names, of another CA.
func TestForeignCA(t *testing.T) {
	cp := controlplanetest.Shared(t)
	cfg := rest.CopyConfig(cp.Admin)
	ca := otherCA(t)
	id, err := ca.NewIdentity(pki.OperatorProfile("mallory"), now())
	if err != nil {
		t.Fatal(err)
	}
	cfg.CertData, cfg.KeyData = id.CertPEM, []byte(id.KeyPEM.Reveal())
	_, err = clientset(t, cfg).CoreV1().Namespaces().List(context.Background(), metav1.ListOptions{})
	if !apierrors.IsUnauthorized(err) {
		t.Errorf("want unauthorized, have %v", err)
	}
}

func clientset(t testing.TB, cfg *rest.Config) *kubernetes.Clientset {
	t.Helper()
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// namespace makes one for the test; it is left to the end of the control plane.
func namespace(t testing.TB, client kubernetes.Interface) string {
	t.Helper()
	ns, err := client.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return ns.Name
}
