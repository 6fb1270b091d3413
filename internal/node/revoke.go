package node

import (
	"context"
	"net/netip"
	"slices"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/evaluate"
	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// cut ends the flows that what rules now would not let begin: established packets pass every ruleset.
func (n *Node) cut(ctx context.Context) {
	r := n.ruling
	if r == nil || r.Version != n.disk.Confirmed.Version {
		return // the policies are not known: nothing can be said
	}
	flows, err := n.o.Host.Flows(ctx)
	if err != nil {
		n.o.Log.Error("the tracked flows can't be read: those that are revoked go on", "err", err)
		return
	}
	revoked := map[connection]bool{}
	for _, f := range flows {
		if n.revoked(ctx, r.scene, f) {
			revoked[connectionOf(f)] = true
		}
	}
	if len(revoked) == 0 {
		return
	}
	ended, err := n.o.Host.Cut(ctx, func(f hostnet.Flow) bool { return revoked[connectionOf(f)] })
	if err != nil {
		n.o.Log.Error("flows that are revoked could not be ended", "err", err)
	}
	for _, f := range ended {
		n.o.Log.Info("a flow was ended", "from", netip.AddrPortFrom(f.Source, f.SourcePort).String(), "to", netip.AddrPortFrom(f.Destination, f.DestinationPort).String(),
			"protocol", f.Protocol)
	}
}

// revoked says whether a flow's first packet would be refused on each way that it may have come. Flows with translated addresses are left alone: the packet that
// the rules see is not the one that is tracked.
func (n *Node) revoked(ctx context.Context, sc guard.Scene, f hostnet.Flow) bool {
	if f.ReplySource != f.Destination || f.ReplyDestination != f.Source {
		return false
	}
	packets := n.firstPackets(ctx, sc, f)
	if n.early[connectionOf(f)] {
		turned := f
		turned.Source, turned.Destination, turned.SourcePort, turned.DestinationPort = f.Destination, f.Source, f.DestinationPort, f.SourcePort
		packets = append(packets, n.firstPackets(ctx, sc, turned)...)
	}
	return len(packets) > 0 && !slices.ContainsFunc(packets, func(p firewall.Packet) bool {
		return evaluate.Packet(sc.Site, sc.Host, p).Verdict == firewall.Accept
	})
}

// firstPackets are what a flow may have begun with: the tracking does not know the interface.
func (n *Node) firstPackets(ctx context.Context, sc guard.Scene, f hostnet.Flow) []firewall.Packet {
	p := firewall.Packet{
		Source: f.Source, Destination: f.Destination, Protocol: f.Protocol, SourcePort: f.SourcePort, DestinationPort: f.DestinationPort, ICMPType: f.ICMPType, ICMPCode: f.ICMPCode,
	}
	return n.placed(ctx, sc, p)
}

// placed gives a packet its hook and interfaces: the one by which the host would answer, and the one that has the address.
func (n *Node) placed(ctx context.Context, sc guard.Scene, p firewall.Packet) []firewall.Packet {
	via := func(a netip.Addr) string {
		name, err := n.o.Host.Via(ctx, a)
		if err != nil {
			return ""
		}
		return name
	}
	owner, to := local(sc.Interfaces, p.Destination)
	_, from := local(sc.Interfaces, p.Source)
	switch {
	case to && from:
		p.Hook, p.In = firewall.Input, firewall.Loopback
		return []firewall.Packet{p}
	case to:
		p.Hook = firewall.Input
		names := []string{owner}
		if back := via(p.Source); back != "" && back != owner {
			names = append(names, back)
		}
		all := make([]firewall.Packet, len(names))
		for i, name := range names {
			all[i] = p
			all[i].In = name
		}
		return all
	case from:
		p.Hook, p.Out = firewall.Output, via(p.Destination)
	default:
		p.Hook, p.In, p.Out = firewall.Forward, via(p.Source), via(p.Destination)
		if p.In == "" {
			return nil
		}
	}
	if p.Out == "" {
		return nil
	}
	return []firewall.Packet{p}
}
