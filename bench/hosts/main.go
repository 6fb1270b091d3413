// Command hosts measures how a whole site takes many machines through their whole life: created at once, all available, then all provisioned, then all deleted. Real `ingot up` with its
// roles as processes, simulated BMCs and machines in this process, on the machine's own cores.
//
//	go run ./bench/hosts -machines 1000
//
// It prints the time of each phase, and of each role the CPU time and the peak of its resident memory (from /proc), and holds them against the targets. The cost of a host is compared with
// the one at -against machines, measured before in a site of its own. The lab's own work is printed too and shares the same cores.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
)

type flags struct {
	machines, against int
	imageBytes        int64
	keep, check       bool
	limit             time.Duration
	verbose           bool
	programs, profile string
	args              list
}

// list is a flag that may be repeated.
type list []string

func (l *list) String() string     { return fmt.Sprint(*l) }
func (l *list) Set(v string) error { *l = append(*l, v); return nil }

func main() {
	var f flags
	flag.IntVar(&f.machines, "machines", 100, "simulated machines")
	flag.IntVar(&f.against, "against", 100, "machines of a first run whose cost per host is compared; 0, or no less than -machines: none")
	flag.Int64Var(&f.imageBytes, "image-bytes", 8<<20, "size of the image, a whole number of MiB")
	flag.DurationVar(&f.limit, "limit", 40*time.Minute, "give up after this time")
	flag.BoolVar(&f.check, "check", false, "fail when a target is missed")
	flag.BoolVar(&f.verbose, "v", false, "show what the roles say")
	flag.BoolVar(&f.keep, "keep", false, "keep the folder with logs and disks")
	flag.StringVar(&f.programs, "programs", "", "folder with a built ingot and ingot-apiserver; empty: they are built from this tree")
	flag.StringVar(&f.profile, "profile", "", "folder for a CPU profile of the API server per phase, and its heap at the end")
	flag.Var(&f.args, "arg", "further argument of ingot up; may be repeated")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/hosts:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	var base *life
	if 0 < f.against && f.against < f.machines {
		var err error
		if base, err = live(ctx, f, f.against, out); err != nil {
			return fmt.Errorf("%d machines: %w", f.against, err)
		}
	}
	l, err := live(ctx, f, f.machines, out)
	if err != nil {
		return fmt.Errorf("%d machines: %w", f.machines, err)
	}
	return judge(out, f, base, l)
}

// live runs one site with n machines and reports what it took.
func live(ctx context.Context, f flags, n int, out io.Writer) (l *life, err error) {
	dir, err := os.MkdirTemp("", "ingot-bench-")
	if err != nil {
		return nil, err
	}
	if f.keep {
		fmt.Fprintln(out, "kept:", dir)
	} else {
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	o := site.Options{Dir: dir, ImageBytes: f.imageBytes, Args: f.args, Programs: f.programs, Lab: lab.Options{Machines: n}}
	if f.verbose {
		o.Log = os.Stderr
	}
	s, err := site.Start(ctx, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if l, err = measureLife(ctx, s, n, f.profile); err != nil {
		return nil, err
	}
	return l, l.report(out)
}
