package prove

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
)

// No two packets that open one flow share a round: the second would meet what the first left in connection tracking. Nothing is lost or sent twice.
func TestRoundsKeepFlowsApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		few := rapid.Custom(func(t *rapid.T) firewall.Packet {
			p := anyPacket(t)
			p.SourcePort, p.DestinationPort = p.SourcePort%2, p.DestinationPort%2 // so that flows meet
			p.Source, p.Destination = netip.AddrFrom4([4]byte{192, 0, 2, p.Source.AsSlice()[1] % 2}), netip.AddrFrom4([4]byte{192, 0, 2, p.Destination.AsSlice()[1] % 2})
			p.State = natural(p)
			if p.State == firewall.New && breakable(p) && rapid.Bool().Draw(t, "broken") {
				p.State = firewall.Invalid
			}
			return p
		})
		packets := rapid.SliceOfN(few, 0, 40).Draw(t, "packets")
		left := map[firewall.Packet]int{}
		for _, p := range packets {
			left[p]++
		}
		for _, round := range rounds(packets) {
			open := map[flow]bool{}
			for _, probe := range round {
				left[probe.Packet]--
				if probe.State == firewall.New && !isICMP(probe.Packet) {
					if f := flowOf(probe.Packet); open[f] {
						t.Fatalf("two packets of %+v in one round", f)
					}
					open[flowOf(probe.Packet)] = true
				}
				if broken := probe.State == firewall.Invalid && natural(probe.Packet) != firewall.Invalid; broken != (probe.what == breaks) {
					t.Fatalf("%s is sent as %v", probe.Packet, probe.what)
				}
			}
		}
		for p, n := range left {
			if n != 0 {
				t.Fatalf("%s: %d too few", p, n)
			}
		}
	})
}

// Whatever is drawn is a member of the part that it is drawn from.
func TestMembersAreOfTheirPart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &planner{Rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))}
		draw := address4
		if rapid.Bool().Draw(t, "ipv6") {
			draw = address6
		}
		first, last := draw(t, "first"), draw(t, "last")
		if last.Less(first) {
			first, last = last, first
		}
		r := class.AddressRange{First: first, Last: last}
		for range 20 {
			if a := w.inside(r); a.Less(first) || last.Less(a) || a.BitLen() != first.BitLen() {
				t.Fatalf("%s is not between %s and %s", a, first, last)
			}
		}
		low, high := rapid.Uint16().Draw(t, "low"), rapid.Uint16().Draw(t, "high")
		if high < low {
			low, high = high, low
		}
		if p := w.port([]class.PortRange{{First: low, Last: high}}); p < low || p > high {
			t.Fatalf("port %d is not between %d and %d", p, low, high)
		}
		w.own = []netip.Addr{first}
		for _, a := range w.candidates([]class.AddressRange{r}) {
			if a.Less(first) || last.Less(a) || kindOf(a) == none {
				t.Fatalf("candidate %s of %s to %s", a, first, last)
			}
		}
	})
}

func TestKindsOfAddresses(t *testing.T) {
	for text, want := range map[string]kind{
		"192.0.2.1": machine, "0.0.0.0": nobody, "255.255.255.255": everybody, "224.0.0.18": group, "127.0.0.1": none, "0.1.2.3": reserved, "240.0.0.1": reserved, "169.254.1.1": machine,
		"2001:db8::1": machine, "::": nobody, "fe80::1": link, "ff02::1": group, "ff01::1": none, "ff00::1": none, "::1": none, "::ffff:192.0.2.1": none,
	} {
		if got := kindOf(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s is %d, want %d", text, got, want)
		}
	}
}

func TestWhichAddressesCanBeSent(t *testing.T) {
	for _, c := range []struct {
		hook     firewall.Hook
		from, to string
		want     bool
	}{
		{firewall.Input, "192.0.2.1", "192.0.2.2", true}, {firewall.Input, "0.0.0.0", "255.255.255.255", true}, {firewall.Input, "0.0.0.0", "192.0.2.2", false},
		{firewall.Input, "0.0.0.0", "224.0.0.18", true}, {firewall.Input, "0.0.0.0", "239.1.1.1", false}, {firewall.Input, "192.0.2.1", "127.0.0.1", false},
		{firewall.Input, "224.0.0.1", "192.0.2.2", false}, {firewall.Input, "::", "ff02::1", true}, {firewall.Output, "0.0.0.0", "192.0.2.2", false}, {firewall.Output, "::", "ff02::1", true},
		{firewall.Forward, "192.0.2.1", "192.0.2.2", true}, {firewall.Forward, "192.0.2.1", "224.0.0.18", false}, {firewall.Forward, "fe80::1", "2001:db8::1", false},
		{firewall.Output, "192.0.2.1", "0.0.0.0", false},
	} {
		if got := sendable(c.hook, netip.MustParseAddr(c.from), netip.MustParseAddr(c.to)); got != c.want {
			t.Errorf("%s from %s to %s: %v, want %v", c.hook, c.from, c.to, got, c.want)
		}
	}
}

// Extension headers of IPv6 are no protocols of packets, nor is what raw sockets take for all.
func TestWhichProtocolsAPacketCanHave(t *testing.T) {
	for _, c := range []struct {
		protocol uint8
		v4, v6   bool
	}{{6, true, true}, {112, true, true}, {0, false, false}, {43, true, false}, {44, true, false}, {51, true, false}, {59, true, false}, {60, true, false}, {255, false, false}, {254, true, true}} {
		if v4, v6 := carried(c.protocol, false), carried(c.protocol, true); v4 != c.v4 || v6 != c.v6 {
			t.Errorf("protocol %d: %v over IPv4, %v over IPv6; want %v, %v", c.protocol, v4, v6, c.v4, c.v6)
		}
	}
}
