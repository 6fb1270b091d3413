package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/ingotmetal/ingot/firewall/calico"
	"github.com/ingotmetal/ingot/firewall/ruleset"
)

// loadings is how often each shape is loaded, and changes how often a peer joins and leaves.
const (
	loadings = 5
	changes  = 60
)

// loading measures objects to kernel, from nothing.
func loading(ctx context.Context, c config) error {
	fmt.Printf("loading %d rules or peers from nothing, the least of %d\n", c.size, loadings)
	for _, s := range shapes {
		var compiling, all, used []time.Duration
		for range loadings {
			l, err := newLane(s.name)
			if err != nil {
				return err
			}
			o := s.make(c.size)
			began, before := time.Now(), cpu()
			r, err := compile(o)
			if err != nil {
				return err
			}
			text := r.Install(nil)
			compiling = append(compiling, time.Since(began))
			err = l.h.Apply(ctx, text)
			all, used = append(all, time.Since(began)), append(used, cpu()-before)
			l.close()
			if err != nil {
				return fmt.Errorf("%s: %w", s.name, err)
			}
		}
		least := slices.Min(all)
		fmt.Printf("  %-36s %8s, of it compiling %8s; CPU time %8s %s\n", s.name, least.Round(time.Millisecond), slices.Min(compiling).Round(time.Millisecond),
			slices.Min(used).Round(time.Millisecond), target(least < 2*time.Second, "2 s"))
	}
	return nil
}

// cpu is the CPU time of this process and of those that it has started: what a busy machine does not stretch.
func cpu() time.Duration {
	var total time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			total += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return total
}

// joining measures a peer that joins and leaves, among few and among many.
func joining(ctx context.Context, c config) error {
	sizes := []int{10, c.size}
	type crowd struct {
		*lane
		join, leave ruleset.Delta
		times       []time.Duration
	}
	var crowds []*crowd
	for _, n := range sizes {
		l, err := newLane(fmt.Sprint(n))
		if err != nil {
			return err
		}
		defer l.close()
		without, err := compile(peers(n))
		if err != nil {
			return err
		}
		with, err := compile(peersAndOne(n))
		if err != nil {
			return err
		}
		if err := l.h.Apply(ctx, without.Install(nil)); err != nil {
			return err
		}
		join, ok := ruleset.Difference(without, with)
		leave, back := ruleset.Difference(with, without)
		if !ok || !back {
			return fmt.Errorf("a peer beside %d is no change of members", n)
		}
		crowds = append(crowds, &crowd{lane: l, join: join, leave: leave})
	}
	for range changes {
		for _, w := range crowds {
			for _, d := range []ruleset.Delta{w.join, w.leave} {
				began := time.Now()
				if err := w.h.Change(ctx, d); err != nil {
					return err
				}
				w.times = append(w.times, time.Since(began))
			}
		}
	}
	few, many := slices.Min(crowds[0].times), slices.Min(crowds[1].times)
	ratio := float64(many) / float64(few)
	fmt.Printf("a peer joins or leaves, the least of %d changes (and their median)\n", 2*changes)
	for i, w := range crowds {
		fmt.Printf("  among %-6d %30s (%s)\n", sizes[i], slices.Min(w.times).Round(time.Microsecond), median(w.times).Round(time.Microsecond))
	}
	fmt.Printf("  ratio %.2f %s\n", ratio, target(ratio < 1.5, "the same, below 1.5"))
	return nil
}

// peersAndOne are n peers and one more.
func peersAndOne(n int) calico.Objects {
	o := peers(n)
	more := o.HostEndpoints[1]
	more.Name, more.ExpectedIPs = "more", append(more.ExpectedIPs[:0:0], stranger(60_000))
	o.HostEndpoints = append(o.HostEndpoints, more)
	return o
}
