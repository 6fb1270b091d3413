package install_test

import (
	"os"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/cli/apply"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// firewallBad are bad Firewalls.
var firewallBad = []badObject{
	{kind: "Firewall", name: "neither size nor host", spec: `{machine: {size: null}}`, field: "spec.machine", reason: "name a size or a host"},
	{kind: "Firewall", name: "a size anywhere", spec: `{machine: {partition: null}}`, field: "spec.machine", reason: "name the partition"},
	{kind: "Firewall", name: "no image", spec: `{machine: {image: ""}}`, field: "spec.machine.image", reason: "at least 1"},
	{kind: "Firewall", name: "no networks", spec: `{networks: []}`, field: "spec.networks", reason: "at least 1"},
	{kind: "Firewall", name: "a network twice", spec: `{networks: [{name: a, namespace: site}, {name: a, namespace: site}]}`, field: "spec.networks[1]", reason: "Duplicate"},
	{kind: "Firewall", name: "an address that stands for another and is the firewall's", spec: `{networks: [{name: a, namespace: site, addresses: [www], oneToOne: [{ip: www, to: 10.0.0.80}]}]}`, field: "spec.networks[0]", reason: "not the first"},
	{kind: "Firewall", name: "an address that stands for another and is not the network's", spec: `{networks: [{name: a, namespace: site, addresses: [edge], oneToOne: [{ip: www, to: 10.0.0.80}]}]}`, field: "spec.networks[0]", reason: "one of this network's addresses"},
	{kind: "Firewall", name: "half an address inside", spec: `{networks: [{name: a, namespace: site, addresses: [edge, www], oneToOne: [{ip: www, to: "10.0.0"}]}]}`, field: "spec.networks[0].oneToOne[0].to", reason: "write an address"},
	{kind: "Firewall", name: "an unknown family to masquerade", spec: `{networks: [{name: a, namespace: site, masquerade: [IPX]}]}`, field: "spec.networks[0].masquerade[0]", reason: "supported values"},
	{kind: "Firewall", name: "a limit of nothing", spec: `{networks: [{name: a, namespace: site, newConnectionsPerSecond: -1}]}`, field: "spec.networks[0].newConnectionsPerSecond", reason: "greater than or equal to 1"},
	{kind: "Firewall", name: "a rule without a name", spec: `{egress: [{name: "", protocol: Any}]}`, field: "spec.egress[0].name", reason: "at least 1"},
	{kind: "Firewall", name: "a rule twice", spec: `{egress: [{name: a, protocol: Any}, {name: a, protocol: TCP}]}`, field: "spec.egress[1]", reason: "Duplicate"},
	{kind: "Firewall", name: "an unknown protocol", spec: `{egress: [{name: a, protocol: tcp}]}`, field: "spec.egress[0].protocol", reason: "supported values"},
	{kind: "Firewall", name: "ports of ICMP", spec: `{egress: [{name: a, protocol: ICMP, ports: ["80"]}]}`, field: "spec.egress[0]", reason: "only TCP, UDP and SCTP have ports"},
	{kind: "Firewall", name: "port 0", spec: `{egress: [{name: a, protocol: TCP, ports: ["0"]}]}`, field: "spec.egress[0].ports[0]", reason: "from 1 to 65535"},
	{kind: "Firewall", name: "port 70000", spec: `{egress: [{name: a, protocol: TCP, ports: ["70000"]}]}`, field: "spec.egress[0].ports[0]", reason: "from 1 to 65535"},
	{kind: "Firewall", name: "a range that ends before it begins", spec: `{egress: [{name: a, protocol: TCP, ports: ["90-80"]}]}`, field: "spec.egress[0].ports[0]", reason: "from 1 to 65535"},
	{kind: "Firewall", name: "a port by name", spec: `{egress: [{name: a, protocol: TCP, ports: [https]}]}`, field: "spec.egress[0].ports[0]", reason: "from 1 to 65535"},
	{kind: "Firewall", name: "bits after the length", spec: `{ingress: [{name: a, protocol: TCP, to: [10.0.0.1/24]}]}`, field: "spec.ingress[0].to[0]", reason: "no bits after its length"},
	{kind: "Firewall", name: "a host name", spec: `{egress: [{name: a, protocol: TCP, to: [example.net]}]}`, field: "spec.egress[0].to[0]", reason: "write a prefix"},
	{kind: "Firewall", name: "families that never meet", spec: `{ingress: [{name: a, protocol: TCP, from: [10.0.0.0/8], to: ["fd00::/8"]}]}`, field: "spec.ingress[0]", reason: "nothing would match"},
	{kind: "Firewall", name: "another family than the networks'", spec: `{ingress: [{name: a, protocol: TCP, from: [10.0.0.0/8], family: IPv6}]}`, field: "spec.ingress[0]", reason: "nothing would match"},
	{kind: "Firewall", name: "a card that is not chosen", spec: `{networks: [{name: a, namespace: site, nic: {}}]}`, field: "spec.networks[0].nic", reason: "name a card by macAddress"},
	{kind: "Firewall", name: "a card's address of any host", spec: `{networks: [{name: a, namespace: site, nic: {macAddress: "02:00:00:00:00:01"}}]}`, field: "spec", reason: "any host of the size"},
	{kind: "Firewall", name: "half a MAC address", spec: `{networks: [{name: a, namespace: site, nic: {macAddress: "02:00:00"}}]}`, field: "spec.networks[0].nic.macAddress", reason: "should match"},
	{kind: "Firewall", name: "a card by its address and its switch", spec: `{networks: [{name: a, namespace: site, nic: {macAddress: "02:00:00:00:00:01", switch: leaf1}}]}`, field: "spec.networks[0].nic", reason: "and not by both"},
	{kind: "Firewall", name: "a port of no switch", spec: `{networks: [{name: a, namespace: site, nic: {port: p1, vlan: 5}}]}`, field: "spec.networks[0].nic", reason: "name its switch, too"},
	{kind: "Firewall", name: "a VLAN that is none", spec: `{networks: [{name: a, namespace: site, nic: {vlan: 4095}}]}`, field: "spec.networks[0].nic.vlan", reason: "less than or equal to 4094"},
	{kind: "Machine", name: "a card's address of any host", spec: `{networks: [{name: internal, nic: {macAddress: "02:00:00:00:00:01"}}]}`, field: "spec", reason: "any host of the size"},
	{kind: "Firewall", name: "a log to no group", spec: `{dropLog: {group: 0}}`, field: "spec.dropLog.group", reason: "greater than or equal to 1"},
}

// TestFirewallsKeepTheirAddresses: rules change at any time, and what the next machine is to be; the networks and their addresses never, and who tries is told what to do.
func TestFirewallsKeepTheirAddresses(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	firewalls := dynamicClient(t, cp).Resource(ingot.GroupVersion.WithResource("firewalls")).Namespace(ns)
	good := tenantObjects["Firewall"]
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": ingot.GroupVersion.String(), "kind": "Firewall", "spec": parsed(t, good.spec)}}
	object.SetName(good.name)
	if _, err := firewalls.Create(t.Context(), object, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for patch, says := range map[string]string{
		`{"spec":{"egress":[{"name":"dns","protocol":"UDP","ports":["53"]}]}}`:                                                                                    "",
		`{"spec":{"networks":[{"name":"web","namespace":"","newConnectionsPerSecond":5},{"name":"internet","namespace":"provider","addresses":["edge","www"]}]}}`: "",
		`{"spec":{"networks":[{"name":"web","namespace":"","nic":{"vlan":7}},{"name":"internet","namespace":"provider","addresses":["edge","www"]}]}}`:            "",
		`{"spec":{"machine":{"size":"m2"}}}`:                    "",
		`{"spec":{"machine":{"image":"debian-13"}}}`:            "",
		`{"spec":{"networks":[{"name":"web","namespace":""}]}}`: "make another Firewall with them",
		`{"spec":{"networks":[{"name":"web","namespace":""},{"name":"internet","namespace":"provider","addresses":["edge","other"]}]}}`: "make another Firewall with them",
	} {
		_, err := firewalls.Patch(t.Context(), object.GetName(), types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		switch {
		case says == "" && err != nil:
			t.Errorf("%s: %v", patch, err)
		case says != "" && (!apierrors.IsInvalid(err) || !strings.Contains(err.Error(), says)):
			t.Errorf("%s: %v, want %q", patch, err, says)
		}
	}
}

// TestFirewallExampleIsAccepted holds examples/firewall.yaml to the API server.
func TestFirewallExampleIsAccepted(t *testing.T) {
	cp := controlplanetest.Shared(t)
	ns := namespace(t, clientset(t, cp.Admin))
	f, err := os.Open("../../examples/firewall.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	objects, err := apply.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for _, object := range objects {
		kinds[object.GetKind()]++
		object.SetNamespace(ns)
		to := dynamicClient(t, cp).Resource(ingot.GroupVersion.WithResource(tenantObjects[object.GetKind()].resource)).Namespace(ns)
		if _, err := to.Create(t.Context(), object, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}, FieldValidation: metav1.FieldValidationStrict}); err != nil {
			t.Error(err)
		}
	}
	if kinds["Firewall"] != 1 || kinds["IP"] != 2 {
		t.Errorf("the example has %v", kinds)
	}
}
