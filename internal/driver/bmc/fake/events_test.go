package fake_test

import (
	"slices"
	"time"

	"github.com/ingotmetal/ingot/health"
	"github.com/ingotmetal/ingot/internal/driver/bmc"
	"github.com/ingotmetal/ingot/internal/driver/bmc/bmctest"
	"github.com/ingotmetal/ingot/internal/driver/bmc/fake"
)

func eventsRig(c fake.Config, b *fake.BMC) *bmctest.Events {
	if slices.Contains(c.Lacks, bmc.CanEvents) {
		return nil
	}
	return &bmctest.Events{Streams: !c.NoEventStream, Cut: b.BreakStreams, Subscribed: b.Subscriptions}
}

func healthRig(c fake.Config, b *fake.BMC) *bmctest.Health {
	if slices.Contains(c.Lacks, bmc.CanHealth) {
		return nil
	}
	hot, fine := 98.0, 21.0
	inlet := health.Sensor{Name: "Inlet", Level: health.OK, Reading: &fine, Unit: "Cel"}
	good := health.Reading{Rollup: health.OK, Sensors: []health.Sensor{inlet}}
	b.SetHealth(good)
	return &bmctest.Health{
		Sensor: "CPU1 Temp", Heal: func() { b.SetHealth(good) },
		Worsen: func() {
			b.SetHealth(health.Reading{
				Rollup: health.Critical, Sensors: []health.Sensor{inlet, {Name: "CPU1 Temp", Level: health.Critical, Reading: &hot, Unit: "Cel"}},
				Log: []health.Entry{{ID: "1", At: time.Now(), Level: health.Critical, Message: "too hot"}},
			})
		},
	}
}
