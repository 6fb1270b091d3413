package main

import (
	"context"
	"fmt"
	"net/netip"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
)

// prefix is what addresses are given from, each time in a VRF of its own: 131,072 of them.
var prefix = netip.MustParsePrefix("10.0.0.0/15") // a constant that Go has no word for

const poolName = "pool"

// kind is one of the three that ask for an address.
type kind struct {
	name string
	// pool makes where addresses come from, as a user would; facts are the same for the ledger.
	pool  func(namespace, vrf string) client.Object
	facts func(namespace, vrf string) ledger.Config
	// held is the pool's name in the ledger.
	held  string
	claim func(namespace, name string) client.Object
	list  func() client.ObjectList
	// address is what a claim shows, or what says that it has one; empty: it has none.
	address func(client.Object) string
}

func kinds() []kind {
	ip := kind{
		name: "IP", held: "Network", pool: network, facts: networkFacts,
		claim: func(namespace, name string) client.Object {
			return &ingot.IP{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Spec: ingot.IPSpec{Network: ingot.NetworkReference{Name: poolName}}}
		},
		list: func() client.ObjectList { return &ingot.IPList{} },
		address: func(o client.Object) string {
			if c, is := o.(*ingot.IP); is && meta.IsStatusConditionTrue(c.Status.Conditions, ingot.ReadyCondition) {
				return c.Status.Address
			}
			return ""
		},
	}
	metal3 := kind{
		name: "IPClaim", held: "IPPool", pool: ipPool, facts: poolFacts,
		claim: func(namespace, name string) client.Object {
			c := &metal3ipam.IPClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			c.Spec.Pool.Name = poolName
			return c
		},
		list: func() client.ObjectList { return &metal3ipam.IPClaimList{} },
		address: func(o client.Object) string {
			if c, is := o.(*metal3ipam.IPClaim); is && c.Status.Address != nil {
				return c.Status.Address.Name
			}
			return ""
		},
	}
	capi := kind{
		name: "IPAddressClaim", held: "IPPool", pool: ipPool, facts: poolFacts,
		claim: func(namespace, name string) client.Object {
			c := &clusteripam.IPAddressClaim{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}
			c.Spec.PoolRef = clusteripam.IPPoolReference{APIGroup: metal3ipam.GroupVersion.Group, Kind: "IPPool", Name: poolName}
			return c
		},
		list: func() client.ObjectList { return &clusteripam.IPAddressClaimList{} },
		address: func(o client.Object) string {
			if c, is := o.(*clusteripam.IPAddressClaim); is && meta.IsStatusConditionTrue(c.Status.Conditions, clusteripam.IPAddressClaimReadyCondition) {
				return c.Status.AddressRef.Name
			}
			return ""
		},
	}
	return []kind{ip, metal3, capi}
}

func network(namespace, vrf string) client.Object {
	return &ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: poolName}, Spec: ingot.NetworkSpec{Type: ingot.ExternalNetwork, VRF: vrf, Prefixes: []string{prefix.String()}}}
}

func ipPool(namespace, vrf string) client.Object {
	p := &metal3ipam.IPPool{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: poolName, Annotations: map[string]string{address.VRFAnnotation: vrf}}}
	p.Spec.NamePrefix = poolName
	p.Spec.Pools = []metal3ipam.Pool{{Subnet: ptr.To(metal3ipam.IPSubnetStr(prefix.String()))}}
	p.Spec.Prefix = prefix.Bits()
	return p
}

func networkFacts(namespace, vrf string) ledger.Config {
	name := namespace + "/" + poolName
	return ledger.Config{Networks: map[string]ledger.NetworkFacts{name: {
		Network: ipam.Network{Name: name, Kind: ipam.External, VRF: vrf, Prefixes: []netip.Prefix{prefix}}, Pool: &ipam.Pool{Name: "Network/" + name},
	}}}
}

func poolFacts(namespace, vrf string) ledger.Config {
	return ledger.Config{Pools: []ipam.Pool{{Name: "IPPool/" + namespace + "/" + poolName, VRF: vrf, Ranges: []ipam.PoolRange{{Subnet: prefix}}}}}
}

// kinds waits until the API server has all kinds.
func (b *bench) kinds(ctx context.Context) error {
	for _, k := range kinds() {
		if err := b.client.List(ctx, k.list(), client.Limit(1)); err != nil {
			return fmt.Errorf("list objects of %s: %w", k.name, err)
		}
	}
	return nil
}
