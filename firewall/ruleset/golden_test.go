package ruleset_test

import (
	"flag"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

var update = flag.Bool("update", false, "write testdata/*.nft anew")

// The text that a reviewer reads is what is loaded: testdata/NAME.yaml gives testdata/NAME.nft, which nft takes and which decides as the model does.
func TestText(t *testing.T) {
	bastion := firewall.Failsafe{
		ID: "bastion-ssh", Direction: calico.Ingress, Protocol: 6, Ports: []uint16{22}, Nets: []netip.Prefix{netip.MustParsePrefix("10.0.9.0/28")},
	}
	for name, node := range map[string]string{"local": "server", "forward": "router"} {
		manifests, err := os.ReadFile("testdata/" + name + ".yaml")
		if err != nil {
			t.Fatal(err)
		}
		o, err := calico.Decode(manifests)
		if err != nil {
			t.Fatal(err)
		}
		s, err := firewall.NewSite(o, append(firewall.NeighbourDiscovery(), bastion))
		if err != nil {
			t.Fatal(err)
		}
		h := s.Host(node, nil)
		r := ruleset.Compile(s, h, ruleset.Options{Generation: 1, Refused: true})
		got := r.Install(nil)
		if again := ruleset.Compile(s, h, ruleset.Options{Generation: 1, Refused: true}).Install(nil); again != got {
			t.Errorf("%s: compiled twice, the texts differ", name)
		}
		golden := "testdata/" + name + ".nft"
		if *update {
			if err := os.WriteFile(golden, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(golden)
		if err != nil {
			t.Fatalf("%v: run the test with -update", err)
		}
		if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
			t.Errorf("%s (run with -update if it is meant):\n%s", golden, diff)
		}
		inNamespace(t, "nft -c -f text; nft -f text", map[string]string{"text": got})
		simulator := ruleset.NewSimulator(r)
		for p := range class.Of(s, h).Packets() {
			if want, got := evaluate.Packet(s, h, p), simulator.Run(p); want.Verdict != got.Verdict || want.By != got.By {
				t.Fatalf("%s: %s\nmodel: %s by %s\ntree:  %s by %s", name, p, want.Verdict, want.By, got.Verdict, got.By)
			}
		}
	}
}
