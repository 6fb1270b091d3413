// Package fake is a host's network stack in memory, for the logic that stands on the contract: trials that expire, drift, deltas, flows that are cut.
//
// It owns an interpreter of the texts that package ruleset writes, with the kernel's references: what somebody still refers to can't be deleted, and what is
// referred to must be there. It refuses texts of any other shape, and forwards no packets: those are for the simulator of package ruleset and for the
// kernel. Facts that no text makes (flows, sockets, counters) are put in by Set, Meet and Note.
//
// Invariants as for the real one: a transaction holds whole or not at all.
package fake

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/ingotmetal/ingot/firewall"
	"github.com/ingotmetal/ingot/firewall/ruleset"
	"github.com/ingotmetal/ingot/internal/driver/hostnet"
)

var _ hostnet.Host = (*Host)(nil)

// Facts are what the host is asked for besides its packet filter.
type Facts struct {
	Flows      []hostnet.Flow
	Sockets    []hostnet.Socket
	Interfaces []firewall.Interface
	// Routes are the interfaces by destination; the longest prefix counts.
	Routes map[netip.Prefix]string
	Others []hostnet.Other
}

// Host is a network stack in memory. It may be used by several goroutines.
type Host struct {
	// now is the clock by which trials expire.
	now func() time.Time

	mu     sync.Mutex
	tables map[string]*table
	facts  Facts
	fail   error
	// applied are the texts that were taken, in order.
	applied []string
}

// New is a host with nothing in it, with this clock: time.Now, or a test's.
func New(now func() time.Time) *Host { return &Host{now: now, tables: map[string]*table{}} }

// Set changes what the host has besides its packet filter.
func (h *Host) Set(change func(*Facts)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	change(&h.facts)
}

// Fail makes all writes fail with this error until it is nil again: the kernel is out of memory, nft is gone.
func (h *Host) Fail(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fail = err
}

// Applied are the texts that Apply and Change took, in order.
func (h *Host) Applied() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.applied)
}

// Meet adds a packet to the counters of the rules with a comment.
func (h *Host) Meet(table, comment string, bytes uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if t := h.tables[table]; t != nil {
		c := t.counters[comment]
		c.Comment, c.Packets, c.Bytes = comment, c.Packets+1, c.Bytes+bytes
		t.counters[comment] = c
	}
}

// Note adds a packet to an inventory, as a rule that records does.
func (h *Host) Note(table string, kind hostnet.Kind, tuple hostnet.Tuple) {
	h.mu.Lock()
	defer h.mu.Unlock()
	t := h.tables[table]
	if t == nil || t.sets[string(kind)+"4"] == nil {
		return // nobody records
	}
	key := noted{kind, tuple.Source, tuple.Destination, tuple.Protocol, tuple.Port}
	n := t.notes[key]
	n.packets, n.bytes, n.last = n.packets+max(1, tuple.Packets), n.bytes+tuple.Bytes, h.now()
	t.notes[key] = n
}

// Check implements hostnet.Transactions.
func (h *Host) Check(ctx context.Context, text string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := interpret(h.tables, text, h.now())
	return err
}

// Apply implements hostnet.Transactions.
func (h *Host) Apply(ctx context.Context, text string) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := cmp.Or(ctx.Err(), h.fail); err != nil {
		return err
	}
	tables, err := interpret(h.tables, text, h.now())
	if err != nil {
		return err
	}
	h.tables, h.applied = tables, append(h.applied, text)
	return nil
}

// State implements hostnet.States.
func (h *Host) State(ctx context.Context, name string) (hostnet.Table, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return hostnet.Table{}, err
	}
	t := h.tables[name]
	if t == nil {
		return hostnet.Table{}, fmt.Errorf("list table %s: %w", name, hostnet.ErrNoTable)
	}
	return t.state(name, h.now()), nil
}

// Expect implements hostnet.States.
func (h *Host) Expect(ctx context.Context, name, text string) (hostnet.Table, error) {
	empty := New(h.now)
	if err := empty.Apply(ctx, text); err != nil {
		return hostnet.Table{}, err
	}
	return empty.State(ctx, name)
}

// Counters implements hostnet.Counting.
func (h *Host) Counters(ctx context.Context, name string) ([]hostnet.Counter, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := h.tables[name]
	if t == nil {
		return nil, fmt.Errorf("list table %s: %w", name, hostnet.ErrNoTable)
	}
	all := map[string]hostnet.Counter{}
	for _, c := range t.chains {
		for _, r := range c.rules {
			if r.Comment != "" {
				counter := t.counters[r.Comment]
				counter.Comment = r.Comment
				all[r.Comment] = counter
			}
		}
	}
	var sorted []hostnet.Counter
	for _, c := range all {
		sorted = append(sorted, c)
	}
	slices.SortFunc(sorted, func(a, b hostnet.Counter) int { return cmp.Compare(a.Comment, b.Comment) })
	return sorted, nil
}

// Tuples implements hostnet.Inventory.
func (h *Host) Tuples(ctx context.Context, table string, kind hostnet.Kind) ([]hostnet.Tuple, error) {
	return h.tuples(ctx, table, kind, false)
}

// Drain implements hostnet.Inventory.
func (h *Host) Drain(ctx context.Context, table string, kind hostnet.Kind) ([]hostnet.Tuple, error) {
	return h.tuples(ctx, table, kind, true)
}

func (h *Host) tuples(ctx context.Context, name string, kind hostnet.Kind, drain bool) ([]hostnet.Tuple, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	t := h.tables[name]
	if t == nil {
		return nil, fmt.Errorf("find table %s: %w", name, hostnet.ErrNoTable)
	}
	var all []hostnet.Tuple
	for k, n := range t.notes {
		idle := h.now().Sub(n.last)
		if k.kind != kind || idle >= kept {
			continue
		}
		all = append(all, hostnet.Tuple{
			Source: k.source, Destination: k.destination, Protocol: k.protocol, Port: k.port, Packets: n.packets, Bytes: n.bytes, Idle: idle, Expires: kept - idle,
		})
		if drain {
			delete(t.notes, k)
		}
	}
	slices.SortFunc(all, func(a, b hostnet.Tuple) int {
		return cmp.Or(cmp.Compare(b.Packets, a.Packets), a.Source.Compare(b.Source), a.Destination.Compare(b.Destination), cmp.Compare(a.Protocol, b.Protocol),
			cmp.Compare(a.Port, b.Port))
	})
	return all, nil
}

// Change implements hostnet.Members.
func (h *Host) Change(ctx context.Context, d ruleset.Delta) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := cmp.Or(ctx.Err(), h.fail); err != nil {
		return err
	}
	if h.tables[d.Table] == nil {
		return fmt.Errorf("change members in table %s: %w", d.Table, hostnet.ErrNoTable)
	}
	text := d.Text()
	tables, err := interpret(h.tables, text, h.now())
	if err != nil {
		return fmt.Errorf("change members in table %s: %w (%w)", d.Table, hostnet.ErrStale, err)
	}
	h.tables, h.applied = tables, append(h.applied, text)
	return nil
}
