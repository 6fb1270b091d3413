package policy_test

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix"
	"github.com/ingotmetal/ingot/matrix/matrixtest"
	"github.com/ingotmetal/ingot/matrix/policy"
)

var equal = cmp.Options{cmpopts.EquateEmpty(), cmp.Comparer(func(a, b netip.Addr) bool { return a == b }), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })}

func readBack(t fatal, o calico.Objects) {
	text, err := policy.YAML(o)
	if err != nil {
		t.Fatalf("%v", err)
	}
	back, err := calico.Decode(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(o, back, equal); diff != "" {
		t.Fatalf("what was written is not what is read:\n%s\n%s", diff, text)
	}
}

func TestManifestsReadBackEqual(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c, err := policy.Compile(policy.Populate(matrixtest.Matrices().Draw(t, "matrix")))
		if err != nil {
			t.Fatalf("%v", err)
		}
		readBack(t, c.Objects)
	})
	c, err := policy.Compile(policy.Populate(matrix.Own()))
	if err != nil {
		t.Fatal(err)
	}
	readBack(t, c.Objects)
}

// Everything that the decoder knows is written, not only what Compile makes.
func TestEveryFieldOfAManifestIsWritten(t *testing.T) {
	o, err := calico.Decode([]byte(`
apiVersion: projectcalico.org/v3
kind: Tier
metadata: {name: first, annotations: {why: because}}
spec: {order: 3.5, defaultAction: Pass}
---
apiVersion: projectcalico.org/v3
kind: Profile
metadata: {name: open}
spec: {ingress: [{action: Allow}], egress: [{action: Deny}], labelsToApply: {a: b}}
---
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: h, labels: {zone: a}}
spec: {node: "n", interfaceName: "*", expectedIPs: [10.0.0.1, "fd00::1"], profiles: [open], ports: [{name: web, protocol: TCP, port: 80}]}
---
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: s, namespace: ns}
spec: {nets: [10.0.0.0/8]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec:
  tier: first
  order: -1
  selector: zone == 'a' || !has(b)
  types: [Egress, Ingress]
  applyOnForward: true
  doNotTrack: true
  serviceAccountSelector: all()
  ingress:
  - {action: Log, ipVersion: 4, protocol: ICMP, icmp: {type: 8, code: 0}, source: {nets: [10.0.0.0/8], notNets: [10.1.0.0/16]}}
  - {action: Pass, notProtocol: 112, source: {selector: has(x), notSelector: has(y), namespaceSelector: global()}}
  egress:
  - {action: Deny, protocol: TCP, source: {ports: [0]}, destination: {ports: [web, "1:9"], notPorts: [5]}, metadata: {annotations: {a: b}}}
  - {action: Allow, protocol: ICMPv6, notICMP: {type: 1}}
---
apiVersion: projectcalico.org/v3
kind: StagedNetworkPolicy
metadata: {name: q, namespace: ns}
spec: {stagedAction: Delete}
`))
	if err != nil {
		t.Fatal(err)
	}
	readBack(t, o)
}
