package policy_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/matrixtest"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// rules is a host's ruleset, compiled from these objects.
func rules(t interface{ Fatal(...any) }, o calico.Objects, failsafes []firewall.Failsafe, h matrix.Host) string {
	s, err := firewall.NewSite(o, failsafes)
	if err != nil {
		t.Fatal(err)
	}
	var interfaces []firewall.Interface
	for _, i := range h.Interfaces {
		interfaces = append(interfaces, firewall.Interface{Name: i.Name, Addresses: i.Addresses})
	}
	return ruleset.Compile(s, s.Host(h.Name, interfaces), ruleset.Options{Generation: 1, Refused: true, Seen: true}).Install(nil)
}

// A host's part of the manifests compiles to the very ruleset that all of them compile to; and a part is smaller than the whole somewhere, or it would be no part.
func TestPartIsAllThatAHostNeeds(t *testing.T) {
	smaller := 0
	rapid.Check(t, func(t *rapid.T) {
		m := policy.Populate(matrixtest.Matrices().Draw(t, "matrix"))
		c, err := policy.Compile(m)
		if err != nil {
			t.Fatalf("compile: %v", err)
		}
		for _, h := range m.Hosts {
			part := policy.Part(c.Objects, h.Name)
			if len(part.Policies) < len(c.Objects.Policies) {
				smaller++
			}
			if want, got := rules(t, c.Objects, c.Failsafes, h), rules(t, part, c.Failsafes, h); want != got {
				t.Fatalf("host %s: all compile to\n%s\nits part to\n%s", h.Name, want, got)
			}
		}
	})
	if smaller == 0 {
		t.Error("every host's part had every policy")
	}
}

// What compiled manifests never have, and written ones may: profiles that lend labels, named ports, sets in a namespace, endpoints that are named by what they are not.
func TestPartOfWrittenManifests(t *testing.T) {
	const manifests = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: %[1]s-eth0, labels: {own: "yes"}}
spec: {node: %[1]s, interfaceName: eth0, expectedIPs: [10.0.0.%[2]d], profiles: [lends-%[1]s], ports: [{name: web-%[1]s, protocol: TCP, port: 80%[2]d}]}
---
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: lends-%[1]s}
spec: {labelsToApply: {lent: %[1]s}, egress: [{action: Allow, destination: {selector: "lent == 'c'"}}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: set-%[1]s, namespace: ns-%[1]s, labels: {of: %[1]s}}
spec: {nets: [192.0.2.%[2]d/32]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: into-%[1]s}
spec:
  selector: lent == '%[1]s'
  types: [Ingress]
  ingress:
  - {action: Allow, protocol: TCP, destination: {ports: [web-%[1]s]}, source: {notSelector: "lent == 'b'"}}
  - {action: Allow, protocol: TCP, destination: {ports: [22]}, source: {selector: "of == '%[1]s'"}}
---
`
	text := ""
	for i, node := range []string{"a", "b", "c", "d"} {
		text += fmt.Sprintf(manifests, node, i+1)
	}
	all, err := calico.Decode([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	part := policy.Part(all, "a")
	h := matrix.Host{Name: "a"}
	if want, got := rules(t, all, nil, h), rules(t, part, nil, h); want != got {
		t.Errorf("all compile to\n%s\nthe part to\n%s", want, got)
	}
	if len(part.Policies) != 1 || len(part.NetworkSets) != 1 || len(part.HostEndpoints) != 3 {
		t.Errorf("the part has %d policies, %d sets, %d endpoints; want 1, 1, and a, b, c", len(part.Policies), len(part.NetworkSets), len(part.HostEndpoints))
	}
	if len(policy.Part(all, "nobody").HostEndpoints) != 0 {
		t.Error("a host that is not there has a part")
	}
}
