package prove

import (
	"context"
	"fmt"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// defaultEstablished is how many rounds are sent as established packets, too. The first round holds a packet of every flow; later ones the same
// flows on other ways.
const defaultEstablished = 2

// established opens flows while the table lets everything through, shuts it, and sends each flow's next packet, and its answer: what was allowed
// before a ruleset came goes on, whatever the ruleset says.
func (p *proof) established(ctx context.Context, all [][]Probe) error {
	n := p.options.Established
	if n == 0 {
		n = defaultEstablished
	}
	for i, round := range all {
		if i >= n {
			break
		}
		var opening []Probe
		for _, probe := range round {
			if probe.State == firewall.New && opensFlow(probe.Packet) {
				opening = append(opening, Probe{Packet: probe.Packet})
			}
		}
		if len(opening) == 0 {
			continue
		}
		if err := p.goOn(ctx, opening); err != nil {
			return err
		}
	}
	return nil
}

// opensFlow leaves out what is its own answer or can't be answered, like what is said to a group, and the loopback, which is never asked.
func opensFlow(p firewall.Packet) bool {
	q := reversed(p)
	return sendable(q.Hook, q.Source, q.Destination) && p.In != firewall.Loopback && p.Out != firewall.Loopback && (p.Source != p.Destination || p.SourcePort != p.DestinationPort)
}

func (p *proof) goOn(ctx context.Context, opening []Probe) error {
	if err := p.lab.forget(); err != nil {
		return err
	}
	if err := p.lab.open(ctx, p.rules); err != nil {
		return err
	}
	if err := p.throughOpen(ctx, opening); err != nil {
		return err
	}
	answering := make([]Probe, len(opening))
	for i, o := range opening {
		answering[i] = Probe{Packet: reversed(o.Packet), what: answers, flow: o.flow}
		answering[i].State = firewall.Established
	}
	if err := p.throughOpen(ctx, answering); err != nil {
		return err
	}
	if err := p.lab.shut(ctx, p.rules); err != nil {
		return err
	}
	var probes []Probe
	for i := range opening {
		next := Probe{Packet: opening[i].Packet, what: goesOn, flow: opening[i].flow}
		next.State = firewall.Established
		probes = append(probes, next)
		if next.Protocol != calico.ProtocolSCTP { // its handshake has no second answer
			probes = append(probes, Probe{Packet: answering[i].Packet, what: answers, flow: opening[i].flow})
		}
	}
	if err := p.lab.send(ctx, probes); err != nil {
		return err
	}
	for i := range probes {
		p.compare(&probes[i])
	}
	p.report(0)
	return nil
}

// throughOpen sends probes through the open table, in which nothing is dropped.
func (p *proof) throughOpen(ctx context.Context, probes []Probe) error {
	if err := p.lab.send(ctx, probes); err != nil {
		return err
	}
	open := *p.rules
	open.Active = nil
	simulator := ruleset.NewSimulator(&open)
	for _, probe := range probes {
		if probe.Verdict != firewall.Accept {
			return fmt.Errorf("%s did not go through the open table: the lab is broken", probe.Packet)
		}
		p.expect(simulator.Run(probe.Packet))
		p.expected[stateCounter(probe.State)]++
	}
	return nil
}
