package ruleset_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// large makes a site of n rules, or n peers, of one kind.
var large = []struct {
	name string
	make func(n int) calico.Objects
}{
	{"a port each", func(n int) calico.Objects {
		return rules(n, func(i int) calico.Rule {
			return tcp(calico.Peer{}, calico.Port{Min: uint16(1 + 5*i), Max: uint16(1 + 5*i)})
		})
	}},
	{"a range of ports each, overlapping", func(n int) calico.Objects {
		return rules(n, func(i int) calico.Rule {
			return tcp(calico.Peer{}, calico.Port{Min: uint16(1 + 5*i), Max: uint16(1 + 5*i + 9)})
		})
	}},
	{"a peer each, one port", func(n int) calico.Objects {
		return rules(n, func(i int) calico.Rule {
			return tcp(calico.Peer{Nets: []netip.Prefix{host(i)}}, calico.Port{Min: 443, Max: 443})
		})
	}},
	{"a network each, denied, then all", func(n int) calico.Objects {
		o := rules(n, func(i int) calico.Rule {
			r := tcp(calico.Peer{Nets: []netip.Prefix{netip.PrefixFrom(host(i*8).Addr(), 29)}}, calico.Port{Min: 443, Max: 443})
			r.Action = calico.Deny
			return r
		})
		last := &o.Policies[len(o.Policies)-1]
		last.Ingress = append(last.Ingress, calico.Rule{Action: calico.Allow})
		return o
	}},
	{"peers of one rule", func(n int) calico.Objects {
		o := rules(1, func(int) calico.Rule {
			s, err := selector.Parse("has(peer)")
			if err != nil {
				panic(err)
			}
			return tcp(calico.Peer{Selector: &s}, calico.Port{Min: 443, Max: 443})
		})
		for i := range n {
			o.HostEndpoints = append(o.HostEndpoints, calico.HostEndpoint{
				Meta: calico.Meta{Name: fmt.Sprintf("peer%d", i), Labels: map[string]string{"peer": ""}}, Node: "other", InterfaceName: "eth0", ExpectedIPs: []netip.Addr{host(i).Addr()},
			})
		}
		return o
	}},
}

func host(i int) netip.Prefix {
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32)
}

func tcp(source calico.Peer, port calico.Port) calico.Rule {
	return calico.Rule{Action: calico.Allow, Protocol: &calico.Protocol{Name: "TCP", Number: 6}, Source: source, Destination: calico.Peer{Ports: []calico.Port{port}}}
}

// rules is a host with one endpoint and n rules, 1,000 a policy.
func rules(n int, make func(int) calico.Rule) calico.Objects {
	o := calico.Objects{HostEndpoints: []calico.HostEndpoint{{Meta: calico.Meta{Name: "self"}, Node: "n", InterfaceName: "eth0"}}}
	for i := range n {
		if i%1000 == 0 {
			o.Policies = append(o.Policies, calico.Policy{
				Meta: calico.Meta{Name: fmt.Sprintf("p%05d", i)}, Kind: calico.GlobalNetworkPolicy, Tier: calico.DefaultTier, Types: []calico.Direction{calico.Ingress},
			})
		}
		p := &o.Policies[len(o.Policies)-1]
		p.Ingress = append(p.Ingress, make(i))
	}
	return o
}

// A packet's cost is the number of rules and lookups that it meets: it must not follow the number of rules or peers.
func TestDepthDoesNotFollowTheNumberOfRulesOrPeers(t *testing.T) {
	for _, kind := range large {
		first := 0
		for _, n := range []int{10, 100, 1_000, 10_000} {
			s, err := firewall.NewSite(kind.make(n), nil)
			if err != nil {
				t.Fatal(err)
			}
			r := ruleset.Compile(s, s.Host("n", nil), ruleset.Options{Generation: 1})
			d := r.Depth()
			if first == 0 {
				first = d
			}
			if d > first || d > 20 {
				t.Errorf("%s: %d of them make a depth of %d, 10 of them one of %d; at most 20", kind.name, n, d, first)
			}
			count := 0
			for _, c := range r.Chains {
				count += len(c.Rules)
			}
			if count > 10*n+100 {
				t.Errorf("%s: %d of them make %d rules", kind.name, n, count)
			}
		}
	}
}

// Large trees decide as the model does: a sample of the classes, since the model walks every rule.
func TestLargeTreesDecideAsTheModelDoes(t *testing.T) {
	for _, kind := range large {
		s, err := firewall.NewSite(kind.make(600), nil)
		if err != nil {
			t.Fatal(err)
		}
		h := s.Host("n", nil)
		simulator := ruleset.NewSimulator(ruleset.Compile(s, h, ruleset.Options{Generation: 1}))
		space := class.Of(s, h)
		space.Hooks, space.Interfaces, space.IPv6, space.States = []firewall.Hook{firewall.Input}, []string{"eth0"}, space.IPv6[:1], []firewall.State{firewall.New}
		i, step := 0, 1+space.Count()/4000
		for p := range space.Packets() {
			if i++; i%step != 0 || p.Destination != space.IPv4[0] && p.Source.Is4() {
				continue
			}
			want, got := evaluate.Packet(s, h, p), simulator.Run(p)
			if want.Verdict != got.Verdict || want.By != got.By {
				t.Fatalf("%s: %s\nmodel: %s by %s\ntree:  %s by %s", kind.name, p, want.Verdict, want.By, got.Verdict, got.By)
			}
		}
	}
}

// The kernel's nft takes a tree of 10,000 rules of each kind.
func TestTheKernelTakesLargeTrees(t *testing.T) {
	for _, kind := range large {
		s, err := firewall.NewSite(kind.make(10_000), nil)
		if err != nil {
			t.Fatal(err)
		}
		text := ruleset.Compile(s, s.Host("n", nil), ruleset.Options{Generation: 1}).Install(nil)
		inNamespace(t, "nft -f large", map[string]string{"large": text})
	}
}

func BenchmarkCompile10000(b *testing.B) {
	for _, kind := range large {
		b.Run(kind.name, func(b *testing.B) {
			s, err := firewall.NewSite(kind.make(10_000), nil)
			if err != nil {
				b.Fatal(err)
			}
			h := s.Host("n", nil)
			for b.Loop() {
				_ = ruleset.Compile(s, h, ruleset.Options{Generation: 1}).Install(nil)
			}
		})
	}
}
