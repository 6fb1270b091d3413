package bootwindow

import (
	"fmt"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/step"
)

var network = ingot.ProvisioningNetwork{CIDR: "10.0.0.0/24", RangeStart: "10.0.0.10", RangeEnd: "10.0.0.19", Gateway: "10.0.0.12", BootServer: "10.0.0.13"}

// Whatever is opened and closed, no address is held twice, none outside the range, none of the servers', and one is refused only when none is free.
func TestNoAddressTwice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := newLeases()
		held := map[string]string{}
		open := map[string][]string{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			window := fmt.Sprintf("w%d", rapid.IntRange(0, 14).Draw(t, "window"))
			for _, a := range open[window] {
				delete(held, a)
			}
			delete(open, window)
			if rapid.Bool().Draw(t, "close") {
				l.release(window)
				continue
			}
			macs := []string{window + "-0", window + "-1"}[:rapid.IntRange(1, 2).Draw(t, "macs")]
			got, failure := l.give(window, macs, network)
			if failure != nil {
				if len(held) < 8 {
					t.Fatalf("refused with %d of 8 addresses held: %s", len(held), failure.Message)
				}
				continue
			}
			for _, g := range got {
				p := netip.MustParsePrefix(g.Address)
				a := p.Addr()
				if a.Less(netip.MustParseAddr("10.0.0.10")) || netip.MustParseAddr("10.0.0.19").Less(a) || p.Bits() != 24 ||
					a == netip.MustParseAddr("10.0.0.12") || a == netip.MustParseAddr("10.0.0.13") {
					t.Fatalf("gave %s", g.Address)
				}
				if by, taken := held[g.Address]; taken {
					t.Fatalf("gave %s to %s, and %s holds it", g.Address, window, by)
				}
				held[g.Address] = window
				open[window] = append(open[window], g.Address)
			}
		}
	})
}

func TestIPv6Leases(t *testing.T) {
	n := ingot.ProvisioningNetwork{CIDR: "fd00:1::/64", RangeStart: "fd00:1::ff00", RangeEnd: "fd00:1::1:ef", BootServer: "fd00:1::2"}
	l := newLeases()
	got, failure := l.give("w1", []string{"52:54:00:00:00:01", "52:54:00:00:00:02"}, n)
	if failure != nil || len(got) != 2 {
		t.Fatalf("%v %v", got, failure)
	}
	for _, g := range got {
		p := netip.MustParsePrefix(g.Address)
		if p.Bits() != 64 || p.Addr().Less(netip.MustParseAddr(n.RangeStart)) || netip.MustParseAddr(n.RangeEnd).Less(p.Addr()) {
			t.Errorf("gave %s", g.Address)
		}
	}
	n.BootServer = "10.0.0.2"
	if _, failure := l.give("w2", []string{"52:54:00:00:00:03"}, n); failure == nil || failure.Kind != step.Invalid {
		t.Errorf("a boot server of the other family: %v", failure)
	}
}

func TestSameMACGetsItsAddressBack(t *testing.T) {
	l := newLeases()
	first, _ := l.give("w1", []string{"52:54:00:00:00:01"}, network)
	l.release("w1")
	again, _ := l.give("w2", []string{"52:54:00:00:00:01"}, network)
	if first[0] != again[0] {
		t.Errorf("%v, then %v", first, again)
	}
}

func TestAdoptedLeasesAreNotGiven(t *testing.T) {
	l := newLeases()
	w := &ingot.BootWindow{}
	w.Name = "old"
	for i := 10; i < 20; i++ {
		w.Spec.Leases = append(w.Spec.Leases, ingot.Lease{Address: fmt.Sprintf("10.0.0.%d/24", i)})
	}
	l.adopt(w)
	if _, failure := l.give("new", []string{"a"}, network); failure == nil || failure.Kind != step.Busy {
		t.Errorf("failure %v, want busy", failure)
	}
}

func TestWrongRanges(t *testing.T) {
	for _, n := range []ingot.ProvisioningNetwork{
		{}, {CIDR: "x"}, {CIDR: "10.0.0.0/24"}, {CIDR: "10.0.0.0/24", RangeStart: "10.0.1.1", RangeEnd: "10.0.0.5"},
		{CIDR: "10.0.0.0/24", RangeStart: "10.0.0.9", RangeEnd: "10.0.0.5"}, {CIDR: "10.0.0.0/8", RangeStart: "10.0.0.1", RangeEnd: "10.9.0.0"},
		{CIDR: "10.0.0.0/24", RangeStart: "10.0.0.9", RangeEnd: "10.0.2.5"},
	} {
		if _, failure := newLeases().give("w", []string{"a"}, n); failure == nil || failure.Kind != step.Invalid || failure.Fix == "" {
			t.Errorf("%+v: %v", n, failure)
		}
	}
}
