package host

import (
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/ingotmetal/ingot/internal/controller/host/metal3metric"
	"github.com/ingotmetal/ingot/step"
)

// metrics count what hosts go through. Labels are closed sets; no host's name is one.
type metrics struct {
	moves     *prometheus.CounterVec
	actions   *prometheus.HistogramVec
	conflicts prometheus.Counter
	refusals  *prometheus.CounterVec
	// metal3 are the same under Metal3's names.
	metal3 *metal3metric.Metrics
}

func newMetrics(registry prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		moves: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "ingot_host_moves_total", Help: "Hosts that went from one provisioning state to another.",
		}, []string{"from", "to"}),
		actions: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "ingot_bmc_action_seconds", Help: "Duration of actions on BMCs by action and result (ok, or the kind of failure).",
			Buckets: []float64{0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100},
		}, []string{"action", "result"}),
		conflicts: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "ingot_host_conflicts_total", Help: "Looks at a host that ended because an object had changed meanwhile.",
		}),
	}
	m.refusals = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "ingot_host_decisions_refused_total", Help: "Decisions that were not carried out since they break an invariant: any is a defect of Ingot.",
	}, []string{"invariant"})
	for _, c := range []prometheus.Collector{m.moves, m.actions, m.conflicts, m.refusals} {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	var err error
	m.metal3, err = metal3metric.New(registry)
	return m, err
}

func (m *metrics) moved(from, to metal3.ProvisioningState) {
	m.moves.WithLabelValues(string(from), string(to)).Inc()
}

func (m *metrics) action(name string, f *step.Failure, took time.Duration) {
	result := "ok"
	if f != nil {
		result = string(f.Kind)
	}
	m.actions.WithLabelValues(name, result).Observe(took.Seconds())
}

func (m *metrics) refused(invariant string) { m.refusals.WithLabelValues(invariant).Inc() }

func (m *metrics) conflict() { m.conflicts.Inc() }
