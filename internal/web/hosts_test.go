package web

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestTheLatestEventsAreTold: of both APIs for events, by when each was seen last, and no more than mostEvents.
func TestTheLatestEventsAreTold(t *testing.T) {
	began := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	var all []corev1.Event
	for i := range 2 * mostEvents {
		all = append(all, corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprint(i)}, Reason: fmt.Sprint(i), LastTimestamp: metav1.NewTime(began.Add(time.Duration(i) * time.Second))})
	}
	all = append(all,
		corev1.Event{Reason: "series", EventTime: metav1.NewMicroTime(began), Series: &corev1.EventSeries{Count: 7, LastObservedTime: metav1.NewMicroTime(began.Add(time.Hour))}},
		corev1.Event{Reason: "new", EventTime: metav1.NewMicroTime(began.Add(time.Minute * 30))},
		corev1.Event{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(began.Add(20 * time.Minute))}, Reason: "made"},
	)
	got := latest(all)
	if len(got) != mostEvents {
		t.Fatalf("%d events", len(got))
	}
	for i, want := range []Event{
		{At: "2026-01-02T04:04:05Z", Reason: "series", Count: 7}, {At: "2026-01-02T03:34:05Z", Reason: "new", Count: 1},
		{At: "2026-01-02T03:24:05Z", Reason: "made", Count: 1}, {At: "2026-01-02T03:05:44Z", Reason: "99", Count: 1},
	} {
		if got[i] != want {
			t.Errorf("%d: %+v, want %+v", i, got[i], want)
		}
	}
}
