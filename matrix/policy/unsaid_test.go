package policy_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix/policy"
)

const frame = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: a, labels: {zone: in, role/r: ""}}
spec: {node: a, interfaceName: eth0, expectedIPs: [10.0.0.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec: {types: [Ingress], selector: zone == 'in', `

// What rows cannot say is listed with its field, and never allowed.
func TestWhatRowsCannotSayIsListed(t *testing.T) {
	rule := func(r string) string { return frame + "ingress: [{action: Allow, " + r + "}]}" }
	cases := []struct{ name, manifests, path, why string }{
		{"deny", frame + "ingress: [{action: Deny, protocol: TCP}]}", "spec.ingress[0].action", "rows only allow"},
		{"pass", frame + "ingress: [{action: Pass}]}", "spec.ingress[0].action", "rows only allow"},
		{"log", frame + "ingress: [{action: Log}]}", "spec.ingress[0].action", "rows only allow"},
		{"no protocol", rule("source: {}"), "spec.ingress[0].protocol", "about all of them"},
		{"not protocol", rule("notProtocol: TCP"), "spec.ingress[0].notProtocol", "what it is not"},
		{"not ICMP", rule("protocol: ICMP, notICMP: {type: 8}"), "spec.ingress[0].notICMP", "what they are not"},
		{"ICMP code", rule("protocol: ICMP, icmp: {type: 8, code: 0}"), "spec.ingress[0].icmp.code", "without codes"},
		{"family", rule("protocol: TCP, ipVersion: 4"), "spec.ingress[0].ipVersion", "both families"},
		{"source port", rule("protocol: TCP, source: {ports: [1]}"), "spec.ingress[0].source.ports", "server's ports"},
		{"not ports", rule("protocol: TCP, destination: {notPorts: [1]}"), "spec.ingress[0].destination.notPorts", "what they are not"},
		{"named port", rule("protocol: TCP, destination: {ports: [web]}"), "spec.ingress[0].destination.ports", "write the number"},
		{"port 0", rule("protocol: TCP, destination: {ports: [0]}"), "spec.ingress[0].destination.ports", "port 0"},
		{"not selector", rule("protocol: TCP, source: {notSelector: has(x)}"), "spec.ingress[0].source.notSelector", "who they are not"},
		{"not nets", rule("protocol: TCP, source: {notNets: [10.0.0.0/8]}"), "spec.ingress[0].source.notNets", "who they are not"},
		{"both", rule("protocol: TCP, source: {selector: zone == 'in', nets: [10.0.0.0/8]}"), "spec.ingress[0].source.nets", "one party"},
		{"global", rule("protocol: TCP, source: {namespaceSelector: global()}"), "spec.ingress[0].source.namespaceSelector", "no party"},
		{"other labels", rule("protocol: TCP, source: {selector: env == 'prod'}"), "spec.ingress[0].source.selector", "more than a zone"},
		{"two roles", rule("protocol: TCP, source: {selector: has(role/r) && has(role/s)}"), "spec.ingress[0].source.selector", "several roles"},
		{"own nets", rule("protocol: TCP, destination: {nets: [10.0.0.1]}"), "spec.ingress[0].destination.nets", "host's own address"},
		{"own side elsewhere", rule("protocol: TCP, destination: {selector: zone == 'out'}"), "spec.ingress[0].destination.selector", "no packet matches"},
		{"policy selector", strings.Replace(rule("protocol: TCP"), "zone == 'in'", "env == 'prod'", 1), "spec.selector", "more than a zone"},
		{"forwarded", frame + "applyOnForward: true, ingress: [{action: Allow, protocol: TCP, source: {notSelector: has(x)}}]}", "spec.applyOnForward", "forwarded"},
		{"untracked", frame + "applyOnForward: true, doNotTrack: true, ingress: [{action: Allow, protocol: TCP}]}", "spec.doNotTrack", "connection tracking"},
		{"preDNAT", frame + "applyOnForward: true, preDNAT: true, ingress: [{action: Allow, protocol: TCP}]}", "spec.preDNAT", "translated"},
		{"tier", frame + "tier: kube-admin, ingress: [{action: Allow, protocol: TCP}]}", "spec.tier", "order of tiers"},
		{"staged", strings.Replace(rule("protocol: TCP"), "kind: GlobalNetworkPolicy", "kind: StagedGlobalNetworkPolicy", 1), "", "preview"},
		{"pods", frame + "serviceAccountSelector: all(), ingress: [{action: Allow, protocol: TCP}]}", "", "pods"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, err := calico.Decode([]byte(c.manifests))
			if err != nil {
				t.Fatal(err)
			}
			m, unsaid, err := policy.Import(o)
			if err != nil {
				t.Fatal(err)
			}
			found := false
			for _, u := range unsaid {
				found = found || u.Path == c.path && strings.Contains(u.Why, c.why)
			}
			if !found {
				t.Errorf("want %s with %q among %+v", c.path, c.why, unsaid)
			}
			if len(m.Rows) > 0 {
				t.Errorf("it became the row %+v", m.Rows[0])
			}
		})
	}
}

// Endpoints are read into hosts where a matrix has a word for them.
func TestPlacesThatRowsCannotNameAreListed(t *testing.T) {
	const endpoint = "apiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: e, labels: {LABELS}}\nspec: {SPEC}\n"
	const set = "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: s, labels: {LABELS}}\nspec: {nets: [10.0.0.0/8]}\n"
	fill := func(text, labels, spec string) string {
		return strings.NewReplacer("LABELS", labels, "SPEC", spec).Replace(text)
	}
	cases := []struct{ name, manifests, path, why string }{
		{"no zone", fill(endpoint, "env: prod", "node: a, interfaceName: eth0"), "metadata.labels", "neither a zone nor a plane"},
		{"all interfaces", fill(endpoint, "zone: in", `node: a, interfaceName: "*"`), "spec.interfaceName", "one interface"},
		{"by address", fill(endpoint, "zone: in", "node: a, expectedIPs: [10.0.0.1]"), "spec.interfaceName", "one interface"},
		{"profile", fill(endpoint, "zone: in", "node: a, interfaceName: eth0, profiles: [projectcalico-default-allow]"), "spec.profiles", "no policy decides"},
		{"node", fill(endpoint, "zone: in", "node: a.example.org, interfaceName: eth0"), "spec.node", "it became a-example-org"},
		{"set", fill(set, "env: prod", ""), "metadata.labels", "no zone and has no role"},
		{
			"role in two places", fill(set, "zone: in, role/x: ''", "") + "---\n" + strings.Replace(strings.Replace(fill(set, "zone: out, role/x: ''", ""), "name: s", "name: u", 1), "10.0.0.0/8", "11.0.0.0/8", 1),
			"spec.nets", "one list",
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			o, err := calico.Decode([]byte(c.manifests))
			if err != nil {
				t.Fatal(err)
			}
			_, unsaid, err := policy.Import(o)
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range unsaid {
				if u.Path == c.path && strings.Contains(u.Why, c.why) {
					return
				}
			}
			t.Errorf("want %s with %q among %+v", c.path, c.why, unsaid)
		})
	}
}
