package document_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/matrix/document"
)

// good is a matrix that nothing is wrong with; each bad one differs from it in one thing.
const good = `apiVersion: ingot.dev/v1alpha1
kind: CommunicationMatrix
metadata:
  name: site
spec:
  title: Site
  zones:
  - name: control
    networks: [10.0.0.0/24, "fd00::/64"]
  - {name: outside, outside: true}
  roles:
  - name: api
  - {name: people, outside: true, networks: [192.0.2.0/24]}
  hosts:
  - name: one
    interfaces:
    - {name: eth0, zone: control, roles: [api], addresses: [10.0.0.1], virtual: [10.0.0.9]}
  flows:
  - id: "1.1"
    name: people-to-api
    from: people@outside
    to: api@control
    protocol: tcp
    ports: [443, 8000-8100]
    application: HTTPS
    confidential: {state: Holds, how: TLS 1.3}
    trusted: {state: Excepted, how: over the Internet, bound: certificates}
    management: true
  - id: "1.2"
    name: ping
    from: "*@*"
    to: "*@control"
    protocol: icmp
    icmpTypes: [8]
    enforced: Ingress
`

// bad says what is changed, and what the error has to say: the line, the field, the row where there is one, and what to write.
var bad = []struct {
	name, old, new string
	want           []string
}{
	{"no YAML", "spec:", "spec: [", []string{"no YAML", "line"}},
	{"other kind", "kind: CommunicationMatrix", "kind: Matrix", []string{"line 1", "CommunicationMatrix", `"Matrix"`}},
	{"other version", "v1alpha1", "v1", []string{"ingot.dev/v1alpha1"}},
	{"a list", good, "- a\n", []string{"want apiVersion"}},
	{"nothing", good, "# nothing\n", []string{"no document"}},
	{"unknown field of the object", "spec:", "sepc:", []string{"line 5", "sepc", "spec"}},
	{"unknown field of a flow", "protocol: icmp", "protocoll: icmp", []string{"line 33", "spec.flows[1].protocoll", "row 1.2", "protocol"}},
	{"unknown field of metadata", "  name: site", "  nam: site", []string{"metadata.nam", "name"}},
	{"field twice", "    protocol: icmp", "    protocol: icmp\n    protocol: icmp", []string{"line 34", "row 1.2", "twice"}},
	{"no name", "  name: site", "  labels: {a: b}", []string{"metadata.name"}},
	{"name with a dot", "name: site", "name: site.one", []string{"metadata.name", "a-z"}},
	{"number for an ID", `id: "1.1"`, "id: 1.1", []string{"line 19", "spec.flows[0].id", "number 1.1", `quotes, "1.1"`}},
	{"ID with a space", `id: "1.1"`, `id: "1 1"`, []string{"spec.flows[0].id", "no ID"}},
	{"no ID", `  - id: "1.1"` + "\n    name", "  - name", []string{"spec.flows[0].id", "missing"}},
	{"text for a list", "ports: [443, 8000-8100]", "ports: 443", []string{"row 1.1", "want a list", "number 443"}},
	{"port 0", "ports: [443,", "ports: [0,", []string{"spec.flows[0].ports[0]", "row 1.1", "30000-32767"}},
	{"port too large", "ports: [443,", "ports: [70000,", []string{"spec.flows[0].ports[0]", "1 to 65535"}},
	{"octal port", "ports: [443,", "ports: [0443,", []string{`"0443" is no port`}},
	{"port beyond 32 bits", "ports: [443,", "ports: [4294967739,", []string{`"4294967739" is no port`}},
	{"range turned round", "8000-8100", "8100-8000", []string{"spec.flows[0].ports[1]", "smaller port first"}},
	{"service for a port", "ports: [443,", "ports: [https,", []string{`"https" is no port`}},
	{"no ports in the list", "ports: [443, 8000-8100]", "ports: []", []string{"row 1.1", "empty list"}},
	{"ports of ICMP", "icmpTypes: [8]", "ports: [8]", []string{"row 1.2", "icmp has no ports"}},
	{"ICMP types of TCP", "ports: [443, 8000-8100]", "icmpTypes: [8]", []string{"row 1.1", "tcp has no ICMP types"}},
	{"ICMP type too large", "icmpTypes: [8]", "icmpTypes: [256]", []string{"icmpTypes[0]", "0 to 255"}},
	{"ICMP type in words", "icmpTypes: [8]", "icmpTypes: [echo]", []string{"want a whole number"}},
	{"protocol in capitals", "protocol: tcp", "protocol: TCP", []string{"row 1.1", "write tcp"}},
	{"application as protocol", "protocol: tcp", "protocol: HTTPS", []string{`protocol: "tcp" and application: HTTPS`}},
	{"unknown protocol", "protocol: tcp", "protocol: quic", []string{`"quic" is no protocol`, "sctp"}},
	{"protocol as a number", "protocol: icmp", "protocol: 112", []string{"row 1.2", `quotes, "112"`}},
	{"protocol that has a name", "protocol: icmp", `protocol: "1"`, []string{"called icmp"}},
	{"application in small letters", "application: HTTPS", "application: https", []string{"row 1.1", "write HTTPS"}},
	{"unknown application", "application: HTTPS", "application: Gopher", []string{"WireGuard", "leave it out"}},
	{"end without zone", "from: people@outside", "from: people", []string{"spec.flows[0].from", "row 1.1", "role@zone"}},
	{"star without quotes", `from: "*@*"`, "from: *@*", []string{"quotes"}},
	{"state in small letters", "{state: Holds, how: TLS 1.3}", "{state: holds}", []string{"spec.flows[0].confidential.state", "row 1.1", "Holds, Excepted, Unknown"}},
	{"yes for a property", "{state: Holds, how: TLS 1.3}", "true", []string{"want an object", "boolean"}},
	{"property without state", "{state: Holds, how: TLS 1.3}", "{how: TLS 1.3}", []string{"confidential.state", "missing"}},
	{"bound of what holds", "{state: Holds, how: TLS 1.3}", "{state: Holds, bound: x}", []string{"confidential.bound", "Excepted"}},
	{"how of what is unknown", "{state: Holds, how: TLS 1.3}", "{state: Unknown, how: x}", []string{"confidential.how", "Excepted"}},
	{"enforced in words", "enforced: Ingress", "enforced: in", []string{"row 1.2", "Ingress, Egress"}},
	{"boolean in words", "management: true", "management: yes please", []string{"row 1.1", "true or false"}},
	{"network with a host's bits", "10.0.0.0/24", "10.0.0.7/24", []string{"spec.zones[0].networks[0]", "write 10.0.0.0/24"}},
	{"network without a length", "192.0.2.0/24", "192.0.2.0", []string{"spec.roles[1].networks[0]", "10.0.0.0/8"}},
	{"address with a length", "addresses: [10.0.0.1]", "addresses: [10.0.0.1/24]", []string{"addresses[0]", "without a length"}},
	{"address with a scope", "addresses: [10.0.0.1]", "addresses: [fe80::1%eth0]", []string{"addresses[0]", "scope"}},
	{"interface with a long name", "name: eth0", "name: ethernet-of-this-host", []string{"interfaces[0].name", "15"}},
	{"no value", "title: Site", "title:", []string{"spec.title", "no value"}},
	{"alias", "title: Site", "title: &t Site\n  text: *t", []string{"aliases"}},
	{"merge key", "  - name: api", "  - <<: {name: api}", []string{"spec.roles[0].<<", "no such field"}},
	{"unknown zone", "to: api@control", "to: api@moon", []string{"row 1.1", `zone "moon" is unknown`}},
	{"unknown role", "to: api@control", "to: apy@control", []string{"row 1.1", `role "apy" is unknown`}},
	{"name twice", "name: ping", "name: people-to-api", []string{"row 1.2", "used twice"}},
	{"part first", "  title: Site", "  extends: other", []string{"part of other", "come first"}},
	{"part with a title", "  title: Site", "  title: Site\n  extends: other", []string{"spec.extends", "no title"}},
	{"part of itself", "  title: Site", "  extends: site", []string{"spec.extends", "not itself"}},
	{"second matrix", good, good + "---\n" + strings.Replace(good, "name: site", "name: other", 1), []string{"other", "spec.extends", `write "site"`}},
	{"right without verbs", "    management: true", "    rights: [{resources: [pods]}]", []string{"rights[0].verbs", "missing"}},
}

func TestBadDocuments(t *testing.T) {
	if _, err := document.Decode([]byte(good)); err != nil {
		t.Fatalf("the good one: %v", err)
	}
	for _, c := range bad {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(good, c.old, c.new, 1)
			if text == good {
				t.Fatalf("%q is not in the document", c.old)
			}
			_, err := document.Decode([]byte(text))
			if err == nil {
				t.Fatalf("no error for\n%s", text)
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
		})
	}
}

// All that is wrong is said at once, each with its line.
func TestAllProblemsAtOnce(t *testing.T) {
	text := strings.NewReplacer("protocol: tcp", "protocol: TCP", "[8]", "[8, 999]", "10.0.0.1]", "10.0.0.256]", "state: Holds", "state: Maybe").Replace(good)
	_, err := document.Decode([]byte(text))
	var problems document.Problems
	if !errors.As(err, &problems) {
		t.Fatalf("want Problems, have %v", err)
	}
	var got []int
	for _, p := range problems {
		got = append(got, p.Line)
	}
	if len(got) != 4 || got[0] != 17 || got[1] != 23 || got[2] != 26 || got[3] != 34 {
		t.Errorf("lines %v, want 17, 23, 26, 34: %v", got, err)
	}
}
