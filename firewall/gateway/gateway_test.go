package gateway_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/gateway"
)

func prefixes(texts ...string) []netip.Prefix {
	var all []netip.Prefix
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// good is a gateway of two inside networks and one outside.
func good() *gateway.Gateway {
	return &gateway.Gateway{
		Owner: "acme/edge",
		Networks: []gateway.Network{
			{Name: "acme/web", Inside: true, Interface: "eth0", Prefixes: prefixes("10.1.0.0/24", "fd01::/64")},
			{Name: "acme/db", Inside: true, Interface: "eth1", Prefixes: prefixes("10.2.0.0/24")},
			{Name: "site/internet", Interface: "eth2", Prefixes: prefixes("0.0.0.0/0", "::/0"), Own: []netip.Addr{netip.MustParseAddr("192.0.2.1")},
				Pairs: []gateway.Pair{{Outside: netip.MustParseAddr("192.0.2.80"), Inside: netip.MustParseAddr("10.1.0.80")}}},
		},
		Egress: []gateway.Rule{
			{Name: "https", Protocol: gateway.TCP, Ports: []gateway.Ports{{First: 443, Last: 443}}, Limit: gateway.Limit{PerSecond: 10}},
			{Name: "to-db", Protocol: gateway.TCP, Ports: []gateway.Ports{{First: 5432, Last: 5432}}, To: prefixes("10.2.0.0/24")},
		},
		Ingress: []gateway.Rule{
			{Name: "web", Protocol: gateway.TCP, Ports: []gateway.Ports{{First: 80, Last: 80}}, To: prefixes("10.1.0.80/32")},
			{Name: "from-web", Protocol: gateway.TCP, From: prefixes("10.1.0.0/24"), To: prefixes("10.2.0.5/32")},
		},
	}
}

func TestDecide(t *testing.T) {
	for name, c := range map[string]struct {
		in, out, from, to string
		port              uint16
		state             firewall.State
		over              string
		want              string
	}{
		"out, translated":       {"eth0", "eth2", "10.1.0.7", "203.0.113.9", 443, firewall.New, "", "accept egress/https 192.0.2.1 203.0.113.9"},
		"out by its own pair":   {"eth0", "eth2", "10.1.0.80", "203.0.113.9", 443, firewall.New, "", "accept egress/https 192.0.2.80 203.0.113.9"},
		"out without one":       {"eth0", "eth2", "fd01::7", "2001:db8::9", 443, firewall.New, "", "accept egress/https fd01::7 2001:db8::9"},
		"out, no rule":          {"eth0", "eth2", "10.1.0.7", "203.0.113.9", 22, firewall.New, "", "drop egress-default"},
		"out, over the limit":   {"eth0", "eth2", "10.1.0.7", "203.0.113.9", 443, firewall.New, "egress/https", "drop egress-default"},
		"in by a pair":          {"eth2", "eth0", "203.0.113.9", "192.0.2.80", 80, firewall.New, "", "accept ingress/web 203.0.113.9 10.1.0.80"},
		"in, another port":      {"eth2", "eth0", "203.0.113.9", "192.0.2.80", 81, firewall.New, "", "drop ingress-default"},
		"a pair from elsewhere": {"eth0", "eth2", "10.1.0.7", "192.0.2.80", 443, firewall.New, "", "accept egress/https 192.0.2.1 192.0.2.80"},
		"inside to inside":      {"eth0", "eth1", "10.1.0.7", "10.2.0.5", 5432, firewall.New, "", "accept ingress/from-web 10.1.0.7 10.2.0.5"},
		"only one of two rules": {"eth0", "eth1", "10.1.0.7", "10.2.0.6", 5432, firewall.New, "", "drop ingress-default"},
		"spoofed":               {"eth2", "eth1", "10.1.0.7", "10.2.0.5", 5432, firewall.New, "", "drop spoofed"},
		"spoofed, established":  {"eth2", "eth1", "10.1.0.7", "10.2.0.5", 5432, firewall.Established, "", "drop spoofed"},
		"an answer":             {"eth2", "eth0", "203.0.113.9", "10.1.0.7", 40000, firewall.Established, "", "accept established 203.0.113.9 10.1.0.7"},
		"invalid":               {"eth2", "eth0", "203.0.113.9", "10.1.0.7", 40000, firewall.Invalid, "", "drop invalid"},
		"transit":               {"eth2", "eth2", "203.0.113.9", "198.51.100.1", 443, firewall.New, "", "drop transit"},
		"misrouted":             {"eth0", "eth1", "10.1.0.7", "203.0.113.9", 443, firewall.New, "", "drop misrouted"},
	} {
		t.Run(name, func(t *testing.T) {
			p := firewall.Packet{Hook: firewall.Forward, In: c.in, Out: c.out, Source: netip.MustParseAddr(c.from), Destination: netip.MustParseAddr(c.to), Protocol: 6, DestinationPort: c.port, State: c.state}
			g := good()
			if err := g.Check(); err != nil {
				t.Fatal(err)
			}
			d := g.Decide(p, func(id string) bool { return id == c.over })
			got := d.Verdict.String() + " " + d.By
			if d.Verdict == firewall.Accept {
				got += " " + d.Source.String() + " " + d.Destination.String()
			}
			if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	address := netip.MustParseAddr
	for want, spoil := range map[string]func(g *gateway.Gateway){
		"there twice":          func(g *gateway.Gateway) { g.Networks[1].Name = "acme/web" },
		"no interface":         func(g *gateway.Gateway) { g.Networks[0].Interface = "" },
		"has no prefixes":      func(g *gateway.Gateway) { g.Networks[1].Prefixes = nil },
		"is network":           func(g *gateway.Gateway) { g.Networks[1].Prefixes = prefixes("10.1.0.0/24") },
		"and it is inside":     func(g *gateway.Gateway) { g.Networks[0].Own = []netip.Addr{address("10.1.0.1")} },
		"not of one family":    func(g *gateway.Gateway) { g.Networks[2].Pairs[0].Inside = address("fd01::80") },
		"in no inside network": func(g *gateway.Gateway) { g.Networks[2].Pairs[0].Inside = address("203.0.113.1") },
		"firewall's own":       func(g *gateway.Gateway) { g.Networks[2].Pairs[0].Outside = address("192.0.2.1") },
		"has two addresses outside": func(g *gateway.Gateway) {
			g.Networks[2].Pairs = append(g.Networks[2].Pairs, gateway.Pair{Outside: address("192.0.2.81"), Inside: address("10.1.0.80")})
		},
		"stands for an address": func(g *gateway.Gateway) {
			g.Networks[2].Pairs = append(g.Networks[2].Pairs, gateway.Pair{Outside: address("192.0.2.80"), Inside: address("10.1.0.81")})
		},
		"two addresses of one family":  func(g *gateway.Gateway) { g.Networks[2].Own = append(g.Networks[2].Own, address("192.0.2.2")) },
		"is no protocol":               func(g *gateway.Gateway) { g.Egress[0].Protocol = "GRE" },
		"has no ports":                 func(g *gateway.Gateway) { g.Egress[0].Protocol = gateway.ICMP },
		"end before they begin":        func(g *gateway.Gateway) { g.Egress[0].Ports[0].First = 444 },
		"is no family":                 func(g *gateway.Gateway) { g.Egress[0].Family = 5 },
		"no packet has":                func(g *gateway.Gateway) { g.Ingress[0].From = prefixes("fd01::/64") },
		"are for destinations outside": func(g *gateway.Gateway) { named(g); g.Ingress[0].Names = []string{"a.example"} },
		"and prefixes to go to":        func(g *gateway.Gateway) { named(g); g.Egress[0].To = prefixes("192.0.2.0/24") },
		"is no name":                   func(g *gateway.Gateway) { named(g); g.Egress[0].Names = []string{"*.org"} },
		"to answer DNS at":             func(g *gateway.Gateway) { named(g); g.Networks[0].Resolver = nil },
		"cannot be answered there":     func(g *gateway.Gateway) { named(g); g.Networks[2].Resolver = []netip.Addr{address("192.0.2.1")} },
		"a rule has at most 32":        func(g *gateway.Gateway) { named(g); g.Egress[0].Names = make([]string, 33) },
		"or empty":                     func(g *gateway.Gateway) { g.Ingress[0].Name = "" },
	} {
		g := good()
		spoil(g)
		if err := g.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
}

func TestSharedInterfacesAreSaid(t *testing.T) {
	g := good()
	if s := g.Shared(); len(s) != 0 {
		t.Errorf("%v", s)
	}
	g.Networks[1].Interface = "eth2"
	if s := strings.Join(g.Shared(), " "); s != "acme/db site/internet" {
		t.Errorf("%s", s)
	}
}

// named gives the first rule of egress names instead of destinations.
func named(g *gateway.Gateway) {
	g.Egress[0].To, g.Egress[0].Names = nil, []string{"api.example.org", "*.example.net"}
	g.Networks[0].Resolver = []netip.Addr{netip.MustParseAddr("10.1.0.1"), netip.MustParseAddr("fd01::1")}
}

// Rules by name: only addresses that names have, DNS is answered by the firewall, other names are for those who may ask the server, and nothing inside is learned.
func TestNames(t *testing.T) {
	address := netip.MustParseAddr
	g := good()
	named(g)
	if err := g.Check(); err != nil {
		t.Fatal(err)
	}
	g = g.LearnedFrom(func(patterns []string, a netip.Addr) bool { return len(patterns) == 2 && a == address("203.0.113.9") })
	for _, c := range []struct {
		to       string
		protocol uint8
		port     uint16
		want     string
	}{
		{"203.0.113.9", 6, 443, "accept egress/https"}, {"203.0.113.10", 6, 443, "drop egress-default"}, {"203.0.113.9", 6, 444, "drop egress-default"},
		{"203.0.113.10", 6, 53, "accept dns"}, {"10.1.0.1", 17, 53, "accept dns"}, {"203.0.113.10", 132, 53, "drop egress-default"}, {"203.0.113.10", 17, 54, "drop egress-default"},
	} {
		d := g.Explain(firewall.Packet{Source: address("10.1.0.7"), Destination: address(c.to), Protocol: c.protocol, DestinationPort: c.port})
		if got := d.Verdict.String() + " " + d.By; got != c.want {
			t.Errorf("%+v: %s", c, got)
		}
	}
	for a, want := range map[string]bool{"203.0.113.9": true, "2001:db8::9": true, "10.1.0.7": false, "10.9.9.9": false, "192.0.2.1": false, "192.0.2.80": false, "fd01::9": false, "::ffff:203.0.113.9": false} {
		if g.Learnable(address(a)) != want {
			t.Errorf("%s: want %v", a, want)
		}
	}
	server := address("203.0.113.53")
	if g.MayAsk(address("10.1.0.7"), server) {
		t.Error("names that no rule has may be asked for without a rule")
	}
	g.Egress = append(g.Egress, gateway.Rule{Name: "dns", Protocol: gateway.UDP, Ports: []gateway.Ports{{First: 53, Last: 53}}, To: prefixes("203.0.113.53/32"), From: prefixes("10.1.0.7/32")})
	if !g.MayAsk(address("10.1.0.7"), server) || g.MayAsk(address("10.1.0.8"), server) || g.MayAsk(address("203.0.113.1"), server) {
		t.Error("who may ask for any name is not whom the rule lets")
	}
	if strings.Join(g.Named("x.example.net"), " ") != "egress/https" || len(g.Named("example.net")) > 0 {
		t.Errorf("%v", g.Named("x.example.net"))
	}
}
