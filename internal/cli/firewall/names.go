package firewall

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	pure "github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/firewall/names"
)

// dns says whom the firewall asks for clients, where rules have names.
func dns(f *ingot.Firewall) string {
	if !slices.ContainsFunc(f.Spec.Egress, func(r ingot.FirewallRule) bool { return len(r.ToFQDNs) > 0 }) {
		return ""
	}
	return "answers clients inside, and asks " + strings.Join(f.Status.DNSServers, " ")
}

// told is a name in a line.
func told(n *ingot.FirewallName) string {
	words := []string{n.Name + ":"}
	if len(n.Addresses) == 0 {
		words = append(words, "no address")
	}
	words = append(words, n.Addresses...)
	if n.Until != nil {
		words = append(words, "until "+n.Until.Local().Format(time.TimeOnly))
	}
	words = append(words, fmt.Sprintf("(%d answered, %d refused)", n.Answers, n.Refused))
	if n.Problem != "" {
		words = append(words, n.Problem)
	}
	return strings.Join(words, " ")
}

// standIns are addresses that a name could have where none is known.
func standIns(f *ingot.Firewall, name string) []netip.Addr {
	var all []netip.Addr
	for _, n := range f.Status.Names {
		for _, text := range n.Addresses {
			if a, err := netip.ParseAddr(text); err == nil && n.Name == name {
				all = append(all, a)
			}
		}
	}
	return append(all, netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8::1"))
}

// explainName says what becomes of a packet to a name, whichever address it has.
func explainName(f *ingot.Firewall, g *gateway.Gateway, p pure.Packet, name string) (Explanation, error) {
	name = names.Normal(name)
	if err := names.Check(name); err != nil || strings.HasPrefix(name, "*") {
		return Explanation{}, fmt.Errorf("--to %q is neither an address nor a name such as api.example.org", name)
	}
	g = g.LearnedFrom(func(patterns []string, _ netip.Addr) bool { return names.Any(patterns, name) })
	var at netip.Addr
	for _, a := range standIns(f, name) {
		if !at.IsValid() && a.Is4() == p.Source.Is4() && g.Learnable(a) {
			at = a
		}
	}
	if !at.IsValid() {
		return Explanation{Verdict: pure.Drop.String(), By: gateway.ByNoNetwork, Fix: "nothing: no network outside has addresses of the family that a name could have"}, nil
	}
	p.Destination = at
	d := g.Explain(p)
	e := Explanation{Verdict: d.Verdict.String(), By: d.By}
	if d.Verdict != pure.Accept {
		e.Fix = fixes()[d.By]
		if rules := g.Named(name); len(rules) > 0 {
			e.Fix = "another source, protocol or port: the name is in " + strings.Join(rules, ", ")
		}
		return e, nil
	}
	e.LeavesFrom, e.LeavesTo = d.Source.String(), name
	if slices.Contains(g.Named(name), d.By) {
		e.Note = "to the addresses that the firewall has told a client for the name, for as long as they hold"
	}
	return e, nil
}

// byName says which rule would let a packet pass if its destination were an address of one of the rule's names.
func byName(g *gateway.Gateway, p pure.Packet, f *ingot.Firewall) string {
	if object.Resolved(f)(g.Patterns(), p.Destination) || !g.Learnable(p.Destination) {
		return ""
	}
	d := g.LearnedFrom(func([]string, netip.Addr) bool { return true }).Explain(p)
	if d.Verdict != pure.Accept {
		return ""
	}
	return fmt.Sprintf("; or %s, if it is an address of one of its names: a client has to ask the firewall for the name before, and the machine told lately of no such address", d.By)
}
