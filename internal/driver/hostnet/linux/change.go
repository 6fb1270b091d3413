package linux

import (
	"context"
	"encoding/binary"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// most is how many elements go into one message: an attribute has at most 64 KiB.
const most = 500

// Change implements hostnet.Members.
func (h *Host) Change(ctx context.Context, d ruleset.Delta) error {
	if err := begin(ctx, "change members in table "+d.Table); err != nil {
		return err
	}
	c, err := h.dial()
	if err != nil {
		return err
	}
	defer func() { _ = c.CloseLasting() }() // Flush has said what there is to say
	for i := range d.Changes {
		ch := &d.Changes[i]
		set := &nftables.Set{
			Table: &nftables.Table{Name: d.Table, Family: nftables.TableFamilyINet}, Name: ch.Name, Interval: ch.Interval,
			IsMap: len(ch.RemoveElements)+len(ch.AddElements) > 0,
		}
		remove := append(ranges(ch, ch.Remove), services(ch.RemoveServices)...)
		add := append(ranges(ch, ch.Add), services(ch.AddServices)...)
		for _, e := range ch.RemoveElements {
			remove = append(remove, element(ch, e)...)
		}
		for _, e := range ch.AddElements {
			add = append(add, element(ch, e)...)
		}
		for part := range chunks(remove) {
			if err := c.SetDeleteElements(set, part); err != nil {
				return err
			}
		}
		for part := range chunks(add) {
			if err := c.SetAddElements(set, part); err != nil {
				return err
			}
		}
	}
	if err := c.Flush(); err != nil {
		return h.stale(d.Table, err)
	}
	return nil
}

// chunks cut where no interval is cut from its end.
func chunks(all []nftables.SetElement) func(func([]nftables.SetElement) bool) {
	return func(yield func([]nftables.SetElement) bool) {
		for len(all) > 0 {
			n := min(most, len(all))
			if n < len(all) && all[n].IntervalEnd {
				n--
			}
			if !yield(all[:n]) {
				return
			}
			all = all[n:]
		}
	}
}

// ranges are addresses as elements.
func ranges(c *ruleset.Change, all ruleset.Ranges) []nftables.SetElement {
	size := 4
	if c.IPv6 {
		size = 16
	}
	var elements []nftables.SetElement
	for _, r := range all {
		elements = append(elements, interval(r, size, c.Interval, nil)...)
	}
	return elements
}

// interval is a range as the kernel keeps it: its first value, and the first one behind it unless that is past the last there is.
func interval(r ruleset.Range, size int, isInterval bool, to *expr.Verdict) []nftables.SetElement {
	first := nftables.SetElement{Key: key(r.From, size), VerdictData: to}
	if !isInterval {
		return []nftables.SetElement{first}
	}
	end := key(r.To, size)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return []nftables.SetElement{first, {Key: end, IntervalEnd: true}}
		}
	}
	return []nftables.SetElement{first}
}

// key is a number in network order.
func key(v ruleset.Value, size int) []byte {
	var b [16]byte
	binary.BigEndian.PutUint64(b[:8], v.High)
	binary.BigEndian.PutUint64(b[8:], v.Low)
	return b[16-size:]
}

// element is an entry of a verdict map.
func element(c *ruleset.Change, e ruleset.Element) []nftables.SetElement {
	to := &expr.Verdict{Kind: expr.VerdictGoto, Chain: e.Target}
	if c.Field == ruleset.InInterface || c.Field == ruleset.OutInterface {
		name := make([]byte, 16)
		copy(name, e.Interface)
		return []nftables.SetElement{{Key: name, VerdictData: to}}
	}
	size := 1 // protocols, ICMP types, families
	switch c.Field {
	case ruleset.Source, ruleset.Destination:
		if size = 4; c.IPv6 {
			size = 16
		}
	case ruleset.SourcePort, ruleset.DestinationPort:
		size = 2
	default:
	}
	return interval(e.Range, size, c.Interval, to)
}

// services are addresses with ports: each part in a register of its own.
func services(all []firewall.Service) []nftables.SetElement {
	var elements []nftables.SetElement
	for _, s := range all {
		b := binary.BigEndian.AppendUint16(s.Address.AsSlice(), s.Port)
		elements = append(elements, nftables.SetElement{Key: append(b, 0, 0)})
	}
	return elements
}
