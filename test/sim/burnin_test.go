package sim_test

import (
	"context"
	"strings"
	"testing"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/lab"
	"github.com/ingotmetal/ingot/internal/lab/simulated"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/test/sim/site"
	"github.com/ingotmetal/ingot/test/sim/site/sitetest"
)

// TestMachinesAreTestedBeforeTheyAreOffered: of three hosts with a burn-in one is sound and gets its image; one has bad memory, is not offered, is repaired and passes when the annotation is
// set anew; the tests of the third have no end, until its wish is withdrawn. What a test wrote to the disks is wiped.
func TestMachinesAreTestedBeforeTheyAreOffered(t *testing.T) {
	ctx := sitetest.Bounded(t)
	const wish = "cpu=1s,memory=1pass,disk=sample,network=1s,lldp=required"
	parts := []*simulated.Parts{nil, {}, {}}
	parts[1].BadMemory.Store(true)
	parts[2].Endless.Store(true)
	s := sitetest.Start(t, site.Options{Lab: lab.Options{Machines: 3, DiskBytes: 512 << 20, Parts: func(i int) *simulated.Parts { return parts[i] }}})
	machines := s.Lab.State().Machines
	for i, m := range machines {
		text := wish
		if i == 0 {
			text = strings.Replace(wish, "sample", "write", 1)
		}
		if err := s.Enrol(ctx, m, func(h *metal3.BareMetalHost) { h.Annotations = map[string]string{ingot.BurnInAnnotation: text} }); err != nil {
			t.Fatal(err)
		}
	}
	await := func(i int, what string, holds func(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool) {
		t.Helper()
		err := s.Await(ctx, "default", func([]metal3.BareMetalHost) bool {
			h, r, err := ofMachine(ctx, s, machines[i])
			return err == nil && holds(h, r)
		})
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	provisioned := func(h *metal3.BareMetalHost, _ *ingot.HostLifecycleStatus) bool {
		return h.Status.Provisioning.State == metal3.StateProvisioned
	}
	await(1, "the machine with bad memory is found", func(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool {
		return r.Outcome.Reason == string(journey.ReasonBurnInFailed) && h.Status.ErrorType == metal3.PreparationError
	})
	h, r := both(ctx, t, s, machines[1])
	if h.Status.Provisioning.State != metal3.StatePreparing || r.Outcome.Kind != string(journey.Blocked) || !strings.Contains(r.Outcome.Message, "physical address 0x108708") ||
		!strings.Contains(r.Outcome.Fix, "memory module") || r.BurnIn == nil || r.BurnIn.Result != journey.BurnInFailed {
		t.Errorf("the host with bad memory is %q: %+v, %+v", h.Status.Provisioning.State, r.Outcome, r.BurnIn)
	}
	parts[1].BadMemory.Store(false)
	annotate(ctx, t, s, machines[1], "")
	await(1, "the host without a wish is offered and provisioned", provisioned)

	await(2, "the endless test runs", func(_ *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool {
		return r.Outcome.Reason == string(journey.ReasonStepRunning) && r.Step != nil && r.Step.Progress != nil && r.Step.Progress.Phase == "testing the processors"
	})
	annotate(ctx, t, s, machines[2], "")
	await(2, "the host whose wish was withdrawn is provisioned", provisioned)

	await(0, "the sound host is provisioned", provisioned)
	_, r = both(ctx, t, s, machines[0])
	checkTests(t, r.BurnIn, len(machines[0].Disks))
	// A wish of a host in use is done when it is released, and a host is offered then only by machines that pass.
	annotate(ctx, t, s, machines[1], "memory=1pass")
	edit(ctx, t, s, machines[1], func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	await(1, "the released host is tested anew", func(h *metal3.BareMetalHost, r *ingot.HostLifecycleStatus) bool {
		return h.Status.Provisioning.State == metal3.StateAvailable && r.BurnIn != nil && r.BurnIn.Request == "memory=1pass" && r.BurnIn.Result == journey.BurnInPassed
	})
	edit(ctx, t, s, machines[1], func(h *metal3.BareMetalHost) { h.Spec.Image = s.Host(machines[1]).Spec.Image })
	await(1, "it is provisioned again", provisioned)
	checkDisks(t, s)
	checkLogs(t, s)
}

// checkTests: every part of the sound machine was tested, with figures.
func checkTests(t *testing.T, b *ingot.BurnInStatus, disks int) {
	t.Helper()
	if b == nil || b.Result != journey.BurnInPassed || b.Attempts != 1 || b.FinishedAt == nil {
		t.Fatalf("the sound machine's burn-in is %+v", b)
	}
	got := map[string]int{}
	for _, test := range b.Tests {
		got[test.Test]++
		if test.Result != "passed" || test.StartedAt.IsZero() || test.Message == "" || test.Test == "disk" && (test.BytesPerSecond == 0 || test.SerialNumber == "") {
			t.Errorf("a test of the sound machine: %+v", test)
		}
	}
	if got["cpu"] != 1 || got["memory"] != 1 || got["network"] != 1 || got["link"] != 1 || got["disk"] != disks {
		t.Errorf("tested were %v", got)
	}
}

func ofMachine(ctx context.Context, s *site.Site, m lab.Machine) (*metal3.BareMetalHost, *ingot.HostLifecycleStatus, error) {
	host, record, key := &metal3.BareMetalHost{}, &ingot.HostLifecycle{}, client.ObjectKey{Namespace: m.Namespace, Name: m.Name}
	if err := s.Client.Get(ctx, key, host); err != nil {
		return nil, nil, err
	}
	if err := s.Client.Get(ctx, key, record); err != nil {
		return nil, nil, err
	}
	return host, &record.Status, nil
}

// annotate sets the wish of a host; empty takes it away.
func annotate(ctx context.Context, t *testing.T, s *site.Site, m lab.Machine, wish string) {
	t.Helper()
	edit(ctx, t, s, m, func(h *metal3.BareMetalHost) {
		if wish == "" {
			delete(h.Annotations, ingot.BurnInAnnotation)
			return
		}
		h.Annotations[ingot.BurnInAnnotation] = wish
	})
}

func edit(ctx context.Context, t *testing.T, s *site.Site, m lab.Machine, change func(h *metal3.BareMetalHost)) {
	t.Helper()
	host, _ := both(ctx, t, s, m)
	base := host.DeepCopy()
	if host.Annotations == nil {
		host.Annotations = map[string]string{}
	}
	change(host)
	if err := s.Client.Patch(ctx, host, client.MergeFrom(base)); err != nil {
		t.Fatal(err)
	}
}
