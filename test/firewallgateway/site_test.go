package firewallgateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/rand"
	"k8s.io/client-go/dynamic"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/controllertest"
	"github.com/ingotmetal/ingot/internal/controller/firewall"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	node "github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/test/await"
)

func TestMain(m *testing.M) {
	ctrllog.SetLogger(logr.Discard())
	controlplanetest.Main(m)
}

// site is a project with a Firewall, under the real API server with its policies, the controller's own rights and the node's. The machine controller and the allocator are played by the test.
type site struct {
	*testing.T
	project, provider string
	admin             client.Client
	server            *controlplanetest.Server
	scheme            *runtime.Scheme
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{T: t, server: controlplanetest.Shared(t), scheme: runtime.NewScheme()}
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, ingot.AddToScheme, metal3.AddToScheme, calico.AddToScheme} {
		if err := add(s.scheme); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if s.admin, err = client.New(s.server.Admin, client.Options{Scheme: s.scheme}); err != nil {
		t.Fatal(err)
	}
	x := rand.String(6)
	s.project, s.provider = "web-"+x, "provider-"+x
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.project, Labels: map[string]string{ingot.TenantLabel: "acme-" + x, ingot.ProjectLabel: "web"}}})
	s.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.provider}})
	s.network(s.project, "inside", ingot.ChildNetwork, "10.77.1.0/24", "fd77:1::/64")
	s.network(s.provider, "internet", ingot.ExternalNetwork, "192.0.2.0/24", "2001:db8::/64")
	s.network(s.provider, "neighbour", ingot.ChildNetwork, "10.99.0.0/24")
	controllertest.Run(t, s.server.As(t, "controller", ""), s.scheme, nil, func(_ context.Context, mgr manager.Manager, live client.Client, log *slog.Logger) error {
		return firewall.Add(mgr, firewall.Options{Live: live, Log: log, Recheck: 300 * time.Millisecond})
	})
	return s
}

func (s *site) create(o client.Object) {
	s.Helper()
	if err := s.admin.Create(s.Context(), o); err != nil {
		s.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

func (s *site) network(namespace, name string, kind ingot.NetworkType, prefixes ...string) {
	s.Helper()
	n := &ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: ingot.NetworkSpec{Type: kind, Prefixes: prefixes}}
	if kind == ingot.ChildNetwork {
		n.Spec.Parent = &ingot.NetworkReference{Name: "super", Namespace: s.provider}
	}
	s.create(n)
	n.Status.Prefixes = prefixes
	if err := s.admin.Status().Update(s.Context(), n); err != nil {
		s.Fatal(err)
	}
}

// firewall is the object of these tests: what declared() says, as a tenant writes it.
func (s *site) firewall() *ingot.Firewall {
	port := func(p int) []string { return []string{fmt.Sprint(p)} }
	return &ingot.Firewall{ObjectMeta: metav1.ObjectMeta{Namespace: s.project, Name: "edge"}, Spec: ingot.FirewallSpec{
		Machine: ingot.FirewallMachine{Size: "c1", Partition: "fra", Image: "debian-12"},
		Networks: []ingot.FirewallNetwork{
			{Name: "inside"},
			{Name: "internet", Namespace: s.provider, Addresses: []string{"edge", "edge-v6", "www", "www-v6"}, Masquerade: []ingot.IPFamily{ingot.IPv4},
				OneToOne: []ingot.FirewallPair{{IP: "www", To: server[0].String()}, {IP: "www-v6", To: server[1].String()}}},
		},
		Egress:  []ingot.FirewallRule{{Name: "open", Protocol: ingot.UDPProtocol, Ports: port(allowedPort)}, {Name: "ping", Protocol: ingot.ICMPProtocol}},
		Ingress: []ingot.FirewallRule{{Name: "served", Protocol: ingot.UDPProtocol, Ports: port(servedPort), To: []string{server[0].String() + "/32", server[1].String() + "/128"}}},
	}}
}

// installed plays the machine controller: the Firewall's Machine gets its addresses, and is Ready.
func (s *site) installed(nics ...ingot.MachineNICStatus) {
	s.Helper()
	m := s.made()
	if m.Spec.Role != ingot.RoleFirewall || m.Spec.Image != "debian-12" || len(m.Spec.Networks) != 2 || len(m.Spec.Networks[1].Addresses) != 4 {
		s.Errorf("the Machine is %+v", m.Spec)
	}
	in := func(network, ip string, a netip.Addr) ingot.MachineAddress {
		return ingot.MachineAddress{Network: network, IP: ip, Address: a.String(), PrefixLength: 24}
	}
	inside, internet := s.project+"/inside", s.provider+"/internet"
	s.machineSays(func(m *ingot.Machine) {
		m.Status.Addresses = []ingot.MachineAddress{in(inside, "a", addr("10.77.1.1")), in(inside, "b", addr("fd77:1::1")),
			in(internet, "edge", own[0]), in(internet, "edge-v6", own[1]), in(internet, "www", public[0]), in(internet, "www-v6", public[1])}
		m.Status.NICs = nics
		meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{Type: ingot.MachineReadyCondition, Status: metav1.ConditionTrue, Reason: "Ready"})
	})
}

// made waits for the Firewall's Machine.
func (s *site) made() *ingot.Machine {
	s.Helper()
	m := &ingot.Machine{}
	await.Nil(s, "the Machine is made", func() error { return s.admin.Get(s.Context(), client.ObjectKey{Namespace: s.project, Name: "edge"}, m) })
	return m
}

// machineSays writes the Machine's status until nobody was faster: the controller of firewalls is at it too.
func (s *site) machineSays(change func(*ingot.Machine)) {
	s.Helper()
	await.Nil(s, "the Machine's status is written", func() error {
		m := s.made()
		change(m)
		return s.admin.Status().Update(s.Context(), m)
	})
}

func (s *site) now() *ingot.Firewall {
	f := &ingot.Firewall{}
	if err := s.admin.Get(s.Context(), client.ObjectKey{Namespace: s.project, Name: "edge"}, f); err != nil {
		s.Fatal(err)
	}
	return f
}

// says waits for a condition of the present generation.
func (s *site) says(kind string, status metav1.ConditionStatus, words string) {
	s.Helper()
	await.Nil(s, fmt.Sprintf("%s is %s: %q", kind, status, words), func() error {
		f := s.now()
		x := meta.FindStatusCondition(f.Status.Conditions, kind)
		if x == nil || x.Status != status || x.ObservedGeneration != f.Generation || !strings.Contains(x.Message, words) {
			return fmt.Errorf("%+v", f.Status)
		}
		return nil
	})
}

// edit changes the spec until nobody was faster.
func (s *site) edit(change func(*ingot.FirewallSpec)) {
	s.Helper()
	await.Nil(s, "the edit", func() error {
		f := s.now()
		change(&f.Spec)
		return s.admin.Update(s.Context(), f)
	})
}

// as is a client of the firewall's node.
func (s *site) as(nodeName string) (client.Client, dynamic.Interface) {
	s.Helper()
	cfg := s.server.As(s.T, "firewall", nodeName)
	cfg.QPS = -1
	c, err := client.New(cfg, client.Options{Scheme: s.scheme})
	if err != nil {
		s.Fatal(err)
	}
	d, err := dynamic.NewForConfig(cfg)
	if err != nil {
		s.Fatal(err)
	}
	return c, d
}

// away is an API server that cannot be reached.
type away struct{}

func (away) Run(ctx context.Context, _ func(*ingot.Firewall)) error { <-ctx.Done(); return nil }
func (away) Report(context.Context, node.Report) error              { return errors.New("it is away") }

// run runs the daemon in the firewall's namespace until stop. Without a client the API server is away.
func (s *site) run(w *world, d dynamic.Interface, file node.File) (stop func()) {
	s.Helper()
	var source node.Source = away{}
	if d != nil {
		source = node.API{Client: d, Namespace: s.project, Name: "edge"}
	}
	daemon, err := node.New(node.Options{
		Source: source, Host: w.h, Forwarding: w.forwarding, File: file, Look: 200 * time.Millisecond, Report: time.Second,
		Log: slog.New(slog.NewTextHandler(s.Output(), nil)),
	})
	if err != nil {
		s.Fatal(err)
	}
	ctx, cancel := context.WithCancel(s.Context())
	ended := make(chan error, 1)
	go func() { ended <- daemon.Run(ctx) }()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			s.Error(err)
		}
	}
	s.Cleanup(stop)
	return stop
}

func (w *world) forwarding(on bool) error {
	return w.firewall.Do(func() error { return node.Sysctl("/proc/sys/net")(on) })
}

// forwards says what the kernel's switch is.
func (w *world) forwards(t *testing.T) bool {
	t.Helper()
	var text []byte
	err := w.firewall.Do(func() (err error) {
		text, err = os.ReadFile("/proc/sys/net/ipv4/ip_forward")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)) == "1"
}

// arrives sends datagrams until one arrives, and says from whom it came.
func (s *site) arrives(w *world, heard *listener, from, to netip.Addr, port uint16) netip.Addr {
	s.Helper()
	var got arrival
	await.Nil(s, fmt.Sprintf("a datagram from %s arrives at %s:%d", from, to, port), func() error {
		payload := key(from, " to ", to, ":", port, " ", rand.String(12))
		_ = send(s.T, w.tenant, from, to, port, payload).Close()
		// One may be dropped: then another is sent.
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		return await.Within(ctx, func() error {
			var ok bool
			if got, ok = heard.got(payload); !ok {
				return await.ErrNotYet
			}
			return nil
		})
	})
	return got.from.Addr()
}
