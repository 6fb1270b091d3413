package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
	"github.com/ingotmetal/ingot/internal/node/source"
	"github.com/ingotmetal/ingot/matrix"
)

// Drop is somebody who was refused.
type Drop struct {
	From netip.Addr `json:"from"`
	To   netip.Addr `json:"to"`
	// Who is behind From, as far as the policies name it.
	Who      string `json:"who,omitempty"`
	Protocol string `json:"protocol"`
	Port     uint16 `json:"port,omitempty"`
	Hook     string `json:"hook,omitempty"`
	// Interface that it came in by, or was to go out by.
	Interface string `json:"interface,omitempty"`
	// By is the rule or tier's end that refuses it under what rules now; Row is the matrix's, where the rule is of one.
	By string `json:"by"`
	// Policies are those behind By: the one whose rule it is, or all of the tier that apply there, none of whose rules let it pass.
	Policies []string `json:"policies,omitempty"`
	Row      string   `json:"row,omitempty"`
	Packets  uint64   `json:"packets"`
	Bytes    uint64   `json:"bytes,omitempty"`
	// Last is when the latest packet was refused.
	Last time.Time `json:"last"`
	// Fix says which row allows it, or what to add.
	Fix string `json:"fix"`
	// Allowed says that what rules now would let it pass: the packet was refused by an earlier generation.
	Allowed bool `json:"allowed,omitempty"`
}

// Drops are all tuples that were refused, the latest first.
func (n *Node) Drops(ctx context.Context) ([]Drop, error) {
	var drops []Drop
	var failed error
	err := n.Do(ctx, func(ctx context.Context) { drops, failed = n.refused(ctx, -1) })
	return drops, errors.Join(err, failed)
}

// refused are the latest tuples that were refused, at most so many of them; all where most is negative.
func (n *Node) refused(ctx context.Context, most int) ([]Drop, error) {
	tuples, err := n.o.Host.Tuples(ctx, n.o.Table, hostnet.Refused)
	if errors.Is(err, hostnet.ErrNoTable) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read who was refused: %w", err)
	}
	slices.SortStableFunc(tuples, func(a, b hostnet.Tuple) int { return cmp.Compare(a.Idle, b.Idle) })
	if most >= 0 && len(tuples) > most {
		tuples = tuples[:most]
	}
	drops := make([]Drop, 0, len(tuples))
	for _, t := range tuples {
		drops = append(drops, n.drop(ctx, t))
	}
	return drops, nil
}

func (n *Node) drop(ctx context.Context, t hostnet.Tuple) Drop {
	d := Drop{
		From: t.Source, To: t.Destination, Protocol: protocolName(t.Protocol), Port: t.Port, Packets: t.Packets, Bytes: t.Bytes, Last: n.now().Add(-t.Idle).Truncate(time.Second),
	}
	sc, policies, ok := n.scene()
	if !ok {
		d.By, d.Fix = "unknown", "the policies are not known to the daemon yet"
		return d
	}
	d.Who = who(policies, t.Source)
	packets := n.placed(ctx, sc, packetOf(t))
	for i, p := range packets {
		decision := evaluate.Packet(sc.Site, sc.Host, p)
		d.Hook, d.By, d.Row = p.Hook.String(), decision.By, decision.Flow
		d.Interface = p.In
		if p.Hook == firewall.Output {
			d.Interface = p.Out
		}
		d.Policies = policiesBehind(sc.Host, p, decision)
		d.Allowed = decision.Verdict == firewall.Accept
		if !d.Allowed || i == len(packets)-1 {
			d.Fix = advice(policies, p, decision)
			break
		}
	}
	return d
}

// maxPolicies bounds how many policies are named for one refusal.
const maxPolicies = 16

// policiesBehind names the policies that decided: a rule's own, or those of the tier at whose end a packet was dropped.
func policiesBehind(h *firewall.Host, p firewall.Packet, d evaluate.Decision) []string {
	in, out := h.Endpoint(p.In), h.Endpoint(p.Out)
	var names []string
	look := func(e *firewall.Endpoint, stage firewall.Stage, direction calico.Direction) {
		if e == nil {
			return
		}
		for _, t := range e.Tiers(stage, direction) {
			for _, one := range t.Policies {
				rule := strings.HasPrefix(d.By, strings.TrimSuffix(firewall.ByRule(one.Name, direction, 0), "0"))
				if (rule || d.By == firewall.ByTier(t.Name)) && !slices.Contains(names, one.Name) && len(names) < maxPolicies {
					names = append(names, one.Name)
				}
			}
		}
	}
	for _, stage := range []firewall.Stage{firewall.DoNotTrack, firewall.PreDNAT, firewall.Forwarded, firewall.Local} {
		if local := stage == firewall.Local; stage == firewall.Forwarded && p.Hook != firewall.Forward || local && p.Hook == firewall.Forward {
			continue
		}
		if p.Hook != firewall.Output {
			look(in, stage, calico.Ingress)
		}
		if p.Hook != firewall.Input {
			look(out, stage, calico.Egress)
		}
	}
	return names
}

// advice says which row would let a packet through, or what to add.
func advice(p *source.Policies, packet firewall.Packet, d evaluate.Decision) string {
	if d.Verdict == firewall.Accept {
		return fmt.Sprintf("nothing: %s lets it through by now", d.By)
	}
	if d.By == firewall.ByInvalid {
		return "nothing: it belongs to no connection that is known (a late answer, or one whose flow was ended)"
	}
	port := portText(packet)
	var near []string
	for _, m := range p.Matrices {
		for _, r := range m.Rows {
			protocol, ok := r.Protocol.Number()
			if ok && protocol == packet.Protocol && (len(r.Ports) == 0 || r.Ports.Contains(packet.DestinationPort)) && (r.Ingress() || r.Egress()) && len(near) < 3 {
				near = append(near, fmt.Sprintf("row %s (%s) allows %s from %s to %s: is %s one of them, with its address in the matrix?", r.ID, r.Name, port, r.From, r.To, packet.Source))
			}
		}
	}
	if len(near) > 0 {
		return strings.Join(near, "; or ")
	}
	if len(p.Matrices) > 0 {
		return fmt.Sprintf("no row is for %s: add one from %s to this host, if it is meant to be", port, orAddress(who(p, packet.Source), packet.Source))
	}
	direction, peer := "ingress", packet.Source
	if packet.Hook == firewall.Output {
		direction, peer = "egress", packet.Destination
	}
	return fmt.Sprintf("an Allow rule in %s for %s with %s, before %s, if it is meant to be", direction, port, peerText(p, peer), d.By)
}

func peerText(p *source.Policies, peer netip.Addr) string {
	if name := who(p, peer); name != "" {
		return "a selector of " + name
	}
	return "nets: [" + netip.PrefixFrom(peer, peer.BitLen()).String() + "]"
}

// who names an address by the endpoint or the smallest network set that has it; "" for a stranger.
func who(p *source.Policies, a netip.Addr) string {
	for _, e := range p.Objects.HostEndpoints {
		if slices.Contains(e.ExpectedIPs, a) {
			return "endpoint " + e.Name
		}
	}
	name, bits := "", -1
	for _, s := range p.Objects.NetworkSets {
		for _, net := range s.Nets {
			if net.Contains(a) && net.Bits() > bits {
				name, bits = "set "+s.Name, net.Bits()
			}
		}
	}
	return name
}

func orAddress(name string, a netip.Addr) string {
	if name == "" {
		return a.String()
	}
	return name
}

// Explanation is what happens to a packet, and why.
type Explanation struct {
	Packet  string
	Verdict string
	By      string
	Row     string
	Trace   []string
	Who     string
	Fix     string
	// Ruleset says which policies were asked.
	Ruleset string
}

// Explain evaluates a packet on each way that it may take through this host.
func (n *Node) Explain(ctx context.Context, p firewall.Packet) ([]Explanation, error) {
	var all []Explanation
	var refused error
	err := n.Do(ctx, func(ctx context.Context) {
		sc, policies, ok := n.scene()
		if !ok {
			refused = errors.New("the daemon has no policies yet: `ingot-node status` says why")
			return
		}
		words := "the wanted policies, which do not rule yet"
		if n.ruling != nil && n.ruling.policies == policies {
			words = fmt.Sprintf("generation %d", n.ruling.Generation)
		}
		for _, placed := range n.placed(ctx, sc, p) {
			d := evaluate.Packet(sc.Site, sc.Host, placed)
			e := Explanation{
				Packet: placed.String(), Verdict: d.Verdict.String(), By: d.By, Row: d.Flow, Trace: d.Trace, Who: who(policies, p.Source), Ruleset: words,
			}
			if d.Verdict == firewall.Drop {
				e.Fix = advice(policies, placed, d)
			}
			all = append(all, e)
		}
		if len(all) == 0 {
			refused = fmt.Errorf("the host has no route to %s or %s: such a packet does not come here", p.Source, p.Destination)
		}
	})
	return all, errors.Join(err, refused)
}

func packetOf(t hostnet.Tuple) firewall.Packet {
	return firewall.Packet{Source: t.Source, Destination: t.Destination, Protocol: t.Protocol, SourcePort: 40000, DestinationPort: t.Port}
}

// protocolName is how people call an IP protocol.
func protocolName(p uint8) string { return string(matrix.ProtocolOf(p)) }

func tupleText(t hostnet.Tuple) string {
	text := fmt.Sprintf("%s from %s to %s", protocolName(t.Protocol), t.Source, t.Destination)
	if firewall.HasPorts(t.Protocol) {
		text += fmt.Sprintf(" port %d", t.Port)
	}
	return text
}

func portText(p firewall.Packet) string {
	text := protocolName(p.Protocol)
	if firewall.HasPorts(p.Protocol) {
		text += fmt.Sprintf(" port %d", p.DestinationPort)
	}
	if p.Protocol == calico.ProtocolICMP || p.Protocol == calico.ProtocolICMPv6 {
		text += fmt.Sprintf(" type %d", p.ICMPType)
	}
	return text
}
