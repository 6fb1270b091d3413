package address

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"
	clusteripam "sigs.k8s.io/cluster-api/api/ipam/v1beta2"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/address/ledger"
	"github.com/ingotmetal/ingot/ipam"
	"github.com/ingotmetal/ingot/ipam/span"
)

// Annotations of IPPools that say what Metal3's kind has no field for.
const (
	// VRFAnnotation is the scope of the pool's addresses; without it the default one, which all pools share.
	VRFAnnotation = "ingot.dev/vrf"
	// StrategyAnnotation is Sequential or Random.
	StrategyAnnotation = "ingot.dev/address-strategy"
	// QuarantineAnnotation is how many seconds an address is given to nobody after its release.
	QuarantineAnnotation = "ingot.dev/quarantine-seconds"
)

// The kinds that hold addresses, as the records name them.
const (
	kindNetwork      = "Network"
	kindIP           = "IP"
	kindIPClaim      = "IPClaim"
	kindAddressClaim = "IPAddressClaim"
)

func networkPool(namespace, name string) string { return "Network/" + namespace + "/" + name }
func ipPool(namespace, name string) string      { return "IPPool/" + namespace + "/" + name }

// config reads what networks and pools there are from the caches.
func (b *base) config(ctx context.Context) (ledger.Config, error) {
	c := ledger.Config{Networks: map[string]ledger.NetworkFacts{}}
	var networks ingot.NetworkList
	if err := b.cached.List(ctx, &networks, client.UnsafeDisableDeepCopy); err != nil {
		return c, fmt.Errorf("list networks: %w", err)
	}
	for i := range networks.Items {
		n := &networks.Items[i]
		if facts, err := networkFacts(n); err == nil {
			c.Networks[n.Namespace+"/"+n.Name] = facts
		}
	}
	if !b.metal3 {
		return c, nil
	}
	var pools metal3ipam.IPPoolList
	if err := b.cached.List(ctx, &pools, client.UnsafeDisableDeepCopy); err != nil {
		return c, fmt.Errorf("list pools: %w", err)
	}
	for i := range pools.Items {
		if pool, err := PoolOf(&pools.Items[i]); err == nil {
			c.Pools = append(c.Pools, pool)
		}
	}
	return c, nil
}

func networkFacts(n *ingot.Network) (ledger.NetworkFacts, error) {
	var f ledger.NetworkFacts
	for _, text := range append(append([]string(nil), n.Spec.Excluded...), n.Spec.Gateways...) {
		r, err := span.Parse(text)
		if err != nil {
			return f, err
		}
		f.Reserved = append(f.Reserved, r)
	}
	rest := time.Duration(n.Spec.QuarantineSeconds) * time.Second
	if n.Spec.Type == ingot.SuperNetwork {
		f.Rest = rest
		if l := n.Spec.ChildPrefixLength; l != nil {
			f.ChildLength = ipam.Lengths{V4: int(max(l.IPv4, 0)), V6: int(max(l.IPv6, 0))}
		}
		return f, nil
	}
	f.Pool = &ipam.Pool{Name: networkPool(n.Namespace, n.Name), Strategy: ipam.Strategy(n.Spec.AddressStrategy), Rest: rest}
	return f, nil
}

// PoolOf is what an IPPool gives from, or why it can't.
func PoolOf(o *metal3ipam.IPPool) (ipam.Pool, error) {
	p := ipam.Pool{Name: ipPool(o.Namespace, o.Name), VRF: o.Annotations[VRFAnnotation], Strategy: ipam.Strategy(o.Annotations[StrategyAnnotation])}
	if p.VRF == "" {
		p.VRF = ledger.DefaultVRF
	}
	if !vrfName(p.VRF) {
		return p, fmt.Errorf("annotation %s: %q is no name of a VRF: write letters, digits and dashes, at most 63", VRFAnnotation, p.VRF)
	}
	if p.Strategy != "" && p.Strategy != ipam.Sequential && p.Strategy != ipam.Random {
		return p, fmt.Errorf("annotation %s: write %s or %s", StrategyAnnotation, ipam.Sequential, ipam.Random)
	}
	if text := o.Annotations[QuarantineAnnotation]; text != "" {
		seconds, err := strconv.ParseUint(text, 10, 25)
		if err != nil {
			return p, fmt.Errorf("annotation %s: %q is no number of seconds", QuarantineAnnotation, text)
		}
		p.Rest = time.Duration(seconds) * time.Second // 25 bits
	}
	for i := range o.Spec.Pools {
		r, err := rangeOf(&o.Spec.Pools[i], o.Spec.Gateway)
		if err != nil {
			return p, fmt.Errorf("spec.pools[%d]: %w", i, err)
		}
		p.Ranges = append(p.Ranges, r)
	}
	if len(p.Ranges) == 0 {
		return p, fmt.Errorf("spec.pools: there are none; add one")
	}
	for name, text := range o.Spec.PreAllocations {
		a, err := netip.ParseAddr(string(text))
		if err != nil {
			return p, fmt.Errorf("spec.preAllocations.%s: %q is no address", name, text)
		}
		if p.PreAllocations == nil {
			p.PreAllocations = map[string]netip.Addr{}
		}
		p.PreAllocations[preallocated(o.Namespace, name)] = a
	}
	return p, nil
}

// preallocated is the holder of a pre-allocation, which names a claim and not its kind.
func preallocated(namespace, claim string) string {
	return ledger.Claim{Kind: kindIPClaim, Namespace: namespace, Name: claim}.Key()
}

func vrfName(s string) bool {
	if s == "" || len(s) > 63 || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	return strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func rangeOf(p *metal3ipam.Pool, gateway *metal3ipam.IPAddressStr) (ipam.PoolRange, error) {
	var r ipam.PoolRange
	if p.Subnet != nil {
		subnet, err := netip.ParsePrefix(string(*p.Subnet))
		if err != nil {
			return r, fmt.Errorf("subnet: %q is no prefix", *p.Subnet)
		}
		r.Subnet = subnet.Masked()
	}
	if p.Gateway != nil {
		gateway = p.Gateway
	}
	for _, f := range []struct {
		name string
		text *metal3ipam.IPAddressStr
		to   *netip.Addr
	}{{"start", p.Start, &r.Start}, {"end", p.End, &r.End}, {"gateway", gateway, &r.Gateway}} {
		if f.text == nil || *f.text == "" {
			continue
		}
		a, err := netip.ParseAddr(string(*f.text))
		if err != nil {
			return r, fmt.Errorf("%s: %q is no address", f.name, *f.text)
		}
		*f.to = a
	}
	// The pool's gateway for all is no business of a range of the other family.
	if first := r.Start; r.Gateway.IsValid() && p.Gateway == nil {
		if !first.IsValid() {
			first = r.Subnet.Addr()
		}
		if first.IsValid() && first.Is4() != r.Gateway.Is4() {
			r.Gateway = netip.Addr{}
		}
	}
	return r, nil
}

// detail is what goes with an address of an IPPool.
type detail struct {
	prefix  int
	gateway *metal3ipam.IPAddressStr
	dns     []metal3ipam.IPAddressStr
}

// detailOf is the settings of the range that an address is in, or else the pool's own.
func detailOf(o *metal3ipam.IPPool, a netip.Addr) detail {
	d := detail{o.Spec.Prefix, o.Spec.Gateway, o.Spec.DNSServers}
	for i := range o.Spec.Pools {
		p := &o.Spec.Pools[i]
		r, err := rangeOf(p, nil)
		if err != nil {
			continue
		}
		if _, in := (ipam.Pool{Ranges: []ipam.PoolRange{r}}).RangeOf(a); !in {
			continue
		}
		if p.Prefix != 0 {
			d.prefix = p.Prefix
		} else if d.prefix == 0 && r.Subnet.IsValid() {
			d.prefix = r.Subnet.Bits()
		}
		if p.Gateway != nil {
			d.gateway = p.Gateway
		}
		if len(p.DNSServers) > 0 {
			d.dns = p.DNSServers
		}
		break
	}
	return d
}

// imports are the addresses that address objects show.
func (b *base) imports(ctx context.Context) ([]ledger.Import, error) {
	var all []ledger.Import
	var ips ingot.IPList
	if err := b.cached.List(ctx, &ips, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list IPs: %w", err)
	}
	for i := range ips.Items {
		o := &ips.Items[i]
		if a, err := netip.ParseAddr(o.Status.Address); err == nil {
			pool := networkPool(cmp.Or(o.Spec.Network.Namespace, o.Namespace), o.Spec.Network.Name)
			all = append(all, ledger.Import{Pool: pool, Claim: ledger.Claim{Kind: kindIP, Namespace: o.Namespace, Name: o.Name, UID: string(o.UID)}, Address: a})
		}
	}
	if b.metal3 {
		var addresses metal3ipam.IPAddressList
		if err := b.cached.List(ctx, &addresses, client.UnsafeDisableDeepCopy); err != nil {
			return nil, fmt.Errorf("list Metal3's addresses: %w", err)
		}
		for i := range addresses.Items {
			o := &addresses.Items[i]
			a, _ := netip.ParseAddr(string(o.Spec.Address))
			claim := ledger.Claim{Kind: kindIPClaim, Namespace: o.Namespace, Name: o.Spec.Claim.Name, UID: ownerUID(o, kindIPClaim)}
			if claim.Name != "" && claim.UID != "" {
				all = append(all, ledger.Import{Pool: ipPool(o.Namespace, o.Spec.Pool.Name), Claim: claim, Address: a})
			}
		}
	}
	var addresses clusteripam.IPAddressList
	if err := b.cached.List(ctx, &addresses, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("list Cluster API's addresses: %w", err)
	}
	for i := range addresses.Items {
		o := &addresses.Items[i]
		pool, ours := b.poolOf(o.Namespace, o.Spec.PoolRef)
		a, _ := netip.ParseAddr(o.Spec.Address)
		claim := ledger.Claim{Kind: kindAddressClaim, Namespace: o.Namespace, Name: o.Spec.ClaimRef.Name, UID: ownerUID(o, kindAddressClaim)}
		if ours && claim.UID != "" {
			all = append(all, ledger.Import{Pool: pool, Claim: claim, Address: a})
		}
	}
	return all, nil
}

// poolOf is the pool that a reference of Cluster API means; ours is false for a pool of another program.
func (b *base) poolOf(namespace string, ref clusteripam.IPPoolReference) (pool string, ours bool) {
	switch {
	case ref.APIGroup == metal3ipam.GroupVersion.Group && ref.Kind == "IPPool" && b.metal3:
		return ipPool(namespace, ref.Name), true
	case ref.APIGroup == ingot.GroupVersion.Group && ref.Kind == "Network":
		return networkPool(namespace, ref.Name), true
	}
	return "", false
}

func ownerUID(o client.Object, kind string) string {
	for _, r := range o.GetOwnerReferences() {
		if r.Kind == kind {
			return string(r.UID)
		}
	}
	return ""
}
