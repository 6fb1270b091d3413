package enroll_test

import (
	"context"
	"encoding/pem"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	certificatesv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	api "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/certificate"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/kubeconfig"
	"github.com/ingotmetal/ingot/internal/pki"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

func start(t *testing.T, cp *controlplanetest.Server) client.Client {
	t.Helper()
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	cfg := cp.As(t, "controller", "")
	mgr, err := manager.New(cfg, manager.Options{
		Scheme: scheme, Metrics: metricsserver.Options{BindAddress: "0"}, HealthProbeBindAddress: "0", Controller: config.Controller{SkipNameValidation: ptr.To(true)},
	})
	if err != nil {
		t.Fatal(err)
	}
	live, err := client.New(cfg, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := certificate.Add(mgr, live, slog.New(slog.NewTextHandler(t.Output(), nil))); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var ended sync.WaitGroup
	ended.Go(func() {
		if err := mgr.Start(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); ended.Wait() })
	admin, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return admin
}

// TestAHostGetsAndRenewsItsIdentity from an administrator's hand to a second renewal, by the files alone.
func TestAHostGetsAndRenewsItsIdentity(t *testing.T) {
	cp := controlplanetest.Shared(t)
	admin := start(t, cp)
	carried := filepath.Join(t.TempDir(), "carried")
	first, err := enroll.AsAdministrator(t.Context(), cp.Admin, enroll.NodeProfile("fw1", enroll.FirstLifetime), "a test")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(cp.DataDir, "pki", "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	if err := kubeconfig.Write(carried, kubeconfig.Cluster{Name: "ingot", URL: cp.URL, CA: ca}, first); err != nil {
		t.Fatal(err)
	}
	place := enroll.Place{Dir: t.TempDir()}
	if _, err := enroll.Settle(t.Context(), carried, place, nil); err == nil || !strings.Contains(err.Error(), "no HostEndpoint") {
		t.Fatalf("a host without an endpoint got an identity: %v", err)
	}
	if err := admin.Create(t.Context(), &api.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: "fw1"}, Spec: api.HostEndpointSpec{Node: "fw1", InterfaceName: "eth0"}}); err != nil {
		t.Fatal(err)
	}
	node, err := enroll.Settle(t.Context(), carried, place, nil)
	if err != nil || node != "fw1" {
		t.Fatalf("settled as %q: %v", node, err)
	}
	own, err := os.ReadFile(place.Files().Key)
	if err != nil || string(own) == first.KeyPEM.Reveal() {
		t.Fatalf("the host has the key that was carried to it: %v", err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", place.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll.Renew(t.Context(), cfg, "fw1", place.Files()); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(place.Files().Key); err != nil || string(again) == string(own) {
		t.Errorf("a renewal kept the key: %v", err)
	}
}

// TestAFirewallsMachineGetsAndRenewsItsIdentity, in a group of its own, for as long as there is the Firewall.
func TestAFirewallsMachineGetsAndRenewsItsIdentity(t *testing.T) {
	cp := controlplanetest.Shared(t)
	admin := start(t, cp)
	settle := func(name string) (enroll.Place, string, error) {
		carried := filepath.Join(t.TempDir(), "carried")
		first, err := enroll.AsAdministrator(t.Context(), cp.Admin, enroll.FirewallProfile("default", name, enroll.FirstLifetime), "a test")
		if err != nil {
			t.Fatal(err)
		}
		if err := kubeconfig.Write(carried, kubeconfig.Cluster{Name: "ingot", URL: cp.URL, CA: cp.Admin.CAData}, first); err != nil {
			t.Fatal(err)
		}
		place := enroll.Place{Dir: t.TempDir()}
		who, err := enroll.Settle(t.Context(), carried, place, nil)
		return place, who, err
	}
	if _, _, err := settle("absent"); err == nil || !strings.Contains(err.Error(), "there is no Firewall") {
		t.Fatalf("the machine of no Firewall got an identity: %v", err)
	}
	f := &ingot.Firewall{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "edge"}, Spec: ingot.FirewallSpec{
		Machine: ingot.FirewallMachine{Size: "c1", Partition: "fra", Image: "debian-12"}, Networks: []ingot.FirewallNetwork{{Name: "inside"}}}}
	if err := admin.Create(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	place, who, err := settle("edge")
	if err != nil || who != "default.edge" {
		t.Fatalf("settled as %q: %v", who, err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", place.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if err := enroll.Renew(t.Context(), cfg, who, place.Files()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(place.Files().Cert)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := pki.CommonName(text); err != nil || name != "ingot:firewall:default.edge" {
		t.Errorf("renewed as %q: %v", name, err)
	}
	itself := cp.As(t, "firewall", "default.edge")
	if _, err := enroll.AsItself(t.Context(), itself, enroll.NodeProfile("default.edge", pki.RoleLifetime)); err == nil || !strings.Contains(err.Error(), "its own only") {
		t.Errorf("a firewall became a node: %v", err)
	}
}

// TestANodeGetsNoOtherName: neither by the controller's approval, nor by a controller that was taken over.
func TestANodeGetsNoOtherName(t *testing.T) {
	cp := controlplanetest.Shared(t)
	admin := start(t, cp)
	if err := admin.Create(t.Context(), &api.HostEndpoint{ObjectMeta: metav1.ObjectMeta{Name: "fw2"}, Spec: api.HostEndpointSpec{Node: "fw2", InterfaceName: "eth0"}}); err != nil {
		t.Fatal(err)
	}
	node := cp.As(t, "node", "fw2")
	for name, c := range map[string]struct {
		profile pki.Profile
		refused string
	}{
		"another node":        {enroll.NodeProfile("fw1", pki.RoleLifetime), "its own only"},
		"a firewall":          {enroll.FirewallProfile("a", "fw2", pki.RoleLifetime), "its own only"},
		"an operator":         {pki.OperatorProfile("admin"), "its own only"},
		"the controller":      {pki.ClientProfile("ingot:controller", pki.RoleLifetime, "ingot:controller"), "its own only"},
		"own name, more":      {pki.ClientProfile("ingot:node:fw2", pki.RoleLifetime, "ingot:node", "ingot:operator"), "in ingot:node only"},
		"own name, no groups": {pki.ClientProfile("ingot:node:fw2", pki.RoleLifetime), "in ingot:node only"},
	} {
		if _, err := enroll.AsItself(t.Context(), node, c.profile); err == nil || !strings.Contains(err.Error(), c.refused) {
			t.Errorf("%s: %v, want refused because of %q", name, err, c.refused)
		}
	}
	if _, err := enroll.AsItself(t.Context(), node, enroll.NodeProfile("fw2", pki.RoleLifetime)); err != nil {
		t.Errorf("its own name: %v", err)
	}

	// The controller itself may not approve what somebody else asks for.
	key, err := pki.NewKey()
	if err != nil {
		t.Fatal(err)
	}
	der, err := pki.NewRequest(key, pki.OperatorProfile("thief"))
	if err != nil {
		t.Fatal(err)
	}
	requests := func(c kubernetes.Interface) interface {
		UpdateApproval(context.Context, string, *certificatesv1.CertificateSigningRequest, metav1.UpdateOptions) (*certificatesv1.CertificateSigningRequest, error)
		Create(context.Context, *certificatesv1.CertificateSigningRequest, metav1.CreateOptions) (*certificatesv1.CertificateSigningRequest, error)
	} {
		return c.CertificatesV1().CertificateSigningRequests()
	}
	core, err := kubernetes.NewForConfig(cp.Admin)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := requests(core).Create(t.Context(), &certificatesv1.CertificateSigningRequest{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "thief-"},
		Spec: certificatesv1.CertificateSigningRequestSpec{
			Request: pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), SignerName: certificatesv1.KubeAPIServerClientSignerName,
			Usages: []certificatesv1.KeyUsage{certificatesv1.UsageClientAuth},
		},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	csr.Status.Conditions = []certificatesv1.CertificateSigningRequestCondition{{Type: certificatesv1.CertificateApproved, Status: corev1.ConditionTrue, Reason: "x"}}
	taken, err := kubernetes.NewForConfig(cp.As(t, "controller", ""))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := requests(taken).UpdateApproval(t.Context(), csr.Name, csr, metav1.UpdateOptions{}); err == nil || !strings.Contains(err.Error(), "what nodes and firewalls ask for themselves only") {
		t.Errorf("the controller approved an operator's certificate: %v", err)
	}
}
