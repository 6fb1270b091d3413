package ipam

import (
	"fmt"
	"net/netip"
	"testing"
)

// BenchmarkBuild makes a state of 60,000 leases that come in no order, as a list of objects does.
func BenchmarkBuild(b *testing.B) {
	s, _ := Build(Facts{Pools: []Pool{{Name: "pool", Ranges: []PoolRange{{Subnet: netip.MustParsePrefix("10.0.0.0/16")}}}}})
	for i := range 60_000 {
		if _, refused := s.Acquire(Request{Pool: "pool", Holder: fmt.Sprintf("IPClaim/default/claim-%d", i)}, start); refused != nil {
			b.Fatal(refused)
		}
	}
	f := s.Facts()
	for i := range f.Leases {
		j := i * 7919 % len(f.Leases)
		f.Leases[i], f.Leases[j] = f.Leases[j], f.Leases[i]
	}
	for b.Loop() {
		if _, findings := Build(f); len(findings) > 0 {
			b.Fatal(findings[0].Refusal)
		}
	}
}
