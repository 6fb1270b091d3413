// Command addresses measures what an address costs through the API: claims of Ingot's IPs, Metal3's IPClaims and Cluster API's IPAddressClaims, made by many clients at once against a real `ingot up`, with few
// and with many addresses in use.
//
//	go run ./bench/addresses -claims 10000
//
// For each number of addresses in use it prints, by kind of claim, the rate from the first request to the last claim that shows its address, the writes per claim that the API server counted beside the making of
// the claims themselves (leader leases left out: they are written by the clock), and the CPU time per claim of the API server and of the controller role. The addresses in use are entered by package ledger, as
// the controller enters them, so that filling costs no claims. It fails where a target is missed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// The targets. Metal3's own manager did 17.5 claims/s at its best on two cores, with an empty pool.
const (
	targetRate   = 6 * 17.5
	targetWrites = 2.0
	targetRatio  = 1.3
)

type flags struct {
	claims, clients int
	levels          []int
	programs        string
	profiles        string
	limit           time.Duration
	check, verbose  bool
}

func main() {
	var f flags
	levels := flag.String("levels", "100,10000,60000", "addresses in use before the claims are made, with commas between them")
	flag.IntVar(&f.claims, "claims", 10_000, "claims at each level, a third of each kind")
	flag.IntVar(&f.clients, "clients", 50, "clients that make claims at once")
	flag.StringVar(&f.programs, "programs", "", "folder with a built ingot and ingot-apiserver; empty: they are built from this tree")
	flag.StringVar(&f.profiles, "profile", "", "folder for CPU profiles of the API server while claims are served, and for its heap after them, by kind and addresses in use")
	flag.DurationVar(&f.limit, "limit", 40*time.Minute, "give up after this time")
	flag.BoolVar(&f.check, "check", true, "fail when a target is missed")
	flag.BoolVar(&f.verbose, "v", false, "show which writes there were, and what the roles say")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	err := f.parse(*levels)
	if err == nil {
		err = run(ctx, f, os.Stdout)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench/addresses:", err)
		os.Exit(1)
	}
}

func (f *flags) parse(levels string) error {
	for _, text := range strings.Split(levels, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > 100_000 {
			return fmt.Errorf("-levels: %q is no number of addresses from 1 to 100000", text)
		}
		f.levels = append(f.levels, n)
	}
	if f.claims < 3 || f.clients < 1 {
		return errors.New("-claims: write at least 3, and -clients: at least 1")
	}
	slices.Sort(f.levels)
	return nil
}

func run(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "ingot-bench-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	o := site.Options{Dir: dir, Programs: f.programs, Lab: lab.Options{Machines: 1}}
	if f.verbose {
		o.Log = os.Stderr
	}
	s, err := site.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	b, err := newBench(s, f)
	if err != nil {
		return err
	}
	if err := b.kinds(ctx); err != nil {
		return err
	}
	var all []result
	for _, level := range f.levels {
		for _, k := range kinds() {
			r, err := b.measure(ctx, k, level)
			if err != nil {
				return fmt.Errorf("%s with %d in use: %w", k.name, level, err)
			}
			all = append(all, r)
			if f.verbose {
				r.details(out)
			}
		}
	}
	return report(out, f, all)
}

func report(out io.Writer, f flags, all []result) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "in use\tclaims\tkind\tclaims/s\twrites per claim\tof that records\tAPI server CPU ms\tcontroller CPU ms\tCPU against the fewest in use\t")
	var missed []string
	first, writes, claims, took := map[string]result{}, map[int]float64{}, map[int]int{}, map[int]time.Duration{}
	for _, r := range all {
		base, is := first[r.kind]
		if !is {
			first[r.kind], base = r, r
		}
		ratio := r.cpu() / base.cpu()
		fmt.Fprintf(w, "%d\t%d\t%s\t%.0f\t%.3f\t%.3f\t%.2f\t%.2f\t%.2f\t\n", r.level, r.claims, r.kind, r.rate(), r.perClaim(), r.records/float64(r.claims), r.server, r.controller, ratio)
		if ratio > targetRatio {
			missed = append(missed, fmt.Sprintf("%s costs %.2f times as much CPU with %d in use, not %.1f at most", r.kind, ratio, r.level, targetRatio))
		}
		writes[r.level] += r.writes
		claims[r.level] += r.claims
		took[r.level] += r.took
	}
	for _, level := range f.levels {
		rate, per := float64(claims[level])/took[level].Seconds(), writes[level]/float64(claims[level])
		fmt.Fprintf(w, "%d\t%d\tall\t%.0f\t%.3f\t\t\t\t\t\n", level, claims[level], rate, per)
		if rate < targetRate {
			missed = append(missed, fmt.Sprintf("%.0f claims/s with %d in use, not %.0f", rate, level, targetRate))
		}
		if per > targetWrites {
			missed = append(missed, fmt.Sprintf("%.3f writes per claim with %d in use, not %.0f at most", per, level, targetWrites))
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	if len(missed) > 0 && f.check {
		return errors.New("missed: " + strings.Join(missed, "; "))
	}
	return nil
}
