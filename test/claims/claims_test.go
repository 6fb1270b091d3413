package claims_test

import (
	"context"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/go-logr/logr"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
	"github.com/ingotmetal/ingot/test/claims"
	"github.com/ingotmetal/ingot/test/sim/site"
)

// patience is how long the race may take on a machine whose two cores are shared.
const patience = 15 * time.Minute

// TestRace: 100 machines with an address each, asked for by 10 clients at once, of 100 hosts; two processes of the controller role that decide at the same time without electing one, and are killed at random moments.
// At every write: no host has two machines and none goes from one to another, no machine has two hosts, no address is given twice, no project and no tenant holds more machines or addresses than its quota, and no host is let go of before
// its wipe is proved. In the end everybody has what may be had, those beyond a quota of machines or of addresses say why they wait, and after all is given back nothing is left. INGOT_SEED repeats a run.
func TestRace(t *testing.T) {
	ctrllog.SetLogger(logr.Discard())
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("INGOT_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("INGOT_SEED=%d", seed)
	programs, err := site.Programs(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	report, err := claims.Run(ctx, claims.Options{Server: controlplanetest.Start(t), Programs: programs, Dir: t.TempDir(), Machines: 100, Clients: 10, Kills: 2, Together: true, Seed: seed, Log: t.Output()})
	if report != nil {
		for _, broken := range report.Broken {
			t.Error(broken)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if report.Killed != 4 || len(report.Waited) != 94 || report.LeftOut != 5+6 {
		t.Errorf("%d processes were killed, %d machines had hosts, %d were left out", report.Killed, len(report.Waited), report.LeftOut)
	}
	t.Logf("p50 %s, p99 %s from request to bound host; all after %s, given back after %s; %d writes seen", report.Percentile(50), report.Percentile(99), report.Claiming, report.Releasing, report.Writes)
}
