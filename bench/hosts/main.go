// Command hosts measures how a whole site takes a hundred machines from their creation to provisioned: real `ingot up` with its roles as processes, simulated BMCs and machines
// in this process, on the machine's own cores.
//
//	go run ./bench/hosts -hosts 100
//
// It prints the time, hosts per second, and of each role the CPU time and the peak of its resident memory (from /proc). The lab's own work is printed too and shares the same cores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"os"
	"os/signal"
	"runtime"
	"text/tabwriter"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
)

type flags struct {
	hosts      int
	imageBytes int64
	keep       bool
	limit      time.Duration
	verbose    bool
	args       list
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func main() {
	var f flags
	flag.IntVar(&f.hosts, "hosts", 100, "simulated machines")
	flag.Int64Var(&f.imageBytes, "image-bytes", 8<<20, "size of the image, a whole number of MiB")
	flag.DurationVar(&f.limit, "limit", 20*time.Minute, "give up after this time")
	flag.BoolVar(&f.verbose, "v", false, "show what the roles say")
	flag.BoolVar(&f.keep, "keep", false, "keep the folder with logs and disks")
	flag.Var(&f.args, "arg", "further argument of ingot up; may be repeated")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/hosts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "ingot-bench-")
	if err != nil {
		return err
	}
	if f.keep {
		fmt.Fprintln(out, "kept:", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	o := site.Options{Dir: dir, ImageBytes: f.imageBytes, Args: f.args, Lab: lab.Options{Machines: f.hosts}}
	if f.verbose {
		o.Log = os.Stderr
	}
	s, err := site.Start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	before, err := measure(s)
	if err != nil {
		return err
	}
	asked, err := requests(ctx, s)
	if err != nil {
		return err
	}
	took, states, err := provision(ctx, s, f.hosts)
	if err != nil {
		return err
	}
	after, err := measure(s)
	if err != nil {
		return err
	}
	if err := report(out, f, took, states, before, after); err != nil {
		return err
	}
	now, err := requests(ctx, s)
	if err != nil {
		return err
	}
	return reportRequests(out, f.hosts, asked, now)
}

// provision makes all hosts at once and waits for the last. It returns the time to each share of them.
func provision(ctx context.Context, s *site.Site, n int) (time.Duration, []time.Duration, error) {
	begun := time.Now()
	for _, m := range s.Lab.State().Machines {
		if err := s.Enrol(ctx, m, nil); err != nil {
			return 0, nil, err
		}
	}
	shares := []time.Duration{time.Since(begun)}
	marks := []int{1, n / 2}
	err := s.Await(ctx, "default", func(all []metal3.BareMetalHost) bool {
		done := 0
		for _, h := range all {
			if h.Status.Provisioning.State == metal3.StateProvisioned {
				done++
			}
		}
		for len(marks) > 0 && done >= marks[0] {
			shares, marks = append(shares, time.Since(begun)), marks[1:]
		}
		return done == n
	})
	return time.Since(begun), shares, err
}

func report(out io.Writer, f flags, took time.Duration, shares []time.Duration, before, after []usage) error {
	fmt.Fprintf(out, "%d simulated hosts from creation to provisioned on %d cores: %.1f s, %.2f hosts/s\n", f.hosts, runtime.NumCPU(), took.Seconds(), float64(f.hosts)/took.Seconds())
	fmt.Fprintf(out, "created after %.1f s, the first provisioned after %.1f s, half of them after %.1f s\n", shares[0].Seconds(), shares[1].Seconds(), shares[2].Seconds())
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "role\tCPU s\tCPU s per host\tpeak RSS MiB\t")
	for i, a := range after {
		cpu := (a.cpu - before[i].cpu).Seconds()
		fmt.Fprintf(w, "%s\t%.1f\t%.3f\t%.0f\t\n", a.name, cpu, cpu/float64(f.hosts), float64(a.peakBytes)/(1<<20))
	}
	return w.Flush()
}
