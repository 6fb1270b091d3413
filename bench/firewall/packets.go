package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// established is the least that a stateful firewall does: the part of the cost that is connection tracking's.
const established = `table inet least {
	chain input { type filter hook input priority filter; policy accept; ct state established,related accept; }
}
`

const (
	withNone   = "no firewall"
	withLinear = "iptables, linear"
)

// lanes are all kinds of firewall, loaded.
func lanes(ctx context.Context, size int) (all []*lane, err error) {
	add := func(name string, load func(*lane) error) {
		if err != nil {
			return
		}
		var l *lane
		if l, err = newLane(name); err != nil {
			return
		}
		all = append(all, l)
		if err = load(l); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	}
	add(withNone, func(*lane) error { return nil })
	add("connection tracking only", func(l *lane) error { return l.h.Apply(ctx, established) })
	for _, s := range shapes {
		for _, n := range []int{10, size} {
			add(fmt.Sprintf("ingot, %d %s", n, s.name), func(l *lane) error {
				r, err := compile(s.make(n))
				if err != nil {
					return err
				}
				return l.h.Apply(ctx, r.Install(nil))
			})
		}
	}
	add(withLinear, func(l *lane) error { return l.iptables(ctx, linear(size)) })
	return all, err
}

// packets measures a packet's cost in each lane.
func packets(ctx context.Context, c config) error {
	all, err := lanes(ctx, c.size)
	defer func() {
		for _, l := range all {
			l.close()
		}
	}()
	if err != nil {
		return err
	}
	for _, m := range []mode{{"one a system call, as most programs send", 1, true}, {"32 a system call, the most that the kernel does", batch, false}} {
		if err := m.measure(ctx, c, all); err != nil {
			return err
		}
	}
	return nil
}

// mode is how packets are sent. Targets are for packets as programs send them, see the command's comment.
type mode struct {
	name    string
	packets int
	judged  bool
}

func (m mode) measure(ctx context.Context, c config, all []*lane) error {
	count := 0
	for _, l := range all {
		l.cost = nil
	}
	for round := range c.rounds + 1 {
		for i := range all {
			if err := ctx.Err(); err != nil {
				return err
			}
			l := all[(i+round)%len(all)]
			batches := c.batches * batch / m.packets
			if l.name == withLinear {
				batches = max(1, batches/10) // a packet takes so much longer
			}
			cost, err := l.burst(batches, m.packets)
			if err != nil {
				return err
			}
			count += batches * m.packets
			if round > 0 { // the first one warms up
				l.cost = append(l.cost, cost)
			}
		}
	}
	fmt.Printf("packets, %s: UDP, each a new one to the rules; %d sent, all arrived; CPU time a packet, the least of %d rounds (and their median)\n", m.name, count, c.rounds)
	none, theirs := slices.Min(all[0].cost), slices.Min(all[len(all)-1].cost)
	for _, l := range all {
		least := slices.Min(l.cost)
		ratio := float64(least) / float64(none)
		line := fmt.Sprintf("  %-36s %8s (%8s) %6.2f times no firewall", l.name, least.Round(time.Nanosecond), median(l.cost), ratio)
		if l.isLarge(c.size) {
			better := float64(theirs) / float64(least)
			line += fmt.Sprintf(", %.1f times better than the linear list", better)
			if m.judged {
				line += " " + target(ratio <= 1.25, "1.25") + " " + target(better >= 10, "10")
			}
		}
		fmt.Println(line)
	}
	return nil
}

func (l *lane) isLarge(size int) bool {
	var n int
	_, err := fmt.Sscanf(l.name, "ingot, %d", &n)
	return err == nil && n == size
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
