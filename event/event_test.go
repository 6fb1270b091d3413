package event

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ingotmetal/ingot/health"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		id, kind, origin string
		level            health.Level
		want             Kind
	}{
		{"ResourceEvent.1.3.ResourcePoweredOn", "", "/redfish/v1/Systems/1", health.OK, Power},
		{"ResourceEvent.1.3.ResourcePoweringOff", "", "/redfish/v1/Systems/1", health.OK, Power},
		{"iLOEvents.2.3.ServerPoweredOff", "Alert", "/redfish/v1/Systems/1/", health.OK, Power},
		{"IDRAC.2.8.SYS1003", "Alert", "/redfish/v1/Systems/System.Embedded.1", health.OK, Power},
		{"ResourceEvent.1.3.ResourceStatusChangedCritical", "", "/redfish/v1/Chassis/1/Sensors/CPU1Temp", health.Critical, Health},
		{"SensorEvent.1.0.ReadingAboveUpperCriticalThreshold", "", "/redfish/v1/Chassis/1/Sensors/CPU1Temp", health.Critical, Health},
		{"Vendor.1.0.Something", "Alert", "/redfish/v1/Chassis/1", health.Warning, Health},
		{"Vendor.1.0.Something", "Alert", "/redfish/v1/Chassis/1", health.OK, Other},
		{"ResourceEvent.1.3.ResourceChanged", "", "/redfish/v1/Managers/1/VirtualMedia/Cd", health.OK, Media},
		{"TaskEvent.1.0.3.TaskCompletedOK", "", "/redfish/v1/TaskService/Tasks/7", health.OK, Task},
		{"", "StatusChange", "/redfish/v1/Systems/1", health.Unknown, Power},
		{"", "ResourceAdded", "/redfish/v1/SessionService/Sessions/9", health.Unknown, Other},
		{"IDRAC.2.8.USR0030", "Alert", "/redfish/v1/SessionService/Sessions/9", health.Warning, Other},
		{"iLOEvents.2.3.UserLoginFailure", "Alert", "", health.Warning, Other},
		{"Base.1.18.TestMessage", "", "", health.OK, Test},
		{"", "", "", health.Unknown, Other},
	} {
		got := Classify(c.id, c.kind, c.origin, c.level)
		if got != c.want {
			t.Errorf("%q %q at %q: %s, want %s", c.id, c.kind, c.origin, got, c.want)
		}
		if got.Wakes() == (got == Other || got == Test) {
			t.Errorf("%s wakes: %v", got, got.Wakes())
		}
	}
}

func TestGate(t *testing.T) {
	var g Gate
	var waits []time.Duration
	for range 3 {
		var wait time.Duration
		g, wait = g.Next(noon)
		waits = append(waits, wait)
	}
	if waits[0] != 0 || waits[1] != apart || waits[2] != 2*apart {
		t.Errorf("three events at once wait %v", waits)
	}
	if _, wait := g.Next(noon.Add(time.Minute)); wait != 0 {
		t.Errorf("a minute later: %s", wait)
	}
}

// However many events come, and whenever, the readings keep the pace.
func TestGateKeepsThePace(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var g Gate
		now, reading := noon, noon
		var readings []time.Time
		for range rapid.IntRange(1, 300).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.Int64Range(0, int64(20*time.Second)).Draw(t, "pause")))
			if now.Before(reading) {
				continue // one is waited for already
			}
			var wait time.Duration
			g, wait = g.Next(now)
			if wait < 0 {
				t.Fatalf("a wait of %s", wait)
			}
			reading = now.Add(wait)
			readings = append(readings, reading)
		}
		for i := range readings {
			if i > 0 && readings[i].Sub(readings[i-1]) < apart {
				t.Fatalf("two readings within %s", readings[i].Sub(readings[i-1]))
			}
			for j := i; j < len(readings); j++ {
				if allowed := burst + 1 + int(readings[j].Sub(readings[i])/refill); j-i+1 > allowed {
					t.Fatalf("%d readings in %s, %d are allowed", j-i+1, readings[j].Sub(readings[i]), allowed)
				}
			}
		}
	})
}

func TestReopen(t *testing.T) {
	bad := 0
	var pauses []time.Duration
	for range 9 {
		var pause time.Duration
		pause, bad = Reopen(bad, time.Second)
		pauses = append(pauses, pause)
	}
	if pauses[0] != time.Minute || pauses[1] != 2*time.Minute || pauses[8] != time.Hour {
		t.Errorf("pauses %v", pauses)
	}
	if pause, after := Reopen(bad, time.Hour); pause != time.Minute || after != 0 {
		t.Errorf("after a good stream: %s, %d", pause, after)
	}
	if pause, _ := Reopen(1<<30, 0); pause != time.Hour || NoStream() <= pause {
		t.Errorf("pause %s after many", pause)
	}
}

func TestWorthwhile(t *testing.T) {
	for since, want := range map[time.Duration]bool{0: false, 59 * time.Second: false, time.Minute: true, time.Hour: true, -time.Hour: false} {
		if got := Worthwhile(noon.Add(-since), noon); got != want {
			t.Errorf("at rest since %s: %v", since, got)
		}
	}
	if Worthwhile(time.Time{}, noon) {
		t.Error("never at rest")
	}
}
