package audit_test

import (
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/audit"
)

func TestDefaultPolicy(t *testing.T) {
	p := audit.DefaultPolicy()
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	object := func(group, resource, sub string) *audit.Object {
		return &audit.Object{Group: group, Resource: resource, Subresource: sub, Namespace: "n", Name: "x"}
	}
	secrets, hosts := object("", "secrets", ""), object("metal3.io", "baremetalhosts", "")
	for name, c := range map[string]struct {
		asked audit.Asked
		keep  audit.Keep
		need  audit.Need
	}{
		"a person reads a Secret":             {audit.Asked{User: "alice", Verb: "get", Object: secrets}, audit.KeepEntry, audit.NeedWritten},
		"a person watches Secrets":            {audit.Asked{User: "alice", Verb: "watch", Object: secrets}, audit.KeepEntry, audit.NeedWritten},
		"a role reads a Secret":               {audit.Asked{User: "p", Groups: []string{"ingot:partition"}, Verb: "get", Object: secrets}, audit.KeepEntry, audit.NeedWritten},
		"a controller lists Secrets":          {audit.Asked{User: "gc", Groups: []string{"system:serviceaccounts:kube-system"}, Verb: "list", Object: secrets}, audit.KeepEntry, audit.NeedWritten},
		"a role changes a Secret":             {audit.Asked{User: "p", Groups: []string{"ingot:partition"}, Verb: "create", Object: secrets}, audit.KeepEntry, audit.NeedDurable},
		"a token is asked for":                {audit.Asked{User: "alice", Verb: "create", Object: object("", "serviceaccounts", "token")}, audit.KeepEntry, audit.NeedDurable},
		"a person makes a role":               {audit.Asked{User: "alice", Verb: "create", Object: object("rbac.authorization.k8s.io", "clusterroles", "")}, audit.KeepChange, audit.NeedDurable},
		"a person turns a host off":           {audit.Asked{User: "alice", Verb: "patch", Object: hosts}, audit.KeepChange, audit.NeedDurable},
		"a person writes a host's status":     {audit.Asked{User: "alice", Verb: "update", Object: object("metal3.io", "baremetalhosts", "status")}, audit.KeepChange, audit.NeedDurable},
		"a role writes a host's status":       {audit.Asked{User: "p", Groups: []string{"ingot:partition"}, Verb: "update", Object: object("metal3.io", "baremetalhosts", "status")}, audit.KeepFailures, audit.NeedNothing},
		"a role changes a host":               {audit.Asked{User: "p", Groups: []string{"ingot:partition"}, Verb: "patch", Object: hosts}, audit.KeepEntry, audit.NeedNothing},
		"a role reads":                        {audit.Asked{User: "p", Groups: []string{"ingot:partition"}, Verb: "list", Object: hosts}, audit.KeepFailures, audit.NeedNothing},
		"a person reads":                      {audit.Asked{User: "alice", Verb: "list", Object: hosts}, audit.KeepFailures, audit.NeedNothing},
		"a lease":                             {audit.Asked{User: "p", Groups: []string{"ingot:partition"}, Verb: "update", Object: object("coordination.k8s.io", "leases", "")}, audit.KeepNothing, audit.NeedNothing},
		"health":                              {audit.Asked{User: "alice", Verb: "get", Path: "/readyz/ping"}, audit.KeepFailures, audit.NeedNothing},
		"the trail itself":                    {audit.Asked{User: "alice", Verb: "get", Path: "/audit/records"}, audit.KeepEntry, audit.NeedWritten},
		"the garbage collector deletes":       {audit.Asked{User: "gc", Groups: []string{"system:serviceaccounts:kube-system"}, Verb: "delete", Object: hosts}, audit.KeepEntry, audit.NeedNothing},
		"a person makes a namespace":          {audit.Asked{User: "alice", Verb: "create", Object: object("", "namespaces", "")}, audit.KeepEntry, audit.NeedNothing},
		"a person changes a ConfigMap":        {audit.Asked{User: "alice", Verb: "update", Object: object("", "configmaps", "")}, audit.KeepEntry, audit.NeedNothing},
		"the server's own changes at a start": {audit.Asked{User: "system:apiserver", Groups: []string{"system:masters"}, Verb: "create", Object: object("rbac.authorization.k8s.io", "clusterroles", "")}, audit.KeepEntry, audit.NeedNothing},
	} {
		t.Run(name, func(t *testing.T) {
			if r := p.Decide(c.asked); r.Keep != c.keep || r.Need != c.need {
				t.Errorf("rule %q: keep %s need %s, want %s %s", r.Name, r.Keep, r.Need, c.keep, c.need)
			}
		})
	}
}

func TestPolicyFiles(t *testing.T) {
	p, err := audit.ParsePolicy([]byte("rules:\n- {name: a, users: [x], keep: Nothing}\n- {name: b, resources: [{group: '*', resources: ['*/status']}], keep: Entry, sample: 10}\nretention: {fileHours: 2}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Rules[0].Need != audit.NeedNothing || p.Retention.FileAge != 2*time.Hour || p.Retention.FileBytes == 0 || p.Retention.UnsentBytes < p.Retention.TotalBytes {
		t.Errorf("policy %+v", p)
	}
	if r := p.Decide(audit.Asked{User: "y", Verb: "get", Object: &audit.Object{Resource: "x"}}); r.Keep != audit.KeepEntry {
		t.Errorf("what no rule means is %s", r.Keep)
	}
	for text, want := range map[string]string{
		"rules: [{name: a, keep: Sometimes}]":                                              "keep is \"Sometimes\"",
		"rules: [{name: a, keep: Entry, need: Maybe}]":                                     "need is \"Maybe\"",
		"rules: [{keep: Entry}]":                                                           "no name",
		"rules: [{name: a, keep: Nothing, need: Durable}]":                                 "cannot be left out",
		"rules: [{name: a, keep: Entry, sample: 2, need: Written}]":                        "cannot be left out",
		"rules: [{name: a, keep: Entry, paths: [/x], namespaces: [y]}]":                    "rule of their own",
		"rules: [{name: a, keep: Change, resources: [{group: '', resources: [secrets]}]}]": "never kept",
		"rules: [{name: a, keep: Entry, user: x}]":                                         "user",
		"retention: {fileBytes: 10}":                                                       "at least",
		"retention: {fileHours: -1}":                                                       "fileHours",
		"retention: {fileBytes: 1000000, totalBytes: 1000000}":                             "at least twice",
		"retention: {unsentBytes: 1000000}":                                                "at least totalBytes",
	} {
		if _, err := audit.ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestFilter(t *testing.T) {
	r := audit.Record{Seq: 7, Time: start, Kind: audit.KindRequest, Request: &audit.Request{
		ID: "i", Stage: audit.StageDone, User: "alice", ImpersonatedBy: "root", Verb: "get", Code: 403, Object: &audit.Object{Resource: "secrets", Namespace: "n", Name: "x"},
	}}
	for _, f := range []audit.Filter{
		{}, {User: "alice"}, {User: "root"}, {User: "al*"}, {Verb: "get"}, {Kind: "secrets"}, {Kind: "secrets."}, {Namespace: "n", Name: "x"}, {Since: start}, {Until: start.Add(1)}, {Failed: true}, {SecretReads: true},
		{Request: "i"}, {After: 6}, {Seq: 7}, {All: true},
	} {
		if !f.Match(r) {
			t.Errorf("%+v does not choose it", f)
		}
	}
	for _, f := range []audit.Filter{
		{User: "alic"}, {User: "bob"}, {Verb: "list"}, {Kind: "secrets.x"}, {Kind: "secrets/status"}, {Kind: "configmaps"}, {Namespace: "m"}, {Name: "y"}, {Since: start.Add(1)}, {Until: start}, {Request: "j"}, {After: 7}, {Seq: 8},
	} {
		if f.Match(r) {
			t.Errorf("%+v chooses it", f)
		}
	}
	r.Request.Stage, r.Request.Code = audit.StageIntent, 0
	if (audit.Filter{}).Match(r) || !(audit.Filter{Intents: true}).Match(r) || (audit.Filter{Intents: true, Failed: true}).Match(r) {
		t.Error("an intent is chosen where it should not be, or not where it should")
	}
	note := audit.Record{Seq: 8, Time: start, Kind: audit.KindStart, Notice: &audit.Notice{}}
	if (audit.Filter{}).Match(note) || !(audit.Filter{All: true}).Match(note) || (audit.Filter{All: true, User: "alice"}).Match(note) {
		t.Error("a notice is chosen where it should not be, or not where it should")
	}
}

func TestFilterAsAQuery(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, 20, -1)
		f := audit.Filter{
			User: text.Draw(t, "user"), Verb: text.Draw(t, "verb"), Kind: text.Draw(t, "kind"), Namespace: text.Draw(t, "namespace"), Name: text.Draw(t, "name"), Request: text.Draw(t, "request"),
			Failed: rapid.Bool().Draw(t, "failed"), SecretReads: rapid.Bool().Draw(t, "secrets"), Intents: rapid.Bool().Draw(t, "intents"), All: rapid.Bool().Draw(t, "all"),
			After: rapid.Uint64().Draw(t, "after"), Seq: rapid.Uint64().Draw(t, "seq"),
			Since: start.Add(time.Duration(rapid.Int64Range(0, 1<<50).Draw(t, "since"))),
		}
		query, err := url.ParseQuery(f.Values().Encode())
		if err != nil {
			t.Fatal(err)
		}
		got, err := audit.ParseFilter(query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(f, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	})
	for _, bad := range []string{"colour=red", "since=yesterday", "failed=perhaps", "seq=-1", "user=a&user=b"} {
		query, err := url.ParseQuery(bad)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := audit.ParseFilter(query); err == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

// TestExamplePolicy: the file that is there to be copied has a meaning, and needs what the built-in policy needs for Secrets.
func TestExamplePolicy(t *testing.T) {
	text, err := os.ReadFile("../examples/audit/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := audit.ParsePolicy(text)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"} {
		asked := audit.Asked{User: "alice", Groups: []string{"ingot:partition"}, Verb: verb, Object: &audit.Object{Resource: "secrets"}}
		if got, want := p.Decide(asked), audit.DefaultPolicy().Decide(asked); got.Need != want.Need || got.Keep != want.Keep {
			t.Errorf("%s of Secrets: keep %s need %s, built in %s %s", verb, got.Keep, got.Need, want.Keep, want.Need)
		}
	}
}
