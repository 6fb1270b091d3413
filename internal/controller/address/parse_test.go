package address

import (
	"net/netip"
	"testing"

	metal3ipam "github.com/metal3-io/ip-address-manager/api/v1alpha1"

	"github.com/ingotmetal/ingot/ipam"
)

// Whatever an IPPool says, ipam takes what it is read as, or it is refused with a reason.
func FuzzPoolOf(f *testing.F) {
	f.Add("10.0.0.10", "10.0.0.20", "10.0.0.0/24", "10.0.0.1", "10.0.0.15", "", "", "")
	f.Add("", "", "2001:db8::/64", "2001:db8::1", "", "red", "Random", "600")
	f.Add("10.0.0.10", "", "", "", "", "", "", "")
	f.Add("fe80::1%eth0", "::ffff:10.0.0.1", "10.0.0.1/24", "x", "y", "-", "Best", "-1")
	f.Fuzz(func(t *testing.T, start, end, subnet, gateway, kept, vrf, strategy, seconds string) {
		o := &metal3ipam.IPPool{}
		o.Namespace, o.Name = "ns", "pool"
		o.Annotations = map[string]string{VRFAnnotation: vrf, StrategyAnnotation: strategy, QuarantineAnnotation: seconds}
		p := metal3ipam.Pool{}
		for _, of := range []struct {
			text string
			to   **metal3ipam.IPAddressStr
		}{{start, &p.Start}, {end, &p.End}, {gateway, &p.Gateway}} {
			if of.text != "" {
				text := metal3ipam.IPAddressStr(of.text)
				*of.to = &text
			}
		}
		if subnet != "" {
			text := metal3ipam.IPSubnetStr(subnet)
			p.Subnet = &text
		}
		if kept != "" {
			o.Spec.PreAllocations = map[string]metal3ipam.IPAddressStr{"kept": metal3ipam.IPAddressStr(kept)}
		}
		o.Spec.Pools = []metal3ipam.Pool{p}
		pool, err := PoolOf(o)
		if err != nil {
			return
		}
		state, findings := ipam.Build(ipam.Facts{Pools: []ipam.Pool{pool}})
		if _, known := state.Pool(pool.Name); known == (len(findings) > 0) {
			t.Errorf("%+v: %v", pool, findings)
		}
		if a, err := netip.ParseAddr(start); err == nil {
			_ = detailOf(o, a)
		}
	})
}
