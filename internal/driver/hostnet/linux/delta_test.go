package linux_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/firewall/selector"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// kinds is how many selectors there are: more than a chain holds rules, so that the tree looks addresses up in a map.
const kinds = 12

// randomSite is a host with rules for members of sets, which are random networks of both families.
func randomSite(t *testing.T, r *rand.Rand) (*firewall.Site, *firewall.Host) {
	t.Helper()
	tcp := calico.Protocol{Name: "TCP", Number: 6}
	p := calico.Policy{Meta: calico.Meta{Name: "p"}, Kind: calico.GlobalNetworkPolicy, Tier: calico.DefaultTier, Types: []calico.Direction{calico.Ingress}}
	o := calico.Objects{HostEndpoints: []calico.HostEndpoint{{Meta: calico.Meta{Name: "self"}, Node: "n", InterfaceName: "h0"}}}
	for kind := range kinds {
		s, err := selector.Parse(fmt.Sprintf("kind == '%d'", kind))
		if err != nil {
			t.Fatal(err)
		}
		// Half of the rules share a port: a map of addresses tells them apart. The others have one each: a set of their own.
		port := uint16(443)
		if kind%2 == 1 {
			port += uint16(kind)
		} else {
			for _, ordinal := range []uint16{0, 1} {
				p.Ingress = append(p.Ingress, allow(&tcp, s, port, ordinal))
			}
			continue
		}
		p.Ingress = append(p.Ingress, allow(&tcp, s, port, 0))
	}
	o.Policies = []calico.Policy{p}
	for kind := range kinds {
		set := calico.NetworkSet{Meta: calico.Meta{Name: fmt.Sprintf("set%d", kind), Labels: map[string]string{"kind": fmt.Sprint(kind)}}}
		// Networks that never touch: one that grows would be no delta.
		for range 1 + r.IntN(6) {
			a4 := netip.AddrFrom4([4]byte{byte(kind + 1), byte(r.IntN(2)), 255, byte(r.IntN(8) * 32)})
			a6 := netip.AddrFrom16([16]byte{0: 0xfd, 1: byte(kind), 15: byte(r.IntN(8) * 32)})
			set.Nets = append(set.Nets, netip.PrefixFrom(a4, 28), netip.PrefixFrom(a6, 124))
		}
		// The ends of what there is, and always a range in a family: otherwise its set would be one of single addresses.
		set.Nets = append(set.Nets, netip.MustParsePrefix(fmt.Sprintf("%d.7.0.0/16", kind+1)), netip.MustParsePrefix(fmt.Sprintf("fd%02x:7::/32", kind)))
		if kind == kinds-1 && r.IntN(2) == 0 {
			set.Nets = append(set.Nets, netip.MustParsePrefix("255.255.255.0/24"), netip.MustParsePrefix("0.0.0.0/24"), netip.MustParsePrefix("ffff:ff00::/24"))
		}
		o.NetworkSets = append(o.NetworkSets, set)
	}
	site, err := firewall.NewSite(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return site, site.Host("n", nil)
}

func allow(p *calico.Protocol, of selector.Selector, port, source uint16) calico.Rule {
	r := calico.Rule{Action: calico.Allow, Protocol: p, Source: calico.Peer{Selector: &of}, Destination: calico.Peer{Ports: []calico.Port{{Min: port, Max: port}}}}
	if source > 0 {
		r.Source.Ports = []calico.Port{{Min: source, Max: source}}
		r.Action = calico.Deny
	}
	return r
}

// Deltas of sets of ranges and of maps, which change whole intervals, leave the kernel with what a fresh installation has.
func TestDeltasOfRangesAndMapsMakeTheOtherRuleset(t *testing.T) {
	f := newFixture(t)
	seed := uint64(1)
	var was *ruleset.Ruleset
	deltas, maps := 0, 0
	for ; seed <= 40; seed++ {
		site, host := randomSite(t, rand.New(rand.NewPCG(seed, 0)))
		is := ruleset.Compile(site, host, ruleset.Options{Generation: 1})
		if was == nil {
			f.nft(t, is.Install(nil))
			was = is
			continue
		}
		d, ok := ruleset.Difference(was, is)
		if !ok {
			f.nft(t, is.Uninstall()+is.Install(nil))
			was = is
			continue
		}
		if err := f.h.Change(t.Context(), d); err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, d.Text())
		}
		deltas++
		for _, c := range d.Changes {
			if len(c.AddElements) > 0 {
				maps++
				break
			}
		}
		want, err := f.h.Expect(t.Context(), "ingot", is.Install(nil))
		if err != nil {
			t.Fatal(err)
		}
		got, err := f.h.State(t.Context(), "ingot")
		if err != nil {
			t.Fatal(err)
		}
		for _, difference := range hostnet.Compare(want, got) {
			t.Errorf("seed %d: %s", seed, difference)
		}
		if t.Failed() {
			t.FailNow()
		}
		was = is
	}
	t.Logf("%d deltas, %d with elements of maps", deltas, maps)
	if deltas < 20 || maps < 10 {
		t.Errorf("of 39 changes only %d were deltas, and %d of maps", deltas, maps)
	}
}
