package metal3metric

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/ingotmetal/ingot/journey"
)

func TestWhatIsCounted(t *testing.T) {
	registry := prometheus.NewRegistry()
	m, err := New(registry)
	if err != nil {
		t.Fatal(err)
	}
	key := types.NamespacedName{Namespace: "n", Name: "h"}
	before := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: "h"}}
	before.Status.Provisioning.State = metal3.StateProvisioning
	start := time.Unix(1000, 0)
	before.Status.OperationHistory.Provision.Start = metav1.NewTime(start)
	dec := &journey.Decision{Host: before.DeepCopy(), Event: "CleaningGivenUp", Outcome: journey.Outcome{Reason: journey.ReasonCredentialsMissing}}
	s := &dec.Host.Status
	s.Provisioning.State = metal3.StateDeprovisioning
	s.OperationHistory.Provision.End = metav1.NewTime(start.Add(40 * time.Second))
	s.ErrorType, s.ErrorCount = metal3.RegistrationError, 1
	s.GoodCredentials.Reference = &corev1.SecretReference{Name: "s"}
	m.Decided(before, "", dec)
	m.Power(key, journey.PowerOn)
	want := map[string]float64{
		"metal3_provisioning_state_change_total": 1, "metal3_host_error_total": 1, "metal3_credentials_missing_total": 1, "metal3_credentials_updated_total": 1,
		"metal3_credentials_no_management_access_total": 1, "metal3_delete_without_deprovisioning_total": 1, "metal3_operation_power_change_total": 1,
		"metal3_operation_provision_duration_seconds": 40,
	}
	check(t, registry, want)

	// The same once more is no news but for the event.
	m.Decided(dec.Host, string(journey.ReasonCredentialsMissing), &journey.Decision{Host: dec.Host, Outcome: dec.Outcome})
	check(t, registry, want)

	m.Forget(key)
	delete(want, "metal3_operation_power_change_total")
	delete(want, "metal3_operation_provision_duration_seconds")
	check(t, registry, want)
}

// check holds the sums of all series that are not 0 against what is wanted.
func check(t *testing.T, registry *prometheus.Registry, want map[string]float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range families {
		for _, s := range f.GetMetric() {
			if v := s.GetCounter().GetValue() + s.GetHistogram().GetSampleSum(); v != 0 {
				got[f.GetName()] += v
			}
		}
	}
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s is %v, want %v", name, got[name], v)
		}
		delete(got, name)
	}
	if len(got) > 0 {
		t.Errorf("also counted: %v", got)
	}
}
