package network

import (
	"math"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// The sum of what is held, rests and is free is what there is, without what is given to nobody.
func TestUsages(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	later, before := metav1.NewTime(now.Add(time.Hour)), metav1.NewTime(now.Add(-time.Hour))
	records := []ingot.AddressRecord{
		{Spec: ingot.AddressRecordSpec{VRF: "red", Addresses: []ingot.RecordedAddress{
			{Address: "10.0.0.2", Claim: "IP/a/x", Pool: "Network/n/four"}, {Address: "10.0.0.3", Claim: "IPClaim/a/x", Pool: "IPPool/n/p"}, {Address: "10.0.0.9", Claim: "IP/a/y", Pool: "Network/n/four", Until: &later},
			{Address: "10.0.0.10", Claim: "IP/a/z", Pool: "Network/n/four", Until: &before}, {Address: "10.0.1.1", Claim: "IP/a/far", Pool: "Network/n/other"},
			{Address: "2001:db8::5", Claim: "IP/a/six", Pool: "Network/n/four"},
		}}},
		{Spec: ingot.AddressRecordSpec{VRF: "blue", Addresses: []ingot.RecordedAddress{{Address: "10.0.0.5", Claim: "IP/a/b", Pool: "Network/n/blue"}}}},
		{Spec: ingot.AddressRecordSpec{VRF: "red", Networks: []ingot.RecordedNetwork{
			{Network: "a/c", Parent: "n/super", Prefixes: []string{"10.8.0.0/26"}}, {Network: "a/d", Parent: "n/super", Prefixes: []string{"10.8.0.64/26"}, Until: &later},
			{Network: "a/e", Parent: "n/super", Prefixes: []string{"10.8.0.128/26"}, Until: &before}, {Network: "a/f", Parent: "n/else", Prefixes: []string{"10.8.0.192/26"}},
			{Network: "a/g", Parent: "n/super", Prefixes: []string{"2001:db8:8:1::/64"}},
		}}},
	}
	four := &ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "four"}}
	four.Spec = ingot.NetworkSpec{Type: ingot.ExternalNetwork, Gateways: []string{"10.0.0.1"}, Excluded: []string{"10.0.0.12-10.0.0.200", "172.16.0.0/12"}}
	four.Status = ingot.NetworkStatus{VRF: "red", Prefixes: []string{"10.0.0.0/28", "2001:db8::/64"}}
	super := &ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "super"}, Spec: ingot.NetworkSpec{Type: ingot.SuperNetwork}, Status: ingot.NetworkStatus{VRF: "red", Prefixes: []string{"10.8.0.0/24", "2001:db8:8::/48"}}}
	want := []Usage{
		// 16 addresses without the network's, the broadcast, the gateway and 12 to 15, of which the broadcast is one.
		{Network: "four", Prefix: "10.0.0.0/28", Size: 10, Held: 2, Quarantined: 1, Free: 7},
		{Network: "four", Prefix: "2001:db8::/64", Size: math.MaxUint64, Held: 1, Free: math.MaxUint64 - 1},
		{Network: "super", Prefix: "10.8.0.0/24", Size: 256, Held: 64, Quarantined: 64, Free: 128},
		{Network: "super", Prefix: "2001:db8:8::/48", Size: math.MaxUint64, Held: math.MaxUint64, Free: math.MaxUint64},
	}
	books := Read(records)
	var got []Usage
	for _, n := range []*ingot.Network{four, super} {
		of, err := Usages(n, books, now)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, of...)
	}
	if len(got) != len(want) {
		t.Fatalf("%+v", got)
	}
	for i, w := range want {
		g := got[i]
		if g.Network != w.Network || g.Prefix != w.Prefix || g.Size != w.Size || g.Held != w.Held || g.Quarantined != w.Quarantined || g.Free != w.Free {
			t.Errorf("%+v, want %+v", g, w)
		}
	}
	for n, words := range map[uint64]string{0: "0", 254: "254", 1 << 40: "1099511627776", 1<<63 + 1: "~2^64", math.MaxUint64: "2^64+"} {
		if text := Words(n); text != words {
			t.Errorf("%d is written %s, want %s", n, text, words)
		}
	}
}
