package sim_test

import (
	"context"
	"errors"
	"flag"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

var seed = flag.Uint64("seed", 0, "seed of the moments and roles that are killed; 0 takes one from the clock")

// Twenty times, at a random moment of several machines' provisioning, a random role is killed with SIGKILL. All machines end provisioned, none writes its disk twice at the same time, and
// no image lands on a disk that the hints exclude.
func TestRolesAreKilledAtRandomMoments(t *testing.T) {
	const machines, kills = 6, 20
	ctx := sitetest.Bounded(t)
	if *seed == 0 {
		*seed = uint64(time.Now().UnixNano())
	}
	t.Logf("seed %d: repeat with go test ./test/sim -run %s -args -seed %d", *seed, t.Name(), *seed)
	random := rand.New(rand.NewPCG(*seed, 0))
	// A run must last long enough for twenty kills: firmware and systems take their time.
	// A machine that was to boot the agent while the boot role was dead boots its old system instead; that is noticed by the deadline.
	s := sitetest.Start(t, site.Options{ImageBytes: 64 << 20, Args: []string{"--partition-arg=--boot-deadline=30s"}, Lab: lab.Options{
		Machines: machines, FirmwareTime: 2 * time.Second, SystemTime: time.Second, Seed: *seed,
	}})
	for _, m := range s.Lab.State().Machines {
		if err := s.Enrol(ctx, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	k := killer{t: t, s: s, random: random}
	for i := range kills {
		k.pause(ctx)
		k.kill(ctx)
		if i == kills/2 {
			// The second half of the kills must find work too, however fast the first half went.
			k.provisionAgain(ctx)
		}
	}
	if err := s.Await(ctx, "default", site.Provisioned(machines)); err != nil {
		t.Fatal(err)
	}
	checkDisks(t, s)
	t.Logf("killed: %v", k.killed)
}

type killer struct {
	t      *testing.T
	s      *site.Site
	random *rand.Rand
	killed map[string]int
}

// pause is the random time between two kills.
func (k *killer) pause(ctx context.Context) {
	const longest = 1500 * time.Millisecond
	select {
	case <-time.After(time.Duration(k.random.Int64N(int64(longest)))):
	case <-ctx.Done():
		k.t.Fatal(context.Cause(ctx))
	}
}

// kill ends a role that runs, and waits until another process has its place, so that every kill hits something.
func (k *killer) kill(ctx context.Context) {
	roles := []string{"partition", "partition", "boot", "apiserver"}
	role := roles[k.random.IntN(len(roles))]
	pid := k.running(ctx, role, 0)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		k.t.Fatal(err)
	}
	if k.killed == nil {
		k.killed = map[string]int{}
	}
	k.killed[role]++
	k.running(ctx, role, pid)
}

// running waits for a process of the role other than before.
func (k *killer) running(ctx context.Context, role string, before int) int {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		if pid, err := k.s.PID(role); err == nil && pid != before {
			return pid
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			k.t.Fatalf("no new process of role %s: %v\n%s", role, context.Cause(ctx), k.s.RoleLog(role, 4<<10))
		}
	}
}

// provisionAgain waits for the first machine to be provisioned and asks for its image under another name: it is wiped and written once more.
func (k *killer) provisionAgain(ctx context.Context) {
	first := k.s.Lab.State().Machines[0]
	err := k.s.Await(ctx, first.Namespace, func(all []metal3.BareMetalHost) bool {
		for i := range all {
			if h := &all[i]; h.Name == first.Name && h.Status.Provisioning.State == metal3.StateProvisioned {
				h.Spec.Image.URL = k.s.ImageURL + "?again"
				return k.s.Client.Update(ctx, h) == nil
			}
		}
		return false
	})
	if err != nil {
		k.t.Fatal(err)
	}
}
