package ruleset_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// gateways makes random gateways and packets from a few addresses and ports, so that rules overlap and packets meet them.
type gateways struct{ *rand.Rand }

func newGateways(seed uint64) gateways { return gateways{rand.New(rand.NewPCG(seed, 1))} }

func (w gateways) address() netip.Addr {
	if w.IntN(2) == 0 {
		return netip.AddrFrom4([4]byte{10, byte(w.IntN(3)), 0, byte(w.IntN(9))})
	}
	return netip.AddrFrom16([16]byte{0xfd, 0, 15: byte(w.IntN(9)), 3: byte(w.IntN(3))})
}

func (w gateways) prefix() netip.Prefix {
	a := w.address()
	bits := []int{8, 8, 16, 24, 32}[w.IntN(5)]
	if a.Is6() {
		bits = []int{8, 8, 32, 126, 128}[w.IntN(5)]
	}
	return netip.PrefixFrom(a, bits).Masked()
}

func (w gateways) prefixes(most int) []netip.Prefix {
	var all []netip.Prefix
	for range w.IntN(most + 1) {
		all = append(all, w.prefix())
	}
	return all
}

func (w gateways) limit() gateway.Limit {
	return gateway.Limit{PerSecond: uint32(max(0, w.IntN(30)-25))}
}

func (w gateways) rules(names bool) []gateway.Rule {
	var all []gateway.Rule
	for i := range w.IntN(20) {
		r := gateway.Rule{
			Name: fmt.Sprint("r", i), From: w.prefixes(1), To: w.prefixes(2), Protocol: []gateway.Protocol{gateway.Any, gateway.Any, gateway.TCP, gateway.UDP, gateway.SCTP, gateway.ICMP}[w.IntN(6)],
			Family: []uint8{0, 0, 0, 4, 6}[w.IntN(5)], Limit: w.limit(),
		}
		if names && w.IntN(3) == 0 {
			r.To, r.Names = nil, [][]string{{"a.example"}, {"*.example"}, {"*.example", "b.example"}}[w.IntN(3)]
		}
		if r.Protocol != gateway.Any && r.Protocol != gateway.ICMP {
			for range w.IntN(3) {
				first := uint16(w.IntN(6))
				r.Ports = append(r.Ports, gateway.Ports{First: first, Last: first + uint16(w.IntN(3))})
			}
		}
		all = append(all, r)
	}
	return all
}

// gateway is one that passes its Check, which most of the first attempts don't.
func (w gateways) gateway() *gateway.Gateway {
	for {
		g := &gateway.Gateway{Owner: "tenant/fw", Egress: w.rules(w.IntN(2) == 0), Ingress: w.rules(false)}
		if w.IntN(2) == 0 {
			g.DropLog = gateway.DropLog{PerSecond: 5, Group: 7}
		}
		for i := range 1 + w.IntN(4) {
			n := gateway.Network{Name: fmt.Sprint("net/", i), Inside: w.IntN(2) == 0, Interface: fmt.Sprint("eth", w.IntN(3)), Prefixes: append(w.prefixes(2), w.prefix()), Limit: w.limit()}
			if !n.Inside {
				n.Prefixes = append(n.Prefixes, netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0"))[w.IntN(2):]
				for range w.IntN(3) {
					n.Pairs = append(n.Pairs, gateway.Pair{Outside: w.address(), Inside: w.address()})
				}
				if w.IntN(2) == 0 {
					n.Own = append(n.Own, w.address())
				}
			}
			if n.Inside && w.IntN(2) == 0 {
				n.Resolver = []netip.Addr{n.Prefixes[len(n.Prefixes)-1].Addr()}
			}
			g.Networks = append(g.Networks, n)
		}
		if g.Check() == nil {
			return g
		}
	}
}

func (w gateways) packet(g *gateway.Gateway) firewall.Packet {
	p := firewall.Packet{
		Hook: firewall.Forward, In: fmt.Sprint("eth", w.IntN(3)), Out: fmt.Sprint("eth", w.IntN(3)), Source: w.address(), Protocol: []uint8{6, 6, 17, 132, 1, 58, 47}[w.IntN(7)],
		SourcePort: uint16(w.IntN(6)), DestinationPort: []uint16{uint16(w.IntN(8)), uint16(w.IntN(8)), uint16(w.IntN(8)), gateway.PortOfDNS}[w.IntN(4)], State: []firewall.State{firewall.New, firewall.New, firewall.New, firewall.Established, firewall.Invalid}[w.IntN(5)],
	}
	for p.Destination = w.address(); p.Destination.Is4() != p.Source.Is4(); p.Destination = w.address() {
	}
	if n := g.Networks[w.IntN(len(g.Networks))]; w.IntN(2) == 0 {
		p.Source = within(n.Prefixes[0], p.Source)
		for i := 0; p.Destination.Is4() != p.Source.Is4() && i < 99; i++ {
			p.Destination = w.address()
		}
		if len(n.Pairs) > 0 && n.Pairs[0].Outside.Is4() == p.Source.Is4() {
			p.Destination = n.Pairs[0].Outside
		}
	}
	if w.IntN(4) > 0 { // by the ways that are right, or every other packet is spoofed
		p.In = w.interfaceOf(g, p.Source, p.In)
		p.Out = w.interfaceOf(g, inner(g, p.Destination), p.Out)
	}
	return p
}

// inner is what an address stands for.
func inner(g *gateway.Gateway, a netip.Addr) netip.Addr {
	for _, n := range g.Networks {
		for _, p := range n.Pairs {
			if p.Outside == a {
				return p.Inside
			}
		}
	}
	return a
}

// within is an address of a prefix: the given one where it is in it.
func within(p netip.Prefix, a netip.Addr) netip.Addr {
	if p.Contains(a) {
		return a
	}
	return p.Addr()
}

func (w gateways) interfaceOf(g *gateway.Gateway, a netip.Addr, otherwise string) string {
	best := -1
	for _, n := range g.Networks {
		for _, p := range n.Prefixes {
			if p.Contains(a) && p.Bits() > best {
				best, otherwise = p.Bits(), n.Interface
			}
		}
	}
	return otherwise
}

// resolved chooses which names have which addresses.
func (w gateways) resolved() func([]string, netip.Addr) bool {
	salt := w.Uint64()
	if w.IntN(4) == 0 {
		return nil
	}
	return func(patterns []string, a netip.Addr) bool {
		h := salt
		for _, c := range append([]byte(strings.Join(patterns, " ")), a.AsSlice()...) {
			h = h*31 + uint64(c)
		}
		return h>>7&1 == 1
	}
}

// spent chooses limits that are over.
func (w gateways) spent() func(string) bool {
	salt := w.Uint64()
	if w.IntN(2) == 0 {
		return nil
	}
	return func(id string) bool {
		h := salt
		for _, c := range []byte(id) {
			h = h*31 + uint64(c)
		}
		return h>>7&1 == 1
	}
}

// The property that everything rests on: the compiled ruleset does to each packet what the declaration says, by the same name, and gives it the same addresses.
func TestGatewayRulesetDoesAsDeclared(t *testing.T) {
	by, total := map[string]int{}, 0
	translated := 0
	for seed := uint64(1); seed <= 1000; seed++ {
		w := newGateways(seed)
		g := w.gateway()
		r := ruleset.CompileGateway(g, ruleset.Options{Generation: 1, Refused: w.IntN(2) == 0, ChainLines: 1 + w.IntN(ruleset.DefaultChainLines)})
		simulator := ruleset.NewSimulator(r)
		for range 300 {
			p, over := w.packet(g), w.spent()
			g.Resolved = w.resolved()
			simulator.Resolved = g.Resolved
			want, got := g.Decide(p, over), simulator.RunWithin(p, over)
			if want.Verdict != got.Verdict || want.By != got.By {
				t.Fatalf("seed %d: %s\ndeclared: %s by %s\nruleset:  %s by %s\n%+v", seed, p, want.Verdict, want.By, got.Verdict, got.By, g)
			}
			if want.Verdict == firewall.Accept && (want.Source != got.Source || want.Destination != got.Destination) {
				t.Fatalf("seed %d: %s\ndeclared: %s -> %s\nruleset:  %s -> %s\n%+v", seed, p, want.Source, want.Destination, got.Source, got.Destination, g)
			}
			if want.Verdict == firewall.Accept && (want.Source != p.Source || want.Destination != p.Destination) {
				translated++
			}
			kind, _, _ := strings.Cut(want.By, "/")
			by[fmt.Sprintf("%s by %s", want.Verdict, kind)]++
			total++
		}
	}
	t.Logf("%d packets, %d translated: %v", total, translated, by)
	for _, must := range []string{
		"accept by egress", "accept by ingress", "accept by established", "drop by invalid", "drop by no-network", "drop by spoofed", "drop by misrouted", "drop by transit", "drop by egress-default",
		"drop by ingress-default", "drop by limit", "accept by dns",
	} {
		if by[must] < 200 {
			t.Errorf("%q happened %d times: the packets say too little", must, by[must])
		}
	}
	if translated < 400 {
		t.Errorf("%d packets are translated", translated)
	}
}

// A comparison must be able to fail: one rule less, a network that is inside instead of outside, or another pair is seen.
func TestAChangedGatewayIsSeen(t *testing.T) {
	changed, seen := 0, 0
	for seed := uint64(1); seed <= 150; seed++ {
		w := newGateways(seed)
		g := w.gateway()
		other := *g
		other.Networks = slices.Clone(g.Networks)
		switch n := &other.Networks[w.IntN(len(g.Networks))]; {
		case seed%3 == 0 && len(g.Egress) > 0:
			other.Egress = g.Egress[:w.IntN(len(g.Egress))]
		case seed%3 == 1:
			n.Inside, n.Pairs, n.Own = !n.Inside, nil, nil
		default:
			n.Interface = "eth9"
		}
		if other.Check() != nil {
			continue
		}
		simulator := ruleset.NewSimulator(ruleset.CompileGateway(&other, ruleset.Options{Generation: 1}))
		differs := func(of *gateway.Gateway) bool {
			x := newGateways(seed)
			for range 2000 {
				p := x.packet(g)
				want, got := of.Decide(p, nil), simulator.Run(p)
				if want.Verdict != got.Verdict || want.By != got.By {
					return true
				}
			}
			return false
		}
		if differs(&other) {
			t.Fatalf("seed %d: the changed gateway's own ruleset differs from it", seed)
		}
		changed++
		if differs(g) {
			seen++
		}
	}
	if changed < 60 || seen < changed*2/3 {
		t.Errorf("of %d changed gateways %d are seen", changed, seen)
	}
}

// The number of rules that a packet meets does not follow how many there are.
func TestGatewayCostDoesNotGrow(t *testing.T) {
	depth := func(rules int) int {
		g := &gateway.Gateway{Owner: "t/f", Networks: []gateway.Network{
			{Name: "n/in", Inside: true, Interface: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}},
			{Name: "n/out", Interface: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")}},
		}}
		for i := range rules {
			g.Egress = append(g.Egress, gateway.Rule{Name: fmt.Sprint(i), Protocol: gateway.TCP, Ports: []gateway.Ports{{First: uint16(i + 1), Last: uint16(i + 1)}},
				To: []netip.Prefix{netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(i >> 8), byte(i)}), 32)}})
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		return ruleset.CompileGateway(g, ruleset.Options{Generation: 1}).Depth()
	}
	if few, many := depth(20), depth(5000); many > few+2 {
		t.Errorf("a packet meets %d rules of 20, and %d of 5000", few, many)
	}
}

// The real nft takes random gateways, one after another in one table, and nothing of the ones before stays.
func TestTheKernelTakesGateways(t *testing.T) {
	files := map[string]string{}
	var old *ruleset.Ruleset
	for seed := uint64(1); seed <= 40; seed++ {
		r := ruleset.CompileGateway(newGateways(seed).gateway(), ruleset.Options{Generation: uint32(seed), Refused: seed%2 == 0})
		files[fmt.Sprintf("%03d.nft", seed)] = r.Install(old)
		old = r
	}
	listing := inNamespace(t, "for f in *.nft; do nft -f $f || { echo $f; exit 1; }; done; nft -s list ruleset", files)
	if strings.Contains(listing, "g39_") || !strings.Contains(listing, "g40_") || !strings.Contains(listing, "policy drop") {
		t.Errorf("the kernel has not the last gateway alone:\n%.3000s", listing)
	}
}

// Sets of names outlive a change of rules that has the same names, whatever their order, and go when no rule has them; elements are put in again and again, and taken out where they are not.
func TestTheKernelKeepsWhatIsLearned(t *testing.T) {
	named := func(generation uint32, patterns ...string) *ruleset.Ruleset {
		g := &gateway.Gateway{Owner: "t/f", Networks: []gateway.Network{
			{Name: "n/in", Inside: true, Interface: "eth0", Prefixes: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}, Resolver: []netip.Addr{netip.MustParseAddr("10.0.0.1")}},
			{Name: "n/out", Interface: "eth1", Prefixes: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0"), netip.MustParsePrefix("::/0")}},
		}}
		if len(patterns) > 0 {
			g.Egress = []gateway.Rule{{Name: "a", Protocol: gateway.TCP, Names: patterns}}
		}
		if err := g.Check(); err != nil {
			t.Fatal(err)
		}
		return ruleset.CompileGateway(g, ruleset.Options{Generation: generation})
	}
	learned := func([]string) []ruleset.Learned {
		return []ruleset.Learned{{Address: netip.MustParseAddr("192.0.2.7"), For: time.Hour}, {Address: netip.MustParseAddr("2001:db8::7"), For: time.Hour}}
	}
	gone := func([]string) []netip.Addr {
		return []netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")}
	}
	one, other, none := named(1, "*.example.org", "example.org"), named(2, "example.org", "*.example.org"), named(3)
	files := map[string]string{
		"1.nft": one.Install(nil), "2.nft": one.Fill(learned), "3.nft": one.Fill(learned), "4.nft": other.Install(one), "5.nft": other.Take(gone), "6.nft": none.Install(other),
	}
	listing := inNamespace(t, "for f in 1 2 3; do nft -f $f.nft || exit 1; done; nft -f 4.nft; nft -s list sets; echo ==; nft -f 5.nft; nft list sets; echo ==; nft -f 6.nft; nft list ruleset", files)
	parts := strings.Split(listing, "==")
	if len(parts) != 3 || strings.Count(parts[0], "192.0.2.7") != 1 || strings.Count(parts[0], "2001:db8::7") != 1 {
		t.Fatalf("what was learned is not kept:\n%s", listing)
	}
	if strings.Contains(parts[1], "192.0.2.") || !strings.Contains(parts[1], "2001:db8::7") || strings.Contains(parts[2], "names") {
		t.Errorf("what should go did not, or more went:\n%s", listing)
	}
}
