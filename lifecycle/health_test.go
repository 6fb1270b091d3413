package lifecycle

import (
	"strings"
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	"k8s.io/apimachinery/pkg/api/meta"

	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/journey"
)

// A reading becomes the record's health and Metal3's condition; the causes stay while the level does, and its beginning with them.
func TestHealthOfAReading(t *testing.T) {
	f := at(metal3.StateAvailable)
	hot := 98.0
	look := func(r health.Reading, now time.Time) (status, reason, message string) {
		t.Helper()
		f.Result = &journey.ActionResult{Action: journey.ReadPower{}.Name(), Health: &r}
		dec := Decide(f, now)
		f.Host, f.Record = dec.Host, dec.Record
		c := meta.FindStatusCondition(dec.Host.Status.Conditions, metal3.HealthyCondition)
		return string(c.Status), c.Reason, c.Message
	}
	sensor := []health.Sensor{{Name: "CPU1 Temp", Level: health.Critical, Reading: &hot}}
	for i, c := range []struct {
		reading               health.Reading
		status, reason, words string
		since                 int
	}{
		{health.Reading{}, "Unknown", metal3.UnknownHealthReason, "", -1},
		{health.Reading{Rollup: health.OK}, "True", metal3.HealthyReason, "", 1},
		{health.Reading{Rollup: health.OK}, "True", metal3.HealthyReason, "", 1},
		{health.Reading{Rollup: health.Critical, Detailed: true, Sensors: sensor}, "False", metal3.CriticalHealthReason, "CPU1 Temp", 3},
		{health.Reading{Rollup: health.Critical}, "False", metal3.CriticalHealthReason, "CPU1 Temp", 3},
		{health.Reading{}, "False", metal3.CriticalHealthReason, "CPU1 Temp", 3},
		{health.Reading{Rollup: health.Critical, Detailed: true}, "False", metal3.CriticalHealthReason, "does not say", 3},
		{health.Reading{Rollup: health.Warning}, "False", metal3.WarningHealthReason, "does not say", 7},
		{health.Reading{Rollup: health.OK}, "True", metal3.HealthyReason, "", 8},
	} {
		now := noon.Add(time.Duration(i) * time.Minute)
		status, reason, words := look(c.reading, now)
		if status != c.status || reason != c.reason || !strings.Contains(words, c.words) || c.words == "" && words != "" {
			t.Errorf("%d: %s %s %q", i, status, reason, words)
		}
		h := f.Record.Health
		if (h == nil) != (c.since < 0) || h != nil && !h.Since.Time.Equal(noon.Add(time.Duration(c.since)*time.Minute)) {
			t.Errorf("%d: record %+v", i, h)
		}
		if text := HealthText(h); strings.Contains(text, c.words) == false || h == nil && text != "" {
			t.Errorf("%d: %q", i, text)
		}
	}
}
