package host_test

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	eventsv1 "k8s.io/api/events/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/lifecycle"
)

// Decisions that break what always holds are not carried out: here the machine is offered although no wipe was proved, and then its finalizer is dropped before its release. With the
// defect mended, the host goes on from where it stood.
func TestUnsafeDecisionsAreRefused(t *testing.T) {
	w := newWorld(t)
	registry := prometheus.NewRegistry()
	var mended atomic.Bool
	w.wrap = func(o *host.Options) {
		o.Metrics = registry
		o.Decide = func(f journey.Facts, now time.Time) journey.Decision {
			d := lifecycle.Decide(f, now)
			if !mended.Load() && f.Host.Status.Provisioning.State == metal3.StatePreparing {
				d.Host, d.Action = f.Host.DeepCopy(), nil
				d.Host.Status.Provisioning.State = metal3.StateAvailable
				d.Record.CleanedAt = nil
				d.RemoveFinalizer = true
				d.Outcome = journey.Outcome{Kind: journey.Wait, Reason: journey.ReasonStageChanged, Message: "offered"}
			}
			return d
		}
	}
	w.start()
	m := w.addHost("a", nil)
	w.until("the decision is refused", func() bool { return w.record("a").Status.Outcome.Reason == string(journey.ReasonUnsafeDecision) })
	o := w.record("a").Status.Outcome
	if o.Kind != string(journey.Blocked) || o.Fix == "" || o.NextAttempt == nil || !strings.Contains(o.Message, "nothing is offered unless clean") ||
		!strings.Contains(o.Message, "the finalizer goes before the release") {
		t.Errorf("outcome %+v", o)
	}
	// The record is written before the status that goes with it.
	w.untilState("a", metal3.StatePreparing)
	h := w.host("a")
	if h.Status.Provisioning.State != metal3.StatePreparing || len(h.Finalizers) == 0 {
		t.Errorf("the host is in state %s with the finalizers %v", h.Status.Provisioning.State, h.Finalizers)
	}
	if _, wipes, _ := m.counts(); wipes != 0 {
		t.Errorf("%d wipes", wipes)
	}
	if n, err := testutil.GatherAndCount(registry, "ingot_host_decisions_refused_total"); err != nil || n < 2 {
		t.Errorf("%d series of refusals, %v", n, err)
	}
	w.until("the event", func() bool {
		var events eventsv1.EventList
		if err := w.admin.List(t.Context(), &events, client.InNamespace(w.namespace)); err != nil {
			return false
		}
		for _, e := range events.Items {
			if e.Reason == journey.EventRefused && e.Type == "Warning" && e.Regarding.Name == "a" {
				return true
			}
		}
		return false
	})
	mended.Store(true)
	w.advance(time.Hour)
	w.edit("a", func(h *metal3.BareMetalHost) { h.Labels["looked-at"] = "again" })
	w.untilState("a", metal3.StateAvailable)
	if _, wipes, _ := m.counts(); wipes != 1 {
		t.Errorf("%d wipes once the defect was mended", wipes)
	}
}
