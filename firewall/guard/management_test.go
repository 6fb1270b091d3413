package guard_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/guard"
)

const endpoint = `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: a-eth0, labels: {host: a}}
spec: {node: a, interfaceName: eth0, expectedIPs: [10.0.0.1]}
---
apiVersion: projectcalico.org/v3
kind: GlobalNetworkSet
metadata: {name: operators, labels: {who: operators}}
spec: {nets: [10.9.0.0/24]}
---
`

var ssh = guard.Row{ID: "9.1", Name: "operator-to-node", Protocol: 6, Ports: []uint16{22}, From: []netip.Prefix{netip.MustParsePrefix("10.9.0.0/16")}}

func policy(ingress string) string {
	return endpoint + `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec: {selector: "has(host)", types: [Ingress], ingress: [` + ingress + `]}
`
}

func scene(t *testing.T, manifests string, failsafes ...firewall.Failsafe) guard.Scene {
	t.Helper()
	o, err := calico.Decode([]byte(manifests))
	if err != nil {
		t.Fatal(err)
	}
	s, err := firewall.NewSite(o, failsafes)
	if err != nil {
		t.Fatal(err)
	}
	interfaces := []firewall.Interface{{Name: "lo", Addresses: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}, {Name: "eth0", Addresses: []netip.Addr{netip.MustParseAddr("10.0.0.1")}}}
	return guard.Scene{Site: s, Host: s.Host("a", interfaces), Interfaces: interfaces}
}

func TestCheckManagement(t *testing.T) {
	sshFailsafe := firewall.Failsafe{ID: "9.1", Direction: calico.Ingress, Protocol: 6, Ports: []uint16{22}}
	tests := map[string]struct {
		manifests string
		failsafes []firewall.Failsafe
		rows      []guard.Row
		// refused are words of the reason; none where it may be tried.
		refused []string
	}{
		"open by selector":        {manifests: policy(`{action: Allow, protocol: TCP, source: {selector: "who == 'operators'"}, destination: {ports: [22]}}`), rows: []guard.Row{ssh}},
		"open to some of the row": {manifests: policy(`{action: Allow, protocol: TCP, source: {nets: [10.9.7.0/24]}, destination: {ports: [22]}}`), rows: []guard.Row{ssh}},
		"open to the host's own network, of which it has the first address": {manifests: policy(`{action: Allow, protocol: TCP, source: {nets: [10.0.0.0/24]}, destination: {ports: [22]}}`),
			rows: []guard.Row{{ID: "9.3", Protocol: 6, Ports: []uint16{22}}}},
		"another network": {manifests: policy(`{action: Allow, protocol: TCP, source: {nets: [10.8.0.0/24]}, destination: {ports: [22]}}`), rows: []guard.Row{ssh},
			refused: []string{"9.1 operator-to-node", "tier/default/end", "eth0", "10.9.0.0/16"}},
		"no rule":               {manifests: policy(``), rows: []guard.Row{ssh}, refused: []string{"9.1", "tier/default/end"}},
		"a failsafe":            {manifests: policy(``), rows: []guard.Row{ssh}, failsafes: []firewall.Failsafe{sshFailsafe}},
		"denied first":          {manifests: policy(`{action: Deny}, {action: Allow, protocol: TCP, destination: {ports: [22]}}`), rows: []guard.Row{ssh}, refused: []string{"p/ingress/0"}},
		"no policy, no profile": {manifests: endpoint, rows: []guard.Row{ssh}, refused: []string{"no-profile"}},
		"no row known":          {manifests: policy(`{action: Allow}`), refused: []string{"no management row is known"}},
		"one of two rows": {manifests: policy(`{action: Allow, protocol: TCP, destination: {ports: [6443]}}`),
			rows: []guard.Row{ssh, {ID: "9.2", Name: "controller", Protocol: 6, Ports: []uint16{6443}}}},
		"answers are not let out": {manifests: endpoint + `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: p}
spec:
  selector: "has(host)"
  doNotTrack: true
  applyOnForward: true
  types: [Ingress, Egress]
  ingress: [{action: Allow}]
  egress: [{action: Deny}]
`, rows: []guard.Row{ssh}, refused: []string{"its answers, on eth0"}},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			sc := scene(t, c.manifests, c.failsafes...)
			refusal := guard.CheckManagement(guard.Management(sc, c.rows), c.rows)
			if (refusal == nil) != (c.refused == nil) {
				t.Fatalf("refusal %v, want words %q", refusal, c.refused)
			}
			for _, word := range c.refused {
				if !strings.Contains(refusal.Reason, word) {
					t.Errorf("the reason %q does not say %q", refusal.Reason, word)
				}
			}
		})
	}
}

func TestKeepsManagement(t *testing.T) {
	both := `{action: Allow, protocol: TCP, source: {nets: [10.9.0.0/24, 10.9.1.0/24]}, destination: {ports: [22]}}`
	one := `{action: Allow, protocol: TCP, source: {nets: [10.9.0.0/24]}, destination: {ports: [22]}}`
	web := `, {action: Allow, protocol: TCP, source: {nets: [10.7.0.1/32]}, destination: {ports: [80]}}`
	tests := map[string]struct {
		before, after string
		keeps         bool
	}{
		"the same":                {both, both, true},
		"an operator more":        {one, both, true},
		"an operator less":        {both, one, false},
		"another peer less":       {one + web, one, true},
		"another peer more":       {one, one + web, true},
		"a peer of a denial more": {one, `{action: Deny, source: {nets: [10.9.0.0/24]}}, ` + one, false},
	}
	for name, c := range tests {
		t.Run(name, func(t *testing.T) {
			if got := guard.KeepsManagement(scene(t, policy(c.before)), scene(t, policy(c.after)), []guard.Row{ssh}); got != c.keeps {
				t.Errorf("KeepsManagement = %t, want %t", got, c.keeps)
			}
		})
	}
}
