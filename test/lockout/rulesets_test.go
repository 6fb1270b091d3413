package lockout_test

import "strings"

// ruleset is one that cuts the operator off.
type ruleset struct {
	name string
	// refused says that ingot-node finds out itself, and a word of its reason.
	refused string
	// manifests besides the host's endpoints, or instead of them where endpoints is set.
	manifests string
	endpoints string
}

// endpoints of the host: the operator comes in by eth0; eth1 is another network of the host.
const endpoints = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host-eth0, labels: {host: "yes", net: management}}
spec: {node: host, interfaceName: eth0, expectedIPs: [10.0.0.1, "fd00::1"]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host-eth1, labels: {host: "yes", net: storage}}
spec: {node: host, interfaceName: eth1, expectedIPs: [10.1.0.1]}
---
`

// good lets the operator in by port 22, and nobody anywhere else.
const good = `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: good}
spec: {selector: has(host), types: [Ingress], ingress: [{action: Allow, protocol: TCP, source: {nets: [10.0.0.0/24]}, destination: {ports: [22]}}]}
`

// policy is a manifest of one policy; spec is YAML of one line.
func policy(name, spec string) string {
	return "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: " + name + "}\nspec: {" + spec + "}\n---\n"
}

// onHost is a policy for all of the host's endpoints with these incoming rules.
func onHost(rules ...string) string {
	return policy("p", "selector: has(host), types: [Ingress], ingress: ["+strings.Join(rules, ", ")+"]")
}

const (
	allowSSH = "{action: Allow, protocol: TCP, destination: {ports: [22]}}"
	deny     = "{action: Deny}"
)

// rulesets all cut the way of 10.0.0.2 over eth0 to port 22.
var rulesets = []ruleset{
	{name: "no policy at all", refused: "no-profile"},
	{name: "an empty policy", refused: "tier/default/end", manifests: onHost()},
	{name: "no rule for 22", refused: "tier/default/end", manifests: onHost("{action: Allow, protocol: TCP, destination: {ports: [80, 443]}}")},
	{name: "deny first", refused: "p/ingress/0", manifests: onHost(deny, allowSSH)},
	{name: "wrong port", refused: "tier/default/end", manifests: onHost("{action: Allow, protocol: TCP, destination: {ports: [2222]}}")},
	{name: "the port on the wrong side", refused: "tier/default/end", manifests: onHost("{action: Allow, protocol: TCP, source: {ports: [22]}}")},
	{name: "wrong protocol", refused: "tier/default/end", manifests: onHost("{action: Allow, protocol: UDP, destination: {ports: [22]}}")},
	{name: "ICMP only", refused: "tier/default/end", manifests: onHost("{action: Allow, protocol: ICMP}")},
	{name: "wrong network", manifests: onHost("{action: Allow, protocol: TCP, source: {nets: [10.99.0.0/24]}, destination: {ports: [22]}}")},
	{name: "everybody but the operator", manifests: onHost("{action: Allow, protocol: TCP, source: {notNets: [10.0.0.0/24]}, destination: {ports: [22]}}")},
	{name: "wrong interface", manifests: policy("p", `selector: net == 'storage', types: [Ingress], ingress: [`+allowSSH+`]`) + policy("q", "selector: has(host), order: 2000, types: [Ingress]")},
	{name: "wrong family", manifests: onHost("{action: Allow, ipVersion: 6, protocol: TCP, destination: {ports: [22]}}")},
	{name: "networks of the wrong family", manifests: onHost(`{action: Allow, protocol: TCP, source: {nets: ["fd00::/64"]}, destination: {ports: [22]}}`)},
	{name: "a selector that matches nobody", refused: "tier/default/end", manifests: onHost("{action: Allow, protocol: TCP, source: {selector: role == 'operater'}, destination: {ports: [22]}}")},
	{name: "a network set with the wrong network", manifests: "apiVersion: projectcalico.org/v3\nkind: GlobalNetworkSet\nmetadata: {name: operators, labels: {role: operator}}\n" +
		"spec: {nets: [10.0.1.0/24]}\n---\n" + onHost("{action: Allow, protocol: TCP, source: {selector: role == 'operator'}, destination: {ports: [22]}}")},
	{name: "wrong order of policies", refused: "first/ingress/0", manifests: policy("first", "selector: has(host), order: 1, types: [Ingress], ingress: ["+deny+"]") +
		policy("second", "selector: has(host), order: 2, types: [Ingress], ingress: ["+allowSSH+"]")},
	{name: "wrong order of tiers", refused: "tier/early/end", manifests: "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: early}\nspec: {order: 10, defaultAction: Deny}\n---\n" +
		policy("early.p", "tier: early, selector: has(host), types: [Ingress], ingress: [{action: Allow, protocol: TCP, destination: {ports: [80]}}]") + onHost(allowSSH)},
	{name: "the policy selects other endpoints", refused: "q/ingress/0", manifests: policy("p", "selector: hots == 'yes', types: [Ingress], ingress: ["+allowSSH+"]") +
		policy("q", "selector: has(host), types: [Ingress], ingress: ["+deny+"]")},
	{name: "wrong direction", refused: "tier/default/end", manifests: policy("p", "selector: has(host), types: [Ingress, Egress], egress: ["+allowSSH+"]")},
	{name: "pass, and nothing behind", refused: "no-profile", manifests: onHost("{action: Pass}")},
	{name: "staged only", refused: "tier/default/end", manifests: "apiVersion: projectcalico.org/v3\nkind: StagedGlobalNetworkPolicy\nmetadata: {name: p}\n" +
		"spec: {selector: has(host), types: [Ingress], ingress: [" + allowSSH + "]}\n---\n" + policy("q", "selector: has(host), types: [Ingress]")},
	{name: "denied before connection tracking", refused: "u/ingress/0",
		manifests: policy("u", "selector: has(host), doNotTrack: true, applyOnForward: true, types: [Ingress], ingress: ["+deny+"]") + onHost(allowSSH)},
	{name: "untracked, and answers kept in", refused: "its answers",
		manifests: policy("u", "selector: has(host), doNotTrack: true, applyOnForward: true, types: [Ingress, Egress], ingress: ["+allowSSH+"], egress: ["+deny+"]") + onHost(allowSSH)},
	{name: "denied before translation", refused: "d/ingress/0",
		manifests: policy("d", "selector: has(host), preDNAT: true, applyOnForward: true, types: [Ingress], ingress: ["+deny+"]") + onHost(allowSSH)},
	{name: "an endpoint with a typo", refused: "tier/default/end", endpoints: `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host-eth9, labels: {net: management}}
spec: {node: host, interfaceName: eth9, expectedIPs: [10.0.0.1]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: host-rest, labels: {net: rest}}
spec: {node: host, interfaceName: "*"}
---
`, manifests: policy("p", "selector: net == 'management', types: [Ingress], ingress: ["+allowSSH+"]") + policy("q", "selector: net == 'rest', types: [Ingress]")},
}
