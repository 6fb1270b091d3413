package firewallgateway_test

import (
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	calico "github.com/ingotmetal/ingot/api/projectcalico/v3"
	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/firewall"
	node "github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/test/await"
)

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
	report := node.Report{Machine: "edge", Current: true, Applied: ingot.FirewallApplied{Generation: 2, Digest: "x"}, Seen: time.Now(), Names: []ingot.FirewallName{{Name: "api.example.org", Addresses: []string{"198.51.100.1"}, Answers: 1}}}
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
