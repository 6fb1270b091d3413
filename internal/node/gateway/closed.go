package gateway

import (
	"context"
	"errors"
	"fmt"
	"strings"

	pure "github.com/ingotmetal/ingot/firewall/gateway"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// ClosedTable is the name of the table that closes the machine itself.
const ClosedTable = "ingot_closed"

// closed is what the machine may be reached by, which is nothing: answers to its own flows and errors about them, its own loopback, on which whoever comes over the mesh arrives, and neighbour discovery, without which
// there is no IPv6 (RFC 4861 section 6 and 7: a hop limit of 255 says that the sender is on the link). What a DHCPv6 server says comes too, to this machine's port of a client and from a neighbour on the link only (RFC 8415 section
// 7.2): it answers a multicast from an address of its own, so that connection tracking takes the answer for a new flow. Whoever else knocks is dropped, ping included. The chain takes no other table's word away: what another table drops stays dropped.
//
// Where rules have names, clients inside may ask for them: in an inside network, at the firewall's address there, whoever is in that network.
func closed(table string, dns []pure.ServesDNS) string {
	var asked strings.Builder
	for _, n := range dns {
		for _, at := range n.At {
			family := "ip"
			if at.Is6() {
				family = "ip6"
			}
			for _, from := range n.From {
				if from.Addr().Is4() == at.Is4() {
					fmt.Fprintf(&asked, "add rule inet %[1]s input iifname %[2]q %[3]s saddr %[4]s %[3]s daddr %[5]s meta l4proto { tcp, udp } th dport %[6]d accept\n", table, n.Interface, family, from, at, pure.PortOfDNS)
				}
			}
		}
	}
	return fmt.Sprintf(`add table inet %[1]s
delete table inet %[1]s
add table inet %[1]s
add chain inet %[1]s input { type filter hook input priority filter; policy drop; }
add rule inet %[1]s input iifname "lo" accept
add rule inet %[1]s input ct state established,related accept
add rule inet %[1]s input icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept
add rule inet %[1]s input ip6 saddr fe80::/10 ip6 daddr fe80::/10 udp sport 547 udp dport 546 accept
%[2]sadd rule inet %[1]s input counter drop
`, table, asked.String())
}

// Close closes the machine itself to everybody, whatever was there. It is one transaction: at no moment is it open.
func Close(ctx context.Context, h hostnet.Transactions) error {
	if err := h.Apply(ctx, closed(ClosedTable, nil)); err != nil {
		return fmt.Errorf("close the firewall's machine to the network: %w", err)
	}
	return nil
}

// Open takes that away again, for a machine that is no firewall any more.
func Open(ctx context.Context, h hostnet.Transactions) error {
	text := fmt.Sprintf("add table inet %[1]s\ndelete table inet %[1]s\n", ClosedTable)
	if err := h.Apply(ctx, text); err != nil {
		return fmt.Errorf("remove the table %s: %w", ClosedTable, err)
	}
	return nil
}

// holdClosed closes the machine where somebody opened it.
func (d *Daemon) holdClosed(ctx context.Context) error {
	var dns []pure.ServesDNS
	if d.kept.Gateway != nil {
		dns = d.kept.Gateway.DNS()
	}
	text := closed(ClosedTable, dns)
	opened := d.closedBy != text // since rules have names, or have none any more
	if d.closed == nil || d.closedBy != text {
		want, err := d.o.Host.Expect(ctx, ClosedTable, text)
		if err != nil {
			return errors.Join(fmt.Errorf("ask the kernel what the table %s looks like: %w", ClosedTable, err), Close(ctx, d.o.Host))
		}
		d.closed, d.closedBy = &want, text
	}
	got, err := d.o.Host.State(ctx, ClosedTable)
	switch {
	case errors.Is(err, hostnet.ErrNoTable):
	case err != nil:
		return fmt.Errorf("read the table %s: %w", ClosedTable, err)
	default:
		differences := hostnet.Compare(*d.closed, got)
		if len(differences) == 0 {
			return nil
		}
		if opened {
			break
		}
		d.o.Log.Warn("the table is other than it was written, and is written again", "table", ClosedTable, "err", differences[0].String())
	}
	if err := d.o.Host.Apply(ctx, text); err != nil {
		return fmt.Errorf("close the firewall's machine to the network: %w", err)
	}
	return nil
}
