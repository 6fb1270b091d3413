package gateway

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/firewall/gateway/object"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// YieldedTable is the name of the tables (of families arp and inet) by which a machine answers for none of its Firewall's addresses while another one does.
const YieldedTable = "ingot_yielded"

// Neighbours are those on the machine's links.
type Neighbours interface {
	// Add gives a network card addresses, beside those that it has.
	Add(ctx context.Context, card string, addresses []netip.Addr) error
	// Announce tells everybody on the link of a card that the addresses are here (RFC 5227 section 2.3, RFC 4861 section 7.2.6).
	Announce(ctx context.Context, card string, addresses []netip.Addr) error
}

// How often addresses are announced after they were taken over, and the pause between: neighbours ignore a second change within a second (Linux: locktime), and an announcement may be lost.
const (
	announcements = 4
	announcePause = 1100 * time.Millisecond
)

// yielded is the text that makes the machine silent about addresses: it answers nobody who looks for them, and says to nobody that it has them. One transaction.
func yielded(service map[string][]netip.Addr) string {
	var v4, v6, targets []string
	for _, addresses := range service {
		for _, a := range addresses {
			if a.Is4() {
				v4 = append(v4, a.String())
			} else {
				// The target of a solicitation or an advertisement stands 8 bytes into the message (RFC 4861 section 4.3, 4.4); nft of Debian 12 has no name for it.
				v6, targets = append(v6, a.String()), append(targets, fmt.Sprintf("0x%x", a.AsSlice()))
			}
		}
	}
	slices.Sort(v4)
	slices.Sort(v6)
	slices.Sort(targets)
	var b strings.Builder
	b.WriteString(unyielded())
	if len(v4) > 0 {
		list := strings.Join(v4, ", ")
		fmt.Fprintf(&b, "add table arp %[1]s\n"+
			"add chain arp %[1]s input { type filter hook input priority filter; policy accept; }\n"+
			"add rule arp %[1]s input arp daddr ip { %[2]s } drop\n"+
			"add chain arp %[1]s output { type filter hook output priority filter; policy accept; }\n"+
			"add rule arp %[1]s output arp saddr ip { %[2]s } drop\n", YieldedTable, list)
	}
	if len(v6) > 0 {
		list, target := strings.Join(v6, ", "), strings.Join(targets, ", ")
		fmt.Fprintf(&b, "add table inet %[1]s\n"+
			"add chain inet %[1]s input { type filter hook input priority -10; policy accept; }\n"+
			"add rule inet %[1]s input icmpv6 type nd-neighbor-solicit @th,64,128 { %[3]s } drop\n"+
			"add chain inet %[1]s output { type filter hook output priority -10; policy accept; }\n"+
			"add rule inet %[1]s output icmpv6 type nd-neighbor-advert @th,64,128 { %[3]s } drop\n"+
			"add rule inet %[1]s output icmpv6 type nd-neighbor-solicit ip6 saddr { %[2]s } drop\n", YieldedTable, list, target)
	}
	return b.String()
}

// unyielded takes that away, whether or not it is there.
func unyielded() string {
	return fmt.Sprintf("add table arp %[1]s\ndelete table arp %[1]s\nadd table inet %[1]s\ndelete table inet %[1]s\n", YieldedTable)
}

// yield makes the machine silent, as far as its kernel goes.
func yield(ctx context.Context, h hostnet.Transactions, service map[string][]netip.Addr) error {
	if err := h.Apply(ctx, yielded(service)); err != nil {
		return fmt.Errorf("stop answering for the firewall's addresses: %w", err)
	}
	return nil
}

// heed notes on the disk whether the machine may answer for the Firewall's addresses, before anything is done about it. What was read of an earlier term is old news.
func (d *Daemon) heed(f *ingot.Firewall) error {
	term, holds := object.Holds(f, d.o.Machine)
	if term < d.kept.Term {
		return nil
	}
	next := d.kept
	next.Term, next.Yields, next.Service = term, !holds, nil
	if term > 0 || !holds {
		// At term 0 the machine's own network configuration has the addresses, and nobody else ever had them.
		next.Service = object.Addresses(f)
	}
	if next.Term == d.kept.Term && next.Yields == d.kept.Yields && equal(next.Service, d.kept.Service) {
		return nil
	}
	d.o.Log.Info("the right to the firewall's addresses", "generation", term, "step", map[bool]string{true: "held", false: "yielded"}[holds])
	return d.keep(next)
}

func equal(a, b map[string][]netip.Addr) bool {
	if len(a) != len(b) {
		return false
	}
	for network, addresses := range a {
		if !slices.Equal(addresses, b[network]) {
			return false
		}
	}
	return true
}

// settle brings the kernel to what the disk says of the right: silent and forwarding nothing, or with the addresses on the cards, and told to everybody.
func (d *Daemon) settle(ctx context.Context) error {
	if d.kept.Yields {
		d.quiet()
		if err := d.o.Forwarding(false); err != nil {
			return fmt.Errorf("switch forwarding off: %w", err)
		}
		if err := yield(ctx, d.o.Host, d.kept.Service); err != nil {
			return err
		}
		d.settled = d.right()
		return nil
	}
	if d.kept.Service == nil {
		d.settled = d.right()
		return nil
	}
	if d.settled == d.right() && d.addressed {
		return d.present(ctx)
	}
	if d.ruling == nil {
		return errors.New("the firewall's addresses are this machine's, and it has no rules for them yet")
	}
	if err := d.o.Host.Apply(ctx, unyielded()); err != nil {
		return fmt.Errorf("answer for the firewall's addresses again: %w", err)
	}
	if err := d.present(ctx); err != nil {
		return err
	}
	if err := d.o.Forwarding(true); err != nil {
		return fmt.Errorf("switch forwarding on: %w", err)
	}
	d.settled, d.addressed = d.right(), true
	d.announce(ctx)
	return nil
}

// present puts those of the Firewall's addresses on the cards that are on none.
func (d *Daemon) present(ctx context.Context) error {
	cards, err := d.o.Host.Interfaces(ctx)
	if err != nil {
		return fmt.Errorf("read the network cards: %w", err)
	}
	for network, addresses := range d.kept.Service {
		var missing []netip.Addr
		for _, a := range addresses {
			there := false
			for _, c := range cards {
				there = there || slices.Contains(c.Addresses, a)
			}
			if !there {
				missing = append(missing, a)
			}
		}
		card := d.kept.Interfaces[network]
		switch {
		case len(missing) == 0:
			continue
		case card == "":
			return fmt.Errorf("network %s has no card here to put %s on", network, written(missing))
		case d.o.Neighbours == nil:
			return fmt.Errorf("this ingot-node cannot put %s on %s", written(missing), card)
		}
		if err := d.o.Neighbours.Add(ctx, card, missing); err != nil {
			return err
		}
	}
	return nil
}

func written(all []netip.Addr) string {
	texts := make([]string, len(all))
	for i, a := range all {
		texts[i] = a.String()
	}
	return strings.Join(texts, ", ")
}

// announce tells the neighbours now, and some times more while the right lasts.
func (d *Daemon) announce(ctx context.Context) {
	d.quiet()
	if d.o.Neighbours == nil {
		return
	}
	where := map[string][]netip.Addr{}
	for network, addresses := range d.kept.Service {
		if card := d.kept.Interfaces[network]; card != "" {
			where[card] = append(where[card], addresses...)
		}
	}
	tell := func(ctx context.Context) {
		for card, addresses := range where {
			if err := d.o.Neighbours.Announce(ctx, card, addresses); err != nil && ctx.Err() == nil {
				d.o.Log.Warn("neighbours were not told of the firewall's addresses; they find out by themselves", "nic", card, "err", err)
			}
		}
	}
	tell(ctx)
	ctx, d.hush = context.WithCancel(ctx)
	ended := make(chan struct{})
	d.hushed = ended
	go func() {
		defer close(ended)
		for range announcements - 1 {
			select {
			case <-ctx.Done():
				return
			case <-time.After(announcePause):
				tell(ctx)
			}
		}
	}()
}

// quiet ends announcements; when it returns there are none under way.
func (d *Daemon) quiet() {
	if d.hush != nil {
		d.hush()
		<-d.hushed
		d.hush = nil
	}
}

// right is what the disk says, to be compared.
func (d *Daemon) right() right { return right{d.kept.Term, d.kept.Yields} }

type right struct {
	term   int64
	yields bool
}

// member is what the machine says of itself: whether it answers, it says only once it is so in the kernel.
func (d *Daemon) member(problem string) (m ingot.FirewallMember, ok bool) {
	if d.settled != d.right() {
		return m, false
	}
	return ingot.FirewallMember{Term: d.kept.Term, Holds: !d.kept.Yields, Generation: d.kept.FirewallGeneration, Problem: problem}, true
}
