package sim_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/step"
	"github.com/ingotmetal/ingot/test/collector"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
	"github.com/ingotmetal/ingot/tracing"
)

func TestMachinesAreProvisioned(t *testing.T) {
	ctx := sitetest.Bounded(t)
	traces := collector.New(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 4}, Args: []string{"--traces-endpoint", traces.URL, "--traces-tls-ca", traces.CA}})
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
	for _, m := range s.Lab.State().Machines {
		checkTraces(ctx, t, traces, m)
		checkServed(ctx, t, traces, m, "boot media")
	}
}

// checkServed waits for what the boot servers gave a machine for its inspection, below that stage. Its last is told when the agent has traded its token, or with the window.
func checkServed(ctx context.Context, t *testing.T, c *collector.Collector, m lab.Machine, wanted ...string) {
	t.Helper()
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute)
	defer stop()
	got := map[string]collector.Span{}
	err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(context.Context) (bool, error) {
		clear(got)
		spans := c.Spans()
		root := slices.IndexFunc(spans, func(s collector.Span) bool {
			return s.GetName() == "inspecting" && s.Attributes[tracing.KeyHostName] == m.Name && s.Attributes[tracing.KeyNamespace] == m.Namespace
		})
		if root < 0 {
			return false, nil
		}
		for _, s := range spans {
			if string(s.GetParentSpanId()) == string(spans[root].GetSpanId()) && s.Resource["service.name"] == "ingot-boot" {
				got[s.GetName()] = s
			}
		}
		return !slices.ContainsFunc(wanted, func(name string) bool { _, is := got[name]; return !is }), nil
	})
	if err != nil {
		t.Fatalf("machine %s: of %v its inspection has %v: %v", m.Name, wanted, slices.Collect(maps.Keys(got)), err)
	}
	for _, name := range wanted {
		if s := got[name]; s.Attributes[tracing.KeyBoot] == "" || (name != "boot dhcp" && s.Attributes[tracing.KeyBytes] == "") || string(s.GetTraceId()) == "" {
			t.Errorf("machine %s: %s says %v", m.Name, name, s.Attributes)
		}
	}
}

// checkTraces waits for the traces of a machine's stages, each of which is whole, and for the first boot, which hangs below the provisioning.
func checkTraces(ctx context.Context, t *testing.T, c *collector.Collector, m lab.Machine) {
	t.Helper()
	var roots map[string]collector.Span
	ctx, stop := context.WithTimeout(ctx, 2*time.Minute) // each machine is provisioned and has reported
	defer stop()
	err := wait.PollUntilContextCancel(ctx, 200*time.Millisecond, true, func(context.Context) (bool, error) {
		roots = map[string]collector.Span{}
		booted := false
		for _, s := range c.Spans() {
			if s.Attributes[tracing.KeyHostName] == m.Name && s.Attributes[tracing.KeyNamespace] == m.Namespace {
				roots[s.GetName()] = s
				booted = booted || s.GetName() == tracing.FirstBoot
			}
		}
		_, written := roots["provisioning"]
		return booted && written, nil
	})
	if err != nil {
		t.Fatalf("machine %s: the traces %v arrived: %v", m.Name, slices.Collect(maps.Keys(roots)), err)
	}
	for _, stage := range []string{"registering", "inspecting", "preparing"} {
		if _, is := roots[stage]; !is {
			t.Errorf("machine %s: no trace of %s", m.Name, stage)
		}
	}
	root, steps := roots["provisioning"], map[string]bool{}
	for _, s := range c.Spans() {
		if string(s.GetParentSpanId()) == string(root.GetSpanId()) {
			steps[s.GetName()] = true
			if string(s.GetTraceId()) != string(root.GetTraceId()) {
				t.Errorf("machine %s: %s hangs in another trace than what it hangs below", m.Name, s.GetName())
			}
		}
	}
	if !steps[string(step.WriteImage)] || !steps[tracing.FirstBoot] || root.Attributes[tracing.KeyNext] != "provisioned" || root.Attributes[tracing.KeyImage] == "" || root.Resource["service.name"] != "ingot-partition" {
		t.Errorf("machine %s: provisioning has the steps %v and says %v", m.Name, steps, root.Attributes)
	}
}

// Hosts whose BMC speaks IPMI only, which has no virtual media: the agent comes over the network.
func TestMachinesBehindIPMIAreProvisioned(t *testing.T) {
	const machines = 3
	ctx := sitetest.Bounded(t)
	traces := collector.New(t)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: machines, Protocol: bmc.IPMI}, Args: []string{"--traces-endpoint", traces.URL, "--traces-tls-ca", traces.CA}})
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
	for _, m := range s.Lab.State().Machines {
		checkServed(ctx, t, traces, m, "boot dhcp", "boot http")
	}
}
