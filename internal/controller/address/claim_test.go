package address_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/utils/ptr"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

const (
	metal3Group = "ipam.metal3.io"
	ingotGroup  = "ingot.dev"
)

var errThere = errors.New("it is still there")

// A claim of Metal3 gets the object that its users expect: name, owners, finalizer, gateway, name servers; pre-allocations and the annotation are kept.
func TestMetal3Claims(t *testing.T) {
	w := newWorld(t)
	w.start()
	pool := w.pool("m3", "10.1.0.10", "10.1.0.30", func(p *metal3ipam.IPPool) {
		p.Spec.Gateway = ptr.To(metal3ipam.IPAddressStr("10.1.0.1"))
		p.Spec.DNSServers = []metal3ipam.IPAddressStr{"10.1.0.2"}
		p.Spec.PreAllocations = map[string]metal3ipam.IPAddressStr{"kept": "10.1.0.10", "both": "10.1.0.12"}
	})
	w.ipClaim("a", "m3", nil)
	a := w.claimed("a")
	if a.Name != "m3-10-1-0-11" || a.Spec.Address != "10.1.0.11" || a.Spec.Prefix != 24 || *a.Spec.Gateway != "10.1.0.1" || len(a.Spec.DNSServers) != 1 || a.Spec.Pool.Name != "m3" || a.Spec.Claim.Name != "a" {
		t.Errorf("%s %+v", a.Name, a.Spec)
	}
	if len(a.Finalizers) != 1 || a.Finalizers[0] != metal3ipam.IPAddressFinalizer || len(a.OwnerReferences) != 2 || a.OwnerReferences[0].UID != pool.UID || a.OwnerReferences[1].Kind != "IPClaim" {
		t.Errorf("%+v", a.ObjectMeta)
	}
	w.ipClaim("kept", "m3", nil)
	w.ipClaim("asks", "m3", map[string]string{"ipAddress": "10.1.0.20"})
	if got := w.claimed("kept").Spec.Address; got != "10.1.0.10" {
		t.Errorf("pre-allocated %s", got)
	}
	if got := w.claimed("asks").Spec.Address; got != "10.1.0.20" {
		t.Errorf("asked for 10.1.0.20, has %s", got)
	}
	// What no change of others could make right is the last word; what others could, is not.
	w.ipClaim("wrong", "m3", map[string]string{"ipAddress": "10.1.0.300"})
	w.ipClaim("both", "m3", map[string]string{"ipAddress": "10.1.0.13"})
	w.ipClaim("taken", "m3", map[string]string{"ipAddress": "10.1.0.11"})
	for name, words := range map[string]string{"wrong": "no address", "both": "keeps 10.1.0.12"} {
		w.until(name+" is refused for good", func() error {
			c := &metal3ipam.IPClaim{}
			if err := w.get(c, name); err != nil {
				return err
			}
			if c.Status.ErrorMessage == nil || !strings.Contains(*c.Status.ErrorMessage, words) {
				return fmt.Errorf("%+v", c.Status)
			}
			return nil
		})
	}
	w.until("an event says who has the address that is taken", func() error {
		var events eventsv1.EventList
		if err := w.admin.List(t.Context(), &events, client.InNamespace(w.namespace)); err != nil {
			return err
		}
		for _, e := range events.Items {
			if e.Regarding.Name == "taken" && strings.Contains(e.Note, "/a") {
				return nil
			}
		}
		return fmt.Errorf("%d events", len(events.Items))
	})
	c := &metal3ipam.IPClaim{}
	if err := w.get(c, "taken"); err != nil || c.Status.ErrorMessage != nil {
		t.Errorf("%v %+v", err, c.Status)
	}
	// A finalizer of who uses the claim keeps the address.
	w.until("the user's finalizer is on", func() error {
		if err := w.get(c, "a"); err != nil {
			return err
		}
		c.Finalizers = []string{"example.com/in-use"}
		return w.admin.Update(t.Context(), c)
	})
	w.delete(&metal3ipam.IPClaim{}, "a")
	w.delete(&metal3ipam.IPClaim{}, "asks")
	w.freed("the address of the claim that is gone is free", "10.1.0.20")
	if _, held := w.recorded()["10.1.0.11"]; !held {
		t.Error("the address of a claim in use was given back")
	}
	w.until("the user's finalizer is off", func() error {
		if err := w.get(c, "a"); err != nil {
			return err
		}
		c.Finalizers = nil
		return w.admin.Update(t.Context(), c)
	})
	// The one that waits gets what is free now.
	if got := w.claimed("taken").Spec.Address; got != "10.1.0.11" {
		t.Errorf("the one that waited has %s", got)
	}
}

// A full pool is no error for good: who waits gets the address once another gives it back, and a pool goes when nobody has anything of it.
func TestFullPoolAndItsEnd(t *testing.T) {
	w := newWorld(t)
	stop := w.start()
	w.pool("small", "10.2.0.10", "10.2.0.11", nil)
	w.ipClaim("one", "small", nil)
	w.claimed("one")
	w.addressClaim("two", metal3Group, "IPPool", "small")
	w.bound("two")
	w.ipClaim("three", "small", nil)
	w.addressClaim("four", metal3Group, "IPPool", "small")
	w.until("four is told that the pool is full", func() error {
		c := &clusteripam.IPAddressClaim{}
		if err := w.get(c, "four"); err != nil {
			return err
		}
		if x := meta.FindStatusCondition(c.Status.Conditions, "Ready"); x == nil || x.Reason != clusteripam.IPAddressClaimReadyPoolExhaustedReason {
			return fmt.Errorf("%+v", c.Status)
		}
		return nil
	})
	w.delete(&metal3ipam.IPClaim{}, "one")
	w.delete(&clusteripam.IPAddressClaim{}, "two")
	first, second := string(w.claimed("three").Spec.Address), w.bound("four").Spec.Address
	if first == second {
		t.Fatalf("both have %s", first)
	}
	w.delete(&metal3ipam.IPPool{}, "small")
	// What goes while no controller runs is found by the next one.
	w.delete(&metal3ipam.IPClaim{}, "three")
	stop()
	w.delete(&clusteripam.IPAddressClaim{}, "four")
	w.start()
	w.freed("all is given back", first, second)
	w.until("the pool is gone", func() error {
		if err := w.get(&metal3ipam.IPPool{}, "small"); !apierrors.IsNotFound(err) {
			return errors.Join(errThere, err)
		}
		return nil
	})
	var left metal3ipam.IPAddressList
	if err := w.admin.List(t.Context(), &left, client.InNamespace(w.namespace)); err != nil || len(left.Items) > 0 {
		t.Errorf("%v %+v", err, left.Items)
	}
}

// The contract of Cluster API: the object has the claim's name, its owners and a finalizer; pools are Metal3's or Ingot's networks; claims of other pools, of paused clusters and of clusters that are not there are left alone.
func TestClusterAPIClaims(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.pool("pool", "10.3.0.10", "10.3.0.30", func(p *metal3ipam.IPPool) {
		p.Spec.Pools[0].Gateway = ptr.To(metal3ipam.IPAddressStr("10.3.0.1"))
		p.Spec.PreAllocations = map[string]metal3ipam.IPAddressStr{"kept": "10.3.0.25"}
	})
	w.network("net", ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{"10.4.0.0/24"}, Gateways: []string{"10.4.0.1"}})
	w.addressClaim("other", "example.com", "Pool", "pool")
	w.addressClaim("early", metal3Group, "IPPool", "later")
	w.addressClaim("a", metal3Group, "IPPool", "pool")
	w.addressClaim("kept", metal3Group, "IPPool", "pool")
	w.addressClaim("n", ingotGroup, "Network", "net")
	a, n := w.bound("a"), w.bound("n")
	if a.Name != "a" || a.Spec.ClaimRef.Name != "a" || *a.Spec.Prefix != 24 || a.Spec.Gateway != "10.3.0.1" || len(a.Finalizers) != 1 {
		t.Errorf("%+v", a)
	}
	if o := a.OwnerReferences; len(o) != 2 || o[0].Kind != "IPAddressClaim" || !*o[0].Controller || !*o[0].BlockOwnerDeletion || o[1].Kind != "IPPool" || *o[1].Controller || !*o[1].BlockOwnerDeletion {
		t.Errorf("%+v", o)
	}
	if n.Spec.Address != "10.4.0.2" || *n.Spec.Prefix != 24 || n.Spec.Gateway != "10.4.0.1" {
		t.Errorf("%+v", n.Spec)
	}
	if got := w.bound("kept").Spec.Address; got != "10.3.0.25" {
		t.Errorf("pre-allocated %s", got)
	}
	// The same name in both kinds is two claims.
	w.ipClaim("a", "pool", nil)
	if got := w.claimed("a").Spec.Address; string(got) == a.Spec.Address {
		t.Errorf("both kinds have %s", got)
	}
	w.until("early is told that its pool is not there", func() error {
		c := &clusteripam.IPAddressClaim{}
		if err := w.get(c, "early"); err != nil {
			return err
		}
		if x := meta.FindStatusCondition(c.Status.Conditions, "Ready"); x == nil || x.Reason != clusteripam.IPAddressClaimReadyPoolNotReadyReason {
			return fmt.Errorf("%+v", c.Status)
		}
		return nil
	})
	w.pool("later", "10.3.1.10", "10.3.1.30", nil)
	w.bound("early")
	// A paused claim has nothing until the annotation goes.
	c := &clusteripam.IPAddressClaim{ObjectMeta: w.meta("paused")}
	c.Annotations = map[string]string{"cluster.x-k8s.io/paused": ""}
	c.Spec.PoolRef = clusteripam.IPPoolReference{APIGroup: metal3Group, Kind: "IPPool", Name: "pool"}
	w.create(c)
	w.addressClaim("witness", metal3Group, "IPPool", "pool")
	w.bound("witness")
	for _, name := range []string{"paused", "other"} {
		if err := w.get(c, name); err != nil || c.Status.AddressRef.Name != "" || len(c.Status.Conditions) > 0 {
			t.Errorf("%s: %v %+v", name, err, c.Status)
		}
	}
	w.until("it is not paused any more", func() error {
		if err := w.get(c, "paused"); err != nil {
			return err
		}
		c.Annotations = nil
		return w.admin.Update(t.Context(), c)
	})
	w.bound("paused")
	// Who made a claim anew under the name of one that is gone has an object that names the new one.
	w.delete(&clusteripam.IPAddressClaim{}, "a")
	w.until("the claim is gone", func() error {
		if err := w.get(c, "a"); !apierrors.IsNotFound(err) {
			return errors.Join(errThere, err)
		}
		return nil
	})
	w.addressClaim("a", metal3Group, "IPPool", "pool")
	w.until("the new claim has its own object", func() error {
		if err := w.get(c, "a"); err != nil {
			return err
		}
		there := w.bound("a")
		if there.OwnerReferences[0].UID != c.UID {
			return fmt.Errorf("it is of %s", there.OwnerReferences[0].UID)
		}
		return nil
	})
}

// A pool that lies in a Network of its VRF gives nothing, and says what to do: its claims are served once one of that is done.
func TestPoolInsideANetwork(t *testing.T) {
	w := newWorld(t)
	w.start()
	w.network("net", ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{"10.6.0.0/16"}})
	w.networkSays("net", ingot.ReasonAllocated)
	w.pool("inside", "10.6.1.10", "10.6.1.30", nil)
	w.addressClaim("c", metal3Group, "IPPool", "inside")
	w.until("the claim says what to do", func() error {
		c := &clusteripam.IPAddressClaim{}
		if err := w.get(c, "c"); err != nil {
			return err
		}
		x := meta.FindStatusCondition(c.Status.Conditions, "Ready")
		if x == nil || x.Reason != clusteripam.IPAddressClaimReadyPoolNotReadyReason {
			return fmt.Errorf("%+v", c.Status)
		}
		for _, words := range []string{"10.6.0.0/16", "Network " + w.namespace + "/net gives itself", "kind Network", "annotation ingot.dev/vrf"} {
			if !strings.Contains(x.Message, words) {
				return fmt.Errorf("%q is not in %q", words, x.Message)
			}
		}
		return nil
	})
	w.addressClaim("n", ingotGroup, "Network", "net")
	w.bound("n")
	w.until("the pool has a scope of its own", func() error {
		p := &metal3ipam.IPPool{}
		if err := w.get(p, "inside"); err != nil {
			return err
		}
		p.Annotations["ingot.dev/vrf"] = w.vrf + "-own"
		return w.admin.Update(t.Context(), p)
	})
	if got := w.bound("c").Spec.Address; got != "10.6.1.10" {
		t.Errorf("%s", got)
	}
}

// Address objects that were moved here with their claims, whose status was lost on the way, are kept.
func TestMovedClaimsKeepTheirAddresses(t *testing.T) {
	w := newWorld(t)
	pool := w.pool("pool", "10.5.0.10", "10.5.0.30", nil)
	w.ipClaim("m", "pool", nil)
	w.addressClaim("c", metal3Group, "IPPool", "pool")
	m, c := &metal3ipam.IPClaim{}, &clusteripam.IPAddressClaim{}
	if err := w.get(m, "m"); err != nil {
		t.Fatal(err)
	}
	if err := w.get(c, "c"); err != nil {
		t.Fatal(err)
	}
	a := &metal3ipam.IPAddress{ObjectMeta: w.meta("pool-10-5-0-20")}
	a.OwnerReferences = ownersOf(pool.UID, "IPClaim", "m", m.UID)
	a.Spec = metal3ipam.IPAddressSpec{Address: "10.5.0.20", Prefix: 24}
	a.Spec.Pool.Name, a.Spec.Claim.Name = "pool", "m"
	w.create(a)
	b := &clusteripam.IPAddress{ObjectMeta: w.meta("c")}
	b.OwnerReferences = ownersOf(pool.UID, "IPAddressClaim", "c", c.UID)
	b.Spec = clusteripam.IPAddressSpec{Address: "10.5.0.10", Prefix: ptr.To(int32(24)), PoolRef: c.Spec.PoolRef, ClaimRef: clusteripam.IPAddressClaimReference{Name: "c"}}
	w.create(b)
	w.ipClaim("new", "pool", nil)
	w.start()
	if got := w.claimed("m").Spec.Address; got != "10.5.0.20" {
		t.Errorf("%s", got)
	}
	if got := w.bound("c").Spec.Address; got != "10.5.0.10" {
		t.Errorf("%s", got)
	}
	if got := w.claimed("new").Spec.Address; got == "10.5.0.20" || got == "10.5.0.10" {
		t.Errorf("%s was given twice", got)
	}
}
