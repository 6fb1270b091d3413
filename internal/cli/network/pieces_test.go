package network

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/ipam/chart"
)

// TestADrawingSaysWhatTheNumbersSay: whatever is recorded, the blocks of a prefix together hold, rest and are free as package ipam counts.
func TestADrawingSaysWhatTheNumbersSay(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(t *rapid.T) {
		prefix := rapid.SampledFrom([]string{"10.0.0.0/24", "10.0.0.0/20", "10.0.0.0/31", "10.0.0.0/30", "2001:db8::/120", "2001:db8::/112"}).Draw(t, "prefix")
		base := netip.MustParsePrefix(prefix).Addr()
		at := func(i int) netip.Addr {
			a := base
			for range i {
				a = a.Next()
			}
			return a
		}
		s := ingot.AddressRecordSpec{VRF: "red"}
		for _, i := range rapid.SliceOfNDistinct(rapid.IntRange(0, 300), 0, 60, rapid.ID[int]).Draw(t, "addresses") {
			r := ingot.RecordedAddress{Address: at(i).String(), Pool: "Network/n/x", Claim: fmt.Sprintf("IP/a/i%d", i)}
			if rest := rapid.IntRange(-1, 2).Draw(t, "rest"); rest != 0 {
				u := metav1.NewTime(now.Add(time.Duration(rest) * time.Hour))
				r.Until = &u
			}
			s.Addresses = append(s.Addresses, r)
		}
		n := &ingot.Network{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "x"}, Spec: ingot.NetworkSpec{Type: ingot.ExternalNetwork}, Status: ingot.NetworkStatus{VRF: "red", Prefixes: []string{prefix}}}
		if rapid.Bool().Draw(t, "gateway") {
			n.Spec.Gateways = []string{at(1).String()}
		}
		if from := rapid.IntRange(0, 200).Draw(t, "excluded"); from%2 == 0 {
			n.Spec.Excluded = []string{at(from).String() + "-" + at(from+17).String()}
		}
		books := Read([]ingot.AddressRecord{{Spec: s}})
		counted, err := Usages(n, books, now)
		if err != nil {
			t.Fatal(err)
		}
		pieces, err := Pieces(n, books, netip.MustParsePrefix(prefix), now)
		if err != nil {
			t.Fatal(err)
		}
		var drawn chart.Count
		for _, b := range chart.Draw(netip.MustParsePrefix(prefix), pieces).Blocks {
			drawn.Held, drawn.Resting, drawn.Free = drawn.Held+b.Count.Held, drawn.Resting+b.Count.Resting, drawn.Free+b.Count.Free
		}
		if u := counted[0]; drawn.Held != float64(u.Held) || drawn.Resting != float64(u.Quarantined) || drawn.Free != float64(u.Free) {
			t.Fatalf("drawn %+v, counted %+v", drawn, u)
		}
	})
}

func TestClaimsAreTakenApart(t *testing.T) {
	for holder, want := range map[string][3]string{"IP/team/web": {"IP", "team", "web"}, "excluded": {}, "": {}, "a/b": {}} {
		if kind, namespace, name := Claim(holder); [3]string{kind, namespace, name} != want {
			t.Errorf("%q: %s %s %s", holder, kind, namespace, name)
		}
	}
}
