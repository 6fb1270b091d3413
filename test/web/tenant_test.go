package web

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/size"
	"github.com/ingotmetal/ingot/test/await"
	"github.com/ingotmetal/ingot/test/sim/site"
)

const (
	carrier = "carrier"
	acme    = "acme-web"
)

// tenants makes a provider's networks and a project in them, and runs the pages' tests with a token of somebody who may look at the project alone.
func tenants(ctx context.Context, t *testing.T, s *site.Site, k kubernetes.Interface, pages func(env ...string)) {
	t.Helper()
	w := &world{ctx: ctx, t: t, c: s.Client}
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: carrier}})
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: acme, Labels: map[string]string{ingot.TenantLabel: "acme", ingot.ProjectLabel: "web"}}})
	w.networks()
	w.machines(s)
	var env []string
	for name, role := range map[string]string{"tenant": "viewer", "tenant-editor": "editor"} {
		env = append(env, "INGOT_WEB_"+strings.ToUpper(strings.ReplaceAll(name, "-", "_"))+"_TOKEN="+token(ctx, t, k, name, ""))
		w.create(&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: "web-" + name}, Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: "default", Name: "web-" + name}},
			RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "ingot:tenant:" + role},
		})
	}
	pages(env...)
}

// world makes objects and waits for what becomes of them.
type world struct {
	ctx context.Context // of one test
	t   *testing.T
	c   client.Client
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if err := w.c.Create(w.ctx, o); err != nil {
		w.t.Fatalf("create %T %s: %v", o, o.GetName(), err)
	}
}

func (w *world) get(o client.Object, namespace, name string) {
	w.t.Helper()
	if err := w.c.Get(w.ctx, client.ObjectKey{Namespace: namespace, Name: name}, o); err != nil && !apierrors.IsNotFound(err) {
		w.t.Fatal(err)
	}
}

func (w *world) network(namespace, name string, spec ingot.NetworkSpec) {
	w.t.Helper()
	w.create(&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec})
	await.True(w.t, "network "+name+" is ready", func() bool {
		n := &ingot.Network{}
		w.get(n, namespace, name)
		return meta.IsStatusConditionTrue(n.Status.Conditions, ingot.ReadyCondition)
	})
}

// ip asks for an address, and waits until it is there, or refused where reason says so.
func (w *world) ip(name, address, reason string, network ingot.NetworkReference) *ingot.IP {
	w.t.Helper()
	o := &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: name}, Spec: ingot.IPSpec{Network: network, Address: address, Type: ingot.StaticIP, Tags: []string{"for-" + name}}}
	w.create(o)
	await.True(w.t, "IP "+name+" is "+reason, func() bool {
		w.get(o, acme, name)
		x := meta.FindStatusCondition(o.Status.Conditions, ingot.ReadyCondition)
		return x != nil && x.Reason == reason
	})
	return o
}

// networks are one that the world reaches, one that children are cut from, two of those, and a large one with one address.
func (w *world) networks() {
	w.t.Helper()
	w.network(carrier, "internet", ingot.NetworkSpec{
		Type: ingot.ExternalNetwork, Description: "addresses that the whole world reaches", Prefixes: []string{"203.0.113.0/24", "2001:db8:f00::/64"}, Gateways: []string{"203.0.113.1"},
		DNSServers: []string{"203.0.113.2"}, Excluded: []string{"203.0.113.2-203.0.113.9"}, DestinationPrefixes: []string{"0.0.0.0/0", "::/0"}, NAT: true, QuarantineSeconds: 24 * 60 * 60,
	})
	w.network(carrier, "tenants", ingot.NetworkSpec{
		Type: ingot.SuperNetwork, Description: "what projects' own networks are cut from", Prefixes: []string{"10.0.0.0/14", "2001:db8:a00::/48"}, ChildPrefixLength: &ingot.PrefixLengths{IPv4: 22, IPv6: 64},
	})
	w.network(carrier, "racks", ingot.NetworkSpec{Type: ingot.UnderlayNetwork, Description: "switches and firewalls", Prefixes: []string{"172.16.0.0/16"}, VRF: "underlay"})
	parent := &ingot.NetworkReference{Namespace: carrier, Name: "tenants"}
	w.network(acme, "inside", ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent, Description: "machines among themselves"})
	w.network(acme, "backup", ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent})
	inside, internet := ingot.NetworkReference{Name: "inside"}, ingot.NetworkReference{Namespace: carrier, Name: "internet"}
	w.ip("database", "", ingot.ReasonAllocated, inside)
	w.ip("entrance", "203.0.113.80", ingot.ReasonAllocated, internet)
	w.ip("mail", "203.0.113.81", ingot.ReasonAllocated, internet)
	w.ip("entrance-6", "2001:db8:f00::80", ingot.ReasonAllocated, internet)
	w.ip("wished", "203.0.113.1", "Excluded", internet)
	old := w.ip("old", "203.0.113.100", ingot.ReasonAllocated, internet)
	if err := w.c.Delete(w.ctx, old); err != nil {
		w.t.Fatal(err)
	}
}

// machines are one on a host, and one of a size that no host has; with images and a reservation. The host that is named is one that the tests of hosts leave alone.
func (w *world) machines(s *site.Site) {
	w.t.Helper()
	var hosts metal3.BareMetalHostList
	if err := w.c.List(w.ctx, &hosts, client.InNamespace("default")); err != nil {
		w.t.Fatal(err)
	}
	for i := range hosts.Items {
		h := &hosts.Items[i]
		patch := client.MergeFrom(h.DeepCopy())
		h.Labels = map[string]string{ingot.PartitionLabel: "default"}
		if err := w.c.Patch(w.ctx, h, patch); err != nil {
			w.t.Fatal(err)
		}
	}
	at := slices.IndexFunc(hosts.Items, func(h metal3.BareMetalHost) bool { return h.Name == "node-4" })
	hardware, known := size.Of(hosts.Items[at].Status.HardwareDetails, nil)
	if !known {
		w.t.Fatal("node-4 has no hardware")
	}
	small, huge := size.Suggest("small", hardware).Object(), size.Suggest("huge", hardware).Object()
	small.Spec.Description, huge.Spec.Description = "what this site is made of", "of which there is none"
	for i := range huge.Spec.Constraints {
		if c := &huge.Spec.Constraints[i]; c.Type == ingot.SizeCores {
			c.Min, c.Max = resource.NewQuantity(512, resource.DecimalSI), resource.NewQuantity(1024, resource.DecimalSI)
		}
	}
	w.create(small)
	w.create(huge)
	await.True(w.t, "node-4 has a size", func() bool {
		h := &metal3.BareMetalHost{}
		w.get(h, "default", "node-4")
		return h.Labels[ingot.SizeLabel] == "small"
	})
	w.create(&ingot.SizeReservation{ObjectMeta: metav1.ObjectMeta{Name: "acme"}, Spec: ingot.SizeReservationSpec{Size: "small", Partitions: []string{"default"}, Amount: 2, Tenant: "acme"}})
	for version, expires := range map[string]time.Duration{"12.1": 90 * 24 * time.Hour, "12.0": -24 * time.Hour, "11.0": -90 * 24 * time.Hour} {
		w.create(&ingot.Image{ObjectMeta: metav1.ObjectMeta{Name: "debian-" + version}, Spec: ingot.ImageSpec{
			OS: "debian", Version: version, URL: s.ImageURL, Digest: "sha256:" + s.ImageDigest, Format: ingot.ImageRaw, ExpiresAt: &metav1.Time{Time: time.Now().Add(expires)},
		}})
	}
	w.create(&metal3.HostDeployPolicy{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "acme"}, Spec: metal3.HostDeployPolicySpec{
		HostClaimNamespaces: &metal3.HostClaimNamespaces{HasLabels: []metal3.NameValuePair{{Name: ingot.TenantLabel, Value: "acme"}}},
	}})
	inside := []ingot.MachineNetwork{{Name: "inside", Namespace: acme}}
	w.create(&ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: "web-1"}, Spec: ingot.MachineSpec{Host: &ingot.MachineHost{Namespace: "default", Name: "node-4"}, Image: "debian-12", Networks: inside}})
	w.create(&ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: acme, Name: "web-2"}, Spec: ingot.MachineSpec{Size: "huge", Partition: "default", Image: "debian-12", Networks: inside}})
	w.phase("web-2", ingot.MachineWaiting)
	w.phase("web-1", ingot.MachineReady)
}

func (w *world) phase(name string, phase ingot.MachinePhase) {
	w.t.Helper()
	await.Nil(w.t, "machine "+name+" that is "+string(phase), func() error {
		m := &ingot.Machine{}
		w.get(m, acme, name)
		if m.Status.Phase != phase {
			return fmt.Errorf("it is %q: %+v", m.Status.Phase, m.Status.Conditions)
		}
		return nil
	})
}
