// Command claims measures how long a machine that is asked for waits for its host, when very many are asked for at once: real processes of the API server and of the controller role, hosts that are objects.
//
//	go run ./bench/claims -machines 1000 -clients 50
//
// It holds three races, each with an API server of its own: one undisturbed, which is the figure; one in which the leading process may be killed, so that the other has to take over; and one in which both processes
// decide at once and both are killed. In each a witness holds every write to the invariants (package test/claims); one that is broken fails the program.
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
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/claims"
	"github.com/ingotmetal/ingot/test/sim/site"
)

type flags struct {
	machines, clients, kills int
	seed                     uint64
	only, programs           string
	limit                    time.Duration
	costs, verbose           bool
}

// kind is one of the races.
type kind struct {
	name, what      string
	together, kills bool
}

func kinds() []kind {
	return []kind{
		{"undisturbed", "one process leads, nobody is killed", false, false},
		{"killed", "one process leads, and processes are killed at random", false, true},
		{"together", "both processes decide at once, and are killed at random", true, true},
	}
}

func main() {
	var f flags
	flag.IntVar(&f.machines, "machines", 1000, "machines, and as many hosts")
	flag.IntVar(&f.clients, "clients", 50, "clients that ask at once")
	flag.IntVar(&f.kills, "kills", 4, "how many times a process is killed while machines are asked for, and again while they are given back")
	flag.Uint64Var(&f.seed, "seed", uint64(time.Now().UnixNano()), "what the dice begin with")
	flag.StringVar(&f.only, "only", "", "hold only this race: undisturbed, killed or together")
	flag.StringVar(&f.programs, "programs", "", "folder with a built ingot; empty: it is built from this tree")
	flag.DurationVar(&f.limit, "limit", 30*time.Minute, "give up a race after this time")
	flag.BoolVar(&f.costs, "costs", false, "print what was asked of the API server")
	flag.BoolVar(&f.verbose, "v", false, "say what happens")
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/claims:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, f flags, out io.Writer) error {
	if f.programs == "" {
		var err error
		if f.programs, err = site.Programs(ctx); err != nil {
			return err
		}
	}
	held := 0
	for _, k := range kinds() {
		if f.only != "" && f.only != k.name {
			continue
		}
		held++
		if err := race(ctx, f, k, out); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	if held == 0 {
		return fmt.Errorf("-only %s: there is no such race", f.only)
	}
	return nil
}

// race holds one and prints what it found.
func race(ctx context.Context, f flags, k kind, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	dir, err := os.MkdirTemp("", "ingot-claims-")
	if err != nil {
		return fmt.Errorf("make a folder for the processes: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	server, err := controlplanetest.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	o := claims.Options{Server: server, Programs: f.programs, Dir: dir, Machines: f.machines, Clients: f.clients, Together: k.together, Seed: f.seed}
	if k.kills {
		o.Kills = f.kills
	}
	if f.verbose {
		o.Log = os.Stderr
	}
	fmt.Fprintf(out, "\n%d machines with an address each, asked for by %d clients at once, of %d hosts, on %d cores: %s (-seed %d)\n", f.machines, f.clients, f.machines, runtime.NumCPU(), k.what, f.seed)
	report, err := claims.Run(ctx, o)
	if report != nil {
		show(out, f, report)
	}
	if err != nil {
		return err
	}
	if len(report.Broken) > 0 {
		return errors.New("invariants are broken")
	}
	fmt.Fprintf(out, "  held at each of %d writes: one host a machine, one machine a host, no address twice, no quota of machines or addresses exceeded, no host let go of before its wipe; %d machines beyond the quotas said why they waited; in the end nothing is left\n",
		report.Writes, report.LeftOut)
	return nil
}

func show(out io.Writer, f flags, r *claims.Report) {
	perMachine := func(d time.Duration) float64 { return d.Seconds() / float64(r.Bound) }
	requests, writes := r.Requests()
	fmt.Fprintf(out, "  from request to bound host: p50 %.2f s, p99 %.2f s; all after %.1f s; all wiped and given back after %.1f s; %d processes killed\n",
		r.Percentile(50).Seconds(), r.Percentile(99).Seconds(), r.Claiming.Seconds(), r.Releasing.Seconds(), r.Killed)
	fmt.Fprintf(out, "  a machine cost %.3f s of CPU of the controllers, %.3f s of the API server, and %.1f requests, %.1f of them writes\n", perMachine(r.Controllers), perMachine(r.APIServer), requests, writes)
	if f.costs {
		for _, c := range r.Costs {
			const least = 0.1
			if c.PerMachine >= least {
				fmt.Fprintf(out, "  %6.1f  %s\n", c.PerMachine, c.What)
			}
		}
	}
	for _, b := range r.Broken {
		fmt.Fprintln(out, "  BROKEN:", b)
	}
}
