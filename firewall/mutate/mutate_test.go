package mutate_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/mutate"
)

const manifests = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: a-eth0, labels: {role: web}}
spec: {node: a, interfaceName: eth0, expectedIPs: [10.0.0.1, 10.0.0.100]}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: b-eth0, labels: {role: db}}
spec: {node: b, interfaceName: eth0, expectedIPs: [10.0.0.2]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: people, labels: {who: people}}
spec: {nets: [192.0.2.0/24, 198.51.100.0/24]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: web}
spec:
  order: 1
  selector: role == 'web'
  types: [Ingress, Egress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: who == 'people'}, destination: {ports: [80, "8000:8010"]}}
  - {action: Deny, protocol: TCP, source: {nets: [203.0.113.0/24], notNets: [203.0.113.7/32]}, destination: {ports: [22]}}
  - {action: Allow, protocol: TCP, source: {notSelector: who == 'people'}, destination: {ports: [22]}}
  - {action: Allow, protocol: ICMP, icmp: {type: 8}}
  egress:
  - {action: Allow, protocol: 112}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: db}
spec:
  order: 2
  selector: role == 'db'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, source: {selector: role == 'web'}, destination: {ports: [5432]}}
`

func objects(t *testing.T) calico.Objects {
	t.Helper()
	o, err := calico.Decode([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func site(t *testing.T, o calico.Objects) *firewall.Site {
	t.Helper()
	s, err := firewall.NewSite(o, nil)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var hosts = map[string][]firewall.Interface{"a": {{Name: "eth0"}}, "b": {{Name: "eth0"}}}

// Every mutant has a name of its own, fits together, and is not what it was made of; making them leaves the original as it was, and gives the same again.
func TestMutantsAreOneChangeEach(t *testing.T) {
	o, untouched := objects(t), objects(t)
	all, names := mutate.All(o), map[string]bool{}
	for _, m := range all {
		if names[m.Name] {
			t.Errorf("two mutants are called %q", m.Name)
		}
		names[m.Name] = true
		if err := calico.Check(m.Objects); err != nil {
			t.Errorf("%s: %v", m.Name, err)
		}
		if reflect.DeepEqual(m.Objects, untouched) {
			t.Errorf("%s changes nothing", m.Name)
		}
		if n := changed(untouched, m.Objects); n > 2 || n > 1 && !strings.Contains(m.Name, "swap the order") {
			t.Errorf("%s changes %d objects", m.Name, n)
		}
	}
	if !reflect.DeepEqual(o, untouched) {
		t.Error("making mutants changed the original")
	}
	if !reflect.DeepEqual(all, mutate.All(objects(t))) {
		t.Error("the same objects give other mutants")
	}
}

// changed counts the objects of a that b does not have as they are.
func changed(a, b calico.Objects) int {
	n := 0
	for i := range a.Policies {
		n += missing(a.Policies[i], b.Policies)
	}
	for i := range a.HostEndpoints {
		n += missing(a.HostEndpoints[i], b.HostEndpoints)
	}
	for i := range a.NetworkSets {
		n += missing(a.NetworkSets[i], b.NetworkSets)
	}
	return n
}

func missing[T any](one T, all []T) int {
	for _, other := range all {
		if reflect.DeepEqual(one, other) {
			return 0
		}
	}
	return 1
}

// Faults that somebody makes are among them, and how many packets each changes on which host is known: none where another rule says the same.
func TestEffectOfMutants(t *testing.T) {
	o := objects(t)
	whole := site(t, o)
	by := map[string]mutate.Effect{}
	for _, m := range mutate.All(o) {
		by[m.Name] = mutate.Differ(whole, site(t, m.Objects), hosts)
	}
	for name, nodes := range map[string][]string{
		"web: drop the policy":                                                      {"a"},
		"web: Ingress rule 0: drop":                                                 {"a"},
		"web: Ingress rule 0: swap with the next":                                   nil, // they are about other ports
		"web: Ingress rule 1: swap with the next":                                   {"a"},
		"web: Ingress rule 0: source from anybody, without its selector":            {"a"},
		"web: Ingress rule 0: destination without port 80":                          {"a"},
		"web: Ingress rule 0: destination one port wider than 8000:8010":            {"a"},
		"web: Ingress rule 0: protocol UDP instead of TCP":                          {"a"},
		"web: Ingress rule 1: source not excluding 203.0.113.7/32":                  {"a"},
		"web: Ingress rule 1: source with 203.0.112.0/23 instead of 203.0.113.0/24": {"a"},
		"web: Ingress rule 2: source without its notSelector":                       {"a"},
		"web: Ingress rule 3: any ICMP type":                                        {"a"},
		"web: Egress rule 0: protocol 113 instead of 112":                           {"a"},
		"web: drop the type Egress":                                                 {"a"},
		"db: Ingress rule 0: make it Deny":                                          {"b"},
		"db: apply it to role == \"web\"":                                           {"a", "b"},
		"web: swap the order with db":                                               nil, // they are of other hosts
		"a-eth0: drop the address 10.0.0.100":                                       {"b"},
		"a-eth0: drop the label role":                                               {"a", "b"},
		"people: drop the network 192.0.2.0/24":                                     {"a"},
	} {
		effect, there := by[name]
		if !there {
			t.Errorf("there is no mutant %q", name)
			continue
		}
		if len(effect) != len(nodes) {
			t.Errorf("%s: differs on %v, want %v", name, effect, nodes)
		}
		for _, node := range nodes {
			if effect[node] == 0 {
				t.Errorf("%s: makes no difference on %s", name, node)
			}
		}
	}
	if e := mutate.Differ(whole, site(t, objects(t)), hosts); len(e) > 0 {
		t.Errorf("the same policies differ on %v", e)
	}
	if t.Failed() {
		for name := range by {
			t.Log(name)
		}
	}
}
