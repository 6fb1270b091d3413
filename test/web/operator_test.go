package web

import (
	"context"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/test/await"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// project is the namespace of the firewall that web/test/operator.test.mjs looks at.
const project = "shop"

// operator makes what the operator's pages show, and gives the test's environment. The firewall has no machine: its controller says so, and what a machine and its networks would say is written in their place.
func operator(ctx context.Context, t *testing.T, s *site.Site, k kubernetes.Interface) []string {
	t.Helper()
	create := func(o client.Object) {
		t.Helper()
		if err := s.Client.Create(ctx, o); err != nil {
			t.Fatal(err)
		}
	}
	create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: project}})
	f := &ingot.Firewall{
		ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: "edge"},
		Spec: ingot.FirewallSpec{
			Machine:  ingot.FirewallMachine{Size: "small", Partition: "nowhere", Image: "firewall-1"},
			Networks: []ingot.FirewallNetwork{{Name: "inside"}, {Name: "internet", Namespace: "provider", Masquerade: []ingot.IPFamily{ingot.IPv4}}},
			Egress: []ingot.FirewallRule{
				{Name: "git", Protocol: ingot.TCPProtocol, Ports: []string{"22", "443"}, ToFQDNs: []string{"git.example.org", "*.example.net"}, Comment: "where the sources are"},
				{Name: "time", Protocol: ingot.UDPProtocol, Ports: []string{"123"}, From: []string{"10.0.4.0/24"}, NewConnectionsPerSecond: 20},
			},
			Ingress: []ingot.FirewallRule{{Name: "www", Protocol: ingot.TCPProtocol, Ports: []string{"80", "8000-8100"}, To: []string{"10.0.4.80/32"}, Comment: "the shop itself"}},
		},
	}
	create(f)
	report(ctx, t, s.Client, f)
	n := &ingot.MeshNode{
		ObjectMeta: metav1.ObjectMeta{Namespace: project, Name: "edge"},
		Spec:       ingot.MeshNodeSpec{MeshMember: ingot.MeshMember{Machine: "edge", Tags: []string{"firewall"}}, MachineKey: "mkey:" + digits},
	}
	create(n)
	await.Nil(t, "status of the mesh node", func() error {
		if err := s.Client.Get(ctx, client.ObjectKeyFromObject(n), n); err != nil {
			return err
		}
		n.Status.Online, n.Status.Addresses, n.Status.ClientVersion = true, []string{"100.64.0.7"}, "1.90.1"
		return s.Client.Status().Update(ctx, n)
	})
	return append(flows(ctx, t, s, k), "INGOT_WEB_AUDITOR_TOKEN="+auditor(ctx, t, k))
}

const digits = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// report writes what the firewall's machine would.
func report(ctx context.Context, t *testing.T, c client.Client, f *ingot.Firewall) {
	t.Helper()
	await.Nil(t, "report of the firewall", func() error {
		if err := c.Get(ctx, client.ObjectKeyFromObject(f), f); err != nil {
			return err
		}
		now := metav1.Now()
		until := metav1.NewTime(now.Add(30 * time.Minute))
		s := &f.Status
		s.Networks = []ingot.FirewallNetworkStatus{
			{Network: project + "/inside", Inside: true, Prefixes: []string{"10.0.4.0/24"}, Addresses: []string{"10.0.4.1"}, NIC: &ingot.MachineNICStatus{Name: "eth1", MACAddress: "02:00:00:00:00:02", VLAN: 7, Switch: "leaf2", Port: "p7"}},
			{Network: "provider/internet", Prefixes: []string{"0.0.0.0/0"}, Addresses: []string{"192.0.2.1"}, Masquerade: []string{"192.0.2.1"}},
		}
		s.ResolvedGeneration, s.DNSServers, s.LastSeen = f.Generation, []string{"198.51.100.53"}, &now
		s.Applied = &ingot.FirewallApplied{Generation: f.Generation, Digest: digits}
		s.Names = []ingot.FirewallName{{Name: "git.example.org", Addresses: []string{"198.51.100.22"}, Until: &until, Answers: 3}}
		s.Drops = []ingot.FirewallDrop{
			{From: "203.0.113.9", To: "10.0.4.80", Protocol: "TCP", Port: 22, Packets: 412, By: "ingress-default", Last: now},
			{From: "10.0.4.7", To: "198.51.100.9", Protocol: "TCP", Port: 25, Packets: 31, By: "egress-default", Last: now},
			{From: "10.0.4.9", To: "198.51.100.9", Protocol: "ICMP", Packets: 4, By: "egress-default", Last: now},
		}
		return c.Status().Update(ctx, f)
	})
}

// auditor is a token of who may read the audit trail, and look at all else.
func auditor(ctx context.Context, t *testing.T, k kubernetes.Interface) string {
	t.Helper()
	name := metav1.ObjectMeta{Name: "web-audit"}
	role := &rbacv1.ClusterRole{ObjectMeta: name, Rules: []rbacv1.PolicyRule{{NonResourceURLs: []string{"/audit/*"}, Verbs: []string{"get"}}}}
	if _, err := k.RbacV1().ClusterRoles().Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.ClusterRoleBinding{
		ObjectMeta: name, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: name.Name},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "web-auditor"}},
	}
	if _, err := k.RbacV1().ClusterRoleBindings().Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return token(ctx, t, k, "auditor", "ingot:provider:viewer")
}
