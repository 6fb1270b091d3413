package sim_test

import (
	"strings"
	"testing"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

func TestMachinesAreProvisioned(t *testing.T) {
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 4}})
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

// Hosts whose BMC speaks IPMI only, which has no virtual media: the agent comes over the network.
func TestMachinesBehindIPMIAreProvisioned(t *testing.T) {
	const machines = 3
	ctx := sitetest.Bounded(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: machines, Protocol: bmc.IPMI}})
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
