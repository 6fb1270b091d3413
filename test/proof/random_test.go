package proof_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/prove"
	"github.com/ingotmetal/ingot/test/randomsite"
)

// seeds is how many random sites go through the kernel; mostPackets is how many packets one may send, so that one dense site doesn't cost as much as
// the others together.
const (
	seeds       = 600
	mostPackets = 1500
)

// Random policies: evaluator, rule tree and nftables are one. All sites are one host after another in the same lab.
func TestRandomPolicies(t *testing.T) {
	lab, err := prove.NewLab(t.Context(), []firewall.Interface{{Name: "if0"}, {Name: "if1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer lab.Close()
	packets, accepted := 0, 0
	states := map[string]int{}
	for seed := uint64(1); seed <= seeds; seed++ {
		w := randomsite.New(seed)
		s, _, err := w.Site()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		report, err := lab.Prove(t.Context(), s, prove.Host{Node: randomsite.Node, Interfaces: w.Interfaces}, prove.Options{
			Seed: seed, Narrow: w.One(2), MaxPackets: mostPackets, Established: int(seed%3) - 1,
			Compile: func(s *firewall.Site, h *firewall.Host) *ruleset.Ruleset {
				return ruleset.Compile(s, h, ruleset.Options{Generation: 1, Refused: seed%2 == 0, Seen: seed%3 == 0, ChainLines: 1 + int(seed%ruleset.DefaultChainLines)})
			},
		})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !report.Proved() {
			var text strings.Builder
			report.Text(&text)
			t.Fatalf("seed %d: %.20000s", seed, text.String())
		}
		packets += report.Packets
		for _, c := range report.Counts {
			accepted += c.Accepted
			states[c.State] += c.Accepted + c.Dropped
		}
	}
	t.Logf("%d sites, %d packets (%v), %d accepted: no difference", seeds, packets, states, accepted)
	if accepted < packets/20 || packets-accepted < packets/20 {
		t.Errorf("of %d packets %d are accepted: the sites say too little", packets, accepted)
	}
}
