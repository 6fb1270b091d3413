package artesca_test

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/matrix/lint"
	"github.com/ingotmetal/ingot/matrix/policy"
)

// deadItems are the 17 of the 41 items of the prose that change nothing: "all TCP egress" and "all UDP egress" of the same endpoints let through all that they do.
var deadItems = []string{
	"bootstrap-ssh",
	"etcd-peer-out",
	"infra-controller-manager-metrics-out", "infra-scheduler-metrics-out", "infra-etcd-metrics-out", "infra-node-exporter-out", "infra-proxy-metrics-out", "infra-kubelet-metrics-out",
	"general-etcd-out", "general-salt-out", "general-apiserver-out", "general-registry-out", "general-artifacts-out", "general-kubelet-out", "general-proxy-health-out", "general-ingress-out", "general-ntp-out",
}

// Each item of the prose is a rule: 41, of which 17 are dead. Taking a dead one out changes no packet, and taking any other out does.
func TestSeventeenOfFortyOneItemsAreDead(t *testing.T) {
	whole := decode(t, "endpoints.yaml", prose)
	all := site(t, whole)
	var items, dead []string
	for i := range whole.Policies {
		for _, list := range []func(*calico.Policy) *[]calico.Rule{
			func(p *calico.Policy) *[]calico.Rule { return &p.Ingress }, func(p *calico.Policy) *[]calico.Rule { return &p.Egress },
		} {
			for j, rule := range *list(&whole.Policies[i]) {
				items = append(items, rule.Annotations[calico.FlowAnnotation])
				without := decode(t, "endpoints.yaml", prose)
				rules := list(&without.Policies[i])
				*rules = slices.Delete(*rules, j, j+1)
				if len(difference(t, all, site(t, without))) == 0 {
					dead = append(dead, rule.Annotations[calico.FlowAnnotation])
				}
			}
		}
	}
	if len(items) != 41 {
		t.Errorf("%d rules, want one for each of the 41 items", len(items))
	}
	slices.Sort(dead)
	if want := slices.Sorted(slices.Values(deadItems)); !slices.Equal(dead, want) {
		t.Errorf("dead are\n%v, want\n%v", dead, want)
	}
}

// Lint finds the same, by rows and not by packets, in the manifests as they are: imported, each item is a row.
func TestLintNamesTheDeadItems(t *testing.T) {
	var text []string
	for _, file := range []string{"endpoints.yaml", prose} {
		one, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		text = append(text, string(one))
	}
	o, err := calico.Decode([]byte(strings.Join(text, "\n---\n")))
	if err != nil {
		t.Fatal(err)
	}
	m, unsaid, err := policy.Import(o)
	if err != nil || len(unsaid) != 4 { // the four items that go out "from" their own endpoints: their rows are there, without that
		t.Fatalf("import: %v, left out %v", err, unsaid)
	}
	dead := map[string]bool{}
	for _, f := range lint.Findings(m, lint.Options{Only: []lint.Code{lint.ShadowedFlow}}) {
		dead[f.Rows[0]] = true
	}
	if len(m.Rows) != 41 {
		t.Errorf("%d rows, want one for each of the 41 items", len(m.Rows))
	}
	if got, want := slices.Sorted(maps.Keys(dead)), slices.Sorted(slices.Values(deadItems)); !slices.Equal(got, want) {
		t.Errorf("dead are\n%v, want\n%v", got, want)
	}
}

// study is a site of four servers, two of them masters and members of etcd, without virtual IPs, on which the numbers of README.md are counted.
func study(t *testing.T, file string, failsafes ...firewall.Failsafe) *firewall.Site {
	t.Helper()
	roles := []string{`role/bootstrap: "", role/registry: "", role/infra: "", role/master: "", role/etcd: ""`, `role/master: "", role/etcd: ""`, `role/infra: ""`, ""}
	var text strings.Builder
	for i, r := range roles {
		if r != "" {
			r = ", " + r
		}
		for n, plane := range []string{"control", "workload"} {
			fmt.Fprintf(&text, "---\napiVersion: projectcalico.org/v3\nkind: HostEndpoint\nmetadata: {name: node%d-%s, labels: {plane: %s%s}}\nspec: {node: node%d, interfaceName: %s, expectedIPs: [%s]}\n",
				i+1, plane, plane, map[bool]string{true: r}[n == 0], i+1, []string{"cp0", "wp0"}[n], address(n, i+1))
		}
	}
	endpoints, err := calico.Decode([]byte(text.String()))
	if err != nil {
		t.Fatal(err)
	}
	return site(t, calico.Merge(endpoints, decode(t, file)), failsafes...)
}

func address(plane, host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(91 + plane), 0, byte(host)})
}

// flips counts packets that one site refuses and the other allows or the other way about, by protocol and port: to each server on each plane from the six endpoints of the
// other servers, an unlisted address in each plane's network, and one in neither; every port that a rule or a failsafe names and its neighbours, and protocols without ports.
func flips(a, b *firewall.Site) (map[string]int, int) {
	ports := map[uint16]bool{}
	for _, p := range []uint16{22, 68, 80, 123, 179, 443, 2379, 2380, 2381, 4505, 4506, 4507, 5473, 6443, 6666, 6667, 8080, 8428, 8443, 9100, 10249, 10250, 10256, 10257, 10259} {
		ports[p-1], ports[p], ports[p+1] = true, true, true
	}
	count, total := map[string]int{}, 0
	for host := 1; host <= 4; host++ {
		node := fmt.Sprintf("node%d", host)
		ha, hb := a.Host(node, nil), b.Host(node, nil)
		for plane, iface := range []string{"cp0", "wp0"} {
			sources := []netip.Addr{address(0, 200), address(1, 200), netip.MustParseAddr("192.0.2.1")}
			for other := 1; other <= 4; other++ {
				if other != host {
					sources = append(sources, address(0, other), address(1, other))
				}
			}
			for _, from := range sources {
				for _, protocol := range []uint8{1, 6, 17, 47, 112, 132} {
					for port := range ports {
						if !firewall.HasPorts(protocol) {
							port = 0
						}
						p := packet(iface, from.String(), address(plane, host).String(), protocol, port)
						if evaluate.Packet(a, ha, p).Verdict != evaluate.Packet(b, hb, p).Verdict {
							count[fmt.Sprintf("%d/%d", protocol, port)]++
							total++
						}
					}
				}
			}
		}
	}
	return count, total
}

// README.md has these numbers. They are of this site and these sources: others give others, since a class is a server, a plane, a source and a port.
func TestPacketsThatFlip(t *testing.T) {
	count, total := flips(study(t, prose), study(t, table))
	if want := map[string]int{"6/6443": 12, "6/4505": 6, "6/4506": 6, "6/4507": 6, "17/123": 9, "6/2380": 4}; !maps.Equal(count, want) || total != 43 {
		t.Errorf("the readings differ in %d packets %v, want 43: %v", total, count, want)
	}
	count, total = flips(study(t, prose), study(t, prose, firewall.CalicoDefaults()...))
	want := map[string]int{"6/22": 69, "6/179": 60, "6/2379": 70, "6/2380": 66, "6/6443": 66, "6/5473": 72, "6/6666": 72, "6/6667": 72, "17/68": 72}
	if !maps.Equal(count, want) || total != 619 {
		t.Errorf("Calico's failsafes open %d packets %v, want 619: %v", total, count, want)
	}
}
