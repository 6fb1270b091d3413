package claims

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/meter"
)

// The projects, and how many machines more than their quota the first asks for.
const (
	projects = 10
	beyond   = 5
	// least is how many machines there must be, so that every project has more than it goes without.
	least = projects * (short + 1)
)

// Options are a race's.
type Options struct {
	// Server is an API server of the race's own, Programs the folder with the built ingot, Dir takes the processes' files.
	Server        *controlplanetest.Server
	Programs, Dir string
	// Machines are asked for by Clients at once; there are as many hosts. At least 40.
	Machines, Clients int
	// Kills are how many times a process is killed while machines are asked for, and again while they are given back.
	Kills int
	// Together: both processes decide at once, without electing one. They are built for the election, and must be right without it.
	Together bool
	// Seed says when which process is killed, and in what order is asked.
	Seed uint64
	// Log receives what happens; nil: nobody.
	Log io.Writer
}

// Report is what a race found.
type Report struct {
	// Waited is how long each machine waited from the request to the host that names its claim, sorted; Claiming and Releasing are how long it took for all.
	Waited              []time.Duration
	Claiming, Releasing time.Duration
	// Used is the CPU time of the controllers and of the API server while machines were asked for.
	Controllers, APIServer time.Duration
	// Costs are the requests of the API server in that time, those of clients and the stand-in included.
	Costs  []Cost
	Killed int
	// Bound are the machines that had hosts, LeftOut those that a quota of machines or of addresses held back.
	Bound, LeftOut int
	// Writes are those of hosts and IPs that the witness saw.
	Writes int
	// Broken are the invariants that did not hold, in words.
	Broken []string
}

// Percentile is how long at most so many of a hundred machines waited.
func (r *Report) Percentile(percent int) time.Duration {
	if len(r.Waited) == 0 {
		return 0
	}
	return r.Waited[min(len(r.Waited)-1, len(r.Waited)*percent/100)]
}

type race struct {
	Options
	admin  client.WithWatch
	racks  string
	random *rand.Rand
	roles  *roles
	seen   *witness
}

// Run holds one race. The error says why it could not be held to its end; what it found is in the Report, also then.
func Run(ctx context.Context, o Options) (*Report, error) {
	if o.Machines < least || o.Clients < 1 {
		return nil, fmt.Errorf("%d machines and %d clients: at least %d and 1 are needed", o.Machines, o.Clients, least)
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	scheme, err := newScheme()
	if err != nil {
		return nil, err
	}
	admin, err := client.NewWithWatch(o.Server.Admin, client.Options{Scheme: scheme})
	if err != nil {
		return nil, fmt.Errorf("client of the API server: %w", err)
	}
	r := &race{Options: o, admin: admin, racks: "racks", random: rand.New(rand.NewPCG(o.Seed, 1))} // dice
	if err := r.furnish(ctx); err != nil {
		return nil, fmt.Errorf("furnish the site: %w", err)
	}
	if r.roles, err = newRoles(ctx, o, cancel); err != nil {
		return nil, err
	}
	defer r.roles.stop()
	r.seen = newWitness(r.quotas(), r.addressBounds(), r.bound(), cancel)
	closed, err := r.watch(ctx, cancel)
	if err != nil {
		return nil, err
	}
	report, err := r.run(ctx)
	cancel(nil)
	closed()
	r.seen.report(report)
	return report, err
}

func newScheme() (*runtime.Scheme, error) {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(s); err != nil {
			return nil, fmt.Errorf("register kinds: %w", err)
		}
	}
	return s, nil
}

func (r *race) run(ctx context.Context) (*Report, error) {
	report := &Report{Bound: r.bound(), LeftOut: beyond + r.unaddressed()}
	if err := r.roles.ready(ctx); err != nil {
		return report, err
	}
	if err := r.await(ctx, "the network is ready", r.networkReady); err != nil {
		return report, err
	}
	asked, err := meter.Requests(ctx, r.Server.Admin)
	if err != nil {
		return report, err
	}
	before := r.usage()
	begun := time.Now()
	killing := r.kills(begun)
	if err := r.ask(ctx); err != nil {
		return report, err
	}
	if err := r.seen.until(ctx, func(bound int) (bool, error) { return bound == r.bound(), killing(bound) }); err != nil {
		return report, fmt.Errorf("wait until all machines have hosts: %w\n%s", err, r.phases(ctx))
	}
	report.Claiming = time.Since(begun)
	after := r.usage()
	all, err := meter.Requests(ctx, r.Server.Admin)
	if err != nil {
		return report, err
	}
	report.Costs = costs(asked, all, r.Machines)
	report.Controllers, report.APIServer = after.controllers-before.controllers, after.apiserver-before.apiserver
	fmt.Fprintf(r.Log, "all have hosts after %s\n", report.Claiming.Round(time.Millisecond))
	if err := r.await(ctx, "all machines are installed, and those beyond the quotas wait", r.settled); err != nil {
		return report, err
	}
	if err := r.explained(ctx); err != nil {
		return report, err
	}
	begun = time.Now()
	giving := r.kills(begun)
	if err := r.giveBack(ctx); err != nil {
		return report, err
	}
	if err := r.seen.until(ctx, func(bound int) (bool, error) { return bound == 0, giving(r.bound() - bound) }); err != nil {
		return report, fmt.Errorf("wait until all hosts are free: %w\n%s", err, r.phases(ctx))
	}
	err = r.await(ctx, "nothing is left", r.empty)
	report.Releasing, report.Killed = time.Since(begun), r.roles.killed
	return report, err
}

// kills says what is to be done as machines come to have hosts: at random counts of them a random process is killed, and started again.
func (r *race) kills(begun time.Time) func(done int) error {
	at := make([]int, r.Kills)
	for i := range at {
		at[i] = r.random.IntN(r.bound())
	}
	slices.Sort(at)
	return func(done int) error {
		for len(at) > 0 && done >= at[0] {
			at = at[1:]
			i := r.random.IntN(processes)
			fmt.Fprintf(r.Log, "%s: process %d is killed at %d of %d\n", time.Since(begun).Round(time.Millisecond), i, done, r.bound())
			if err := r.roles.kill(i); err != nil {
				return err
			}
		}
		return nil
	}
}

// names are all machines that are asked for, as "namespace/name", in any order.
func (r *race) names() []string {
	var all []string
	for p, most := range r.shares() {
		if p == 0 {
			most += beyond
		}
		for i := range most {
			all = append(all, fmt.Sprintf("%s/m%d", project(p), i))
		}
	}
	r.random.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	return all
}

// ask has all clients make machines at once.
func (r *race) ask(ctx context.Context) error {
	return each(ctx, r.names(), r.Clients, func(ctx context.Context, name string) error {
		namespace, short, _ := strings.Cut(name, "/")
		r.seen.asked(name)
		return r.admin.Create(ctx, &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: short}, Spec: ingot.MachineSpec{
			Size: size, Partition: partition, Image: image, PlacementTags: []string{"web"}, Networks: []ingot.MachineNetwork{{Name: network, Namespace: r.racks}}}})
	})
}

// giveBack has all clients delete machines at once.
func (r *race) giveBack(ctx context.Context) error {
	return each(ctx, r.names(), r.Clients, func(ctx context.Context, name string) error {
		namespace, short, _ := strings.Cut(name, "/")
		return client.IgnoreNotFound(r.admin.Delete(ctx, &ingot.Machine{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: short}}))
	})
}

// each does something with every name, by so many at once.
func each(ctx context.Context, names []string, clients int, do func(context.Context, string) error) error {
	work := make(chan string)
	var mu sync.Mutex
	var problems []error
	var all sync.WaitGroup
	for range clients {
		all.Go(func() {
			for name := range work {
				if err := do(ctx, name); err != nil {
					mu.Lock()
					problems = append(problems, fmt.Errorf("%s: %w", name, err))
					mu.Unlock()
				}
			}
		})
	}
	for _, name := range names {
		work <- name
	}
	close(work)
	all.Wait()
	if len(problems) > beyond {
		problems = problems[:beyond]
	}
	return errors.Join(problems...)
}

// await asks again and again until something holds.
func (r *race) await(ctx context.Context, what string, holds func(context.Context) error) error {
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for {
		err := holds(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("%w while waiting until %s: %w\n%s", context.Cause(ctx), what, err, r.phases(context.WithoutCancel(ctx)))
		}
	}
}
