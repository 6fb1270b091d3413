package ruleset_test

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/firewall/selector"
)

// A peer that joins or leaves is one element, with none there and with ten thousand, and wherever in the tree its rule stands.
func TestAPeerMoreOrLessIsOneElement(t *testing.T) {
	of := func(n int) *ruleset.Ruleset {
		s, err := firewall.NewSite(large[4].make(n), nil)
		if err != nil {
			t.Fatal(err)
		}
		return ruleset.Compile(s, s.Host("n", nil), ruleset.Options{Generation: 1})
	}
	for _, n := range []int{0, 1, 10, 10_000} {
		few, many := of(n), of(n+1)
		joined, ok := ruleset.Difference(few, many)
		if !ok || len(joined.Changes) != 1 || len(joined.Changes[0].Add) != 1 || len(joined.Changes[0].Remove) != 0 {
			t.Errorf("%d peers and one: %v, %v", n, joined, ok)
		}
		left, ok := ruleset.Difference(many, few)
		if !ok || len(left.Changes) != 1 || len(left.Changes[0].Remove) != 1 || len(left.Changes[0].Add) != 0 {
			t.Errorf("%d peers without one: %v, %v", n+1, left, ok)
		}
		if none, ok := ruleset.Difference(few, of(n)); !ok || len(none.Changes) != 0 || none.Text() != "" {
			t.Errorf("%d peers, twice: %v, %v", n, none, ok)
		}
	}
}

// Whatever is more than members is no delta.
func TestADeltaIsOnlyOfMembers(t *testing.T) {
	compile := func(change func(*calico.Objects), o ruleset.Options) *ruleset.Ruleset {
		objects := large[4].make(10)
		if change != nil {
			change(&objects)
		}
		s, err := firewall.NewSite(objects, nil)
		if err != nil {
			t.Fatal(err)
		}
		return ruleset.Compile(s, s.Host("n", nil), o)
	}
	base := compile(nil, ruleset.Options{Generation: 1})
	for name, other := range map[string]*ruleset.Ruleset{
		"a generation": compile(nil, ruleset.Options{Generation: 2}),
		"a table":      compile(nil, ruleset.Options{Generation: 1, Table: "other"}),
		"an inventory": compile(nil, ruleset.Options{Generation: 1, Refused: true}),
		"an action":    compile(func(o *calico.Objects) { o.Policies[0].Ingress[0].Action = calico.Deny }, ruleset.Options{Generation: 1}),
		"a port":       compile(func(o *calico.Objects) { o.Policies[0].Ingress[0].Destination.Ports[0].Max++ }, ruleset.Options{Generation: 1}),
		"an interface": compile(func(o *calico.Objects) { o.HostEndpoints[0].InterfaceName = "eth9" }, ruleset.Options{Generation: 1}),
		"a flow": compile(func(o *calico.Objects) {
			o.Policies[0].Ingress[0].Annotations = map[string]string{calico.FlowAnnotation: "row"}
		}, ruleset.Options{Generation: 1}),
		"a rule": compile(func(o *calico.Objects) {
			o.Policies[0].Ingress = append(o.Policies[0].Ingress, o.Policies[0].Ingress[0])
			o.Policies[0].Ingress[1].Destination.Ports = []calico.Port{{Min: 80, Max: 80}}
		}, ruleset.Options{Generation: 1}),
	} {
		if d, ok := ruleset.Difference(base, other); ok {
			t.Errorf("%s is a change of members: %v", name, d)
		}
	}
}

// A member that stays is not moved: the kernel could only remove and add it, and a packet between the two would find nothing.
func TestADeltaMovesNoMember(t *testing.T) {
	set := func(nets ...string) *ruleset.Ruleset {
		o := large[4].make(1)
		more := calico.NetworkSet{Meta: calico.Meta{Name: "nets", Labels: map[string]string{"peer": ""}}}
		for _, n := range nets {
			more.Nets = append(more.Nets, netip.MustParsePrefix(n))
		}
		o.NetworkSets = append(o.NetworkSets, more)
		return compileHost(t, o)
	}
	// ways are 20 kinds of networks, each with a rule of its own: a map tells them apart. One more network is of the kind that is given.
	ways := func(kind int) *ruleset.Ruleset {
		o := large[3].make(20)
		o.NetworkSets = append(o.NetworkSets, calico.NetworkSet{
			Meta: calico.Meta{Name: "more", Labels: map[string]string{"kind": fmt.Sprint(kind)}}, Nets: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/28")},
		})
		for i := range o.Policies[0].Ingress[:20] {
			s, err := selector.Parse(fmt.Sprintf("kind == '%d'", i))
			if err != nil {
				t.Fatal(err)
			}
			o.Policies[0].Ingress[i].Source = calico.Peer{Selector: &s}
			o.NetworkSets = append(o.NetworkSets, calico.NetworkSet{
				Meta: calico.Meta{Name: fmt.Sprint("kind", i), Labels: map[string]string{"kind": fmt.Sprint(i)}}, Nets: []netip.Prefix{netip.PrefixFrom(host(i*8).Addr(), 29)},
			})
		}
		return compileHost(t, o)
	}
	// selectors are two rules with a set each, and a host in one of them.
	selectors := func(label, address string) *ruleset.Ruleset {
		o := large[4].make(1)
		s, err := selector.Parse("has(other)")
		if err != nil {
			t.Fatal(err)
		}
		o.Policies[0].Ingress = append(o.Policies[0].Ingress, tcp(calico.Peer{Selector: &s}, calico.Port{Min: 80, Max: 80}))
		o.NetworkSets = append(o.NetworkSets, calico.NetworkSet{
			Meta: calico.Meta{Name: "host", Labels: map[string]string{label: ""}}, Nets: []netip.Prefix{netip.MustParsePrefix(address)},
		})
		return compileHost(t, o)
	}
	for _, c := range []struct {
		name     string
		old, new *ruleset.Ruleset
		ok       bool
	}{
		{"another range", set("192.0.2.0/28"), set("192.0.2.0/28", "192.0.2.64/28"), true},
		{"one range for another", set("192.0.2.0/28"), set("192.0.2.64/28"), true},
		{"a range that grows", set("192.0.2.0/28"), set("192.0.2.0/27"), false},
		{"a range that shrinks", set("192.0.2.0/27"), set("192.0.2.0/28"), false},
		{"a range that grows by its neighbour", set("192.0.2.0/28"), set("192.0.2.0/28", "192.0.2.16/28"), false},
		{"a range that is cut in two", set("192.0.2.0/27"), set("192.0.2.0/28", "192.0.2.24/29"), false},
		{"a host for another", selectors("peer", "192.0.2.1/32"), selectors("peer", "192.0.2.2/32"), true},
		{"a host for another of another selector", selectors("peer", "192.0.2.1/32"), selectors("other", "192.0.2.2/32"), true},
		{"a host that leaves one selector for another", selectors("peer", "192.0.2.1/32"), selectors("other", "192.0.2.1/32"), false},
		{"a member that is led elsewhere", ways(0), ways(1), false},
	} {
		if len(c.old.Maps) != len(c.new.Maps) || c.name == "a member that is led elsewhere" && len(c.old.Maps) == 0 {
			t.Fatalf("%s: there are %d maps and %d: the case tests nothing", c.name, len(c.old.Maps), len(c.new.Maps))
		}
		if d, ok := ruleset.Difference(c.old, c.new); ok != c.ok {
			t.Errorf("%s: a delta is %v, should be %v\n%s", c.name, ok, c.ok, d.Text())
		}
	}
}

func compileHost(t *testing.T, o calico.Objects) *ruleset.Ruleset {
	t.Helper()
	s, err := firewall.NewSite(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return ruleset.Compile(s, s.Host("n", nil), ruleset.Options{Generation: 1})
}

// Each rule that decides is found again by its comment.
func TestNamesGiveRulesBack(t *testing.T) {
	r := compiled(t, 3, 1)
	names := r.Names()
	for _, c := range r.Chains {
		for _, rule := range c.Rules {
			if rule.ID == "" {
				continue
			}
			found := false
			for _, n := range names {
				found = found || n == ruleset.Name{ID: rule.ID, Flow: rule.Flow}
			}
			if !found {
				t.Errorf("%s has no name", rule.ID)
			}
		}
	}
}
