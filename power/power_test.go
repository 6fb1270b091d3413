package power

import (
	"testing"
	"time"

	metal3 "github.com/metal3-io/baremetal-operator/apis/metal3.io/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	ingot "github.com/ingotmetal/ingot/api/v1alpha1"
	"github.com/ingotmetal/ingot/journey"
	"github.com/ingotmetal/ingot/step"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestAlign(t *testing.T) {
	off, softOff := Want{State: journey.PowerOff}, Want{State: journey.PowerOff, Soft: true}
	reading := func(s journey.PowerState, age time.Duration) journey.PowerReading {
		return journey.PowerReading{State: s, ReadAt: noon.Add(-age)}
	}
	asked := func(soft, confirmed bool, ago time.Duration) *ingot.PowerChange {
		return &ingot.PowerChange{Want: "off", Soft: soft, Confirmed: confirmed, RequestedAt: metav1.NewTime(noon.Add(-ago))}
	}
	refused := &journey.ActionResult{Action: journey.SetPower{}.Name(), Failure: &step.Failure{Kind: step.Unsupported, Message: "no"}}
	for name, c := range map[string]struct {
		want    Want
		reading journey.PowerReading
		change  *ingot.PowerChange
		result  *journey.ActionResult
		aligned bool
		action  journey.Action
		reason  journey.Reason
	}{
		"never read":                          {want: off, action: journey.ReadPower{}, reason: journey.ReasonReadingPower},
		"read too long ago":                   {want: off, reading: reading(journey.PowerOff, maxAge), action: journey.ReadPower{}, reason: journey.ReasonReadingPower},
		"the BMC does not say":                {want: off, result: &journey.ActionResult{Action: journey.ReadPower{}.Name()}, reason: journey.ReasonReadingPower},
		"already so":                          {want: off, reading: reading(journey.PowerOff, time.Second), aligned: true},
		"to be changed":                       {want: off, reading: reading(journey.PowerOn, time.Second), action: journey.SetPower{Want: journey.PowerOff}, reason: journey.ReasonPowerChanging},
		"softly":                              {want: softOff, reading: reading(journey.PowerOn, time.Second), action: journey.SetPower{Want: journey.PowerOff, Soft: true}, reason: journey.ReasonPowerChanging},
		"changing":                            {want: softOff, reading: reading(journey.PowerOn, time.Second), change: asked(true, true, time.Minute), reason: journey.ReasonPowerChanging},
		"changing, asked for by a lost one":   {want: softOff, reading: reading(journey.PowerOn, time.Second), change: asked(true, false, time.Minute), action: journey.SetPower{Want: journey.PowerOff, Soft: true}, reason: journey.ReasonPowerChanging},
		"changing, to be read again":          {want: softOff, reading: reading(journey.PowerOn, watchEvery), change: asked(true, true, time.Minute), action: journey.ReadPower{}, reason: journey.ReasonReadingPower},
		"the soft way takes too long":         {want: softOff, reading: reading(journey.PowerOn, time.Second), change: asked(true, true, softGrace), action: journey.SetPower{Want: journey.PowerOff}, reason: journey.ReasonPowerChanging},
		"the soft way is refused":             {want: softOff, reading: reading(journey.PowerOn, time.Second), change: asked(true, false, time.Second), result: refused, action: journey.SetPower{Want: journey.PowerOff}, reason: journey.ReasonPowerChanging},
		"the hard way does nothing":           {want: off, reading: reading(journey.PowerOn, time.Second), change: asked(false, true, hardGrace), reason: journey.ReasonPowerFailed},
		"a change the other way is forgotten": {want: Want{State: journey.PowerOn}, reading: reading(journey.PowerOff, time.Second), change: asked(false, true, time.Second), action: journey.SetPower{Want: journey.PowerOn}, reason: journey.ReasonPowerChanging},
		"off before it was asked for":         {want: Want{State: journey.PowerOff, Since: noon}, reading: reading(journey.PowerOff, time.Second), action: journey.ReadPower{}, reason: journey.ReasonReadingPower},
		"still off in the same second": {want: Want{State: journey.PowerOff, Since: noon}, reading: reading(journey.PowerOff, 0), result: &journey.ActionResult{Action: journey.ReadPower{}.Name()},
			reason: journey.ReasonReadingPower},
		"still off a second later": {want: Want{State: journey.PowerOff, Since: noon.Add(-2 * time.Second)}, reading: reading(journey.PowerOff, time.Second), result: &journey.ActionResult{Action: journey.ReadPower{}.Name()},
			reason: journey.ReasonReadingPower},
		"off two seconds later":      {want: Want{State: journey.PowerOff, Since: noon.Add(-3 * time.Second)}, reading: reading(journey.PowerOff, time.Second), aligned: true},
		"off after it was asked for": {want: Want{State: journey.PowerOff, Since: noon.Add(-5 * time.Second)}, reading: reading(journey.PowerOff, time.Second), aligned: true},
		"on all the time":            {want: Want{State: journey.PowerOff, Since: noon}, reading: reading(journey.PowerOn, time.Second), action: journey.SetPower{Want: journey.PowerOff}, reason: journey.ReasonPowerChanging},
		"off by our own doing":       {want: Want{State: journey.PowerOff, Since: noon}, reading: reading(journey.PowerOff, 0), change: asked(false, true, 0), aligned: true},
		"changed":                    {want: off, reading: reading(journey.PowerOff, time.Second), change: asked(false, true, time.Second), aligned: true},
	} {
		t.Run(name, func(t *testing.T) {
			h := &metal3.BareMetalHost{}
			d := journey.Begin(journey.Facts{Host: h, Record: ingot.HostLifecycleStatus{PowerChange: c.change}, Power: c.reading, Result: c.result}, noon)
			dec, aligned := Align(d, c.want)
			if aligned != c.aligned || dec.Action != c.action || dec.Outcome.Reason != c.reason {
				t.Fatalf("aligned %v, action %+v, %+v", aligned, dec.Action, dec.Outcome)
			}
			if p := d.Record.PowerChange; aligned && p != nil {
				t.Fatalf("aligned, and %+v is left", p)
			}
			if a, ok := dec.Action.(journey.SetPower); ok {
				if p := d.Record.PowerChange; p == nil || p.Want != string(a.Want) || p.Soft != a.Soft {
					t.Fatalf("%+v was asked for, the record has %+v", a, p)
				}
			}
		})
	}
}
