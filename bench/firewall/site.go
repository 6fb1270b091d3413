package main

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// The addresses of a lane: the host with the firewall and the peer that sends.
var (
	hostAddress = netip.MustParseAddr("10.0.0.1")
	peerAddress = netip.MustParseAddr("10.0.0.2")
)

const port = 49_996

// stranger is an address that never sends.
func stranger(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, 1, byte(i >> 8), byte(i)}) }

// shape is a site of n rules or peers, of which the last one is what the packets match.
type shape struct {
	name string
	make func(n int) calico.Objects
}

var shapes = []shape{
	{"rules, a port each", func(n int) calico.Objects {
		return objects(n, func(i int) calico.Rule { return rule(calico.Peer{}, uint16(port-5*(n-1-i))) })
	}},
	{"rules, a peer each", func(n int) calico.Objects {
		return objects(n, func(i int) calico.Rule {
			a := stranger(i)
			if i == n-1 {
				a = peerAddress
			}
			return rule(calico.Peer{Nets: []netip.Prefix{netip.PrefixFrom(a, 32)}}, port)
		})
	}},
	{"peers of one rule", peers},
}

// peers are n of one rule, the last of which sends.
func peers(n int) calico.Objects {
	of, err := selector.Parse("has(peer)")
	if err != nil {
		panic(err) // it is written above
	}
	o := objects(1, func(int) calico.Rule { return rule(calico.Peer{Selector: &of}, port) })
	for i := range n {
		a := stranger(i)
		if i == n-1 {
			a = peerAddress
		}
		o.HostEndpoints = append(o.HostEndpoints, calico.HostEndpoint{
			Meta: calico.Meta{Name: fmt.Sprintf("peer%d", i), Labels: map[string]string{"peer": ""}}, Node: "other", InterfaceName: "eth0", ExpectedIPs: []netip.Addr{a},
		})
	}
	return o
}

func rule(source calico.Peer, to uint16) calico.Rule {
	return calico.Rule{
		Action: calico.Allow, Protocol: &calico.Protocol{Name: "UDP", Number: 17}, Source: source, Destination: calico.Peer{Ports: []calico.Port{{Min: to, Max: to}}},
	}
}

// objects are a host with n rules, 1,000 a policy.
func objects(n int, make func(int) calico.Rule) calico.Objects {
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

// compile is what ingot-node does with objects, refused tuples noted.
func compile(o calico.Objects) (*ruleset.Ruleset, error) {
	s, err := firewall.NewSite(o, firewall.NeighbourDiscovery())
	if err != nil {
		return nil, err
	}
	return ruleset.Compile(s, s.Host("n", nil), ruleset.Options{Generation: 1, Refused: true}), nil
}

// linear is the list that iptables walks, in the words of iptables-restore: established first, as Calico has it, then a rule a peer, the last of which
// matches.
func linear(n int) string {
	var b strings.Builder
	b.WriteString("*filter\n:INPUT DROP [0:0]\n-A INPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n")
	for i := range n {
		a := stranger(i)
		if i == n-1 {
			a = peerAddress
		}
		fmt.Fprintf(&b, "-A INPUT -s %s/32 -p udp -m udp --dport %d -j ACCEPT\n", a, port)
	}
	return b.String() + "COMMIT\n"
}
