package ruleset_test

import (
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
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
