package web

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

func edge() *ingot.Firewall {
	last := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	return &ingot.Firewall{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "edge", Generation: 3},
		Spec: ingot.FirewallSpec{
			Networks: []ingot.FirewallNetwork{{Name: "inside"}, {Name: "internet", Namespace: "provider"}},
			Egress: []ingot.FirewallRule{
				{Name: "git", Protocol: ingot.TCPProtocol, Ports: []string{"22"}, ToFQDNs: []string{"*.example.org"}},
				{Name: "mail", Protocol: ingot.TCPProtocol, Ports: []string{"25"}, ToFQDNs: []string{"mail.example.net"}},
			},
			Ingress: []ingot.FirewallRule{{Name: "www", Protocol: ingot.TCPProtocol, Ports: []string{"80"}}},
		},
		Status: ingot.FirewallStatus{
			ResolvedGeneration: 3, Applied: &ingot.FirewallApplied{Generation: 3},
			Networks: []ingot.FirewallNetworkStatus{
				{Network: "shop/inside", Inside: true, Prefixes: []string{"10.0.4.0/24"}, Addresses: []string{"10.0.4.1"}},
				{Network: "provider/internet", Prefixes: []string{"0.0.0.0/0"}, Addresses: []string{"192.0.2.1"}, Masquerade: []string{"192.0.2.1"}},
			},
			DNSServers: []string{"198.51.100.53"},
			Names:      []ingot.FirewallName{{Name: "git.example.org", Addresses: []string{"198.51.100.22"}}, {Name: "mail.example.net", Refused: 1}},
			Drops: []ingot.FirewallDrop{
				{From: "10.0.4.7", To: "198.51.100.9", Protocol: "TCP", Port: 23, Packets: 2, By: "egress-default", Last: last},
				{From: "203.0.113.9", To: "10.0.4.80", Protocol: "ICMP", Packets: 40, By: "ingress-default", Last: last},
				{From: "10.0.4.7", To: "198.51.100.9", Protocol: "TCP", Port: 25, Packets: 3, By: "egress-default", Last: last},
			},
		},
	}
}

// TestARulesStateIsTheMachines: it is enforced where the machine says so, and one with names only lets pass what a client was told.
func TestARulesStateIsTheMachines(t *testing.T) {
	f := edge()
	states := func() []string {
		var all []string
		current := firewallRow(f, nil).Current
		for _, r := range rulesIn(f, current) {
			all = append(all, r.Name+" "+r.State)
		}
		return all
	}
	if got, want := states(), []string{"egress/git enforced", "egress/mail no name asked yet", "ingress/www enforced"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	f.Generation = 4
	if got, want := states(), []string{"egress/git waiting", "egress/mail waiting", "ingress/www waiting"}; !slices.Equal(got, want) {
		t.Errorf("of a later generation: %q, want %q", got, want)
	}
}

func TestRefusalsAreSummedUp(t *testing.T) {
	f := edge()
	by := refusals(f, func(d ingot.FirewallDrop) string { return d.By })
	if want := []Refusal{{"ingress-default", 40, 1}, {"egress-default", 5, 2}}; !slices.Equal(by, want) {
		t.Errorf("by rule %+v, want %+v", by, want)
	}
	if r := firewallRow(f, map[string]*MeshMember{"shop/edge": {Name: "n"}}); r.Refused != 45 || r.Refusals != 3 || r.Mesh == nil || r.Networks[0] != "shop/inside" || r.Networks[1] != "provider/internet" {
		t.Errorf("row %+v", r)
	}
	if d := dropsOf(f); d[0].Wire != "TCP/23" || d[1].Wire != "ICMP" {
		t.Errorf("drops %+v", d)
	}
}

// TestAPacketOfTheAddressIsExplained as the command does.
func TestAPacketOfTheAddressIsExplained(t *testing.T) {
	for _, c := range []struct{ query, verdict, by, wrong string }{
		{query: ""},
		{query: "from=10.0.4.7&to=git.example.org&port=22", verdict: "accept", by: "egress/git"},
		{query: "from=10.0.4.7&to=198.51.100.9&port=23", verdict: "drop", by: "egress-default"},
		{query: "from=10.0.4.7&to=198.51.100.9&port=x", wrong: `port "x": write a number from 1 to 65535`},
		{query: "from=10.0.4.7&to=198.51.100.9&protocol=GRE", wrong: `proto "GRE": write TCP, UDP, SCTP or ICMP`},
	} {
		q, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		var b FirewallBody
		b.explain(edge(), q)
		got := [3]string{"", "", b.Wrong}
		if b.Answer != nil {
			got[0], got[1] = b.Answer.Verdict, b.Answer.By
		}
		if got != [3]string{c.verdict, c.by, c.wrong} {
			t.Errorf("%s: %q", c.query, got)
		}
	}
}

// TestAFirewallWithoutAnythingHasEmptyLists: the page asks how long they are, and null has no length.
func TestAFirewallWithoutAnythingHasEmptyLists(t *testing.T) {
	f := &ingot.Firewall{}
	text, err := json.Marshal(FirewallBody{
		Row: firewallRow(f, nil), Networks: networksOf(f), Rules: rulesIn(f, true), Names: namesOf(f), Drops: dropsOf(f),
		By: refusals(f, func(d ingot.FirewallDrop) string { return d.By }), From: refusals(f, func(d ingot.FirewallDrop) string { return d.From }),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"networks", "rules", "names", "drops", "refusedBy", "refusedFrom"} {
		if !strings.Contains(string(text), `"`+list+`":[]`) {
			t.Errorf("%s is no list in %s", list, text)
		}
	}
}

// TestAReplacementIsToldWithBothMachines: who answers, where each stands, and what `ingot firewall replace` would say against it.
func TestAReplacementIsToldWithBothMachines(t *testing.T) {
	f := edge()
	if r := firewallRow(f, nil); replacementOf(f) != nil || refusalOf(f) != "" || r.Replacing != "" {
		t.Errorf("without one: %+v, %q", replacementOf(f), refusalOf(f))
	}
	f.Spec.Machine.Host, f.Status.Host = &ingot.MachineHost{Namespace: "racks", Name: "a"}, &ingot.MachineHost{Namespace: "racks", Name: "a"}
	if got := refusalOf(f); !strings.Contains(got, "names its host, racks/a, which it has") || f.Spec.ReplaceRequest != "" {
		t.Errorf("of one that names its host: %q", got)
	}
	began := metav1.NewTime(time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC))
	seen := metav1.NewTime(began.Add(time.Minute))
	f.Status.Replacement = &ingot.FirewallReplacement{
		Machine: "edge-x7k2p", Earlier: "edge", Host: &ingot.MachineHost{Namespace: "racks", Name: "b"}, Phase: "Preparing", Began: began, Since: began, Why: "requested: new kernel",
	}
	f.Status.Members = map[string]ingot.FirewallMember{"edge-x7k2p": {Generation: 3, Problem: "no card", LastSeen: seen}}
	f.Status.Conditions = []metav1.Condition{{Type: ingot.FirewallReplacedCondition, Status: metav1.ConditionFalse, Reason: "Unhealthy", Message: "edge-x7k2p: its rules are late"}}
	want := FirewallReplacement{
		Phase: "Preparing", Says: "edge-x7k2p: its rules are late", Reason: "Unhealthy", Since: "2026-03-01T12:00:00Z", Began: "2026-03-01T12:00:00Z", Why: "requested: new kernel",
		Old: FirewallMachine{Name: "edge", Host: "racks/a", Answers: true},
		New: FirewallMachine{Name: "edge-x7k2p", Host: "racks/b", Generation: 3, Problem: "no card", LastSeen: "2026-03-01T12:01:00Z"},
	}
	if got := replacementOf(f); *got != want || refusalOf(f) != "" || firewallRow(f, nil).Replacing != "Preparing" {
		t.Errorf("%+v, want %+v; %q", *got, want, refusalOf(f))
	}
	f.Spec.CancelReplacement = "edge-x7k2p"
	f.Status.Replacement.Phase, f.Status.Machine, f.Status.Term, f.Status.Holder = "Releasing", "edge-x7k2p", 1, "edge-x7k2p"
	f.Status.Host = &ingot.MachineHost{Namespace: "racks", Name: "b"}
	if got := replacementOf(f); !got.Cancelled || got.Old.Answers || got.Old.Host != "" || !got.New.Answers || !strings.Contains(refusalOf(f), "too late to cancel") {
		t.Errorf("the new one serves: %+v; %q", *got, refusalOf(f))
	}
}
