// Package metal3metric counts what hosts go through under the names that Metal3's operator publishes, so that its users' dashboards and alarms go on working.
//
// It owns those names and labels, as baremetal-operator registers them. It refuses Ingot's own metrics, and those of Metal3 that have nothing to count here (a busy Ironic, a
// preprovisioning image). Metal3 labels some by host: series of a host that is gone are dropped.
package metal3metric

import (
	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/journey"
)

// Metrics are Metal3's.
type Metrics struct {
	states, errors, power *prometheus.CounterVec
	durations             map[metal3.ProvisioningState]*prometheus.HistogramVec
	moved                 map[metal3.ProvisioningState]prometheus.Counter
	reasons               map[journey.Reason]prometheus.Counter
	events                map[string]prometheus.Counter
	credentials           prometheus.Counter
	unreachable           prometheus.Counter
}

// New registers them.
func New(registry prometheus.Registerer) (*Metrics, error) {
	host := []string{"namespace", "host"}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	seconds := func(operation string) *prometheus.HistogramVec {
		return prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "metal3_operation_" + operation + "_duration_seconds", Help: "How long a host took to " + operation + ".", Buckets: []float64{5, 30, 90, 180, 360, 720, 1440},
		}, host)
	}
	m := &Metrics{
		states: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "metal3_provisioning_state_change_total", Help: "Hosts that went from one state to another."},
			[]string{"prev_state", "new_state"}),
		errors: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "metal3_host_error_total", Help: "Errors of hosts by type."}, []string{"error_type"}),
		power: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "metal3_operation_power_change_total", Help: "Hosts that were turned on or off."},
			append(host, "on_off")),
		durations: map[metal3.ProvisioningState]*prometheus.HistogramVec{
			metal3.StateRegistering: seconds("register"), metal3.StateInspecting: seconds("inspect"),
			metal3.StateProvisioning: seconds("provision"), metal3.StateDeprovisioning: seconds("deprovision"),
		},
		moved: map[metal3.ProvisioningState]prometheus.Counter{
			metal3.StateRegistering: counter("metal3_host_registration_required_total", "Hosts that had to be registered."),
			metal3.StateUnmanaged:   counter("metal3_host_unmanaged_total", "Hosts that were found to name no BMC."),
		},
		reasons: map[journey.Reason]prometheus.Counter{
			journey.ReasonCredentialsMissing:    counter("metal3_credentials_missing_total", "Hosts whose BMC Secret was not there."),
			journey.ReasonCredentialsIncomplete: counter("metal3_credentials_invalid_total", "Hosts whose BMC Secret lacked something."),
			journey.ReasonDeleteDelayed:         counter("metal3_delete_delayed_for_detached_total", "Hosts whose deletion waits since they are detached."),
		},
		events: map[string]prometheus.Counter{
			"CleaningGivenUp": counter("metal3_delete_without_deprovisioning_total", "Hosts that were deleted although their cleaning failed."),
			"PowerOffGivenUp": counter("metal3_delete_without_powering_off_total", "Hosts that were deleted although they could not be turned off."),
		},
		credentials: counter("metal3_credentials_updated_total", "Hosts whose BMC accepted other credentials than before."),
		unreachable: counter("metal3_credentials_no_management_access_total", "Registrations that failed at the BMC."),
	}
	all := []prometheus.Collector{m.states, m.errors, m.power, m.credentials, m.unreachable}
	for _, c := range m.durations {
		all = append(all, c)
	}
	for _, c := range m.moved {
		all = append(all, c)
	}
	for _, c := range m.reasons {
		all = append(all, c)
	}
	for _, c := range m.events {
		all = append(all, c)
	}
	for _, c := range all {
		if err := registry.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Decided counts a decision that was written. before is the host as it was, reason the outcome's reason until then.
func (m *Metrics) Decided(before *metal3.BareMetalHost, reason string, dec *journey.Decision) {
	was, is := &before.Status, &dec.Host.Status
	if from, to := was.Provisioning.State, is.Provisioning.State; from != to {
		m.states.WithLabelValues(string(from), string(to)).Inc()
		add(m.moved, to)
	}
	if is.ErrorType != "" && is.ErrorCount > was.ErrorCount {
		m.errors.WithLabelValues(string(is.ErrorType)).Inc()
		if is.ErrorType == metal3.RegistrationError || is.ErrorType == metal3.ProvisionedRegistrationError {
			m.unreachable.Inc()
		}
	}
	if reason != string(dec.Outcome.Reason) {
		add(m.reasons, dec.Outcome.Reason)
	}
	add(m.events, dec.Event)
	if is.GoodCredentials.Reference != nil && !equality.Semantic.DeepEqual(was.GoodCredentials, is.GoodCredentials) {
		m.credentials.Inc()
	}
	for state, histogram := range m.durations {
		a, b := before.OperationMetricForState(state), dec.Host.OperationMetricForState(state)
		if !b.End.IsZero() && !b.Start.IsZero() && !a.End.Equal(&b.End) {
			histogram.WithLabelValues(before.Namespace, before.Name).Observe(b.End.Sub(b.Start.Time).Seconds())
		}
	}
}

func add[K comparable](counters map[K]prometheus.Counter, k K) {
	if c := counters[k]; c != nil {
		c.Inc()
	}
}

// Power counts a change of power that a BMC accepted.
func (m *Metrics) Power(host types.NamespacedName, want journey.PowerState) {
	m.power.WithLabelValues(host.Namespace, host.Name, string(want)).Inc()
}

// Forget drops the series of a host that is gone.
func (m *Metrics) Forget(host types.NamespacedName) {
	labels := prometheus.Labels{"namespace": host.Namespace, "host": host.Name}
	m.power.DeletePartialMatch(labels)
	for _, h := range m.durations {
		h.DeletePartialMatch(labels)
	}
}
