package partition

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	certificatesv1 "k8s.io/api/certificates/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/internal/configdrive"
	"github.com/ingotmetal/ingot/internal/controller/certificate"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	matrixcontroller "github.com/ingotmetal/ingot/internal/controller/matrix"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/internal/enroll"
	"github.com/ingotmetal/ingot/internal/node/firstboot"
	"github.com/ingotmetal/ingot/internal/pki"
)

// firewallOn makes a Firewall whose Machine is on a host that owes a first-boot report by a token.
func (b *bench) firewallOn(host, token string) {
	b.t.Helper()
	bmh := &metal3.BareMetalHost{
		// It is paused, so that nothing but its first boot goes on.
		ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: host, Labels: map[string]string{ingot.PartitionLabel: b.name}, Annotations: map[string]string{metal3.PausedAnnotation: "test"}},
		Spec:       metal3.BareMetalHostSpec{Online: true},
	}
	b.create(bmh)
	sum := sha256.Sum256([]byte(token))
	// The record is this very host's: one of nobody's the role takes for that of an earlier host of the name, and drops it with the token.
	l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{
		Namespace: b.name, Name: host, Labels: map[string]string{ingot.PartitionLabel: b.name},
		OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(bmh, metal3.GroupVersion.WithKind("BareMetalHost"))},
	}}
	err := b.admin.Create(b.t.Context(), l)
	if err != nil && !apierrors.IsAlreadyExists(err) {
		b.t.Fatal(err)
	}
	b.until("the token is in the record", func() bool {
		if err := b.admin.Get(b.t.Context(), client.ObjectKeyFromObject(l), l); err != nil {
			b.t.Fatal(err)
		}
		l.Status.FirstBoot = &ingot.FirstBootStatus{TokenHash: hex.EncodeToString(sum[:])}
		return b.admin.Status().Update(b.t.Context(), l) == nil
	})
	f := &ingot.Firewall{ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: "on-" + host}, Spec: ingot.FirewallSpec{
		Machine: ingot.FirewallMachine{Size: "c1", Partition: b.name, Image: "debian-12"}, Networks: []ingot.FirewallNetwork{{Name: "inside"}}}}
	b.create(f)
	m := &ingot.Machine{
		ObjectMeta: metav1.ObjectMeta{Namespace: b.name, Name: f.Name, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(f, ingot.GroupVersion.WithKind("Firewall"))}},
		Spec:       ingot.MachineSpec{Role: ingot.RoleFirewall, Size: "c1", Partition: b.name, Image: "debian-12"},
	}
	b.create(m)
	m.Status.Host = &ingot.MachineHost{Namespace: b.name, Name: host}
	if err := b.admin.Status().Update(b.t.Context(), m); err != nil {
		b.t.Fatal(err)
	}
}

// told is what the config drive of a host says, with whatever Firewall's name.
func (b *bench) told(s ingot.PartitionStatus, host, token, firewall string) firstboot.Told {
	b.t.Helper()
	return firstboot.Told{Namespace: b.name, Name: firewall, Machine: firewall, FirstBoot: configdrive.FirstBoot{
		URL: s.AgentEndpoint + protocol.PathFirstBoot + b.name + "/" + host + "/", Token: token, CA: string(s.CABundle)}}
}

// A Firewall's machine trades the token of its first boot for its identity at the API server: once, for its own name, on its own host. What is tried besides gets nothing.
func TestAFirewallsMachineGetsItsIdentityAtItsFirstBoot(t *testing.T) {
	b := newBench(t, "firewalls")
	approve(t)
	b.o.FirewallAPIServer = controlplanetest.Shared(t).URL
	b.firewallOn("a", "token of a")
	b.firewallOn("b", "token of b")
	b.firewallOn("d", "token of d")
	defer b.run()()
	s := b.served("")

	trade := func(ctx context.Context, told firstboot.Told, place enroll.Place) error {
		// It asks for as long as it may; nothing here takes a minute.
		ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
		defer cancel()
		return firstboot.Trade(ctx, told, firstboot.Options{Place: place, Dial: (&net.Dialer{}).DialContext, Pause: 50 * time.Millisecond, Log: slog.New(slog.DiscardHandler)})
	}
	refused := func(what string, told firstboot.Told) {
		t.Helper()
		place := enroll.Place{Dir: t.TempDir()}
		if err := trade(t.Context(), told, place); err == nil || !strings.Contains(err.Error(), "refuses") {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := os.Stat(place.Kubeconfig()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s: there is a kubeconfig: %v", what, err)
		}
	}
	refused("a guessed token", b.told(s, "a", "guess", "on-a"))
	refused("another host's token", b.told(s, "b", "token of a", "on-b"))
	refused("a host that is none", b.told(s, "c", "token of a", "on-a"))

	place := enroll.Place{Dir: t.TempDir()}
	if err := trade(t.Context(), b.told(s, "a", "token of a", "on-a"), place); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(place.Files().Cert)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := pki.CommonName(text); err != nil || name != "ingot:firewall:"+b.name+".on-a" {
		t.Errorf("it is %s: %v", name, err)
	}
	cfg, err := clientcmd.BuildConfigFromFlags("", place.Kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Host != b.o.FirewallAPIServer {
		t.Errorf("the API server is %s, want %s", cfg.Host, b.o.FirewallAPIServer)
	}
	if err := enroll.Renew(t.Context(), cfg, b.name+".on-a", place.Files()); err != nil {
		t.Errorf("it cannot be renewed: %v", err)
	}

	// An answer may have been lost: the same machine gets it again. Whoever finds the drive has another key, and gets nothing.
	if err := trade(t.Context(), b.told(s, "a", "token of a", "on-a"), place); err != nil {
		t.Errorf("a second try with the same key: %v", err)
	}
	refused("a token that was traded", b.told(s, "a", "token of a", "on-a"))

	// A machine that says to be another's Firewall, or none's, waits until it gives up.
	for host, firewall := range map[string]string{"b": "on-a", "d": ""} {
		stolen := enroll.Place{Dir: t.TempDir()}
		if err := b.denied(host, b.told(s, host, "token of "+host, firewall), stolen, trade); err != nil {
			t.Errorf("%s, as Firewall %q: %v", host, firewall, err)
		}
		if _, err := os.Stat(stolen.Kubeconfig()); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s, as Firewall %q: there is a kubeconfig: %v", host, firewall, err)
		}
	}
}

// denied trades until the controller has denied a request for a host.
func (b *bench) denied(host string, told firstboot.Told, place enroll.Place, trade func(context.Context, firstboot.Told, enroll.Place) error) error {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- trade(ctx, told, place) }()
	requests := requestsOf(b.t)
	b.until("a request is denied", func() bool {
		why, ok := requests(b.name + "/" + host)
		return ok && strings.Contains(why, "not on the host that asks")
	})
	cancel()
	if err := <-ended; err == nil {
		return fmt.Errorf("a machine got the identity of another host's Firewall")
	}
	return nil
}

// approve runs the controller of certificates.
func approve(t *testing.T) {
	t.Helper()
	scheme, err := matrixcontroller.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	if err := metal3.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	controllertest.Run(t, controlplanetest.Shared(t).As(t, "controller", ""), scheme, nil, func(_ context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		return certificate.Add(mgr, live, log)
	})
}

// requestsOf finds what became of the requests for a host.
func requestsOf(t *testing.T) func(host string) (why string, denied bool) {
	t.Helper()
	core, err := kubernetes.NewForConfig(controlplanetest.Shared(t).Admin)
	if err != nil {
		t.Fatal(err)
	}
	return func(host string) (string, bool) {
		all, err := core.CertificatesV1().CertificateSigningRequests().List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, csr := range all.Items {
			for _, c := range csr.Status.Conditions {
				if csr.Annotations[ingot.FirstBootHostAnnotation] == host && c.Type == certificatesv1.CertificateDenied {
					return c.Message, true
				}
			}
		}
		return "", false
	}
}
