package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// manifests are endpoints in zones of their own, and one policy for all of them with rules from everybody.
func manifests(t *testing.T, zones, rules int, peer func(int) string) calico.Objects {
	t.Helper()
	var text strings.Builder
	for z := range zones {
		fmt.Fprintf(&text, "---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: e%d, labels: {zone: z%d}}\nspec: {node: n%d, interfaceName: eth0}\n", z, z, z)
	}
	text.WriteString("---\napiVersion: projectcalico.org/v3\nkind: GlobalNetworkPolicy\nmetadata: {name: p}\nspec:\n  selector: all()\n  types: [Ingress]\n  ingress:\n")
	for r := range rules {
		fmt.Fprintf(&text, "  - {action: Allow, protocol: TCP, source: {%s}, destination: {ports: [%d]}, metadata: {annotations: {ingot.dev/flow: f%d}}}\n", peer(r), r+1, r)
	}
	o, err := calico.Decode([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// A small file that stands for millions of rows is refused, with the policy that does it, before the memory is full.
func TestImportBoundsWhatSelectorsStandFor(t *testing.T) {
	all := func(int) string { return `selector: "all()"` }
	if _, _, err := policy.Import(manifests(t, 300, 900, all)); err == nil || !strings.Contains(err.Error(), "policy p") || !strings.Contains(err.Error(), "300 zones") {
		t.Errorf("81 million rows: %v", err)
	}
	if m, _, err := policy.Import(manifests(t, 30, 20, all)); err != nil || len(m.Rows) != 30*30*20 {
		t.Errorf("%d rows, %v; want %d", len(m.Rows), err, 30*30*20)
	}
}
