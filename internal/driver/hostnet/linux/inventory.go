package linux

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"syscall"

	"github.com/google/nftables"

	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

// Tuples implements hostnet.Inventory.
func (h *Host) Tuples(ctx context.Context, table string, kind hostnet.Kind) ([]hostnet.Tuple, error) {
	return h.tuples(ctx, table, kind, false)
}

// Drain implements hostnet.Inventory.
func (h *Host) Drain(ctx context.Context, table string, kind hostnet.Kind) ([]hostnet.Tuple, error) {
	return h.tuples(ctx, table, kind, true)
}

func (h *Host) tuples(ctx context.Context, table string, kind hostnet.Kind, drain bool) ([]hostnet.Tuple, error) {
	if err := begin(ctx, "list "+string(kind)+" tuples of table "+table); err != nil {
		return nil, err
	}
	c, err := h.dial()
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.CloseLasting() }() // what is written is flushed
	t := &nftables.Table{Name: table, Family: nftables.TableFamilyINet}
	if _, err := c.ListTableOfFamily(table, t.Family); err != nil {
		return nil, fmt.Errorf("find table %s: %w (%w)", table, hostnet.ErrNoTable, err)
	}
	var all []hostnet.Tuple
	for _, suffix := range []string{"4", "_plain4", "6", "_plain6"} {
		s, err := c.GetSetByName(t, string(kind)+suffix)
		if errors.Is(err, syscall.ENOENT) {
			continue // the ruleset does not keep it
		}
		if err != nil {
			return nil, fmt.Errorf("find set %s%s of table %s: %w", kind, suffix, table, err)
		}
		elements, err := c.GetSetElements(s)
		if err != nil {
			return nil, fmt.Errorf("list set %s%s of table %s: %w", kind, suffix, table, err)
		}
		for _, e := range elements {
			tuple, ok := tuple(e, s)
			if !ok {
				return nil, fmt.Errorf("set %s%s of table %s has a key of %d bytes: it is not one that Ingot made", kind, suffix, table, len(e.Key))
			}
			all = append(all, tuple)
		}
		if drain {
			if err := forget(c, s, elements); err != nil {
				return nil, fmt.Errorf("empty set %s%s of table %s: %w", kind, suffix, table, err)
			}
		}
	}
	slices.SortFunc(all, compareTuples)
	return all, nil
}

func compareTuples(a, b hostnet.Tuple) int {
	return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.Source.Compare(b.Source), a.Destination.Compare(b.Destination), cmp.Compare(a.Protocol, b.Protocol),
		cmp.Compare(a.Port, b.Port))
}

// forget removes the tuples that were read, one by one if some have expired meanwhile: then the kernel refuses them as a whole.
func forget(c *nftables.Conn, s *nftables.Set, elements []nftables.SetElement) error {
	keys := make([]nftables.SetElement, len(elements))
	for i, e := range elements {
		keys[i] = nftables.SetElement{Key: e.Key}
	}
	remove := func(part []nftables.SetElement) error {
		if err := c.SetDeleteElements(s, part); err != nil {
			return err
		}
		return c.Flush()
	}
	for part := range chunks(keys) {
		err := remove(part)
		if !errors.Is(err, syscall.ENOENT) {
			if err != nil {
				return err
			}
			continue
		}
		for i := range part {
			if err := remove(part[i : i+1]); err != nil && !errors.Is(err, syscall.ENOENT) {
				return err
			}
		}
	}
	return nil
}

// tuple reads a key: two addresses, the protocol and perhaps a port, each at a multiple of four bytes.
func tuple(e nftables.SetElement, s *nftables.Set) (hostnet.Tuple, bool) {
	size := 4
	if len(e.Key) > 16 {
		size = 16
	}
	if len(e.Key) != 2*size+4 && len(e.Key) != 2*size+8 {
		return hostnet.Tuple{}, false
	}
	t := hostnet.Tuple{Protocol: e.Key[2*size], Idle: s.Timeout - e.Expires, Expires: e.Expires}
	t.Source, _ = netip.AddrFromSlice(e.Key[:size])
	t.Destination, _ = netip.AddrFromSlice(e.Key[size : 2*size])
	if len(e.Key) == 2*size+8 {
		t.Port = binary.BigEndian.Uint16(e.Key[2*size+4:])
	}
	if e.Counter != nil {
		t.Packets, t.Bytes = e.Counter.Packets, e.Counter.Bytes
	}
	return t, true
}
