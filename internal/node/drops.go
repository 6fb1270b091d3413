package node

import (
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
	From, To netip.Addr
	// Who is behind From, as far as the policies name it.
	Who      string
	Protocol string
	Port     uint16
	Hook     string
	// Interface that it came in by, or was to go out by.
	Interface string
	// By is the rule or tier's end that refuses it under what rules now; Policy and Row are its own.
	By, Row string
	Packets uint64
	Bytes   uint64
	// Last is when the latest packet was refused.
	Last time.Time
	// Fix says which row allows it, or what to add.
	Fix string
	// Allowed says that what rules now would let it pass: the packet was refused by an earlier generation.
	Allowed bool
}

// Drops are the tuples that were refused, the most frequent first.
func (n *Node) Drops(ctx context.Context) ([]Drop, error) {
	var drops []Drop
	var failed error
	err := n.Do(ctx, func(ctx context.Context) {
		tuples, err := n.o.Host.Tuples(ctx, n.o.Table, hostnet.Refused)
		if errors.Is(err, hostnet.ErrNoTable) {
			return
		}
		if err != nil {
			failed = fmt.Errorf("read who was refused: %w", err)
			return
		}
		for _, t := range tuples {
			drops = append(drops, n.drop(ctx, t))
		}
	})
	return drops, errors.Join(err, failed)
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
		d.Allowed = decision.Verdict == firewall.Accept
		if !d.Allowed || i == len(packets)-1 {
			d.Fix = advice(policies, p, decision)
			break
		}
	}
	return d
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
