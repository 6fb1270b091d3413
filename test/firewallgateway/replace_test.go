package firewallgateway_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/firewall"
	node "github.com/ingotmetal/ingot/internal/node/gateway"
	"github.com/ingotmetal/ingot/test/await"
)

// replacing is a site whose Firewall serves on the first of two machines, with traffic through it.
type replacing struct {
	*site
	*pair
	asked   *whoHas
	streams map[string]*stream
	// stop ends the first machine's daemon.
	stop func()
}

// Fatal and the others are one test's, of both.
func (r *replacing) t() *testing.T { return r.site.T }

func newReplacing(t *testing.T) *replacing {
	t.Helper()
	r := &replacing{site: newSite(t), pair: newPair(t), streams: map[string]*stream{}}
	f := r.firewall()
	f.Spec.Egress = append(f.Spec.Egress, ingot.FirewallRule{Name: "tcp", Protocol: ingot.TCPProtocol, Ports: []string{fmt.Sprint(tcpPort)}})
	r.create(f)
	inside, internet := r.project+"/inside", r.provider+"/internet"
	r.installed(ingot.MachineNICStatus{Network: inside, MACAddress: r.machines[0].mac(t, "inside0")}, ingot.MachineNICStatus{Network: internet, MACAddress: r.machines[0].mac(t, "outside0")})
	m := r.made()
	for name, a := range map[string]netip.Addr{"a": insideOwn[0], "b": insideOwn[1], "edge": own[0], "edge-v6": own[1], "www": public[0], "www-v6": public[1]} {
		ip := &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: r.project, Name: name}, Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: "internet", Namespace: r.provider}, Type: ingot.StaticIP}}
		if name == "a" || name == "b" {
			// One that was made for the first machine: it would go with it.
			ip.Spec = ingot.IPSpec{Network: ingot.NetworkReference{Name: "inside"}, Type: ingot.EphemeralIP}
			ip.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(m, ingot.GroupVersion.WithKind("Machine"))}
		}
		r.create(ip)
		ip.Status.Address = a.String()
		if err := r.admin.Status().Update(t.Context(), ip); err != nil {
			t.Fatal(err)
		}
	}
	_, d := r.as(firewall.NodeName(r.project, "edge"))
	r.stop = r.serve(r.machines[0], "", d)
	r.says(ingot.ReadyCondition, metav1.ConditionTrue, "")

	heard := &listener{arrivals: map[string]arrival{}}
	listen(t, heard, r.outside, visitor...)
	r.asked = ask(t, r.tenant, client_[0], insideOwn[0])
	for i, family := range []string{"IPv4", "IPv6"} {
		accept(t, r.outside, visitor[i])
		r.streams["datagrams over "+family] = pings(t, r.tenant, client_[i], visitor[i])
		r.streams["connections over "+family] = connections(t, r.tenant, client_[i], visitor[i])
	}
	r.flows("before")
	return r
}

// flows waits until all streams have gone on.
func (r *replacing) flows(when string) {
	r.t().Helper()
	for name, s := range r.streams {
		before := s.count()
		await.True(r.t(), name+" "+when, func() bool { return s.count() > before+2 })
	}
}

// serve runs a machine's daemon until stop.
func (r *replacing) serve(m *gatewayMachine, name string, d dynamic.Interface) (stop func()) {
	t := r.t()
	t.Helper()
	daemon, err := node.New(node.Options{
		Source: node.API{Client: d, Namespace: r.project, Name: "edge"}, Machine: name, Host: m.h, Neighbours: m, Forwarding: m.forwarding, File: node.File(filepath.Join(t.TempDir(), "gateway.json")),
		Look: 200 * time.Millisecond, Report: time.Second, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
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
			t.Error(err)
		}
	}
	t.Cleanup(stop)
	return stop
}

// begun asks for a replacement, and waits for the new Machine.
func (r *replacing) begun(request string) string {
	t := r.t()
	t.Helper()
	r.edit(func(f *ingot.FirewallSpec) { f.ReplaceRequest = request })
	name := ""
	await.Nil(t, "the new Machine is made", func() error {
		x := r.now().Status.Replacement
		if x == nil {
			return errors.New("none is under way")
		}
		name = x.Machine
		return r.admin.Get(t.Context(), client.ObjectKey{Namespace: r.project, Name: name}, &ingot.Machine{})
	})
	return name
}

// prepared plays the machine controller for the second machine: it is installed with addresses of its own.
func (r *replacing) prepared(name string) {
	t := r.t()
	t.Helper()
	inside, internet := r.project+"/inside", r.provider+"/internet"
	await.Nil(t, "the new Machine's status", func() error {
		m := &ingot.Machine{}
		if err := r.admin.Get(t.Context(), client.ObjectKey{Namespace: r.project, Name: name}, m); err != nil {
			return err
		}
		for _, n := range m.Spec.Networks {
			if len(n.Addresses) > 0 {
				t.Errorf("the new machine names the firewall's addresses: %v", n.Addresses)
			}
		}
		m.Status.Addresses = nil
		for _, x := range []struct {
			network string
			all     []netip.Addr
		}{{inside, secondIn}, {internet, secondOut}} {
			for i, a := range x.all {
				m.Status.Addresses = append(m.Status.Addresses, ingot.MachineAddress{Network: x.network, IP: fmt.Sprint(name, i), Address: a.String(), PrefixLength: 24})
			}
		}
		m.Status.NICs = []ingot.MachineNICStatus{{Network: inside, MACAddress: r.machines[1].mac(t, "inside0")}, {Network: internet, MACAddress: r.machines[1].mac(t, "outside0")}}
		meta.SetStatusCondition(&m.Status.Conditions, metav1.Condition{Type: ingot.MachineReadyCondition, Status: metav1.ConditionTrue, Reason: "Ready"})
		return r.admin.Status().Update(t.Context(), m)
	})
}

// taken waits until the second machine is the Firewall's, and holds what was promised.
func (r *replacing) taken(name string) {
	t := r.t()
	t.Helper()
	r.says(ingot.FirewallReplacedCondition, metav1.ConditionTrue, "wiped and given back")
	r.says(ingot.ReadyCondition, metav1.ConditionTrue, "")
	f := r.now()
	if f.Status.Machine != name || f.Status.Holder != name || f.Status.Replacement != nil || f.Status.ReplaceRequest != f.Spec.ReplaceRequest {
		t.Errorf("the status is %+v", f.Status)
	}
	if err := r.admin.Get(t.Context(), client.ObjectKey{Namespace: r.project, Name: "edge"}, &ingot.Machine{}); !apierrors.IsNotFound(err) {
		t.Errorf("the earlier Machine: %v", err)
	}
	for _, ip := range []string{"a", "b"} {
		x := &ingot.IP{}
		if err := r.admin.Get(t.Context(), client.ObjectKey{Namespace: r.project, Name: ip}, x); err != nil || metav1.GetControllerOf(x) == nil || metav1.GetControllerOf(x).Name != name {
			t.Errorf("IP %s is not the new machine's: %+v, %v", ip, x.OwnerReferences, err)
		}
	}
	r.flows("afterwards")
	if want, got := []string{r.machines[0].mac(t, "inside0"), r.machines[1].mac(t, "inside0")}, r.asked.heard(); !slices.Equal(got, want) {
		t.Errorf("there answered, in this order, %v, and not %v", got, want)
	}
	for name, s := range r.streams {
		t.Logf("%s: longest time without an answer %s, %d failed", name, s.outage().Round(time.Millisecond), s.failed)
	}
}

// A machine is replaced by another one under traffic: the new one has its own identity and addresses, the earlier one stops answering before the new one begins, and everything goes through the new one.
func TestAMachineIsReplacedUnderTraffic(t *testing.T) {
	r := newReplacing(t)
	name := r.begun("another kernel")
	r.says(ingot.FirewallReplacedCondition, metav1.ConditionFalse, "serves on")
	_, d := r.as(firewall.NodeName(r.project, name))
	r.serve(r.machines[1], name, d)
	r.prepared(name)
	r.taken(name)
}

// A machine that is dead does not say that it stopped: its BMC turns it off, and only then the other one answers. Until then the new machine says nothing for the Firewall, nor for the other machine.
func TestADeadMachineIsTurnedOffBeforeItIsReplaced(t *testing.T) {
	r := newReplacing(t)
	r.stop()
	name := r.begun("it is dead")
	c, d := r.as(firewall.NodeName(r.project, name))
	r.serve(r.machines[1], name, d)
	await.Nil(t, "the new machine says what it does", func() error {
		if m, ok := r.now().Status.Members[name]; !ok || m.Holds {
			return fmt.Errorf("%+v", r.now().Status.Members)
		}
		return nil
	})
	patch := func(text string) client.Patch { return client.RawPatch("application/merge-patch+json", []byte(text)) }
	for what, text := range map[string]string{
		"says what the firewall enforces": `{"status":{"applied":{"generation":1,"digest":"x"}}}`,
		"speaks for the other machine":    `{"status":{"members":{"edge":{"term":99,"holds":false,"generation":1,"lastSeen":"2026-01-01T00:00:00Z"}}}}`,
		"silences the other machine":      `{"status":{"members":{"edge":null}}}`,
		"takes the right":                 fmt.Sprintf(`{"status":{"term":9,"holder":%q}}`, name),
	} {
		if err := c.Status().Patch(t.Context(), r.now(), patch(text)); !apierrors.IsForbidden(err) && !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", what, err)
		}
	}
	r.prepared(name)
	await.Nil(t, "the BMC is asked to turn it off", func() error {
		if m := r.made(); m.Spec.Online == nil || *m.Spec.Online {
			return await.ErrNotYet
		}
		return nil
	})
	if got := r.asked.heard(); !slices.Equal(got, []string{r.machines[0].mac(t, "inside0")}) {
		t.Errorf("before the earlier machine is off there answered %v", got)
	}
	if f := r.now(); f.Status.Holder != "" || f.Status.Machine != "" {
		t.Errorf("the right is %q's, and the machine %q", f.Status.Holder, f.Status.Machine)
	}
	for _, card := range []string{"inside0", "outside0"} {
		run(t, r.machines[0].ns, "link", "set", card, "down")
	}
	r.machineSays(func(m *ingot.Machine) { m.Status.Phase, m.Status.PoweredOn = ingot.MachineOff, false })
	r.taken(name)
}

// A machine that never gets healthy replaces nothing, and is given back when the replacement is cancelled; it is not begun again by itself.
func TestACancelledReplacementChangesNothing(t *testing.T) {
	r := newReplacing(t)
	name := r.begun("another image")
	r.prepared(name)
	r.says(ingot.FirewallReplacedCondition, metav1.ConditionFalse, "has not joined yet")
	r.edit(func(f *ingot.FirewallSpec) { f.CancelReplacement = name })
	r.says(ingot.FirewallReplacedCondition, metav1.ConditionFalse, "given up")
	await.Nil(t, "the new Machine is gone", func() error {
		if err := r.admin.Get(t.Context(), client.ObjectKey{Namespace: r.project, Name: name}, &ingot.Machine{}); !apierrors.IsNotFound(err) {
			return fmt.Errorf("it is there: %w", err)
		}
		return nil
	})
	r.says(ingot.ReadyCondition, metav1.ConditionTrue, "")
	r.flows("afterwards")
	f := r.now()
	if f.Status.Replacement != nil || f.Status.Term != 0 || f.Status.Machine != "" {
		t.Errorf("the status is %+v", f.Status)
	}
	if got := r.asked.heard(); !slices.Equal(got, []string{r.machines[0].mac(t, "inside0")}) {
		t.Errorf("there answered %v", got)
	}
}
