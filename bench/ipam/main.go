// Command ipam measures how fast addresses are given, as the pool fills, beside go-ipam (github.com/metal-stack/go-ipam, in memory), the allocator of metal-stack.
//
//	go run -C bench/ipam . -rounds 3
//
// It is a module of its own, so that the product does not depend on the peer. One process, one core, a /16; in each round each side in turn is brought to the same number of addresses in use,
// gives more in sequence while the clock runs, and takes those back. Times are CPU times of the process: other load on the machine makes the wall time longer and says nothing about the
// allocators. It fails where a target is missed.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"
)

// The targets.
const (
	perSecond = 100_000
	flat      = 1.3
	rebuild   = 100 * time.Millisecond
)

// levels are how many addresses are in use when the clock starts.
var levels = []int{100, 1_000, 10_000, 60_000}

func main() {
	rounds := flag.Int("rounds", 3, "how often each side runs at each level")
	peerOps := flag.Int("peer", 20, "addresses that the peer gives at each level")
	flag.Parse()
	if err := run(os.Stdout, *rounds, *peerOps); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(out io.Writer, rounds, peerOps int) error {
	runtime.GOMAXPROCS(1)
	ours, theirs := map[int][]time.Duration{}, map[int][]time.Duration{}
	sixes, randoms := map[int][]time.Duration{}, map[int][]time.Duration{}
	var built []time.Duration
	for range rounds {
		for _, level := range levels {
			for kind, into := range map[site]map[int][]time.Duration{inFour: ours, inSix: sixes, inFourRandom: randoms} {
				took, err := product(kind, level)
				if err != nil {
					return err
				}
				into[level] = append(into[level], took)
			}
			took, err := peer(level, peerOps)
			if err != nil {
				return err
			}
			theirs[level] = append(theirs[level], took)
		}
		took, err := fromFacts(levels[len(levels)-1])
		if err != nil {
			return err
		}
		built = append(built, took)
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "in use\tIngot /16\tIngot /16, random\tIngot IPv6 /64\tgo-ipam 1.14.13\tIngot to go-ipam\t")
	for _, level := range levels {
		fmt.Fprintf(table, "%d\t%s\t%s\t%s\t%s\t%.0f times\t\n", level, speed(ours[level]), speed(randoms[level]), speed(sixes[level]), speed(theirs[level]),
			float64(median(theirs[level]))/float64(median(ours[level])))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return judge(out, ours, sixes, built)
}

// judge holds the figures against the targets.
func judge(out io.Writer, ours, sixes map[int][]time.Duration, built []time.Duration) error {
	low, high := levels[0], levels[len(levels)-1]
	missed := 0
	verdict := func(ok bool, format string, args ...any) {
		word := "reached"
		if !ok {
			word = "MISSED"
			missed++
		}
		fmt.Fprintf(out, "%s: %s\n", word, fmt.Sprintf(format, args...))
	}
	for _, side := range []struct {
		name string
		took map[int][]time.Duration
	}{{"/16", ours}, {"IPv6 /64", sixes}} {
		rate, ratio := 1/median(side.took[high]).Seconds(), float64(median(side.took[high]))/float64(median(side.took[low]))
		verdict(rate >= perSecond, "%s: %.0f addresses/s with %d in use, target %d", side.name, rate, high, perSecond)
		verdict(ratio <= flat, "%s: an address costs %.2f times as much with %d in use as with %d, target at most %.1f", side.name, ratio, high, low, flat)
	}
	verdict(median(built) <= rebuild, "built from %d facts in %s, target %s", high, median(built).Round(time.Millisecond), rebuild)
	if missed > 0 {
		return fmt.Errorf("%d targets missed", missed)
	}
	return nil
}

// measure is the CPU time of what, for each of n; the garbage of what came before is gone.
func measure(n int, what func() error) (time.Duration, error) {
	debug.FreeOSMemory()
	before := cpu()
	err := what()
	return (cpu() - before) / time.Duration(n), err
}

func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return max(1, sorted[len(sorted)/2])
}

func speed(all []time.Duration) string { return fmt.Sprintf("%.0f/s", 1/median(all).Seconds()) }
