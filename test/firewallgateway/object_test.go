package firewallgateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
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

// From the object to packets: a tenant writes a Firewall, its machine reads it with the rights of its own node and nothing more, and packets in both families do as it says; rules change, and flows that they do not
// allow any more end; what somebody does to the table is mended; wrong rules change nothing; and it goes with its Machine.
func TestFromObjectToPackets(t *testing.T) {
	s, w := newSite(t), newWorld(t)
	heard := &listener{arrivals: map[string]arrival{}}
	listen(t, heard, w.outside, visitor[0], visitor[1])
	if err := w.forwarding(false); err != nil {
		t.Fatal(err)
	}
	s.create(s.firewall())
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionFalse, "no address in network")
	s.installed(ingot.MachineNICStatus{Network: s.project + "/inside", MACAddress: strings.ToUpper(w.mac(t, "inside0"))}, ingot.MachineNICStatus{Network: s.provider + "/internet", MACAddress: w.mac(t, "outside0")})
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionTrue, "2 networks and 3 rules")
	s.says(ingot.ReadyCondition, metav1.ConditionFalse, "ingot node enroll --firewall "+s.project+"/edge")
	_, d := s.as(firewall.NodeName(s.project, "edge"))
	file := node.File(filepath.Join(t.TempDir(), "gateway.json"))
	if w.forwards(t) {
		t.Error("the kernel forwards before there are rules")
	}
	stop := s.run(w, d, file)
	s.says(ingot.ReadyCondition, metav1.ConditionTrue, "")
	s.says(ingot.FirewallSpoofingCondition, metav1.ConditionTrue, "")
	if from := s.arrives(w, heard, client4(), visitor[0], allowedPort); from != own[0] {
		t.Errorf("it came from %s, want %s", from, own[0])
	}
	if from := s.arrives(w, heard, server[0], visitor[0], allowedPort); from != public[0] {
		t.Errorf("the server's came from %s, want %s", from, public[0])
	}
	if from := s.arrives(w, heard, client6(), visitor[1], allowedPort); from != client6() {
		t.Errorf("it came from %s, want %s", from, client6())
	}

	// A flow that is open when its rule goes is ended, and the new rule holds.
	flow := send(t, w.tenant, client4(), visitor[0], allowedPort, "the first of a flow")
	await.True(t, "first of a flow", func() bool { _, ok := heard.got("the first of a flow"); return ok })
	s.edit(func(f *ingot.FirewallSpec) {
		f.Egress[0].Name, f.Egress[0].Ports = "other", []string{fmt.Sprint(deniedPort)}
	})
	s.says(ingot.FirewallAppliedCondition, metav1.ConditionTrue, "generation 2")
	s.arrives(w, heard, client4(), visitor[0], deniedPort)
	if _, err := flow.WriteToUDPAddrPort([]byte("the last of a flow"), netip.AddrPortFrom(visitor[0], allowedPort)); err != nil {
		t.Fatal(err)
	}
	await.Nil(s, "the drop is told", func() error {
		for _, one := range s.now().Status.Drops {
			if one.From == client4().String() && one.Port == allowedPort && one.By == "egress-default" && one.Packets > 0 {
				return nil
			}
		}
		return fmt.Errorf("%+v", s.now().Status.Drops)
	})
	if _, ok := heard.got("the last of a flow"); ok {
		t.Error("a flow goes on that no rule allows any more")
	}

	// Rules that do not fit together are said, and the others stay.
	s.edit(func(f *ingot.FirewallSpec) { f.Networks[1].OneToOne[1].To = "2001:db8:ffff::1" })
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionFalse, "in no inside network")
	s.arrives(w, heard, client4(), visitor[0], deniedPort)
	s.edit(func(f *ingot.FirewallSpec) { f.Networks[1].OneToOne[1].To = server[1].String() })
	s.says(ingot.ReadyCondition, metav1.ConditionTrue, "")

	// Somebody empties the tables: nothing is forwarded, until they are as they were.
	stop()
	if _, err := w.firewall.Run(t.Context(), "", "nft", "flush", "ruleset"); err != nil {
		t.Fatal(err)
	}
	if err := w.forwarding(false); err != nil {
		t.Fatal(err)
	}
	// The boot, without an API server.
	if generation, err := node.Load(t.Context(), w.h, file, w.table, w.forwarding); err != nil || generation != s.now().Generation {
		t.Fatalf("loaded is generation %d: %v", generation, err)
	}
	s.arrives(w, heard, client4(), visitor[0], deniedPort)

	// The next boot's kernel names the cards otherwise, and there is still no API server: they are found by their MAC addresses.
	w.renamed(t)
	stop = s.run(w, nil, file)
	s.arrives(w, heard, client4(), visitor[0], deniedPort)
	stop()
	s.run(w, d, file)
	await.Nil(s, "the machine says where its networks are", func() error {
		want := []string{s.project + "/inside=lan0", s.provider + "/internet=wan0"}
		if a := s.now().Status.Applied; a == nil || !slices.Equal(slices.Sorted(slices.Values(a.Interfaces)), slices.Sorted(slices.Values(want))) {
			return fmt.Errorf("%+v", a)
		}
		return nil
	})
	if _, err := w.firewall.Run(t.Context(), "", "nft", "flush", "ruleset"); err != nil {
		t.Fatal(err)
	}
	await.Nil(s, "the table is back", func() error {
		_, err := w.h.State(t.Context(), w.table)
		return err
	})
	s.arrives(w, heard, client4(), visitor[0], deniedPort)

	if err := s.admin.Delete(t.Context(), s.now()); err != nil {
		t.Fatal(err)
	}
	await.Nil(s, "the Firewall is gone with its Machine", func() error {
		for _, o := range []client.Object{&ingot.Machine{}, &ingot.Firewall{}} {
			if err := s.admin.Get(t.Context(), client.ObjectKey{Namespace: s.project, Name: "edge"}, o); !apierrors.IsNotFound(err) {
				return fmt.Errorf("%T: %w", o, errors.Join(err, errors.New("it is there")))
			}
		}
		return nil
	})
}

func client4() netip.Addr { return client_[0] }
func client6() netip.Addr { return client_[1] }

// A machine that was taken over reads its own Firewall and no other, and says nothing but what it enforces; a controller that was taken over cannot hand out more by its Roles.
func TestANodeHasItsOwnFirewallOnly(t *testing.T) {
	s := newSite(t)
	s.create(s.firewall())
	other := s.firewall()
	other.Name = "other"
	s.create(other)
	s.installed()
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionTrue, "")
	c, _ := s.as(firewall.NodeName(s.project, "edge"))
	key := client.ObjectKey{Namespace: s.project, Name: "edge"}
	mine := &ingot.Firewall{}
	await.Nil(s, "it reads its own", func() error { return c.Get(t.Context(), key, mine) })
	forbidden := func(what string, err error) {
		t.Helper()
		if !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	forbidden("reads another's", c.Get(t.Context(), client.ObjectKey{Namespace: s.project, Name: "other"}, &ingot.Firewall{}))
	forbidden("lists all", c.List(t.Context(), &ingot.FirewallList{}, client.InNamespace(s.project)))
	forbidden("reads machines", c.List(t.Context(), &ingot.MachineList{}, client.InNamespace(s.project)))
	forbidden("reads the site's policies", c.List(t.Context(), &calico.GlobalNetworkPolicyList{}))
	forbidden("reads the site's hosts", c.List(t.Context(), &calico.HostEndpointList{}))
	forbidden("reads secrets", c.List(t.Context(), &corev1.SecretList{}, client.InNamespace(s.project)))
	patch := func(text string) client.Patch { return client.RawPatch("application/merge-patch+json", []byte(text)) }
	forbidden("changes its rules", c.Patch(t.Context(), mine.DeepCopy(), patch(`{"spec":{"egress":[]}}`)))
	forbidden("says where it is", c.Status().Patch(t.Context(), mine.DeepCopy(), patch(`{"status":{"host":{"namespace":"a","name":"b"}}}`)))
	forbidden("says that it is ready", c.Status().Patch(t.Context(), mine.DeepCopy(), patch(`{"status":{"conditions":[]}}`)))
	others := mine.DeepCopy()
	others.Name = "other"
	forbidden("speaks for another", c.Status().Patch(t.Context(), others, patch(`{"status":{"applied":{"generation":1,"digest":"x"}}}`)))
	if err := c.Status().Patch(t.Context(), mine.DeepCopy(), patch(`{"status":{"applied":{"generation":1,"digest":"x"},"lastSeen":"2026-01-01T00:00:00Z"}}`)); err != nil {
		t.Error(err)
	}

	role, err := client.New(s.server.As(t, "controller", ""), client.Options{Scheme: s.scheme})
	if err != nil {
		t.Fatal(err)
	}
	made := metav1.ObjectMeta{Namespace: s.project, Name: firewall.RoleName("x")}
	rules := func(group, resource string, verbs ...string) []rbacv1.PolicyRule {
		return []rbacv1.PolicyRule{{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: []string{"x"}, Verbs: verbs}}
	}
	user := func(name string) []rbacv1.Subject {
		return []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: name}}
	}
	ref := func(kind, name string) rbacv1.RoleRef {
		return rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: name}
	}
	nodeOfX := "ingot:firewall:" + s.project + ".x"
	if err := role.Create(t.Context(), &rbacv1.Role{ObjectMeta: made, Rules: rules("ingot.dev", "firewalls", "get")}); err != nil {
		t.Fatal(err)
	}
	for what, o := range map[string]client.Object{
		"a role for Secrets":          &rbacv1.Role{ObjectMeta: made, Rules: rules("", "secrets", "get")},
		"a role that writes rules":    &rbacv1.Role{ObjectMeta: made, Rules: rules("ingot.dev", "firewalls", "update")},
		"a role for all Firewalls":    &rbacv1.Role{ObjectMeta: made, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"ingot.dev"}, Resources: []string{"firewalls"}, Verbs: []string{"get"}}}},
		"a role of another name":      &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.project, Name: "x"}, Rules: rules("ingot.dev", "firewalls", "get")},
		"a binding of another role":   &rbacv1.RoleBinding{ObjectMeta: made, RoleRef: ref("Role", firewall.RoleName("edge")), Subjects: user(nodeOfX)},
		"a binding of a ClusterRole":  &rbacv1.RoleBinding{ObjectMeta: made, RoleRef: ref("ClusterRole", "ingot:partition:host-namespaces"), Subjects: user(nodeOfX)},
		"a binding to somebody else":  &rbacv1.RoleBinding{ObjectMeta: made, RoleRef: ref("Role", made.Name), Subjects: user("ingot:firewall:" + s.project + ".edge")},
		"a binding to all nodes":      &rbacv1.RoleBinding{ObjectMeta: made, RoleRef: ref("Role", made.Name), Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "Group", Name: "ingot:firewall"}}},
		"a binding to two":            &rbacv1.RoleBinding{ObjectMeta: made, RoleRef: ref("Role", made.Name), Subjects: append(user(nodeOfX), user("mallory")...)},
		"a cluster-wide binding, too": &rbacv1.ClusterRoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "ingot:firewall:x"}, RoleRef: ref("ClusterRole", "cluster-admin"), Subjects: user(nodeOfX)},
	} {
		forbidden(what, role.Create(t.Context(), o))
	}
}

// A rule by name goes through the API server with its servers: those of the Firewall, or else the partition's; what is no name is refused, and the machine says what it learned.
func TestNamesInTheObject(t *testing.T) {
	s := newSite(t)
	f := s.firewall()
	f.Spec.Egress = append(f.Spec.Egress, ingot.FirewallRule{Name: "api", Protocol: ingot.TCPProtocol, Ports: []string{"443"}, ToFQDNs: []string{"api.example.org", "*.example.net"}})
	for what, spoil := range map[string]func(f *ingot.Firewall){
		"toFQDNs is for destinations outside": func(f *ingot.Firewall) { f.Spec.Ingress[0].To, f.Spec.Ingress[0].ToFQDNs = nil, []string{"a.example"} },
		"make two rules of it":                func(f *ingot.Firewall) { f.Spec.Egress[2].To = []string{"192.0.2.0/24"} },
		"should match":                        func(f *ingot.Firewall) { f.Spec.Egress[2].ToFQDNs = []string{"*.org"} },
		"isIP(self)":                          func(f *ingot.Firewall) { f.Spec.DNS = &ingot.FirewallDNS{Servers: []string{"dns.example.org"}} },
	} {
		wrong := f.DeepCopy()
		spoil(wrong)
		if err := s.admin.Create(t.Context(), wrong); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), what) && what != "isIP(self)" {
			t.Errorf("%s: %v", what, err)
		}
	}
	s.create(f)
	s.installed()
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionFalse, "neither the firewall nor its partition nor its networks have a DNS server")
	s.edit(func(f *ingot.FirewallSpec) { f.DNS = &ingot.FirewallDNS{Servers: []string{visitor[0].String()}} })
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionTrue, "2 networks and 4 rules")
	if got := s.now().Status.DNSServers; len(got) != 1 || got[0] != visitor[0].String() {
		t.Errorf("the servers are %v", got)
	}
	_, d := s.as(firewall.NodeName(s.project, "edge"))
	source := node.API{Client: d, Namespace: s.project, Name: "edge"}
	report := node.Report{Applied: ingot.FirewallApplied{Generation: 2, Digest: "x"}, Seen: time.Now(), Names: []ingot.FirewallName{{Name: "api.example.org", Addresses: []string{"198.51.100.1"}, Answers: 1}}}
	await.Nil(t, "report", func() error { return source.Report(t.Context(), report) })
	s.says(ingot.ReadyCondition, metav1.ConditionTrue, "")
	if n := s.now().Status.Names; len(n) != 1 || n[0].Name != "api.example.org" || n[0].Answers != 1 {
		t.Errorf("the names are %+v", n)
	}
	// The controller, which writes the status too, leaves them.
	s.edit(func(f *ingot.FirewallSpec) { f.Egress[2].ToFQDNs = []string{"192.0.2.1"} })
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionFalse, "is an address")
	if n := s.now().Status.Names; len(n) != 1 {
		t.Errorf("the names are %+v", n)
	}
}

// Networks that the project may not use, and those that are none for a firewall, are refused in words that tell nothing of them.
func TestForeignNetworksAreRefused(t *testing.T) {
	s := newSite(t)
	f := s.firewall()
	f.Spec.Networks = append(f.Spec.Networks[:1], ingot.FirewallNetwork{Name: "neighbour", Namespace: s.provider})
	s.create(f)
	s.addressed()
	s.says(ingot.FirewallResolvedCondition, metav1.ConditionFalse, "neither this project's nor External nor Shared")
	if n := len(s.now().Status.Networks); n != 0 {
		t.Errorf("%d networks are told", n)
	}
}

// addressed gives the Machine addresses without looking at it.
func (s *site) addressed() {
	s.Helper()
	s.machineSays(func(m *ingot.Machine) {
		for _, n := range []string{s.project + "/inside", s.provider + "/internet", s.provider + "/neighbour"} {
			for _, ip := range []string{"edge", "edge-v6", "www", "www-v6"} {
				m.Status.Addresses = append(m.Status.Addresses, ingot.MachineAddress{Network: n, IP: ip, Address: own[0].String()})
			}
		}
	})
}
