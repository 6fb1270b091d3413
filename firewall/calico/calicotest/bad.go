// Package calicotest holds manifests for the tests of everything that refuses them: the decoder, the API server's schemas, the controller.
//
// It owns the texts and what is wrong with each. It refuses to decode. Invariant: each is refused by calico.Decode at Path for Reason; which other gate refuses it too is its
// tests' business.
package calicotest

import (
	"fmt"
	"slices"
	"strings"
)

func manifestText(kind, spec string) string {
	return fmt.Sprintf("apiVersion: projectcalico.org/v3\nkind: %s\nmetadata: {name: x}\nspec: %s\n", kind, spec)
}

func endpointText(spec string) string { return manifestText("HostEndpoint", spec) }
func policyText(spec string) string   { return manifestText("GlobalNetworkPolicy", spec) }
func ruleText(rule string) string     { return policyText("{ingress: [" + rule + "]}") }

// Manifest is one that must be refused.
type Manifest struct {
	Name, Text string
	// Path is the field, and Reason a part of why, as calico.Decode says them.
	Path, Reason string
}

// Bad are manifests that must be refused, each for one reason.
func Bad() []Manifest {
	return slices.Concat(badFrames(), badEndpoints(), badPolicies(), badRules(), badSets())
}

func badFrames() []Manifest {
	return []Manifest{
		{"no yaml", "a: [", "", "no YAML"},
		{"key twice", "apiVersion: projectcalico.org/v3\napiVersion: v1\n", "", "no YAML"},
		{"a list", "[1, 2]", "", "want a manifest, found a list"},
		{"a word", "hello", "", "want a manifest, found a string"},
		{"crd version", "apiVersion: crd.projectcalico.org/v1\nkind: HostEndpoint\nmetadata: {name: x}", "apiVersion", "want projectcalico.org/v3"},
		{"no version", "kind: HostEndpoint", "apiVersion", `found ""`},
		{"unknown kind", manifestText("NetworkPolicies", "{}"), "kind", "no kind that the host firewall knows"},
		{"felix configuration", manifestText("FelixConfiguration", "{}"), "kind", "no kind that"},
		{"no name", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {}\nspec: {}", "metadata.name", "is required"},
		{"name with capitals", strings.Replace(policyText("{}"), "name: x", "name: MyPolicy", 1), "metadata.name", "is no name"},
		{"name too long", strings.Replace(policyText("{}"), "name: x", "name: "+strings.Repeat("a", 254), 1), "metadata.name", "253"},
		{"name a number", strings.Replace(policyText("{}"), "name: x", "name: 7", 1), "metadata.name", "want a string, found a number"},
		{"namespace on a global kind", strings.Replace(policyText("{}"), "name: x", "name: x, namespace: other", 1), "metadata.namespace", "no namespace"},
		{"no namespace on a namespaced kind", manifestText("NetworkPolicy", "{}"), "metadata.namespace", "is required"},
		{"label's key", strings.Replace(policyText("{}"), "name: x", "name: x, labels: {'a b': c}", 1), "metadata.labels[a b]", "is no label"},
		{"label's prefix", strings.Replace(policyText("{}"), "name: x", "name: x, labels: {A_/b: c}", 1), "metadata.labels[A_/b]", "prefix of a label"},
		{"label's value", strings.Replace(policyText("{}"), "name: x", "name: x, labels: {a: 'b c'}", 1), "metadata.labels[a]", "no label's value"},
		{"label a number", strings.Replace(policyText("{}"), "name: x", "name: x, labels: {a: 1}", 1), "metadata.labels[a]", "want a string"},
		{"labels a list", strings.Replace(policyText("{}"), "name: x", "name: x, labels: [a]", 1), "metadata.labels", "want an object of strings, found a list"},
		{"unknown metadata", strings.Replace(policyText("{}"), "name: x", "name: x, label: {}", 1), "metadata.label", "no such field"},
		{"unknown top field", policyText("{}") + "specs: {}\n", "specs", "no such field"},
		{"no spec", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: x}", "spec", "is required"},
		{"spec a list", policyText("[]"), "spec", "want an object, found a list"},
	}
}

func badEndpoints() []Manifest {
	return []Manifest{
		{"endpoint without node", endpointText("{interfaceName: eth0}"), "spec.node", "is required"},
		{"endpoint without interface and IPs", endpointText("{node: a}"), "spec", "needs interfaceName or expectedIPs"},
		{"interface too long", endpointText("{node: a, interfaceName: abcdefghijklmnop}"), "spec.interfaceName", "15 bytes"},
		{"interface with a quote", endpointText(`{node: a, interfaceName: 'a"b'}`), "spec.interfaceName", "no interface's name"},
		{"interface with a wildcard", endpointText(`{node: a, interfaceName: 'eth*'}`), "spec.interfaceName", "no interface's name"},
		{"interface of dots", endpointText(`{node: a, interfaceName: '..'}`), "spec.interfaceName", "no interface's name"},
		{"expected IP no address", endpointText("{node: a, expectedIPs: [10.0.0.256]}"), "spec.expectedIPs[0]", "no IP address"},
		{"expected IP a network", endpointText("{node: a, expectedIPs: [10.0.0.1, 10.0.0.0/8]}"), "spec.expectedIPs[1]", "no IP address"},
		{"expected IP with a zone", endpointText("{node: a, expectedIPs: ['fe80::1%eth0']}"), "spec.expectedIPs[0]", "has a zone"},
		{"expected IPs no list", endpointText("{node: a, expectedIPs: 10.0.0.1}"), "spec.expectedIPs", "want a list, found a string"},
		{"named port without name", endpointText("{node: a, interfaceName: b, ports: [{protocol: TCP, port: 1}]}"), "spec.ports[0].name", "is required"},
		{"named port without protocol", endpointText("{node: a, interfaceName: b, ports: [{name: a, port: 1}]}"), "spec.ports[0].protocol", "is required"},
		{"named port zero", endpointText("{node: a, interfaceName: b, ports: [{name: a, protocol: TCP, port: 0}]}"), "spec.ports[0].port", "from 1 to 65535"},
		{"named port of ICMP", endpointText("{node: a, interfaceName: b, ports: [{name: a, protocol: ICMP, port: 1}]}"), "spec.ports[0].protocol", "has no ports"},
		{"named port a number", endpointText("{node: a, interfaceName: b, ports: [{name: '80', protocol: TCP, port: 1}]}"), "spec.ports[0].name", "no port's name"},
		{"named port twice", endpointText("{node: a, interfaceName: b, ports: [{name: w, protocol: TCP, port: 1}, {name: w, protocol: TCP, port: 2}]}"), "spec.ports[1]", "twice"},
	}
}

func badPolicies() []Manifest {
	return []Manifest{
		{"unknown spec field", policyText("{orders: 1}"), "spec.orders", "no such field"},
		{"order a string", policyText("{order: '1'}"), "spec.order", "want a number, found a string"},
		{"order too large", policyText("{order: 1e999}"), "spec.order", "want a number"},
		{"tier empty", policyText("{tier: ''}"), "spec.tier", "is empty"},
		{"selector wrong", policyText("{selector: a = b}"), "spec.selector", "position 2"},
		{"selector too long", policyText("{selector: \"" + strings.Repeat("a", 1025) + "\"}"), "spec.selector", "1025 bytes"},
		{"selector global", policyText("{selector: global()}"), "spec.selector", "namespaceSelector"},
		{"type unknown", policyText("{types: [ingress]}"), "spec.types[0]", `"ingress" is none of Ingress, Egress`},
		{"type twice", policyText("{types: [Egress, Egress]}"), "spec.types[1]", "twice"},
		{"three types", policyText("{types: [Ingress, Egress, Ingress]}"), "spec.types", "at most 2"},
		{"doNotTrack and preDNAT", policyText("{doNotTrack: true, preDNAT: true, applyOnForward: true}"), "spec.preDNAT", "together"},
		{"doNotTrack without forward", policyText("{doNotTrack: true}"), "spec.applyOnForward", "must be true"},
		{"preDNAT without forward", policyText("{preDNAT: true, applyOnForward: false}"), "spec.applyOnForward", "must be true"},
		{"preDNAT with egress rules", policyText("{preDNAT: true, applyOnForward: true, egress: [{action: Allow}]}"), "spec.egress", "only ingress"},
		{"preDNAT with egress type", policyText("{preDNAT: true, applyOnForward: true, types: [Egress]}"), "spec.egress", "only ingress"},
		{"doNotTrack a string", policyText("{doNotTrack: 'yes'}"), "spec.doNotTrack", "want true or false"},
		{"doNotTrack on a namespaced policy", strings.Replace(manifestText("NetworkPolicy", "{doNotTrack: true}"), "name: x", "name: x, namespace: other", 1), "spec.doNotTrack", "no such field"},
		{"hint unknown", policyText("{performanceHints: [Fast]}"), "spec.performanceHints[0]", "none of"},
		{"too many rules", policyText("{ingress: [" + strings.Repeat("{action: Allow},", 1025) + "]}"), "spec.ingress", "at most 1024"},
		{"staged action", manifestText("StagedGlobalNetworkPolicy", "{stagedAction: Preview}"), "spec.stagedAction", "none of Set"},
		{"staged action on an enforced policy", policyText("{stagedAction: Set}"), "spec.stagedAction", "no such field"},
		{"namespace selector wrong", policyText("{namespaceSelector: '('}"), "spec.namespaceSelector", "position 1"},
	}
}

func badRules() []Manifest {
	return []Manifest{
		{"no action", ruleText("{protocol: TCP}"), "spec.ingress[0].action", "is required"},
		{"action unknown", ruleText("{action: Reject}"), "spec.ingress[0].action", "none of Allow, Deny, Log, Pass"},
		{"action in small letters", ruleText("{action: allow}"), "spec.ingress[0].action", "none of"},
		{"egress rule", policyText("{egress: [{action: Allow}, {action: Nothing}]}"), "spec.egress[1].action", "none of"},
		{"unknown rule field", ruleText("{action: Allow, ports: [1]}"), "spec.ingress[0].ports", "no such field"},
		{"IP version 5", ruleText("{action: Allow, ipVersion: 5}"), "spec.ingress[0].ipVersion", "want 4 or 6"},
		{"IP version 7", ruleText("{action: Allow, ipVersion: 7}"), "spec.ingress[0].ipVersion", "from 4 to 6"},
		{"protocol VRRP", ruleText("{action: Allow, protocol: VRRP}"), "spec.ingress[0].protocol", "VRRP is 112"},
		{"protocol in small letters", ruleText("{action: Allow, protocol: tcp}"), "spec.ingress[0].protocol", "no protocol's name"},
		{"protocol 0", ruleText("{action: Allow, protocol: 0}"), "spec.ingress[0].protocol", "from 1 to 255"},
		{"protocol 256", ruleText("{action: Allow, protocol: 256}"), "spec.ingress[0].protocol", "from 1 to 255"},
		{"protocol a fraction", ruleText("{action: Allow, protocol: 6.5}"), "spec.ingress[0].protocol", "whole number"},
		{"protocol quoted number", ruleText("{action: Allow, protocol: '112'}"), "spec.ingress[0].protocol", "without quotes"},
		{"not protocol", ruleText("{action: Allow, notProtocol: IPIP}"), "spec.ingress[0].notProtocol", "no protocol's name"},
		{"ports without protocol", ruleText("{action: Allow, destination: {ports: [80]}}"), "spec.ingress[0].destination.ports", "needs protocol"},
		{"ports of ICMP", ruleText("{action: Allow, protocol: ICMP, source: {notPorts: [80]}}"), "spec.ingress[0].source.notPorts", "needs protocol"},
		{"ports of protocol 112", ruleText("{action: Allow, protocol: 112, destination: {ports: [http]}}"), "spec.ingress[0].destination.ports", "needs protocol"},
		{"port too large", ruleText("{action: Allow, protocol: TCP, destination: {ports: [65536]}}"), "spec.ingress[0].destination.ports[0]", "0 to 65535"},
		{"port negative", ruleText("{action: Allow, protocol: TCP, destination: {ports: [-1]}}"), "spec.ingress[0].destination.ports[0]", "0 to 65535"},
		{"range upside down", ruleText("{action: Allow, protocol: TCP, destination: {ports: ['90:80']}}"), "spec.ingress[0].destination.ports[0]", "empty range"},
		{"range with a dash", ruleText("{action: Allow, protocol: TCP, destination: {ports: ['80-90']}}"), "spec.ingress[0].destination.ports[0]", "no port"},
		{"range too large", ruleText("{action: Allow, protocol: TCP, destination: {ports: ['1:70000']}}"), "spec.ingress[0].destination.ports[0]", "no port"},
		{"port a list", ruleText("{action: Allow, protocol: TCP, destination: {ports: [[1]]}}"), "spec.ingress[0].destination.ports[0]", "found a list"},
		{"too many ports", ruleText("{action: Allow, protocol: TCP, destination: {ports: [" + strings.Repeat("1,", 51) + "]}}"), "spec.ingress[0].destination.ports", "at most 50"},
		{"too many nets", ruleText("{action: Allow, source: {nets: [" + strings.Repeat("10.0.0.0/8,", 257) + "]}}"), "spec.ingress[0].source.nets", "at most 256"},
		{"net no network", ruleText("{action: Allow, source: {nets: [10.0.0.0/33]}}"), "spec.ingress[0].source.nets[0]", "no network"},
		{"net a name", ruleText("{action: Allow, source: {nets: [10.0.0.0/8, example.com]}}"), "spec.ingress[0].source.nets[1]", "no network"},
		{"nets of both families", ruleText("{action: Allow, source: {nets: [10.0.0.0/8, 'fd00::/8']}}"), "spec.ingress[0].source.nets[1]", "make two rules"},
		{"nets of two families on two sides", ruleText("{action: Allow, source: {nets: [10.0.0.0/8]}, destination: {notNets: ['fd00::/8']}}"), "spec.ingress[0].destination.notNets[0]", "make two rules"},
		{"net against the version", ruleText("{action: Allow, ipVersion: 6, source: {nets: [10.0.0.0/8]}}"), "spec.ingress[0].source.nets[0]", "ipVersion says IPv6"},
		{"net against ICMPv6", ruleText("{action: Allow, protocol: ICMPv6, source: {nets: [10.0.0.0/8]}}"), "spec.ingress[0].source.nets[0]", "protocol says IPv6"},
		{"not net of everything", ruleText("{action: Allow, source: {notNets: [0.0.0.0/0]}}"), "spec.ingress[0].source.notNets[0]", "never match"},
		{"mapped net", ruleText("{action: Allow, source: {nets: ['::ffff:10.0.0.0/104']}}"), "spec.ingress[0].source.nets[0]", "IPv4 network in IPv6"},
		{"peer's selector wrong", ruleText("{action: Allow, source: {selector: 'has(a'}}"), "spec.ingress[0].source.selector", "position 5"},
		{"peer's selector global", ruleText("{action: Allow, source: {notSelector: 'global()'}}"), "spec.ingress[0].source.notSelector", "namespaceSelector"},
		{"peer's namespaces", ruleText("{action: Allow, source: {namespaceSelector: 'a == \"b\"'}}"), "spec.ingress[0].source.namespaceSelector", "pods by their namespace"},
		{"services", ruleText("{action: Allow, source: {services: {name: a, namespace: b}}}"), "spec.ingress[0].source.services", "Kubernetes Service"},
		{"service accounts", ruleText("{action: Allow, source: {serviceAccounts: {names: [a]}}}"), "spec.ingress[0].source.serviceAccounts", "service accounts"},
		{"domains", ruleText("{action: Allow, destination: {domains: [a.example]}}"), "spec.ingress[0].destination.domains", "no such field"},
		{"http", ruleText("{action: Allow, http: {methods: [GET]}}"), "spec.ingress[0].http", "application proxy"},
		{"ICMP without protocol", ruleText("{action: Allow, icmp: {type: 8}}"), "spec.ingress[0].icmp", "needs protocol ICMP"},
		{"ICMP with TCP", ruleText("{action: Allow, protocol: TCP, notICMP: {type: 8}}"), "spec.ingress[0].notICMP", "needs protocol ICMP"},
		{"ICMP type 255", ruleText("{action: Allow, protocol: ICMP, icmp: {type: 255}}"), "spec.ingress[0].icmp.type", "0 to 254"},
		{"ICMP code alone", ruleText("{action: Allow, protocol: ICMP, icmp: {code: 0}}"), "spec.ingress[0].icmp.type", "is required"},
		{"ICMP code 256", ruleText("{action: Allow, protocol: ICMP, icmp: {type: 8, code: 256}}"), "spec.ingress[0].icmp.code", "0 to 255"},
		{"ICMP in IPv6", ruleText("{action: Allow, protocol: ICMP, ipVersion: 6}"), "spec.ingress[0].ipVersion", "ICMP is of IPv4"},
		{"ICMPv6 in IPv4", ruleText("{action: Allow, protocol: ICMPv6, ipVersion: 4}"), "spec.ingress[0].ipVersion", "ICMPv6 is of IPv6"},
		{"annotations", ruleText("{action: Allow, metadata: {annotations: {a: 1}}}"), "spec.ingress[0].metadata.annotations[a]", "want a string"},
		{"rule a word", ruleText("Allow"), "spec.ingress[0]", "want an object, found a string"},
	}
}

func badSets() []Manifest {
	return []Manifest{
		{"set's net", manifestText("GlobalNetworkSet", "{nets: [10.0.0.1, 10.0.0.x]}"), "spec.nets[1]", "no network"},
		{"set's field", manifestText("GlobalNetworkSet", "{allowedEgressDomains: [a]}"), "spec.allowedEgressDomains", "no such field"},
		{"set without namespace", manifestText("NetworkSet", "{nets: []}"), "metadata.namespace", "is required"},
		{"tier's action", manifestText("Tier", "{defaultAction: Allow}"), "spec.defaultAction", "none of Deny, Pass"},
		{"default tier's order", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: default}\nspec: {order: 5}", "spec.order", "order 1e+06"},
		{"default tier's action", "apiVersion: projectcalico.org/v3\nkind: Tier\nmetadata: {name: default}\nspec: {order: 1000000, defaultAction: Pass}", "spec.defaultAction", "Deny and no other"},
		{"profile's rule", manifestText("Profile", "{ingress: [{action: Nope}]}"), "spec.ingress[0].action", "none of"},
		{"the profile that exists", "apiVersion: projectcalico.org/v3\nkind: Profile\nmetadata: {name: projectcalico-default-allow}\nspec: {}", "metadata.name", "exists by itself"},
		{"in a list", "apiVersion: v1\nkind: List\nitems: [{apiVersion: projectcalico.org/v3, kind: Tier, metadata: {name: x}, spec: {order: x}}]", "spec.order", "want a number"},
		{"in the second document", policyText("{}") + "---\n" + policyText("{order: []}"), "spec.order", "found a list"},
	}
}
