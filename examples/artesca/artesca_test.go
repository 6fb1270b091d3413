package artesca_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

const (
	prose = "policies-prose.yaml"
	table = "policies-table.yaml"
)

var nodes = []string{"node1", "node2", "node3", "node4"}

func decode(t *testing.T, files ...string) calico.Objects {
	t.Helper()
	var parts []calico.Objects
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		o, err := calico.Decode(text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		parts = append(parts, o)
	}
	return calico.Merge(parts...)
}

func site(t *testing.T, o calico.Objects, failsafes ...firewall.Failsafe) *firewall.Site {
	t.Helper()
	s, err := firewall.NewSite(o, failsafes)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestFilesAreComplete(t *testing.T) {
	for _, file := range []string{prose, table} {
		o := decode(t, "endpoints.yaml", file)
		site(t, o)
		if len(o.HostEndpoints) != 8 || len(o.Policies) != 7 {
			t.Errorf("%s: %d endpoints and %d policies, want 8 and 7", file, len(o.HostEndpoints), len(o.Policies))
		}
		flows := map[string]bool{}
		for _, p := range o.Policies {
			for _, r := range slices.Concat(p.Ingress, p.Egress) {
				if flow := r.Annotations[calico.FlowAnnotation]; flow == "" || flows[flow] {
					t.Errorf("%s: %s has a rule with the flow %q, which is empty or used twice", file, p.Name, flow)
				} else {
					flows[flow] = true
				}
			}
		}
	}
}

// packet is a new one that comes to a node's interface from an address.
func packet(iface, from, to string, protocol uint8, port uint16) firewall.Packet {
	return firewall.Packet{
		Hook: firewall.Input, In: iface, Source: netip.MustParseAddr(from), Destination: netip.MustParseAddr(to), Protocol: protocol, SourcePort: 40000, DestinationPort: port,
	}
}

// Rows of the documentation as packets. Node 4 has no role; 10.91.0.100 is the management IP; .200 is a stranger on the control plane's network.
func TestRowsOfTheDocumentation(t *testing.T) {
	cases := []struct {
		node         string
		p            firewall.Packet
		prose, table bool
		by           string // of the prose
	}{
		{"node1", packet("cp0", "10.91.0.4", "10.91.0.1", 6, 4505), true, true, "control-plane-bootstrap/ingress/0"},
		{"node1", packet("cp0", "10.91.0.200", "10.91.0.1", 6, 4507), false, true, "tier/default/end"},
		{"node1", packet("cp0", "10.91.0.200", "10.91.0.1", 6, 8428), true, true, "control-plane-bootstrap/ingress/1"},
		{"node2", packet("cp0", "10.91.0.200", "10.91.0.2", 6, 8428), false, false, "tier/default/end"},
		{"node1", packet("cp0", "10.91.0.200", "10.91.0.1", 17, 123), true, false, "control-plane-bootstrap/ingress/2"},
		{"node3", packet("cp0", "10.91.0.200", "10.91.0.100", 6, 6443), false, true, "tier/default/end"},
		{"node3", packet("cp0", "10.91.0.4", "10.91.0.100", 6, 6443), true, true, "control-plane-master/ingress/0"},
		{"node3", packet("cp0", "10.91.0.100", "10.91.0.3", 6, 10257), true, true, "control-plane-master/ingress/2"}, // the management IP is of infra servers too
		{"node3", packet("cp0", "10.91.0.3", "10.91.0.3", 6, 10257), false, false, "tier/default/end"},
		{"node3", packet("cp0", "10.91.0.4", "10.91.0.3", 6, 2380), true, false, "control-plane-etcd/ingress/1"},
		{"node3", packet("cp0", "10.91.0.4", "10.91.0.3", 6, 2379), false, false, "tier/default/end"},
		{"node4", packet("cp0", "10.91.0.1", "10.91.0.4", 6, 22), true, true, "control-plane-general/ingress/4"},
		{"node4", packet("cp0", "10.91.0.2", "10.91.0.4", 6, 22), false, false, "tier/default/end"},
		{"node4", packet("wp0", "192.0.2.1", "10.92.0.100", 6, 443), true, true, "workload-plane/ingress/0"},
		{"node4", packet("wp0", "10.92.0.1", "10.92.0.4", 6, 179), true, true, "workload-plane/ingress/2"},
		{"node4", packet("wp0", "192.0.2.1", "10.92.0.4", 6, 179), false, false, "tier/default/end"},
		{"node4", packet("wp0", "192.0.2.1", "10.92.0.4", 112, 0), true, true, "workload-plane/ingress/1"},
		{"node4", packet("cp0", "10.91.0.1", "10.91.0.4", 112, 0), false, false, "tier/default/end"},
		{"node4", packet("cp0", "10.91.0.1", "10.91.0.4", 1, 0), false, false, "tier/default/end"},
		{"node4", packet("eth9", "192.0.2.1", "10.92.0.4", 6, 179), true, true, "no-endpoint"},
	}
	proses, tables := site(t, decode(t, "endpoints.yaml", prose)), site(t, decode(t, "endpoints.yaml", table))
	for _, c := range cases {
		got := evaluate.Packet(proses, proses.Host(c.node, nil), c.p)
		if (got.Verdict == firewall.Accept) != c.prose || got.By != c.by {
			t.Errorf("prose: %s: %s: %s by %s, want by %s", c.node, c.p, got.Verdict, got.By, c.by)
		}
		if got := evaluate.Packet(tables, tables.Host(c.node, nil), c.p); (got.Verdict == firewall.Accept) != c.table {
			t.Errorf("table: %s: %s: %s by %s", c.node, c.p, got.Verdict, got.By)
		}
	}
}

// difference are the protocols and ports on which two sites differ, over all classes of new packets that either can distinguish.
func difference(t *testing.T, a, b *firewall.Site) []string {
	t.Helper()
	found := map[string]bool{}
	for _, node := range nodes {
		ha, hb := a.Host(node, nil), b.Host(node, nil)
		for _, space := range []class.Space{class.Of(a, ha), class.Of(b, hb)} {
			space.States, space.Hooks, space.IPv6 = []firewall.State{firewall.New}, []firewall.Hook{firewall.Input, firewall.Output}, nil
			for p := range space.Packets() {
				if evaluate.Packet(a, ha, p).Verdict != evaluate.Packet(b, hb, p).Verdict {
					found[fmt.Sprintf("%s %s %d/%d", p.Hook, p.In+p.Out, p.Protocol, p.DestinationPort)] = true
				}
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func TestTheTwoReadingsDifferInTheseFlowsOnly(t *testing.T) {
	got := difference(t, site(t, decode(t, "endpoints.yaml", prose)), site(t, decode(t, "endpoints.yaml", table)))
	want := []string{"input cp0 17/123", "input cp0 6/2380", "input cp0 6/4505", "input cp0 6/4506", "input cp0 6/4507", "input cp0 6/6443"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestOrdersChangeNothing(t *testing.T) {
	o := decode(t, "endpoints.yaml", prose)
	reversed := decode(t, "endpoints.yaml", prose)
	for i := range reversed.Policies {
		*reversed.Policies[i].Order *= -1
	}
	if got := difference(t, site(t, o), site(t, reversed)); len(got) > 0 {
		t.Errorf("the order matters for %v", got)
	}
}

func TestCalicosDefaultsReopenNinePortsOnEveryPlane(t *testing.T) {
	o := decode(t, "endpoints.yaml", prose)
	got := difference(t, site(t, o), site(t, o, firewall.CalicoDefaults()...))
	var workload []string
	for _, d := range got {
		if rest, found := strings.CutPrefix(d, "input wp0 "); found {
			workload = append(workload, rest)
		}
	}
	slices.Sort(workload)
	want := []string{"17/68", "6/179", "6/22", "6/2379", "6/2380", "6/5473", "6/6443", "6/6666", "6/6667"}
	if diff := cmp.Diff(want, workload); diff != "" {
		t.Error(diff)
	}
}

// All classes, in all states and families, on all nodes, in both readings.
func TestRulesetsDecideAsThePoliciesDo(t *testing.T) {
	total := 0
	for _, file := range []string{prose, table} {
		s := site(t, decode(t, "endpoints.yaml", file), firewall.NeighbourDiscovery()...)
		for _, node := range nodes {
			h := s.Host(node, nil)
			simulator := ruleset.NewSimulator(ruleset.Compile(s, h, ruleset.Options{Generation: 1, Refused: true}))
			for p := range class.Of(s, h).Packets() {
				want, got := evaluate.Packet(s, h, p), simulator.Run(p)
				if want.Verdict != got.Verdict || want.By != got.By {
					t.Fatalf("%s, %s: %s\nmodel: %s by %s\ntree:  %s by %s", file, node, p, want.Verdict, want.By, got.Verdict, got.By)
				}
				total++
			}
		}
	}
	t.Logf("%d packets, no difference", total)
}

func TestTheKernelTakesTheRulesets(t *testing.T) {
	for _, tool := range []string{"unshare", "nft"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Fatalf("%v: install util-linux and nftables", err)
		}
	}
	if os.Getuid() != 0 {
		t.Fatal("network namespaces need root: run the tests as root")
	}
	for _, file := range []string{prose, table} {
		s := site(t, decode(t, "endpoints.yaml", file), firewall.NeighbourDiscovery()...)
		for _, node := range nodes {
			text := ruleset.Compile(s, s.Host(node, nil), ruleset.Options{Generation: 1, Refused: true, Seen: true}).Install(nil)
			check := exec.CommandContext(t.Context(), "unshare", "--net", "nft", "-c", "-f", "-")
			check.Stdin = strings.NewReader(text)
			if out, err := check.CombinedOutput(); err != nil {
				t.Errorf("%s, %s: %v: %.2000s", file, node, err, out)
			}
		}
	}
}
