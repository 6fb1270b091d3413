package lifecycle

import (
	"fmt"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/pace"
)

// rests are the stages in which a host stays until somebody wants something else of it: how long is no pace.
var rests = map[string]bool{
	string(metal3.StateAvailable): true, string(metal3.StateProvisioned): true, string(metal3.StateExternallyProvisioned): true, string(metal3.StateUnmanaged): true, "": true,
}

// Samples are what ended well in a record's timeline, on a machine of a class.
func Samples(r *ingot.HostLifecycleStatus, class string) []pace.Sample {
	var all []pace.Sample
	for i := range r.Timeline {
		e := &r.Timeline[i]
		if e.EndedAt == nil || e.Result != journey.ResultOK || e.Step == "" && rests[e.Stage] {
			continue
		}
		all = append(all, pace.Sample{What: pace.What{Stage: e.Stage, Step: e.Step}, Class: class, Took: e.EndedAt.Sub(e.StartedAt.Time)})
	}
	return all
}

// Usual says of what is under way how long it takes usually, and whether it takes longer now; empty where nothing is, or too little was seen. The step is meant where there is one, and else the stage.
func Usual(r *ingot.HostLifecycleStatus, paces []pace.Pace, now time.Time) string {
	var stage, step *ingot.TimelineEntry
	for i := range r.Timeline {
		switch e := &r.Timeline[i]; {
		case e.EndedAt != nil:
		case e.Step == "":
			stage = e
		default:
			step = e
		}
	}
	for _, e := range []*ingot.TimelineEntry{step, stage} {
		if e == nil || e.Step == "" && rests[e.Stage] {
			continue
		}
		if p, ok := pace.Find(paces, pace.What{Stage: e.Stage, Step: e.Step}); ok {
			return usualText(e, p, now.Sub(e.StartedAt.Time))
		}
	}
	return ""
}

func usualText(e *ingot.TimelineEntry, p pace.Pace, took time.Duration) string {
	what := e.Stage
	if e.Step != "" {
		what += " " + e.Step
	}
	of := "hosts"
	if p.Own {
		of = "hosts of its size"
	}
	text := fmt.Sprintf("%s takes %s, and nine of ten %s are done within %s (%d times seen)", what, p.Median.Round(time.Second), of, p.Slow.Round(time.Second), p.Samples)
	switch {
	case p.Longer(took):
		return text + fmt.Sprintf("; this one takes %s already", took.Round(time.Second))
	case took < p.Median:
		return text + fmt.Sprintf("; %s are left", (p.Median-took).Round(time.Second))
	}
	return text
}
