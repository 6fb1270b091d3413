package host_test

import (
	"context"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/ingotmetal/ingot/event"
	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/controller/bmcevent"
	"github.com/ingotmetal/ingot/internal/controller/host"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
)

// listening is a world whose hosts' BMCs are called through a pool, as in the partition role, and listened to, at most so many at once.
func listening(t *testing.T, most int) (*world, *bmcevent.Streams) {
	t.Helper()
	w := newWorld(t)
	pool := bmc.NewPool(w.bmcs, bmc.PoolOptions{Concurrency: 1})
	streams, err := bmcevent.NewStreams(bmcevent.StreamOptions{Open: pool.Stream, Most: most, Log: w.log, Now: w.now})
	if err != nil {
		t.Fatal(err)
	}
	w.wrap = func(o *host.Options) { o.BMCs, o.Streams = pool, streams }
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- streams.Start(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		pool.Close(context.WithoutCancel(t.Context()))
	})
	return w, streams
}

// minutes lets so many pass for a host at rest, looked at each minute as its work queue would, and counts the requests to its BMC.
func (w *world) minutes(n int, name string, m *machine) int {
	w.t.Helper()
	before := m.bmc.Calls()
	for range n {
		w.advance(time.Minute)
		key, r := w.key(name), w.reconciler()
		if _, err := r.Reconcile(w.t.Context(), requestOf(key)); err != nil {
			w.t.Fatal(err)
		}
		w.until("the look is over", func() bool {
			l := w.record(name).Status
			return l.Outcome.Kind == "done" && l.PowerChange == nil && m.bmc.Idle()
		})
	}
	return m.bmc.Calls() - before
}

// A host at rest costs its BMC one request a minute at most, and one in ten minutes while its events are heard.
func TestRequestsOfAHostAtRest(t *testing.T) {
	for name, c := range map[string]struct{ streams, most int }{"polled": {0, 20}, "listened to": {1, 3}} {
		t.Run(name, func(t *testing.T) {
			w, streams := listening(t, c.streams)
			w.start()
			m := w.addHost("a", withImage)
			w.untilState("a", metal3.StateProvisioned)
			w.until("it rests", func() bool { return w.record("a").Status.Outcome.Kind == "done" })
			w.advance(2 * time.Minute)
			w.nudge("a")
			w.until("the streams that there may be are open", func() bool { return streams.Len() == c.streams })
			w.minutes(1, "a", m)
			if n := w.minutes(20, "a", m); n > c.most || n == 0 {
				t.Errorf("%d requests in 20 minutes, at most %d are due, and some", n, c.most)
			}
		})
	}
}

// A change of power is acted on when the BMC tells of it, and not at the next poll; what it tells is read and not believed.
func TestPowerEventWakesTheHost(t *testing.T) {
	w, streams := listening(t, 10)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	w.until("it rests", func() bool { return w.record("a").Status.Outcome.Kind == "done" })
	w.advance(2 * time.Minute)
	w.nudge("a")
	w.until("the stream is open", func() bool { return streams.Len() == 1 })
	boots := len(m.bmc.Boots())
	m.bmc.PowerOffByItself()
	w.until("it is on again", func() bool { return len(m.bmc.Boots()) > boots && m.bmc.Powered() })
	w.until("it rests again", func() bool {
		l := w.record("a").Status
		return l.Outcome.Kind == "done" && l.PowerChange == nil
	})
	boots = len(m.bmc.Boots())
	calls := m.bmc.Calls()
	m.bmc.Emit(event.Event{Kind: event.Power, MessageID: "ResourceEvent.1.3.ResourcePoweredOff"})
	w.until("the claim is checked", func() bool { return m.bmc.Calls() > calls })
	w.until("it rests", func() bool { return m.bmc.Idle() && w.record("a").Status.Outcome.Kind == "done" })
	if len(m.bmc.Boots()) != boots || !w.host("a").Status.PoweredOn {
		t.Error("a false event was believed")
	}
	m.bmc.BreakStreams()
	w.until("the end is noticed", func() bool { return streams.Len() == 0 })
	w.advance(10 * time.Minute)
	w.nudge("a")
	w.until("it is opened again", func() bool { open, ever := m.bmc.Streams(); return open == 1 && ever >= 2 })
	w.edit("a", func(h *metal3.BareMetalHost) { h.Spec.Image = nil })
	if err := w.admin.Delete(t.Context(), w.host("a")); err != nil {
		t.Fatal(err)
	}
	w.untilGone("a")
	w.until("nobody listens to a host that is gone", func() bool { open, _ := m.bmc.Streams(); return open == 0 && streams.Len() == 0 })
}

// How the machine is stands in Metal3's condition, with the sensor and the log entry that say so, as soon as the BMC tells.
func TestHealth(t *testing.T) {
	w, streams := listening(t, 10)
	w.start()
	m := w.addHost("a", withImage)
	w.untilState("a", metal3.StateProvisioned)
	healthy := func() *metav1.Condition {
		return meta.FindStatusCondition(w.host("a").Status.Conditions, metal3.HealthyCondition)
	}
	w.until("it is healthy", func() bool {
		c := healthy()
		return c != nil && c.Status == metav1.ConditionTrue && c.Reason == metal3.HealthyReason && c.Message == ""
	})
	w.advance(2 * time.Minute)
	w.nudge("a")
	w.until("the stream is open", func() bool { return streams.Len() == 1 })
	hot, limit := 98.0, 90.0
	m.bmc.SetHealth(health.Reading{
		Rollup: health.Critical, Sensors: []health.Sensor{{Name: "CPU1 Temp", Level: health.Critical, Reading: &hot, Unit: "Cel", Limit: &limit}},
		Log: []health.Entry{{ID: "17", At: w.now(), Level: health.Critical, Sensor: "Temperature", Message: "upper critical going high"}},
	})
	w.until("it is ill, and says of what", func() bool {
		c := healthy()
		return c.Status == metav1.ConditionFalse && c.Reason == metal3.CriticalHealthReason && strings.Contains(c.Message, "sensor CPU1 Temp is critical: 98 Cel (limit 90 Cel)") &&
			strings.Contains(c.Message, "event log entry 17")
	})
	if h := w.record("a").Status.Health; h == nil || h.Level != "critical" || len(h.Causes) != 2 {
		t.Errorf("record %+v", h)
	}
	m.bmc.SetHealth(health.Reading{Rollup: health.OK})
	w.until("it is well again", func() bool { c := healthy(); return c.Status == metav1.ConditionTrue && c.Message == "" })
}

func requestOf(key types.NamespacedName) reconcile.Request {
	return reconcile.Request{NamespacedName: key}
}
