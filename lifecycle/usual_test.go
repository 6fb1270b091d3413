package lifecycle_test

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/lifecycle"
	"github.com/ingotmetal/ingot/pace"
)

func TestUsual(t *testing.T) {
	began := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	entry := func(stage, step, result string, from, took int) ingot.TimelineEntry {
		e := ingot.TimelineEntry{Stage: stage, Step: step, Result: result, StartedAt: metav1.NewTime(began.Add(time.Duration(from) * time.Second))}
		if took >= 0 {
			end := metav1.NewTime(e.StartedAt.Add(time.Duration(took) * time.Second))
			e.EndedAt = &end
		}
		return e
	}
	past := &ingot.HostLifecycleStatus{Timeline: []ingot.TimelineEntry{
		entry("preparing", "", "ok", 0, 60), entry("preparing", "wipe", "ok", 5, 20), entry("preparing", "wipe", "failed", 6, 900), entry("preparing", "wipe", "interrupted", 7, 900), entry("available", "", "ok", 60, 86400),
	}}
	var samples []pace.Sample
	for range 6 {
		samples = append(samples, lifecycle.Samples(past, "c1")...)
	}
	if len(samples) != 12 {
		t.Fatalf("what failed, was broken off or rests is no sample: %+v", samples)
	}
	paces := pace.Of(samples, "c1")
	open := func(entries ...ingot.TimelineEntry) *ingot.HostLifecycleStatus {
		return &ingot.HostLifecycleStatus{Timeline: entries}
	}
	for name, c := range map[string]struct {
		record *ingot.HostLifecycleStatus
		after  int
		want   string
	}{
		"a step at work":               {open(entry("preparing", "", "", 0, -1), entry("preparing", "wipe", "", 0, -1)), 5, "preparing wipe takes 20s, and nine of ten hosts of its size are done within 20s (6 times seen); 15s are left"},
		"a step that takes long":       {open(entry("preparing", "", "", 0, -1), entry("preparing", "wipe", "", 0, -1)), 90, "; this one takes 1m30s already"},
		"between two steps, the stage": {open(entry("preparing", "", "", 0, -1), entry("preparing", "wipe", "ok", 0, 20)), 30, "preparing takes 1m0s"},
		"a step that nobody knows":     {open(entry("preparing", "", "", 0, -1), entry("preparing", "burn-in", "", 0, -1)), 30, "preparing takes 1m0s"},
		"at rest":                      {open(entry("available", "", "", 0, -1)), 30, ""},
		"nothing yet":                  {open(), 30, ""},
	} {
		got := lifecycle.Usual(c.record, paces, began.Add(time.Duration(c.after)*time.Second))
		if (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
