package claim_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/claim"
)

// A policy opens to the namespaces that it means, and to none whose name only looks like theirs.
func TestOpenings(t *testing.T) {
	labelled := map[string]string{"tier": "gold", "team": ""}
	for name, c := range map[string]struct {
		opening claim.Opening
		tenant  string
		open    bool
		says    string
	}{
		"by name":                        {claim.Opening{Names: []string{"b", "team-a"}}, "team-a", true, ""},
		"a longer name":                  {claim.Opening{Names: []string{"team-a"}}, "team-a2", false, "names"},
		"a shorter name":                 {claim.Opening{Names: []string{"team-a"}}, "team", false, "names"},
		"another case":                   {claim.Opening{Names: []string{"team-a"}}, "Team-a", false, "names"},
		"a name is no pattern":           {claim.Opening{Names: []string{"team-."}}, "team-a", false, "names"},
		"by pattern":                     {claim.Opening{Pattern: "team-[a-c]"}, "team-b", true, ""},
		"something before it":            {claim.Opening{Pattern: "team-a"}, "my-team-a", false, "not match all"},
		"something after it":             {claim.Opening{Pattern: "team-a"}, "team-a-evil", false, "not match all"},
		"of alternatives the first":      {claim.Opening{Pattern: "a|team-a"}, "a", true, ""},
		"an alternative with a tail":     {claim.Opening{Pattern: "a|team-a"}, "ab", false, "not match all"},
		"an alternative with a head":     {claim.Opening{Pattern: "a|team-a"}, "xteam-a", false, "not match all"},
		"parentheses that break out":     {claim.Opening{Pattern: "a)|(?:b"}, "xb", false, "no regular expression"},
		"anchors of its own":             {claim.Opening{Pattern: "^team-a$"}, "team-a", true, ""},
		"a line break does not end it":   {claim.Opening{Pattern: "(?m)^team-a$"}, "team-a\nx", false, "not match all"},
		"no expression":                  {claim.Opening{Pattern: "team-["}, "team-[", false, "no regular expression"},
		"a comment swallows no anchor":   {claim.Opening{Pattern: "team-a|"}, "x", false, "not match all"},
		"the shorter alternative first":  {claim.Opening{Pattern: "team|team-a"}, "team-a", true, ""},
		"by label":                       {claim.Opening{Labels: []claim.Label{{"tier", "gold"}}}, "x", true, ""},
		"by a label of any value":        {claim.Opening{Labels: []claim.Label{{"team", ""}}}, "x", true, ""},
		"another value":                  {claim.Opening{Labels: []claim.Label{{"tier", "gol"}}}, "x", false, "tier=gol"},
		"one of two labels":              {claim.Opening{Labels: []claim.Label{{"tier", "gold"}, {"gone", ""}}}, "x", false, "gone"},
		"the name and not the label":     {claim.Opening{Names: []string{"x"}, Labels: []claim.Label{{"tier", "lead"}}}, "x", false, "tier=lead"},
		"the label and not the name":     {claim.Opening{Names: []string{"y"}, Labels: []claim.Label{{"tier", "gold"}}}, "x", false, "names"},
		"the label and not the pattern":  {claim.Opening{Pattern: "y", Labels: []claim.Label{{"tier", "gold"}}}, "x", false, "not match all"},
		"nothing given opens to nobody":  {claim.Opening{}, "x", false, "nobody"},
		"an empty name is not anybody's": {claim.Opening{Names: []string{""}}, "x", false, "names"},
	} {
		t.Run(name, func(t *testing.T) {
			open, why := c.opening.Opens(claim.Tenant{Namespace: c.tenant, Labels: labelled})
			if open != c.open || !strings.Contains(why, c.says) || open != (why == "") {
				t.Errorf("open %v, %q; want %v with %q", open, why, c.open, c.says)
			}
		})
	}
}

// One policy of several that opens is enough, in whatever order; a namespace without one is closed.
func TestSeveralOpenings(t *testing.T) {
	no, yes := claim.Opening{Host: "rack", Name: "no", Names: []string{"y"}}, claim.Opening{Host: "rack", Name: "yes", Names: []string{"x"}}
	other := claim.Opening{Host: "far", Name: "far", Names: []string{"y"}}
	for _, all := range [][]claim.Opening{{no, yes, other}, {yes, no, other}, {other, no, yes}} {
		open := claim.Open(all, claim.Tenant{Namespace: "x"})
		if why, ok := open["rack"]; !ok || why != "" || !strings.Contains(open["far"], "HostDeployPolicy far") {
			t.Errorf("%v gives %q", all, open)
		}
		if _, ok := open["nowhere"]; ok {
			t.Error("a namespace without a policy is known")
		}
	}
}

func TestRequirements(t *testing.T) {
	labels := map[string]string{"disk": "nvme", "cores": "64", "word": "x"}
	for name, c := range map[string]struct {
		q     claim.Requirement
		holds bool
		wrong string
	}{
		"in":                      {claim.Requirement{Key: "disk", Operator: "In", Values: []string{"hdd", "nvme"}}, true, ""},
		"in, as selection has it": {claim.Requirement{Key: "disk", Operator: "in", Values: []string{"nvme"}}, true, ""},
		"a part of the value":     {claim.Requirement{Key: "disk", Operator: "In", Values: []string{"nvm"}}, false, ""},
		"in, absent":              {claim.Requirement{Key: "none", Operator: "In", Values: []string{""}}, false, ""},
		"not in":                  {claim.Requirement{Key: "disk", Operator: "NotIn", Values: []string{"nvme"}}, false, ""},
		"not in, absent":          {claim.Requirement{Key: "none", Operator: "notin", Values: []string{"nvme"}}, true, ""},
		"equal":                   {claim.Requirement{Key: "disk", Operator: "=", Values: []string{"nvme"}}, true, ""},
		"unequal":                 {claim.Requirement{Key: "disk", Operator: "!=", Values: []string{"nvme"}}, false, ""},
		"exists":                  {claim.Requirement{Key: "disk", Operator: "Exists"}, true, ""},
		"does not exist":          {claim.Requirement{Key: "disk", Operator: "DoesNotExist"}, false, ""},
		"not there":               {claim.Requirement{Key: "none", Operator: "!"}, true, ""},
		"greater":                 {claim.Requirement{Key: "cores", Operator: "Gt", Values: []string{"63"}}, true, ""},
		"greater than itself":     {claim.Requirement{Key: "cores", Operator: "gt", Values: []string{"64"}}, false, ""},
		"less":                    {claim.Requirement{Key: "cores", Operator: "lt", Values: []string{"65"}}, true, ""},
		"a word is no number":     {claim.Requirement{Key: "word", Operator: "gt", Values: []string{"1"}}, false, ""},
		"unknown":                 {claim.Requirement{Key: "disk", Operator: "Near", Values: []string{"nvme"}}, false, "Near"},
		"in nothing":              {claim.Requirement{Key: "disk", Operator: "In"}, false, "at least one"},
		"exists with a value":     {claim.Requirement{Key: "disk", Operator: "Exists", Values: []string{"x"}}, false, "0 values"},
		"greater than a word":     {claim.Requirement{Key: "cores", Operator: "Gt", Values: []string{"many"}}, false, "number"},
		"no key":                  {claim.Requirement{Operator: "Exists"}, false, "key"},
	} {
		t.Run(name, func(t *testing.T) {
			h := offered("a", "1")
			h.Labels, h.Namespace = labels, "rack"
			d := claim.Choose(claim.NewInventory([]claim.Host{h}), claim.Rules{}, claim.Request{ID: "q", Project: "x", Where: []claim.Requirement{c.q}, Open: map[string]string{"rack": ""}})
			if (d.Host == "a") != c.holds || !strings.Contains(c.q.Problem(), c.wrong) || (c.wrong == "") != (c.q.Problem() == "") {
				t.Errorf("chose %q, problem %q; want %v, %q", d.Host, c.q.Problem(), c.holds, c.wrong)
			}
		})
	}
}

// A tenant's request sees hosts of opened namespaces only, takes preferred ones first, and says of each other one why it is not to be had.
func TestChooseUnderPolicies(t *testing.T) {
	in := func(namespace, name string, labels map[string]string) claim.Host {
		return claim.Host{Name: namespace + "/" + name, Namespace: namespace, State: claim.Offered, Labels: labels}
	}
	busy := in("open", "busy", nil)
	busy.State, busy.Holder = claim.Held, claim.Holder{Request: "y/other", Project: "y", Role: claim.Machine}
	hosts := []claim.Host{in("closed", "a", nil), in("bare", "a", nil), in("open", "a", nil), in("open", "b", map[string]string{"zone": "2"}), busy}
	open := map[string]string{"open": "", "closed": "its HostDeployPolicy p does not have it among its names"}
	r := claim.Request{ID: "x/c", Project: "x", Role: claim.Machine, Open: open}
	choose := func(change func(*claim.Request)) claim.Explanation {
		q := r
		if change != nil {
			change(&q)
		}
		return claim.Explain(claim.NewInventory(hosts), claim.Rules{}, q)
	}
	if e := choose(nil); e.Decision.Host != "open/a" {
		t.Errorf("%+v", e.Decision)
	}
	if e := choose(func(q *claim.Request) { q.Prefer = map[string]string{"zone": "2"} }); e.Decision.Host != "open/b" {
		t.Errorf("preferred: %+v", e.Decision)
	}
	if e := choose(func(q *claim.Request) { q.Prefer = map[string]string{"zone": "3"} }); e.Decision.Host != "open/a" {
		t.Errorf("a preference that nobody meets: %+v", e.Decision)
	}
	e := choose(func(q *claim.Request) { q.Labels = map[string]string{"gpu": "yes"} })
	if e.Decision.Refusal == nil || e.Decision.Refusal.Reason != claim.NoneFits {
		t.Fatalf("%+v", e.Decision)
	}
	want := map[string]string{"closed/a": "names", "bare/a": "no HostDeployPolicy", "open/a": "gpu=yes", "open/b": "gpu=yes", "open/busy": "held by y/other"}
	for _, v := range e.Verdicts {
		if !strings.Contains(v.Why, want[v.Host]) {
			t.Errorf("%s: %q, want %q", v.Host, v.Why, want[v.Host])
		}
		delete(want, v.Host)
	}
	if len(want) > 0 {
		t.Errorf("nothing said of %v", want)
	}
	if e := choose(func(q *claim.Request) { q.Within = "closed" }); e.Decision.Host != "" {
		t.Errorf("InNamespace opened a closed one: %+v", e.Decision)
	}
	if e := choose(func(q *claim.Request) { q.Open = map[string]string{} }); e.Decision.Host != "" {
		t.Errorf("no policy at all opened: %+v", e.Decision)
	}
	if e := choose(func(q *claim.Request) { q.Host = "closed/a" }); e.Decision.Refusal == nil || e.Decision.Refusal.Reason != claim.HostUnfit {
		t.Errorf("a named host of a closed namespace: %+v", e.Decision)
	}
}
