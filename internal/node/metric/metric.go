// Package metric serves what a node counts: Prometheus metrics, liveness and readiness, on a loopback address.
//
// It owns the names of the metrics and the endpoint. It refuses other addresses than loopback, and every number that is not in a node.Status: a scrape costs the kernel nothing.
package metric

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ingotmetal/ingot/firewall/guard"
	"github.com/ingotmetal/ingot/internal/driver/socket"
	"github.com/ingotmetal/ingot/internal/node"
	"github.com/ingotmetal/ingot/matrix"
)

// collector turns a status into metrics.
type collector struct {
	status func() node.Status

	packets, bytes, generation, confirmed, phase, deadline, drift, lost, management, repairs *prometheus.Desc
}

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("ingot_node_"+name, help, labels, nil)
}

func newCollector(status func() node.Status) *collector {
	return &collector{
		status:     status,
		packets:    describe("packets_total", "Packets that a rule met since its generation was installed.", "rule", "row", "verdict"),
		bytes:      describe("bytes_total", "Bytes that a rule met since its generation was installed.", "rule", "row", "verdict"),
		generation: describe("generation", "The generation that new connections meet; 0 is none."),
		confirmed:  describe("confirmed_generation", "The generation that was confirmed last; 0 is none."),
		phase:      describe("phase", "1 for the phase that the host's ruleset is in.", "phase"),
		deadline:   describe("trial_deadline_seconds", "When the running trial ends by itself, in seconds since 1970; 0 where none runs."),
		drift:      describe("drift", "Things that are other than the policies say.", "kind"),
		lost:       describe("source_lost_seconds", "How long the policies' source has not answered; 0 where it does."),
		management: describe("management_rows", "Management rows of this host.", "state"),
		repairs:    describe("repairs_total", "How often the kernel had something else than what was confirmed, and it was written again."),
	}
}

// Describe implements prometheus.Collector.
func (c *collector) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{c.packets, c.bytes, c.generation, c.confirmed, c.phase, c.deadline, c.drift, c.lost, c.management, c.repairs} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (c *collector) Collect(out chan<- prometheus.Metric) {
	s := c.status()
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for _, r := range s.Rules {
		out <- prometheus.MustNewConstMetric(c.packets, prometheus.CounterValue, float64(r.Packets), r.Rule, r.Row, r.Verdict)
		out <- prometheus.MustNewConstMetric(c.bytes, prometheus.CounterValue, float64(r.Bytes), r.Rule, r.Row, r.Verdict)
	}
	gauge(c.generation, float64(s.Generation))
	gauge(c.confirmed, float64(s.Confirmed.Generation))
	for _, p := range []guard.Phase{guard.PhaseNone, guard.PhaseTrial, guard.PhaseConfirmed, guard.PhaseReverted, guard.PhaseFailed} {
		gauge(c.phase, truth(s.Decision.Phase == p), string(p))
	}
	deadline := 0.0
	if s.Attempt.Outcome == guard.Running {
		deadline = float64(s.Attempt.Deadline.UnixMilli()) / 1000
	}
	gauge(c.deadline, deadline)
	kinds := map[node.DriftKind]float64{}
	for _, d := range s.Drift {
		kinds[d.Kind]++
	}
	for _, k := range []node.DriftKind{node.DriftKernel, node.DriftListener, node.DriftFlow, node.DriftManager, node.DriftUnused} {
		gauge(c.drift, kinds[k], string(k))
	}
	out <- prometheus.MustNewConstMetric(c.repairs, prometheus.CounterValue, float64(s.Repairs.Total))
	lost := 0.0
	if !s.Source.LostSince.IsZero() {
		lost = time.Since(s.Source.LostSince).Seconds()
	}
	gauge(c.lost, lost)
	open := 0.0
	for _, m := range s.Management {
		open += truth(m.Open)
	}
	gauge(c.management, open, "open")
	gauge(c.management, float64(len(s.Management))-open, "closed")
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// Serve answers on a loopback address until ctx ends. Ready is a host that has read its policies and whose last step did not fail.
func Serve(ctx context.Context, b *socket.Bound, bind string, status func() node.Status) error {
	addr, err := netip.ParseAddrPort(bind)
	if err != nil || !addr.Addr().IsLoopback() {
		return fmt.Errorf("--health-bind %q: a loopback address with a port is needed, like 127.0.0.1:8448", bind)
	}
	l, err := b.Listen(ctx, matrix.HealthOfNode, addr)
	if err != nil {
		return err
	}
	s := &http.Server{Handler: handler(status), ReadHeaderTimeout: 10 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve %s: %w", bind, err)
	}
	return nil
}

func handler(status func() node.Status) http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(newCollector(status), collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("ok\n")) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		s := status()
		if s.Decision.Phase == "" || s.Decision.Phase == guard.PhaseNone || s.Decision.Phase == guard.PhaseFailed || s.Failure != "" {
			http.Error(w, string(s.Decision.Phase)+": "+s.Decision.Reason+" "+s.Failure, http.StatusServiceUnavailable)
			return
		}
		_, _ = w.Write([]byte("ok\n"))
	})
	return mux
}
