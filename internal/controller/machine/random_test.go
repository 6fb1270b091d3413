package machine_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The size of a random life.
const (
	randomHosts = 6
	randomNames = 4
	randomSteps = 60
	quotaOfA    = 2
	quotaOfAll  = 4
)

// TestRandomLives: two processes of the controllers at once, without any election, which die and come back at any moment, while Machines and HostClaims of two projects of a tenant come and go. After every write of a
// host: no claim has two, none goes from one to another, none is let go of dirty, and neither the project's nor the tenant's quota is exceeded. In the end as many have hosts as may, and after all releases every
// host is free and nothing that was made for a Machine is left. INGOT_SEED repeats a run.
func TestRandomLives(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("INGOT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("INGOT_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 1)) // a test's dice
	w := newWorld(t)
	w.network(w.racks, "net", "10.7.0.0/24")
	w.create(&ingot.Quota{ObjectMeta: metav1.ObjectMeta{Namespace: w.a, Name: "q"}, Spec: ingot.QuotaSpec{Machines: ptr.To(int32(quotaOfA))}})
	w.create(&ingot.Quota{ObjectMeta: metav1.ObjectMeta{Namespace: w.tenant, Name: "q"}, Spec: ingot.QuotaSpec{Machines: ptr.To(int32(quotaOfAll))}})
	for i := range randomHosts {
		w.host(fmt.Sprintf("h%d", i), nil)
	}
	s := w.site(bound{map[string]bool{w.a: true}, quotaOfA}, bound{map[string]bool{w.a: true, w.b: true}, quotaOfAll})
	stops := []func(){w.start(), w.start()}
	for range randomSteps {
		namespace, name := []string{w.a, w.b}[random.IntN(2)], fmt.Sprintf("m%d", random.IntN(randomNames))
		switch random.IntN(8) {
		case 0, 1:
			if w.machineNow(namespace, name) == nil {
				w.machine(namespace, name, func(m *ingot.Machine) {
					if random.IntN(2) == 0 {
						m.Spec.Networks = []ingot.MachineNetwork{{Name: "net", Namespace: w.racks}}
					}
				})
			}
		case 2:
			k := &metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "plain-" + name}, Spec: metal3.HostClaimSpec{HostSelector: metal3.HostSelector{InNamespace: w.racks}}}
			if err := w.admin.Create(t.Context(), k); client.IgnoreAlreadyExists(err) != nil {
				t.Fatal(err)
			}
		case 3, 4:
			w.drop(&ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}})
		case 5:
			w.drop(&metal3.HostClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "plain-" + name}})
		case 6:
			i := random.IntN(len(stops))
			stops[i]()
			stops[i] = w.start()
		case 7:
			// Time for things to happen: until the site has seen another write, or nothing happens.
			s.pause(200 * time.Millisecond)
		}
	}
	w.settle(s)
	w.emptied(s)
}

func (w *world) drop(o client.Object) {
	w.t.Helper()
	if err := w.admin.Delete(w.t.Context(), o); client.IgnoreNotFound(err) != nil {
		w.t.Fatal(err)
	}
}

// settle fills both projects, and waits until as many have hosts as may.
func (w *world) settle(s *site) {
	w.t.Helper()
	for _, namespace := range []string{w.a, w.b} {
		for i := range quotaOfAll {
			if name := fmt.Sprintf("last%d", i); w.machineNow(namespace, name) == nil {
				w.machine(namespace, name, nil)
			}
		}
	}
	w.until("the quotas are used up", func() error {
		s.mu.Lock()
		defer s.mu.Unlock()
		n := 0
		for _, claim := range s.has {
			if claim != "" {
				n++
			}
		}
		if n != quotaOfAll {
			return fmt.Errorf("%d of %d hosts are held: %v", n, quotaOfAll, s.has)
		}
		return nil
	})
}

// emptied deletes all, and looks for what is left.
func (w *world) emptied(s *site) {
	w.t.Helper()
	for _, namespace := range []string{w.a, w.b} {
		for _, o := range []client.Object{&ingot.Machine{}, &metal3.HostClaim{}} {
			if err := w.admin.DeleteAllOf(w.t.Context(), o, client.InNamespace(namespace)); err != nil {
				w.t.Fatal(err)
			}
		}
	}
	w.until("all is given back", func() error {
		for _, namespace := range []string{w.a, w.b} {
			var machines ingot.MachineList
			var claims metal3.HostClaimList
			var ips ingot.IPList
			for _, list := range []client.ObjectList{&machines, &claims, &ips} {
				if err := w.admin.List(w.t.Context(), list, client.InNamespace(namespace)); err != nil {
					return err
				}
			}
			if n := len(machines.Items) + len(claims.Items) + len(ips.Items); n > 0 {
				return fmt.Errorf("%d objects are left in %s", n, namespace)
			}
		}
		return nil
	})
	for i := range randomHosts {
		if h := w.hostNow(fmt.Sprintf("h%d", i)); h.Spec.ConsumerRef != nil || h.Spec.Image != nil || h.Spec.UserData != nil {
			w.t.Errorf("%s is left with %+v", h.Name, h.Spec)
		}
	}
	if n := len(w.copies(w.racks)) + len(w.copies(w.a)) + len(w.copies(w.b)); n > 0 {
		w.t.Errorf("%d Secrets are left", n)
	}
	if s.bindings() == 0 {
		w.t.Error("nothing was bound: the test tested nothing")
	}
}
