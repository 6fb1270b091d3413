package hostnet_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

func rules(texts ...string) []hostnet.Rule {
	var all []hostnet.Rule
	for _, t := range texts {
		all = append(all, hostnet.Rule{Comment: t[:1], Text: t})
	}
	return all
}

func TestCompareNamesEachDifference(t *testing.T) {
	chain := func(texts ...string) hostnet.Table {
		return hostnet.Table{Chains: []hostnet.Chain{{Name: "c", Rules: rules(texts...)}}}
	}
	set := func(members ...hostnet.Member) hostnet.Table {
		return hostnet.Table{Sets: []hostnet.Set{{Name: "s", Text: "type", Members: members}}}
	}
	for name, c := range map[string]struct {
		want, got hostnet.Table
		differ    []string
	}{
		"the same":      {chain("a", "b"), chain("a", "b"), nil},
		"one more":      {chain("a", "b"), chain("a", "x", "b"), []string{"rule of c (x) is not ours: x"}},
		"one less":      {chain("a", "b", "c"), chain("a", "c"), []string{"rule of c (b) is missing: b"}},
		"changed":       {chain("a1", "b"), chain("a2", "b"), []string{"rule of c (a) has changed: a2, should be a1"}},
		"another order": {chain("a", "b", "c"), chain("b", "a", "c"), []string{"rule of c (b) has changed: in another place: b, should be b"}},
		"twice":         {chain("a"), chain("a", "a"), []string{"rule of c (a) is not ours: a"}},
		"all others":    {chain("a"), chain("b"), []string{"rule of c (a) is missing: a", "rule of c (b) is not ours: b"}},
		"a chain less":  {chain("a"), hostnet.Table{}, []string{"chain of c is missing: chain with 1 rules"}},
		"a policy": {
			hostnet.Table{Chains: []hostnet.Chain{{Name: "i", Hook: "input", Priority: "0", Policy: "accept"}}},
			hostnet.Table{Chains: []hostnet.Chain{{Name: "i", Hook: "input", Priority: "5", Policy: "accept"}}},
			[]string{"chain of i has changed: hook input, priority 5, policy accept, should be hook input, priority 0, policy accept"},
		},
		"expiry is none": {set(hostnet.Member{Key: "1", Expires: time.Hour}), set(hostnet.Member{Key: "1", Expires: time.Second}), nil},
		"members": {
			set(hostnet.Member{Key: "1"}, hostnet.Member{Key: "2", Target: "goto a"}), set(hostnet.Member{Key: "2", Target: "goto b"}, hostnet.Member{Key: "3"}),
			[]string{"member of s is missing: 1", "member of s has changed: 2 : goto b, should be 2 : goto a", "member of s is not ours: 3"},
		},
	} {
		var got []string
		for _, d := range hostnet.Compare(c.want, c.got) {
			got = append(got, d.String())
		}
		if diff := cmp.Diff(c.differ, got); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestGenerationsThatDisagreeAreSaid(t *testing.T) {
	table := hostnet.Table{Chains: []hostnet.Chain{
		{Name: "active_input", Rules: []hostnet.Rule{{Text: "meta nfproto ipv4 goto g4_c1"}}},
		{Name: "active_output", Rules: []hostnet.Rule{{Text: "meta nfproto ipv4 goto g5_c1"}}},
	}}
	if _, _, _, ok := table.Generations(); ok {
		t.Error("generations 4 and 5 both rule, and that is fine")
	}
	if a, p, left, ok := (&hostnet.Table{}).Generations(); a != 0 || p != 0 || left != 0 || !ok {
		t.Errorf("an empty table has generations %d, %d, %s, %v", a, p, left, ok)
	}
}
