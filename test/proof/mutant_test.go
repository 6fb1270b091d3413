package proof_test

import (
	"math/rand/v2"
	"testing"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/mutate"
	"github.com/ingotmetal/ingot/internal/prove"
	"github.com/ingotmetal/ingot/matrix"
)

// origin is what is mutated.
type origin struct {
	objects   calico.Objects
	failsafes []firewall.Failsafe
	site      prove.Site
}

func origins(t *testing.T) map[string]origin {
	t.Helper()
	return map[string]origin{
		"ARTESCA":     artesca(t, "policies-prose.yaml"),
		"metal-stack": metalStack(t),
		"built-in":    matrixOrigin(t, "built-in", matrix.Own()),
	}
}

// mostMutants is how many of a site's are proved, evenly spread, so that the whole stays within minutes; first is where the spread begins.
const (
	mostMutants = 2000
	first       = 1
)

// tally is what became of a site's mutants.
type tally struct {
	mutants, equivalent, unseen, detected, packets int
}

// Every mutant that changes the policy is noticed by packets, and by exactly as many as the model says; those that change nothing raise no alarm.
func TestEveryPolicyChangingMutantIsDetected(t *testing.T) {
	for name, o := range origins(t) {
		t.Run(name, func(t *testing.T) {
			labs := labsOf(t, o.site)
			var sum tally
			all := mutate.All(o.objects)
			step := (len(all) + mostMutants - 1) / mostMutants
			for i := int(first % uint64(step)); i < len(all); i += step {
				m := all[i]
				mutated, err := firewall.NewSite(m.Objects, o.failsafes)
				if err != nil {
					t.Fatalf("%s: %v", m.Name, err)
				}
				sum.mutants++
				effect := mutate.Differ(o.site.Policies, mutated, hostsOf(o.site))
				if len(effect) == 0 {
					sum.equivalent++
					falseAlarm(t, o, m, mutated, labs, uint64(i))
					continue
				}
				detected(t, o, m, mutated, labs, effect, uint64(i), &sum)
			}
			t.Logf("%d mutants of %d: %d equivalent, %d detected by %d packets, %d differ only in packets that no kernel knows", sum.mutants, len(all), sum.equivalent, sum.detected, sum.packets, sum.unseen)
			if sum.detected+sum.unseen+sum.equivalent != sum.mutants || sum.detected < sum.mutants/4 {
				t.Errorf("of %d mutants %d are equivalent and %d detected", sum.mutants, sum.equivalent, sum.detected)
			}
		})
	}
}

// detected proves a mutant on each host that it changes: the kernel that has the mutant's ruleset differs from the original policies in exactly the
// packets in which the mutant's do.
func detected(t *testing.T, o origin, m mutate.Mutant, mutated *firewall.Site, labs map[string]*prove.Lab, effect mutate.Effect, seed uint64, sum *tally) {
	t.Helper()
	predicted, noticed := 0, 0
	for _, h := range o.site.Hosts {
		if effect[h.Node] == 0 {
			continue
		}
		p, n := kernelAgainst(t, o, m, mutated, labs[h.Node], h, seed)
		if p != n {
			t.Errorf("%s: seed %d: %s: the model says that %d packets differ, in the kernel %d do", m.Name, seed, h.Node, p, n)
		}
		predicted, noticed = predicted+p, noticed+n
	}
	sum.packets += noticed
	switch {
	case noticed > 0:
		sum.detected++
	case onlyUnknown(o.site, mutated):
		sum.unseen++
	default:
		t.Errorf("%s: seed %d: changes %v classes, and no packet noticed", m.Name, seed, effect)
	}
}

// kernelAgainst loads the mutant's ruleset, and counts the packets on which the mutant's policies, and on which the kernel, differ from the original.
func kernelAgainst(t *testing.T, o origin, m mutate.Mutant, mutated *firewall.Site, lab *prove.Lab, h prove.Host, seed uint64) (predicted, noticed int) {
	t.Helper()
	original, changed := o.site.Policies.Host(h.Node, h.Interfaces), mutated.Host(h.Node, h.Interfaces)
	report, err := lab.Prove(t.Context(), mutated, h, prove.Options{
		Seed: seed, Narrow: true, Established: -1, Besides: o.site.Policies,
		Observe: func(p firewall.Packet, kernel firewall.Verdict) {
			want := evaluate.Packet(o.site.Policies, original, p).Verdict
			if want != evaluate.Packet(mutated, changed, p).Verdict {
				predicted++
			}
			if want != kernel {
				noticed++
			}
		},
	})
	if err != nil {
		t.Fatalf("%s: seed %d: %v", m.Name, seed, err)
	}
	if !report.Proved() {
		t.Errorf("%s: seed %d: %s: the mutant's own policies and ruleset differ: %v %v", m.Name, seed, h.Node, report.Differences, report.Counters)
	}
	return predicted, noticed
}

// falseAlarm sends packets through one host of an equivalent mutant, which the seed chooses, for one in eight of them.
func falseAlarm(t *testing.T, o origin, m mutate.Mutant, mutated *firewall.Site, labs map[string]*prove.Lab, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	if r.IntN(8) > 0 {
		return
	}
	h := o.site.Hosts[r.IntN(len(o.site.Hosts))]
	if predicted, noticed := kernelAgainst(t, o, m, mutated, labs[h.Node], h, seed); predicted != 0 || noticed != 0 {
		t.Errorf("%s: seed %d: is equivalent by all classes, but %d packets differ in the model and %d in the kernel", m.Name, seed, predicted, noticed)
	}
}

// onlyUnknown says whether two readings differ in packets only that prove.Real knows no real one for: an ICMP error that is said to open a flow, a
// packet from a group.
func onlyUnknown(site prove.Site, mutated *firewall.Site) bool {
	for _, h := range site.Hosts {
		a, b := site.Policies.Host(h.Node, h.Interfaces), mutated.Host(h.Node, h.Interfaces)
		for c := range mutate.Classes(site.Policies, mutated, h.Node, h.Interfaces) {
			p := c.First()
			if evaluate.Packet(site.Policies, a, p).Verdict != evaluate.Packet(mutated, b, p).Verdict && prove.Real(c) {
				return false
			}
		}
	}
	return true
}

func labsOf(t *testing.T, s prove.Site) map[string]*prove.Lab {
	t.Helper()
	labs := map[string]*prove.Lab{}
	for _, h := range s.Hosts {
		lab, err := prove.NewLab(t.Context(), h.Interfaces)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(lab.Close)
		labs[h.Node] = lab
	}
	return labs
}

func hostsOf(s prove.Site) map[string][]firewall.Interface {
	hosts := map[string][]firewall.Interface{}
	for _, h := range s.Hosts {
		hosts[h.Node] = h.Interfaces
	}
	return hosts
}
