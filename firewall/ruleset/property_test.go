package ruleset_test

import (
	"math/rand/v2"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/test/randomsite"
)

// seeds is how many random sites are compared; mostPackets is how many packets one may have, so that one dense site doesn't cost as much as the others.
const (
	seeds       = 1500
	mostPackets = 20_000
)

// The property that everything rests on: for all classes of packets of random sites, the compiled tree decides as Calico would, by the same rule.
func TestRulesetDecidesAsTheModelDoes(t *testing.T) {
	total := 0
	by := map[firewall.Verdict]int{}
	for seed := uint64(1); seed <= seeds; seed++ {
		w := randomsite.New(seed)
		s, h, err := w.Site()
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		r := ruleset.Compile(s, h, ruleset.Options{Generation: 1, Refused: w.One(2), Seen: w.One(2), ChainLines: 1 + w.IntN(ruleset.DefaultChainLines)})
		simulator := ruleset.NewSimulator(r)
		for p := range part(w, class.Of(s, h)).Packets() {
			want, got := evaluate.Packet(s, h, p), simulator.Run(p)
			if want.Verdict != got.Verdict || want.By != got.By {
				t.Fatalf("seed %d: %s\nmodel: %s by %s (%v)\ntree:  %s by %s", seed, p, want.Verdict, want.By, want.Trace, got.Verdict, got.By)
			}
			total++
			by[want.Verdict]++
		}
	}
	t.Logf("%d sites, %d packets, %d dropped, %d accepted: no difference", seeds, total, by[firewall.Drop], by[firewall.Accept])
	if by[firewall.Drop] < total/20 || by[firewall.Accept] < total/20 {
		t.Errorf("of %d packets %d are dropped: the sites say too little", total, by[firewall.Drop])
	}
}

// The classes are complete: whatever decides some packet that was made without looking at the policies also decides a packet of the classes. And the
// tree, which never heard of classes, agrees with the model there too.
func TestClassesMissNothing(t *testing.T) {
	tried := 0
	for seed := uint64(1); seed <= 1000 && tried < 60; seed++ {
		w := randomsite.New(seed)
		s, h, err := w.Site()
		if err != nil {
			t.Fatal(err)
		}
		space := class.Of(s, h)
		if space.Count() > 60_000 {
			continue
		}
		tried++
		decided := map[string]bool{}
		for p := range space.Packets() {
			decided[evaluate.Packet(s, h, p).By] = true
		}
		simulator := ruleset.NewSimulator(ruleset.Compile(s, h, ruleset.Options{Generation: 1}))
		for range 500 {
			p := w.Packet()
			want, got := evaluate.Packet(s, h, p), simulator.Run(p)
			if !decided[want.By] {
				t.Errorf("seed %d: %s is decided by %s, which decides no class", seed, p, want.By)
			}
			if want.Verdict != got.Verdict || want.By != got.By {
				t.Fatalf("seed %d: %s\nmodel: %s by %s\ntree:  %s by %s", seed, p, want.Verdict, want.By, got.Verdict, got.By)
			}
		}
	}
	if tried < 60 {
		t.Errorf("only %d sites are small enough", tried)
	}
}

// part takes all packets of a small site, and of a large one those of a hook, a family and a state that the seed chooses, until they are few enough.
func part(w *randomsite.World, s class.Space) class.Space {
	cuts := []func(){
		func() { s.Hooks = s.Hooks[w.IntN(len(s.Hooks)):][:1] },
		func() {
			if w.One(2) {
				s.IPv4 = nil
			} else {
				s.IPv6 = nil
			}
		},
		func() { s.States = s.States[w.IntN(2)*w.IntN(len(s.States)):][:1] },
		func() { s.SourcePorts = thin(w, s.SourcePorts) },
		func() { s.DestinationPorts = thin(w, s.DestinationPorts) },
		func() { s.IPv4, s.IPv6 = thin(w, s.IPv4), thin(w, s.IPv6) },
		func() { s.Protocols = thin(w, s.Protocols) },
	}
	w.Shuffle(3, func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
	for i := 0; s.Count() > mostPackets; i++ {
		cuts[i%len(cuts)]()
	}
	return s
}

// thin keeps half of the values.
func thin[T any](w *randomsite.World, all []T) []T {
	if len(all) < 2 {
		return all
	}
	kept := make([]T, 0, len(all)/2+1)
	for _, i := range w.Perm(len(all))[:(len(all)+1)/2] {
		kept = append(kept, all[i])
	}
	return kept
}

// A test that compares must be able to fail: a tree with one rule changed decides otherwise for some packet, and the comparison sees it.
func TestAChangedRuleIsSeen(t *testing.T) {
	changed, seen := 0, 0
	for seed := uint64(1); seed <= 60; seed++ {
		w := randomsite.New(seed)
		s, h, err := w.Site()
		if err != nil {
			t.Fatal(err)
		}
		good := ruleset.Compile(s, h, ruleset.Options{Generation: 1})
		packets := part(w, class.Of(s, h))
		met := map[string]int{}
		simulator := ruleset.NewSimulator(good)
		for p := range packets.Packets() {
			met[simulator.Run(p).By]++
		}
		bad := ruleset.Compile(s, h, ruleset.Options{Generation: 1})
		if !breakOne(rand.New(rand.NewPCG(seed, 7)), bad, met) {
			continue
		}
		changed++
		broken := ruleset.NewSimulator(bad)
		for p := range packets.Packets() {
			if evaluate.Packet(s, h, p).By != broken.Run(p).By {
				seen++
				break
			}
		}
	}
	if changed < 20 || seen != changed {
		t.Errorf("of %d changed trees %d were seen", changed, seen)
	}
}

// breakOne removes a rule that some packet was decided by, wherever it stands.
func breakOne(r *rand.Rand, s *ruleset.Ruleset, met map[string]int) bool {
	var ids []string
	for _, c := range s.Chains {
		for _, rule := range c.Rules {
			if met[rule.ID] > 0 && rule.ID != firewall.ByNoEndpoint && rule.ID != firewall.ByForward {
				ids = append(ids, rule.ID)
			}
		}
	}
	if len(ids) == 0 {
		return false
	}
	id := ids[r.IntN(len(ids))]
	for _, c := range s.Chains {
		for i := range c.Rules {
			if c.Rules[i].ID == id {
				c.Rules[i] = ruleset.Rule{}
			}
		}
	}
	return true
}
