package gauge_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/internal/controller/gauge"
	"github.com/ingotmetal/ingot/internal/controlplane/controlplanetest"
)

func TestMain(m *testing.M) { controlplanetest.Main(m) }

// TestGauges reads a fleet from the API server and serves what the views of it show.
func TestGauges(t *testing.T) {
	cp := controlplanetest.Shared(t)
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, metal3.AddToScheme, ingot.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	k, err := client.New(cp.Admin, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	if err := k.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "gauges"}}); err != nil {
		t.Fatal(err)
	}
	now := metav1.Now()
	for _, name := range []string{"a", "b", "c"} {
		h := &metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "gauges", Name: name, Labels: map[string]string{ingot.PartitionLabel: "east", ingot.SizeLabel: "c1"}}}
		l := &ingot.HostLifecycle{ObjectMeta: metav1.ObjectMeta{Namespace: "gauges", Name: name}}
		for _, o := range []client.Object{h, l} {
			if err := k.Create(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
		h.Status.Provisioning.State = metal3.StateAvailable
		h.Status.OperationalStatus = metal3.OperationalStatusOK
		l.Status.CleanedAt = &now
		if name == "c" {
			l.Status.Health = &ingot.HealthStatus{Level: "critical", Causes: []string{"fan"}, Since: now}
		}
		for _, o := range []client.Object{h, l} {
			if err := k.Status().Update(t.Context(), o); err != nil {
				t.Fatal(err)
			}
		}
	}
	g := gauge.New(gauge.Options{Live: k, Log: slog.New(slog.DiscardHandler), Interval: 10 * time.Millisecond, Now: func() time.Time { return time.Unix(1000, 0) }})
	registry := prometheus.NewPedanticRegistry()
	registry.MustRegister(g)
	if n, err := testutil.GatherAndCount(registry); n != 0 || err != nil {
		t.Errorf("%d metrics before the first reading, %v", n, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- g.Start(ctx) }()
	want := `
# HELP ingot_capacity_free_hosts Available hosts that anybody may have: without what is held back for reservations.
# TYPE ingot_capacity_free_hosts gauge
ingot_capacity_free_hosts{partition="east",size="c1"} 2
# HELP ingot_capacity_hosts Hosts by what they are to who looks for one: allocated, available, faulty or other. Their sum is all hosts.
# TYPE ingot_capacity_hosts gauge
ingot_capacity_hosts{partition="east",size="c1",state="allocated"} 0
ingot_capacity_hosts{partition="east",size="c1",state="available"} 2
ingot_capacity_hosts{partition="east",size="c1",state="faulty"} 1
ingot_capacity_hosts{partition="east",size="c1",state="other"} 0
# HELP ingot_fleet_read_timestamp_seconds When the fleet was last read for these metrics, in seconds since 1970.
# TYPE ingot_fleet_read_timestamp_seconds gauge
ingot_fleet_read_timestamp_seconds 1000
`
	// The server's own memory follows what was written; a later reading has it all.
	for deadline := time.Now().Add(3 * time.Minute); ; {
		err := testutil.GatherAndCompare(registry, strings.NewReader(want), "ingot_capacity_free_hosts", "ingot_capacity_hosts", "ingot_fleet_read_timestamp_seconds")
		if err == nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			t.Fatalf("it ended: %v", err)
		case <-time.After(10 * time.Millisecond):
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("being ended is no error: %v", err)
	}
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	counts := map[string]float64{}
	for _, f := range families {
		if f.GetName() != "ingot_issues" {
			continue
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if l.GetName() == "id" {
					counts[l.GetValue()] = m.GetGauge().GetValue()
				}
			}
		}
	}
	if counts["health-critical"] != 1 || len(counts) < 20 {
		t.Errorf("%v", counts)
	}
	if n, there := counts["wipe-failed"]; !there || n != 0 {
		t.Errorf("an issue that there is none of is not 0: %v %v", n, there)
	}
}
