package host

import (
	"context"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
)

// fleet has hosts that each wiped once, and counts how often it is listed.
type fleet struct {
	client.Client
	hosts, lists int
}

func (f *fleet) List(_ context.Context, list client.ObjectList, _ ...client.ListOption) error {
	f.lists++
	if l, ok := list.(*ingot.HostLifecycleList); ok {
		began := metav1.NewTime(time.Unix(1_800_000_000, 0))
		for n := range f.hosts {
			end := metav1.NewTime(began.Add(time.Duration(n+1) * time.Second))
			l.Items = append(l.Items, ingot.HostLifecycle{Status: ingot.HostLifecycleStatus{Timeline: []ingot.TimelineEntry{{Stage: "preparing", Step: "wipe", StartedAt: began, EndedAt: &end, Result: "ok"}}}})
		}
	}
	return nil
}

func TestPacesAreRemembered(t *testing.T) {
	f, now, p := &fleet{}, time.Unix(1_800_000_000, 0), &Paces{}
	h := Host{Host: metal3.BareMetalHost{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "h"}}}
	ask := func(h Host, after time.Duration, paces, lists int) {
		t.Helper()
		f.lists = 0
		got, err := p.of(t.Context(), f, h, now.Add(after))
		if err != nil || len(got) != paces || f.lists != lists {
			t.Errorf("after %s: %v, %v, %d lists; want %d paces and %d lists", after, got, err, f.lists, paces, lists)
		}
	}
	ask(h, 0, 0, 2)
	f.hosts = 9
	ask(h, time.Second, 1, 2) // nothing is not remembered
	ask(h, 2*time.Second, 1, 0)
	large := h
	large.Host.Labels = map[string]string{ingot.SizeLabel: "large"}
	ask(large, 3*time.Second, 1, 2)
	ask(h, time.Second+fresh, 1, 2)
}
