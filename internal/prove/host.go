package prove

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/class"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// attempts is how often a host is proved anew where the lab's queues lost frames.
const attempts = 5

func proveHost(ctx context.Context, s Site, index int, h Host, o Options, r *Report) error {
	lab, err := NewLab(ctx, h.Interfaces)
	if err != nil {
		return fmt.Errorf("prove %s: %w", h.Node, err)
	}
	defer lab.Close()
	part, err := lab.prove(ctx, s.Policies, h, Progress{Node: h.Node, Host: index + 1, Hosts: len(s.Hosts)}, o)
	if err == nil {
		r.add(part)
	}
	return err
}

// Prove proves one host of a site. Labs can be used for many hosts with the same names of interfaces, one after another: what is sent to an address
// reaches the host whether or not the lab has given it to an interface.
func (l *Lab) Prove(ctx context.Context, policies *firewall.Site, h Host, o Options) (Report, error) {
	part, err := l.prove(ctx, policies, h, Progress{Node: h.Node, Host: 1, Hosts: 1}, o)
	r := newReport(h.Node, o)
	if err == nil {
		r.add(part)
	}
	return r, err
}

func (l *Lab) prove(ctx context.Context, policies *firewall.Site, h Host, begin Progress, o Options) (Report, error) {
	for attempt := 1; ; attempt++ {
		p := &proof{lab: l, options: o, given: h, policies: policies, host: policies.Host(h.Node, h.Interfaces), progress: begin}
		p.part.Hosts = []string{h.Node}
		err := p.run(ctx)
		if err == nil {
			return p.part, nil
		}
		if !errors.Is(err, errLost) || attempt == attempts {
			return p.part, fmt.Errorf("prove %s: %w", h.Node, err)
		}
	}
}

func withSpare(interfaces []firewall.Interface) []firewall.Interface {
	all := slices.Clone(interfaces)
	if !slices.ContainsFunc(all, func(i firewall.Interface) bool { return i.Name == spare }) {
		all = append(all, firewall.Interface{Name: spare})
	}
	return slices.DeleteFunc(all, func(i firewall.Interface) bool { return i.Name == firewall.Loopback })
}

// proof is one host's.
type proof struct {
	lab      *Lab
	options  Options
	given    Host
	policies *firewall.Site
	host     *firewall.Host
	progress Progress

	rules     *ruleset.Ruleset
	simulator *ruleset.Simulator
	// expected are the tree's counts by the rules' names.
	expected map[string]uint64
	part     Report
}

func (p *proof) run(ctx context.Context) error {
	compile := p.options.Compile
	if compile == nil {
		compile = func(s *firewall.Site, h *firewall.Host) *ruleset.Ruleset {
			generation := uint32(1)
			if p.lab.loaded != nil {
				generation = p.lab.loaded.Generation + 1
			}
			return ruleset.Compile(s, h, ruleset.Options{Generation: generation, Refused: true, Seen: true})
		}
	}
	p.rules = compile(p.policies, p.host)
	p.simulator, p.expected = ruleset.NewSimulator(p.rules), map[string]uint64{}
	if err := p.lab.Load(ctx, p.rules); err != nil {
		return err
	}
	readings := []class.Resolved{{Site: p.policies, Host: p.host}}
	if other := p.options.Besides; other != nil {
		readings = append(readings, class.Resolved{Site: other, Host: other.Host(p.given.Node, p.given.Interfaces)})
	}
	plan := planFor(withSpare(p.given.Interfaces), p.options, readings...)
	p.part.LeftOut, p.part.Unsendable = plan.leftOut, plan.unsendable
	p.progress.Sent, p.progress.Packets = 0, len(plan.packets)
	all := rounds(plan.packets)
	for _, probes := range all {
		if err := p.lab.forget(); err != nil {
			return err
		}
		if err := p.lab.send(ctx, probes); err != nil {
			return err
		}
		for i := range probes {
			p.compare(&probes[i])
		}
		p.report(len(probes))
	}
	if err := p.established(ctx, all); err != nil {
		return err
	}
	return p.counts(ctx)
}

func (p *proof) report(sent int) {
	p.progress.Sent += sent
	if p.options.Progress != nil {
		p.options.Progress(p.progress)
	}
}

// compare holds the three verdicts against each other, and notes what the rules' counters must show.
func (p *proof) compare(probe *Probe) {
	model, tree := evaluate.Packet(p.policies, p.host, probe.Packet), p.simulator.Run(probe.Packet)
	p.expect(tree)
	if probe.In == firewall.Loopback || probe.Out == firewall.Loopback { // it goes out and comes in again
		p.expect(p.simulator.Run(reversed(probe.Packet)))
	} else {
		p.expected[stateCounter(probe.State)]++
	}
	p.part.count(probe.Packet, model.Verdict)
	if p.options.Observe != nil {
		p.options.Observe(probe.Packet, probe.Verdict)
	}
	if model.Verdict != tree.Verdict || model.By != tree.By || model.Verdict != probe.Verdict {
		p.part.Differences = append(p.part.Differences, Difference{
			Node: p.given.Node, Packet: probe.String(), Model: model.Verdict.String(), Tree: tree.Verdict.String(), Kernel: probe.Verdict.String(),
			ModelBy: model.By, TreeBy: tree.By,
		})
	}
}

func (p *proof) expect(o ruleset.Outcome) {
	for _, rule := range o.Met {
		p.expected[rule.ID]++
	}
}

// counts compares the kernel's counters with the tree's.
func (p *proof) counts(ctx context.Context) error {
	kernel, err := p.lab.Counters(ctx, p.rules)
	if err != nil {
		return err
	}
	names := maps.Clone(p.expected)
	maps.Copy(names, kernel)
	if p.untracks() { // then some packets end before connection tracking, or pass it by
		maps.DeleteFunc(names, func(name string, _ uint64) bool { return strings.HasPrefix(name, statePrefix) })
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if kernel[name] != p.expected[name] {
			p.part.Counters = append(p.part.Counters, CounterDifference{p.given.Node, name, p.expected[name], kernel[name]})
		}
	}
	return nil
}

// untracks says whether the host has policies before connection tracking.
func (p *proof) untracks() bool {
	if p.host.Any != nil && p.host.Any.Has(firewall.DoNotTrack) {
		return true
	}
	for _, e := range p.host.Endpoints {
		if e.Has(firewall.DoNotTrack) {
			return true
		}
	}
	return false
}

const statePrefix = "state/"

func stateCounter(s firewall.State) string { return statePrefix + s.String() }
