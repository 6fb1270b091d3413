// Command list measures `ingot host list`, and the completion of hosts' names and states, against a real API server that holds a large fleet: the whole program, from its start to its last line.
//
//	go run ./bench/list -hosts 10000
//
// It makes the hosts with what an inspection and a wipe leave of a machine with four disks and four NICs, which takes some minutes, and prints the median and the slowest of some rounds of each way to ask.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ingotmetal/ingot/bench/fleet"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/meter"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// target is how long a list of 10,000 hosts may take.
const target = time.Second

type flags struct {
	hosts, rounds int
	programs      string
	check, hold   bool
	limit         time.Duration
}

func main() {
	var f flags
	flag.IntVar(&f.hosts, "hosts", 10_000, "hosts in the fleet")
	flag.IntVar(&f.rounds, "rounds", 7, "how often each list is asked for")
	flag.StringVar(&f.programs, "programs", "", "folder with a built ingot; empty: it is built from this tree")
	flag.BoolVar(&f.check, "check", false, "fail when the target is missed")
	flag.BoolVar(&f.hold, "hold", false, "keep the API server with its hosts until interrupted, for profiles; its kubeconfig is printed")
	flag.DurationVar(&f.limit, "limit", 40*time.Minute, "give up after this time")
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, f, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench/list:", err)
		os.Exit(1)
	}
}

// way is a way to ask.
type way struct {
	args []string
	// whole: it shows whole objects, some 100 MB of them, for which there is no target.
	whole bool
}

// ways are those that differ in what they need; %N stands for the flags that name the server and the namespace.
func ways() []way {
	var all []way
	for _, args := range [][]string{
		{}, {"-o", "wide"}, {"-A"}, {"-o", "name"}, {"-o", "markdown"}, {"--state", "provisioned"}, {"--filter", "hardware=*ACME*", "--filter", "name!=rack1-*"}, {"--sort-by", "name"},
		{"--sort-by", "partition,-since"}, {"-l", "ingot.dev/size=c1", "--project", "team3"},
	} {
		all = append(all, way{args: append([]string{"host", "list", "%N"}, args...)})
	}
	return append(all, way{args: []string{"__complete", "host", "get", "%N", ""}}, way{args: []string{"__complete", "host", "list", "%N", "--state", ""}}, way{args: []string{"host", "list", "%N", "-o", "json"}, whole: true})
}

func run(ctx context.Context, f flags, out io.Writer) (err error) {
	ctx, cancel := context.WithTimeout(ctx, f.limit)
	defer cancel()
	if f.programs == "" {
		if f.programs, err = site.Programs(ctx); err != nil {
			return err
		}
	}
	server, err := controlplanetest.Open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	begun := time.Now()
	if err := fleet.Fill(ctx, server.Admin, f.hosts); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d hosts, made in %.0f s, on %d cores; each command from its start to its last line:\n", f.hosts, time.Since(begun).Seconds(), runtime.NumCPU())
	config := filepath.Join(server.DataDir, "admin.kubeconfig")
	if f.hold {
		defer func() {
			fmt.Fprintf(out, "kept until interrupted: --kubeconfig %s -n %s\n", config, fleet.Namespace)
			<-ctx.Done()
		}()
	}
	if err := settled(ctx, filepath.Join(f.programs, "ingot"), config); err != nil {
		return err
	}
	missed := false
	for _, w := range ways() {
		var took []time.Duration
		var used time.Duration
		least := math.MaxInt
		before, err := meter.Of("", server.PID())
		if err != nil {
			return err
		}
		for range f.rounds {
			a, err := ask(ctx, filepath.Join(f.programs, "ingot"), config, w.args)
			if err != nil {
				return err
			}
			took, least, used = append(took, a.took), min(least, a.lines), used+a.cpu
		}
		after, err := meter.Of("", server.PID())
		if err != nil {
			return err
		}
		slices.Sort(took)
		median := took[len(took)/2]
		word := "met   "
		switch {
		case w.whole:
			word = "      "
		case median > target, least < 2: // a completion that is not in time offers nothing
			word, missed = "missed", true
		}
		each := func(d time.Duration) float64 { return d.Seconds() / float64(f.rounds) }
		words := slices.DeleteFunc(slices.Clone(w.args), func(s string) bool { return s == "%N" })
		fmt.Fprintf(out, "%s  %-60s median %.2f s, slowest %.2f s; CPU: program %.2f s, server %.2f s; at least %d lines\n", word, strings.Join(words, " "),
			median.Seconds(), took[len(took)-1].Seconds(), each(used), each(after.CPU-before.CPU), least)
	}
	if missed && f.check {
		return errors.New("the target was missed")
	}
	return nil
}

// settled asks until two answers in a row come: right after 40,000 writes the API server's own cache is behind, and it reads its store anew for each list.
func settled(ctx context.Context, program, config string) error {
	for good := 0; good < 2; {
		_, err := ask(ctx, program, config, []string{"host", "list", "%N"})
		switch {
		case err == nil:
			good++
		case ctx.Err() != nil:
			return err
		default:
			good = 0
		}
	}
	return nil
}

// answer is what one run of the program took, and how many lines it gave.
type answer struct {
	took, cpu time.Duration
	lines     int
}

// ask runs the program once. It finds nothing that an earlier run remembered.
func ask(ctx context.Context, program, config string, args []string) (answer, error) {
	memory, err := os.MkdirTemp("", "ingot-list-")
	if err != nil {
		return answer{}, fmt.Errorf("make a folder for what the program remembers: %w", err)
	}
	defer os.RemoveAll(memory)
	at := slices.Index(args, "%N")
	args = slices.Replace(slices.Clone(args), at, at+1, "-n", fleet.Namespace, "--kubeconfig", config)
	c := exec.CommandContext(ctx, program, args...) // the program that was just built
	c.Env = append(os.Environ(), "XDG_CACHE_HOME="+memory)
	var problem strings.Builder
	c.Stderr = &problem
	begun := time.Now()
	text, err := c.Output()
	took := time.Since(begun)
	if err != nil {
		return answer{}, fmt.Errorf("%s: %w\n%s", c, err, problem.String())
	}
	return answer{took: took, cpu: c.ProcessState.UserTime() + c.ProcessState.SystemTime(), lines: strings.Count(string(text), "\n")}, nil
}
