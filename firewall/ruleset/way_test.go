package ruleset_test

import (
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/test/randomsite"
)

// The short way of new packets decides as the long one does, by the same rules, and spares them some.
func TestTheShortWayDecidesAsTheLongOne(t *testing.T) {
	compared, spared := 0, 0
	for seed := uint64(1); seed <= 120; seed++ {
		w := randomsite.New(seed)
		s, h, err := w.Site()
		if err != nil {
			t.Fatal(err)
		}
		r := ruleset.Compile(s, h, ruleset.Options{Generation: 1, ChainLines: 1 + int(seed%8)})
		long, short := ruleset.NewSimulator(r), ruleset.ShortWay(r)
		for p := range part(w, class.Of(s, h)).Packets() {
			if p.State != firewall.New {
				continue
			}
			compared++
			want, got := long.Run(p), short.Run(p)
			if want.Verdict != got.Verdict || want.By != got.By || len(want.Met) != len(got.Met) {
				t.Fatalf("seed %d: %s\nlong:  %s by %s, %d counters\nshort: %s by %s, %d", seed, p, want.Verdict, want.By, len(want.Met), got.Verdict, got.By, len(got.Met))
			}
			if got.Rules < want.Rules {
				spared++
			}
		}
	}
	t.Logf("%d new packets, of which %d met fewer rules", compared, spared)
	if compared < 10_000 || spared < compared/10 {
		t.Error("too few to prove anything")
	}
}
