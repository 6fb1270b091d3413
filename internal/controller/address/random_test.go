package address_test

import (
	"fmt"
	"strconv"
	"testing"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	corev1 "k8s.io/api/core/v1"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// Claims of all three APIs come and go while two processes serve them at once, which end and begin again. At rest everything is as if one had done it: each claim has one address, no address has two claims, what is recorded
// is what objects show, and of claims that are gone nothing is left. INGOT_ADDRESS_SEED repeats a run.
func TestTwoProcessesAtOnce(t *testing.T) {
	dice := seeded(t)
	w := newWorld(t)
	w.pool("pool", "10.30.0.10", "10.30.0.40", nil)
	w.pool("same", "10.30.0.20", "10.30.0.60", func(p *metal3ipam.IPPool) {
		p.Annotations["ingot.dev/address-strategy"] = "Random"
	})
	w.network("net", ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{"10.31.0.0/26"}})
	stops := []func(){w.start(), w.start()}
	w.networkSays("net", ingot.ReasonAllocated)
	live := map[string]func(){}
	for step := range 90 {
		name := "c" + strconv.Itoa(dice.IntN(24))
		if remove, there := live[name]; there {
			remove()
			delete(live, name)
			continue
		}
		pool := []string{"pool", "same"}[dice.IntN(2)]
		if step%30 == 29 {
			n := dice.IntN(2)
			stops[n]()
			stops[n] = w.start()
		}
		switch dice.IntN(4) {
		case 0:
			live[name] = w.making(&metal3ipam.IPClaim{ObjectMeta: w.meta(name), Spec: metal3ipam.IPClaimSpec{Pool: poolReference(pool)}})
		case 1:
			live[name] = w.making(&clusteripam.IPAddressClaim{ObjectMeta: w.meta(name), Spec: clusteripam.IPAddressClaimSpec{PoolRef: clusteripam.IPPoolReference{APIGroup: metal3Group, Kind: "IPPool", Name: pool}}})
		case 2:
			live[name] = w.making(&clusteripam.IPAddressClaim{ObjectMeta: w.meta(name), Spec: clusteripam.IPAddressClaimSpec{PoolRef: clusteripam.IPPoolReference{APIGroup: ingotGroup, Kind: "Network", Name: "net"}}})
		case 3:
			live[name] = w.making(&ingot.IP{ObjectMeta: w.meta(name), Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: "net"}}})
		}
	}
	w.until("each claim has one address, and records and objects say the same", w.atRest)
	for _, remove := range live {
		remove()
	}
	w.until("nothing is left of claims that are gone", func() error {
		if left := w.recorded(); len(left) > 0 {
			return fmt.Errorf("%d are recorded: %v", len(left), left)
		}
		return w.atRest()
	})
}

// making creates a claim and says how it goes.
func (w *world) making(o client.Object) func() {
	w.t.Helper()
	w.create(o)
	return func() {
		if err := w.admin.Delete(w.t.Context(), o); client.IgnoreNotFound(err) != nil {
			w.t.Fatal(err)
		}
	}
}

// atRest holds records against what claims and address objects show.
func (w *world) atRest() error {
	shown := map[string]string{}
	show := func(address, claim string, uid any) error {
		if by, twice := shown[address]; twice {
			return fmt.Errorf("%s is shown by %s and %s", address, by, claim)
		}
		shown[address] = fmt.Sprintf("%s %s", claim, uid)
		return nil
	}
	in := client.InNamespace(w.namespace)
	var m3 metal3ipam.IPClaimList
	var m3addresses metal3ipam.IPAddressList
	var capi clusteripam.IPAddressClaimList
	var addresses clusteripam.IPAddressList
	var ips ingot.IPList
	for _, list := range []client.ObjectList{&m3, &m3addresses, &capi, &addresses, &ips} {
		if err := w.admin.List(w.t.Context(), list, in); err != nil {
			return err
		}
	}
	byName := map[string]string{}
	for _, a := range m3addresses.Items {
		byName[a.Name] = string(a.Spec.Address)
	}
	for _, c := range m3.Items {
		if c.Status.Address == nil {
			return fmt.Errorf("IPClaim %s has nothing", c.Name)
		}
		if err := show(byName[c.Status.Address.Name], "IPClaim/"+w.namespace+"/"+c.Name, c.UID); err != nil {
			return err
		}
	}
	for _, a := range addresses.Items {
		byName["capi "+a.Name] = a.Spec.Address
	}
	for _, c := range capi.Items {
		if c.Status.AddressRef.Name == "" {
			return fmt.Errorf("IPAddressClaim %s has nothing", c.Name)
		}
		if err := show(byName["capi "+c.Name], "IPAddressClaim/"+w.namespace+"/"+c.Name, c.UID); err != nil {
			return err
		}
	}
	for _, o := range ips.Items {
		if o.Status.Address == "" {
			return fmt.Errorf("IP %s has nothing: %+v", o.Name, o.Status)
		}
		if err := show(o.Status.Address, "IP/"+w.namespace+"/"+o.Name, o.UID); err != nil {
			return err
		}
	}
	recorded := w.recorded()
	claimed := map[string]bool{}
	for _, c := range m3.Items {
		claimed[c.Status.Address.Name] = true
	}
	for _, a := range m3addresses.Items {
		if !claimed[a.Name] {
			return fmt.Errorf("IPAddress %s is left, that no IPClaim shows: of %s, owners %v, finalizers %v, deleted %v; recorded: %v", a.Name, a.Spec.Claim.Name, a.OwnerReferences, a.Finalizers, a.DeletionTimestamp, recorded)
		}
	}
	if len(recorded) != len(shown) || len(m3addresses.Items) != len(m3.Items) || len(addresses.Items) != len(capi.Items) {
		return fmt.Errorf("%d recorded, %d shown by claims; %d and %d address objects for %d and %d claims", len(recorded), len(shown), len(m3addresses.Items), len(addresses.Items), len(m3.Items), len(capi.Items))
	}
	for address, claim := range shown {
		if r := recorded[address]; r.Claim+" "+r.UID != claim {
			return fmt.Errorf("%s is shown by %s and recorded for %s %s", address, claim, r.Claim, r.UID)
		}
	}
	return nil
}

func poolReference(name string) corev1.ObjectReference { return corev1.ObjectReference{Name: name} }
