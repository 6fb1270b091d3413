package address_test

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func ownersOf(pool types.UID, kind, name string, uid types.UID) []metav1.OwnerReference {
	version := "ipam.metal3.io/v1alpha1"
	if kind == "IPAddressClaim" {
		version = "ipam.cluster.x-k8s.io/v1beta2"
	}
	return []metav1.OwnerReference{{APIVersion: "ipam.metal3.io/v1alpha1", Kind: "IPPool", Name: "pool", UID: pool}, {APIVersion: version, Kind: kind, Name: name, UID: uid}}
}

// Children are cut from their parent, which no other network may overlap, and go after their addresses.
func TestNetworks(t *testing.T) {
	w := newWorld(t)
	w.start()
	parent := &ingot.NetworkReference{Name: "super"}
	assign := &ingot.NumberChoice{Assign: true}
	w.network("early", ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent, VRFID: assign, ASN: assign})
	w.networkSays("early", ingot.ReasonNetworkNotReady)
	w.network("super", ingot.NetworkSpec{
		Type: ingot.SuperNetwork, Prefixes: []string{"10.16.0.0/20", "2001:db8:1::/48"}, ChildPrefixLength: &ingot.PrefixLengths{IPv4: 22, IPv6: 64}, QuarantineSeconds: 3600,
	})
	w.network("second", ingot.NetworkSpec{Type: ingot.SharedNetwork, Parent: parent, PrefixLength: &ingot.PrefixLengths{IPv4: 24, IPv6: -1}, VRFID: assign, ASN: assign})
	early, second := w.networkSays("early", ingot.ReasonAllocated), w.networkSays("second", ingot.ReasonAllocated)
	if len(early.Status.Prefixes) != 2 || early.Status.VRF != w.vrf || early.Status.VRFID == 0 || early.Status.ASN < 4210000001 {
		t.Errorf("%+v", early.Status)
	}
	if len(second.Status.Prefixes) != 1 || second.Status.VRFID == early.Status.VRFID || second.Status.ASN == early.Status.ASN {
		t.Errorf("%+v and %+v", second.Status, early.Status)
	}
	if a, b := netip.MustParsePrefix(early.Status.Prefixes[0]), netip.MustParsePrefix(second.Status.Prefixes[0]); a.Overlaps(b) || a.Bits() != 22 || b.Bits() != 24 {
		t.Errorf("%s and %s", a, b)
	}
	for name, of := range map[string]struct {
		spec   ingot.NetworkSpec
		reason string
	}{
		"overlaps":  {ingot.NetworkSpec{Type: ingot.ExternalNetwork, Prefixes: []string{"10.16.8.0/24"}}, "Overlap"},
		"elsewhere": {ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent, Prefixes: []string{"10.99.0.0/24"}}, "OutsideOfPool"},
		"huge":      {ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent, PrefixLength: &ingot.PrefixLengths{IPv4: 20}}, "NoFree"},
		"number":    {ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent, VRFID: &ingot.NumberChoice{Number: ptr.To(early.Status.VRFID)}}, "Taken"},
		"orphan":    {ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: &ingot.NetworkReference{Name: "none"}}, ingot.ReasonNetworkNotReady},
	} {
		w.network(name, of.spec)
		w.networkSays(name, of.reason)
	}
	w.ip("web", ingot.IPSpec{Network: ingot.NetworkReference{Name: "early"}})
	ip := w.ipSays("web", ingot.ReasonAllocated)
	if a := netip.MustParseAddr(ip.Status.Address); !netip.MustParsePrefix(early.Status.Prefixes[0]).Contains(a) || ip.Status.PrefixLength != 22 {
		t.Errorf("%+v", ip.Status)
	}
	w.delete(&ingot.Network{}, "early")
	w.networkSays("early", ingot.ReasonInUse)
	w.delete(&ingot.IP{}, "web")
	w.until("the network is gone", func() error {
		if err := w.get(&ingot.Network{}, "early"); !apierrors.IsNotFound(err) {
			return errors.Join(errThere, err)
		}
		return nil
	})
	// Its prefix rests: the next one has another.
	w.network("next", ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: parent})
	if next := w.networkSays("next", ingot.ReasonAllocated); next.Status.Prefixes[0] == early.Status.Prefixes[0] {
		t.Errorf("%s did not rest", next.Status.Prefixes[0])
	}
}

// An IP has an address of its network, for as long as it is there; what it may not have is said.
func TestIPs(t *testing.T) {
	w, other := newWorld(t), newWorld(t)
	w.start()
	w.network("net", ingot.NetworkSpec{
		Type: ingot.ExternalNetwork, Prefixes: []string{"10.20.0.0/28", "2001:db8:20::/64"}, Gateways: []string{"10.20.0.1", "2001:db8:20::1"}, DNSServers: []string{"10.20.0.2"},
		Excluded: []string{"10.20.0.2-10.20.0.3"}, QuarantineSeconds: 3600,
	})
	w.network("own", ingot.NetworkSpec{Type: ingot.UnderlayNetwork, Prefixes: []string{"10.21.0.0/28"}})
	w.networkSays("net", ingot.ReasonAllocated)
	w.networkSays("own", ingot.ReasonAllocated)
	net := ingot.NetworkReference{Name: "net"}
	far := ingot.NetworkReference{Name: "net", Namespace: w.namespace}
	other.ip("far", ingot.IPSpec{Network: far})
	if got := other.ipSays("far", ingot.ReasonAllocated).Status; got.Address != "10.20.0.4" || got.Gateway != "10.20.0.1" || got.PrefixLength != 28 || len(got.DNSServers) != 1 {
		t.Errorf("%+v", got)
	}
	other.ip("closed", ingot.IPSpec{Network: ingot.NetworkReference{Name: "own", Namespace: w.namespace}})
	other.ipSays("closed", ingot.ReasonNotAllowed)
	w.ip("six", ingot.IPSpec{Network: net, Family: ingot.IPv6})
	if got := w.ipSays("six", ingot.ReasonAllocated).Status; got.Address != "2001:db8:20::2" || got.Gateway != "2001:db8:20::1" || got.PrefixLength != 64 {
		t.Errorf("%+v", got)
	}
	w.ip("asked", ingot.IPSpec{Network: net, Address: "10.20.0.9", Type: ingot.StaticIP})
	w.ipSays("asked", ingot.ReasonAllocated)
	w.ip("late", ingot.IPSpec{Network: net, Address: "10.20.0.9"})
	w.ipSays("late", "Taken")
	w.ip("gateway", ingot.IPSpec{Network: net, Address: "10.20.0.1"})
	w.ipSays("gateway", "Excluded")
	w.ip("outside", ingot.IPSpec{Network: net, Address: "10.20.1.1"})
	w.ipSays("outside", "OutsideOfPool")
	// A released address rests.
	w.delete(&ingot.IP{}, "asked")
	w.ipSays("late", "Quarantined")
	// A static IP is taken from who owns it.
	owner := &corev1.ConfigMap{ObjectMeta: w.meta("owner")}
	w.create(owner)
	ip := &ingot.IP{ObjectMeta: w.meta("static"), Spec: ingot.IPSpec{Network: net, Type: ingot.StaticIP}}
	ip.OwnerReferences = []metav1.OwnerReference{{APIVersion: "v1", Kind: "ConfigMap", Name: "owner", UID: owner.UID}}
	w.create(ip)
	w.ipSays("static", ingot.ReasonAllocated)
	if err := w.get(ip, "static"); err != nil || len(ip.OwnerReferences) != 0 {
		t.Errorf("%v %+v", err, ip.OwnerReferences)
	}
}

// Quotas hold for a project, and for all projects of a tenant together.
func TestQuotas(t *testing.T) {
	w, b, tenant, provider := newWorld(t), newWorld(t), newWorld(t), newWorld(t)
	for _, of := range []*world{w, b, tenant} {
		ns := &corev1.Namespace{}
		of.until("the namespace has its labels", func() error {
			if err := of.admin.Get(t.Context(), client.ObjectKey{Name: of.namespace}, ns); err != nil {
				return err
			}
			ns.Labels[ingot.TenantLabel] = tenant.namespace
			if of != tenant {
				ns.Labels[ingot.ProjectLabel] = of.namespace
			}
			return of.admin.Update(t.Context(), ns)
		})
	}
	tenant.create(&ingot.Quota{ObjectMeta: tenant.meta("all"), Spec: ingot.QuotaSpec{Addresses: &ingot.AddressQuota{Total: ptr.To(int32(3))}, Networks: ptr.To(int32(1))}})
	w.create(&ingot.Quota{ObjectMeta: w.meta("one"), Spec: ingot.QuotaSpec{Addresses: &ingot.AddressQuota{IPv4: ptr.To(int32(2))}}})
	w.start()
	provider.network("all", ingot.NetworkSpec{Type: ingot.SuperNetwork, Prefixes: []string{"10.22.0.0/16"}, ChildPrefixLength: &ingot.PrefixLengths{IPv4: 24}})
	all := &ingot.NetworkReference{Name: "all", Namespace: provider.namespace}
	w.network("net", ingot.NetworkSpec{Type: ingot.SharedNetwork, Parent: all})
	w.networkSays("net", ingot.ReasonAllocated)
	b.network("more", ingot.NetworkSpec{Type: ingot.ChildNetwork, Parent: all})
	b.networkSays("more", ingot.ReasonQuotaExceeded)
	far := ingot.NetworkReference{Name: "net", Namespace: w.namespace}
	for _, name := range []string{"a", "b"} {
		w.ip(name, ingot.IPSpec{Network: far})
		w.ipSays(name, ingot.ReasonAllocated)
	}
	w.ip("c", ingot.IPSpec{Network: far})
	w.ipSays("c", ingot.ReasonQuotaExceeded)
	b.ip("a", ingot.IPSpec{Network: far})
	b.ipSays("a", ingot.ReasonAllocated)
	b.ip("b", ingot.IPSpec{Network: far})
	b.ipSays("b", ingot.ReasonQuotaExceeded)
	w.delete(&ingot.IP{}, "a")
	w.until("one of those that waited has an address", func() error {
		x, y := &ingot.IP{}, &ingot.IP{}
		if err := w.get(x, "c"); err != nil {
			return err
		}
		if err := b.get(y, "b"); err != nil {
			return err
		}
		if x.Status.Address == "" && y.Status.Address == "" {
			return fmt.Errorf("none has")
		}
		return nil
	})
	w.countQuotas()
	w.until("the quotas say what is held", func() error {
		of, one := &ingot.Quota{}, &ingot.Quota{}
		if err := tenant.get(of, "all"); err != nil {
			return err
		}
		if err := w.get(one, "one"); err != nil {
			return err
		}
		if u := of.Status.Used; u.Addresses != (ingot.AddressUse{Total: 3, IPv4: 3}) || u.Networks != 1 || !meta.IsStatusConditionTrue(of.Status.Conditions, ingot.QuotaWithinCondition) {
			return fmt.Errorf("the tenant's: %+v", of.Status)
		}
		if u := one.Status.Used; u.Addresses.IPv4 < 1 || u.Addresses.IPv4 > 2 || u.Networks != 1 {
			return fmt.Errorf("the project's: %+v", one.Status)
		}
		return nil
	})
	// A bound that shrinks takes nothing, and is told.
	w.until("the tenant's bound is smaller", func() error {
		of := &ingot.Quota{}
		if err := tenant.get(of, "all"); err != nil {
			return err
		}
		of.Spec.Addresses.Total = ptr.To(int32(2))
		return tenant.admin.Update(t.Context(), of)
	})
	w.until("the quota says that more is held", func() error {
		of := &ingot.Quota{}
		if err := tenant.get(of, "all"); err != nil {
			return err
		}
		if c := meta.FindStatusCondition(of.Status.Conditions, ingot.QuotaWithinCondition); c == nil || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, "3 addresses are held, and 2 may be") {
			return fmt.Errorf("%+v", of.Status)
		}
		return nil
	})
}

// Wrong objects are refused by field and reason.
func TestRefused(t *testing.T) {
	w := newWorld(t)
	for words, spec := range map[string]ingot.NetworkSpec{
		"spec.type":                                {Type: "Private", Prefixes: []string{"10.0.0.0/24"}},
		"prefixes: write at least one":             {Type: ingot.ExternalNetwork},
		"parent: write it for Child":               {Type: ingot.ChildNetwork},
		"no bits after its length":                 {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.1/24"}},
		"parent: write it for Child and Shared":    {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, Parent: &ingot.NetworkReference{Name: "x"}},
		"childPrefixLength: only a Super":          {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, ChildPrefixLength: &ingot.PrefixLengths{IPv4: 26}},
		"prefixLength: it is for Child":            {Type: ingot.SuperNetwork, Prefixes: []string{"10.0.0.0/24"}, PrefixLength: &ingot.PrefixLengths{IPv4: 26}},
		"vrf: a Child or Shared network":           {Type: ingot.ChildNetwork, Parent: &ingot.NetworkReference{Name: "x"}, VRF: "red"},
		"spec.vrf":                                 {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, VRF: "Red"},
		"addressStrategy: a Super network":         {Type: ingot.SuperNetwork, Prefixes: []string{"10.0.0.0/24"}, AddressStrategy: ingot.RandomAddresses},
		"nat: only an External":                    {Type: ingot.UnderlayNetwork, Prefixes: []string{"10.0.0.0/24"}, NAT: true},
		"write either number, or assign":           {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, ASN: &ingot.NumberChoice{Assign: true, Number: ptr.To(int64(5))}},
		"vrfID: write at most 16777215":            {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, VRFID: &ingot.NumberChoice{Number: ptr.To(int64(16777216))}},
		"spec.excluded[0]":                         {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, Excluded: []string{"10.0.0.1-x"}},
		"a prefix with no bits after its length":   {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, Excluded: []string{"10.0.0.5/29"}},
		"write one gateway of each family at most": {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, Gateways: []string{"10.0.0.1", "10.0.0.2"}},
		"spec.dnsServers[0]":                       {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, DNSServers: []string{"dns.example.com"}},
		"spec.quarantineSeconds":                   {Type: ingot.ExternalNetwork, Prefixes: []string{"10.0.0.0/24"}, QuarantineSeconds: -1},
	} {
		if err := w.admin.Create(t.Context(), &ingot.Network{ObjectMeta: w.meta("bad"), Spec: spec}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q is not in %v", words, err)
		}
	}
	for words, spec := range map[string]ingot.IPSpec{
		"spec.network.name":              {},
		"spec.family":                    {Network: ingot.NetworkReference{Name: "x"}, Family: "IPX"},
		"spec.address":                   {Network: ingot.NetworkReference{Name: "x"}, Address: "10.0.0"},
		"family: write the address's":    {Network: ingot.NetworkReference{Name: "x"}, Address: "10.0.0.1", Family: ingot.IPv6},
		"spec.type: Unsupported value":   {Network: ingot.NetworkReference{Name: "x"}, Type: "Floating"},
		"spec.tags[1]: Duplicate value":  {Network: ingot.NetworkReference{Name: "x"}, Tags: []string{"a", "a"}},
		"spec.tags[0] in body should be": {Network: ingot.NetworkReference{Name: "x"}, Tags: []string{""}},
	} {
		if err := w.admin.Create(t.Context(), &ingot.IP{ObjectMeta: w.meta("bad"), Spec: spec}); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), words) {
			t.Errorf("%q is not in %v", words, err)
		}
	}
	w.ip("fixed", ingot.IPSpec{Network: ingot.NetworkReference{Name: "x"}})
	ip := &ingot.IP{}
	if err := w.get(ip, "fixed"); err != nil {
		t.Fatal(err)
	}
	ip.Spec.Network.Name = "y"
	if err := w.admin.Update(t.Context(), ip); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "an IP stays in its network") {
		t.Errorf("%v", err)
	}
	ip.Spec.Network.Name, ip.Spec.Address = "x", "10.0.0.1"
	if err := w.admin.Update(t.Context(), ip); !apierrors.IsInvalid(err) || !strings.Contains(err.Error(), "an IP keeps what it asks for") {
		t.Errorf("%v", err)
	}
}

// The examples are taken as they are, and come to what they say.
func TestExamples(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"network", "ip-pool"} {
		text, err := os.ReadFile("../../../examples/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		for _, document := range strings.Split(string(text), "\n---\n") {
			o := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &o.Object); err != nil {
				t.Fatal(err)
			}
			w.create(o)
		}
	}
	w.start()
	entrance, database := &ingot.IP{}, &ingot.IP{}
	w.until("the addresses are there", func() error {
		for name, o := range map[string]*ingot.IP{"entrance": entrance, "database": database} {
			if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: name}, o); err != nil || o.Status.Address == "" {
				return fmt.Errorf("%s: %w, status %+v", name, err, o.Status)
			}
		}
		return nil
	})
	inside := &ingot.Network{}
	if err := w.admin.Get(t.Context(), client.ObjectKey{Namespace: "web", Name: "inside"}, inside); err != nil {
		t.Fatal(err)
	}
	if entrance.Status.Address != "203.0.113.80" || !slices.ContainsFunc(inside.Status.Prefixes, func(p string) bool {
		return netip.MustParsePrefix(p).Contains(netip.MustParseAddr(database.Status.Address))
	}) {
		t.Errorf("%+v %+v of %+v", entrance.Status, database.Status, inside.Status)
	}
	d := &world{t: t, namespace: "default", admin: w.admin}
	if got := d.claimed("control-plane-0").Spec.Address; got != "192.168.10.20" {
		t.Errorf("%s", got)
	}
	d.bound("worker-0")
}
