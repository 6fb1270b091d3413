package sim_test

import (
	"context"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// bounded gives a simulation as long as go test gives it, less the time to tell what went wrong.
func bounded(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	const longest, reserve = 15 * time.Minute, 30 * time.Second
	end := time.Now().Add(longest)
	if limit, ok := t.Deadline(); ok && limit.Add(-reserve).Before(end) {
		end = limit.Add(-reserve)
	}
	return context.WithDeadline(t.Context(), end)
}

func TestMachinesAreProvisioned(t *testing.T) {
	ctx, cancel := bounded(t)
	defer cancel()
	s := start(t, site.Options{Lab: lab.Options{Machines: 4}})
	for _, m := range s.Lab.State().Machines {
		if err := s.Enrol(ctx, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Await(ctx, "default", site.Provisioned(4)); err != nil {
		t.Fatal(err)
	}
	checkDisks(t, s)
	checkLogs(t, s)
}

// start runs a site until the test ends.
func start(t *testing.T, o site.Options) *site.Site {
	t.Helper()
	o.Dir = t.TempDir()
	if os.Getenv("INGOT_TEST_LOG") != "" {
		o.Log = os.Stderr
	}
	s, err := site.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the partition role's last words:\n%s", s.RoleLog("partition", 16<<10))
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Hosts whose BMC speaks IPMI only, which has no virtual media: the agent comes over the network.
func TestMachinesBehindIPMIAreProvisioned(t *testing.T) {
	const machines = 3
	ctx, cancel := bounded(t)
	defer cancel()
	s := start(t, site.Options{Lab: lab.Options{Machines: machines, Protocol: bmc.IPMI}})
	for _, m := range s.Lab.State().Machines {
		if !strings.HasPrefix(m.BMCAddress, "ipmi://") {
			t.Fatalf("machine %s has the BMC %s", m.Name, m.BMCAddress)
		}
		if err := s.Enrol(ctx, m, nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Await(ctx, "default", site.Provisioned(machines)); err != nil {
		t.Fatal(err)
	}
	checkDisks(t, s)
}
