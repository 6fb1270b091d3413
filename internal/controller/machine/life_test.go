package machine_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/machine"
)

// copies are the Secrets of the role's type in a namespace, by the end of their names.
func (w *world) copies(namespace string) map[string]string {
	w.t.Helper()
	var all corev1.SecretList
	if err := w.admin.List(w.t.Context(), &all, client.InNamespace(namespace)); err != nil {
		w.t.Fatal(err)
	}
	found := map[string]string{}
	for _, s := range all.Items {
		if s.Type == machine.SecretType {
			parts := strings.Split(s.Name, "-")
			found[parts[len(parts)-2]] = string(s.Data["value"])
		}
	}
	return found
}

// network makes one as the address controller leaves it: a provider's, or in a project's namespace one that is cut from a provider's.
func (w *world) network(namespace, name string, prefixes ...string) {
	w.t.Helper()
	spec := ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: prefixes}
	if namespace != w.racks {
		spec.Type, spec.Parent = ingot.ChildNetwork, &ingot.NetworkReference{Name: "all", Namespace: w.racks}
	}
	w.create(&ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: spec})
	w.until("the network has its prefixes", func() error {
		n := &ingot.Network{}
		if err := w.admin.Get(w.t.Context(), client.ObjectKey{Namespace: namespace, Name: name}, n); err != nil {
			return err
		}
		n.Status.Prefixes = prefixes
		return w.admin.Status().Update(w.t.Context(), n)
	})
}

// A Machine's whole life: what it needs is named while it is missing; then it is bound, told who it is, installed, turned off, installed anew with a newer image, and given back with all that was made for it.
func TestTheLifeOfAMachine(t *testing.T) {
	w := newWorld(t)
	s := w.site()
	w.host("h", nil)
	w.start()
	w.machine(w.a, "web", func(m *ingot.Machine) {
		m.Spec.Networks = []ingot.MachineNetwork{{Name: "internet", Namespace: w.racks}, {Name: "mine", Addresses: []string{"fixed"}}}
		m.Spec.SSHPublicKeys = []string{"ssh-ed25519 AAAAC3Nz me@home"}
		m.Spec.UserData = &ingot.MachineSecret{Name: "cloud"}
		m.Spec.NTPServers, m.Spec.DNSServers = []string{"ntp.test"}, []string{"9.9.9.9"}
	})
	w.says(w.a, "web", ingot.MachineAddressesCondition, ingot.ReasonNetworkNotReady, "there is no Network "+w.racks+"/internet")
	w.network(w.racks, "internet", "10.7.0.0/24", "2001:db8::/64")
	w.says(w.a, "web", ingot.MachineAddressesCondition, ingot.ReasonNetworkNotReady, "there is no IP fixed")
	if h := w.hostNow("h"); h.Spec.ConsumerRef != nil {
		t.Error("a host was bound before the addresses were there")
	}
	w.network(w.a, "mine", "10.8.0.0/24")
	w.create(&ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: w.a, Name: "fixed"}, Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: "mine"}, Type: ingot.StaticIP}})
	w.says(w.a, "web", ingot.MachineInstalledCondition, "CannotBeTold", "no Secret cloud")
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.a, Name: "cloud"}, StringData: map[string]string{"userData": "#cloud-config\n{}\n"}})
	m := w.phase(w.a, "web", ingot.MachineReady)
	if m.Status.Host == nil || m.Status.Host.Name != "h" || m.Status.Image == nil || m.Status.Image.Name != w.imageName()+".1" || m.Status.Image.Digest != digest || len(m.Status.Addresses) != 3 || !m.Status.PoweredOn {
		t.Errorf("%+v", m.Status)
	}
	h := w.hostNow("h")
	if h.Spec.Image == nil || h.Spec.Image.URL != m.Status.Image.URL || h.Spec.Image.Checksum != strings.TrimPrefix(digest, "sha256:") || !h.Spec.Online {
		t.Errorf("the host has %+v", h.Spec)
	}
	told := w.copies(w.racks)
	for part, words := range map[string][]string{
		"user":    {"multipart/mixed", "text/cloud-config"},
		"network": {"52:54:00:00:00:01", "9.9.9.9", m.Status.Addresses[0].Address, m.Status.Addresses[1].Address, m.Status.Addresses[2].Address, "10.7.0.254"},
		"meta":    {`"hostname":"web"`, "ssh-ed25519 AAAAC3Nz me@home"},
	} {
		for _, word := range words {
			if !strings.Contains(told[part], word) {
				t.Errorf("%q is not in the %s data %q", word, part, told[part])
			}
		}
	}
	w.offAndAnew()
	w.deleted(s)
}

// offAndAnew turns a machine off and installs it anew.
func (w *world) offAndAnew() {
	w.t.Helper()
	edit(w, &ingot.Machine{}, w.a, "web", func(m *ingot.Machine) { m.Spec.Online = ptr.To(false) })
	was := w.phase(w.a, "web", ingot.MachineOff)
	w.image(w.imageName()+".2", "https://images.test/newer")
	if m := w.phase(w.a, "web", ingot.MachineOff); m.Status.Image.Name != was.Status.Image.Name {
		w.t.Errorf("the image changed to %s by itself", m.Status.Image.Name)
	}
	edit(w, &ingot.Machine{}, w.a, "web", func(m *ingot.Machine) { m.Spec.Online, m.Spec.InstallRequest = ptr.To(true), "again" })
	w.until("the newer image is installed", func() error {
		m := w.machineNow(w.a, "web")
		if m.Status.Phase != ingot.MachineReady || m.Status.InstallRequest != "again" || m.Status.Image.Name != w.imageName()+".2" || w.hostNow("h").Status.Provisioning.Image.URL != "https://images.test/newer" {
			return fmt.Errorf("%+v", m.Status)
		}
		return nil
	})
}

func (w *world) deleted(s *site) {
	w.t.Helper()
	// Locked, the host keeps what is on it.
	edit(w, &metal3.BareMetalHost{}, w.racks, "h", func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{ingot.LockAnnotation: "evidence"} })
	if err := w.admin.Delete(w.t.Context(), w.machineNow(w.a, "web")); err != nil {
		w.t.Fatal(err)
	}
	w.says(w.a, "web", ingot.MachineReadyCondition, "Releasing", "locked by its operator")
	if h := w.hostNow("h"); h.Spec.Image == nil || h.Spec.ConsumerRef == nil {
		w.t.Errorf("a locked host was touched: %+v", h.Spec)
	}
	edit(w, &metal3.BareMetalHost{}, w.racks, "h", func(h *metal3.BareMetalHost) { delete(h.Annotations, ingot.LockAnnotation) })
	w.gone(w.a, "web")
	if h := w.hostNow("h"); h.Spec.ConsumerRef != nil || h.Spec.Image != nil || h.Status.Provisioning.State != metal3.StateAvailable {
		w.t.Errorf("the host was left with %+v", h.Spec)
	}
	if n := len(w.copies(w.racks)) + len(w.copies(w.a)); n != 0 {
		w.t.Errorf("%d Secrets are left", n)
	}
	var ips ingot.IPList
	if err := w.admin.List(w.t.Context(), &ips, client.InNamespace(w.a)); err != nil {
		w.t.Fatal(err)
	}
	if len(ips.Items) != 1 || ips.Items[0].Name != "fixed" {
		w.t.Errorf("of the addresses are left: %+v", ips.Items)
	}
	if s.bindings() != 1 {
		w.t.Errorf("%d bindings, want 1", s.bindings())
	}
}

// What keeps a Machine from a host is named, and the Machine gets one when that ends: a cordon, a taint, a reservation, a quota.
func TestWhatKeepsAMachineWaiting(t *testing.T) {
	w := newWorld(t)
	w.site()
	w.host("h1", func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{ingot.CordonAnnotation: "new PSU"} })
	w.host("h2", func(h *metal3.BareMetalHost) { h.Labels[ingot.TaintLabelPrefix+"flaky"] = "fan" })
	w.start()
	w.machine(w.a, "m", nil)
	w.says(w.a, "m", ingot.MachineHostCondition, "NoHost", "cordoned: new PSU", "taint flaky=fan")
	w.machine(w.a, "tolerant", func(m *ingot.Machine) { m.Spec.Tolerations = []ingot.MachineToleration{{Key: "flaky"}} })
	if m := w.phase(w.a, "tolerant", ingot.MachineReady); m.Status.Host.Name != "h2" {
		t.Errorf("%+v", m.Status.Host)
	}
	w.create(&ingot.SizeReservation{ObjectMeta: metav1.ObjectMeta{Name: w.size}, Spec: ingot.SizeReservationSpec{Size: w.size, Partitions: []string{w.partition}, Amount: 1, Tenant: w.tenant, Project: "b"}})
	edit(w, &metal3.BareMetalHost{}, w.racks, "h1", func(h *metal3.BareMetalHost) { h.Annotations = nil })
	w.says(w.a, "m", ingot.MachineHostCondition, "NoHost", "reserved for others")
	w.machine(w.b, "theirs", nil)
	if m := w.phase(w.b, "theirs", ingot.MachineReady); m.Status.Host.Name != "h1" {
		t.Errorf("%+v", m.Status.Host)
	}
	quota := &ingot.Quota{ObjectMeta: metav1.ObjectMeta{Namespace: w.tenant, Name: "q"}, Spec: ingot.QuotaSpec{Machines: ptr.To(int32(2)), Firewalls: ptr.To(int32(1))}}
	w.create(quota)
	w.host("h3", nil)
	w.says(w.a, "m", ingot.MachineHostCondition, "NoHost", "tenant "+w.tenant+" holds 2 of 2")
	w.until("quota and reservation say how they stand", func() error {
		q, r := &ingot.Quota{}, &ingot.SizeReservation{}
		if err := w.admin.Get(t.Context(), client.ObjectKeyFromObject(quota), q); err != nil {
			return err
		}
		if err := w.admin.Get(t.Context(), client.ObjectKey{Name: w.size}, r); err != nil {
			return err
		}
		within, served := meta.IsStatusConditionTrue(q.Status.Conditions, ingot.QuotaWithinCondition), meta.IsStatusConditionTrue(r.Status.Conditions, ingot.ReservationServedCondition)
		if q.Status.Used.Machines != 2 || !slices.Equal(q.Status.Projects, []string{w.a, w.b}) || !within || r.Status.Used != 1 || !served {
			return fmt.Errorf("%+v, %+v", q.Status, r.Status)
		}
		return nil
	})
	w.machine(w.a, "fw", func(m *ingot.Machine) { m.Spec.Role = ingot.RoleFirewall })
	w.phase(w.a, "fw", ingot.MachineReady)
	w.host("h4", nil)
	w.says(w.a, "m", ingot.MachineHostCondition, "NoHost", "holds 2 of 2")
	if err := w.admin.Delete(t.Context(), w.machineNow(w.a, "tolerant")); err != nil {
		t.Fatal(err)
	}
	w.phase(w.a, "m", ingot.MachineReady)
}

// A tenant can't take a name's HostClaim for a Machine's, and a Machine whose claim somebody deletes gets no second host by itself.
func TestClaimsThatAreNotTheMachines(t *testing.T) {
	w := newWorld(t)
	w.site()
	w.host("h1", nil)
	w.host("h2", nil)
	w.start()
	w.create(&metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.a, Name: "m"}, Spec: metal3.HostClaimSpec{HostSelector: metal3.HostSelector{InNamespace: "nowhere"}}})
	w.machine(w.a, "m", nil)
	w.says(w.a, "m", ingot.MachineHostCondition, "NameTaken", "delete it")
	if err := w.admin.Delete(t.Context(), &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.a, Name: "m"}}); err != nil {
		t.Fatal(err)
	}
	w.phase(w.a, "m", ingot.MachineReady)
	if err := w.admin.Delete(t.Context(), &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: w.a, Name: "m"}}); err != nil {
		t.Fatal(err)
	}
	w.phase(w.a, "m", ingot.MachineLost)
	w.until("the claim is gone and its host free", func() error {
		if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: w.a, Name: "m"}, &metal3.HostClaim{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
	w.says(w.a, "m", ingot.MachineHostCondition, "Lost", "make another")
	if err := w.admin.Delete(t.Context(), w.machineNow(w.a, "m")); err != nil {
		t.Fatal(err)
	}
	w.gone(w.a, "m")
}
