// Command audit measures what the audit trail costs writes: two API servers of one program, one with the default policy and one that keeps nothing, get the same writes in turns.
//
//	go run ./bench/audit
//
// Each round asks both, in an order that changes, so that what else the machine does meets both. It prints the median over the rounds of the server's CPU time a write and of the writes' latencies, and what the
// trail adds to them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

// target is what the trail may add to the CPU time of a usual mix of writes, in percent.
const target = 5

// silent is a policy that keeps nothing.
const silent = "rules:\n- {name: nothing, keep: Nothing}\n"

type flags struct {
	rounds, writes, clients int
	check                   bool
	limit                   time.Duration
}

func main() {
	var f flags
	flag.IntVar(&f.rounds, "rounds", 9, "rounds of each kind of write")
	flag.IntVar(&f.writes, "writes", 600, "writes to each server in a round")
	flag.IntVar(&f.clients, "clients", 4, "clients that write at once")
	flag.BoolVar(&f.check, "check", false, "fail when the target is missed")
	flag.DurationVar(&f.limit, "limit", 20*time.Minute, "give up after this time")
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/audit:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "ingot-bench-")
	if err != nil {
		return fmt.Errorf("make a folder for the policy: %w", err)
	}
	defer os.RemoveAll(dir)
	policy := filepath.Join(dir, "policy.yaml")
	if err := os.WriteFile(policy, []byte(silent), 0o600); err != nil {
		return err
	}
	var sides []*side
	for _, args := range [][]string{nil, {"--audit-policy", policy}} {
		server, err := controlplanetest.Open(ctx, args...)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, server.Close()) }()
		s, err := newSide(ctx, server)
		if err != nil {
			return err
		}
		sides = append(sides, s)
	}
	fmt.Fprintf(out, "%d rounds of %d writes to each of two servers in turns, %d clients, %d cores; with the trail / without:\n", f.rounds, f.writes, f.clients, runtime.NumCPU())
	missed := false
	for _, k := range kinds() {
		results, err := compare(ctx, sides, k, f)
		if err != nil {
			return err
		}
		on, off := results[0], results[1]
		added := percent(on.cpu, off.cpu)
		word := "      "
		if k.judged {
			if word = "met   "; added > target {
				word, missed = "missed", true
			}
		}
		fmt.Fprintf(out, "%s  %-34s CPU %.2f / %.2f ms (%+.1f %%)   median %.2f / %.2f ms (%+.1f %%)   99th of 100 %.2f / %.2f ms\n", word, k.name,
			ms(on.cpu), ms(off.cpu), added, ms(on.median), ms(off.median), percent(on.median, off.median), ms(on.slow), ms(off.slow))
	}
	if missed && f.check {
		return errors.New("the target was missed")
	}
	return nil
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

func percent(on, off time.Duration) float64 { return 100 * (float64(on)/float64(off) - 1) }

// result is of one round of one side, or the medians of all its rounds.
type result struct{ cpu, median, slow time.Duration }

// compare writes one round for warmth and then all rounds, the sides in turns.
func compare(ctx context.Context, sides []*side, k kind, f flags) ([]result, error) {
	rounds := make([][]result, len(sides))
	for round := range f.rounds + 1 {
		for i := range sides {
			at := (i + round) % len(sides)
			r, err := sides[at].round(ctx, k, f)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", k.name, err)
			}
			if round > 0 {
				rounds[at] = append(rounds[at], r)
			}
		}
	}
	medians := make([]result, len(sides))
	for i, all := range rounds {
		of := func(value func(result) time.Duration) time.Duration {
			values := make([]time.Duration, len(all))
			for k, r := range all {
				values[k] = value(r)
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		medians[i] = result{cpu: of(func(r result) time.Duration { return r.cpu }), median: of(func(r result) time.Duration { return r.median }), slow: of(func(r result) time.Duration { return r.slow })}
	}
	return medians, nil
}
