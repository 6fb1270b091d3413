package health

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

var noon = time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)

func value(f float64) *float64 { return &f }

func TestJudge(t *testing.T) {
	hot := Sensor{Name: "CPU1 Temp", Level: Critical, Reading: value(98), Unit: "Cel", Limit: value(90)}
	slow := Sensor{Name: "Fan 3", Level: Warning, Reading: value(1200.5), Unit: "RPM"}
	fine := Sensor{Name: "Inlet", Level: OK, Reading: value(21)}
	fresh := Entry{ID: "17", At: noon.Add(-time.Minute), Level: Critical, Sensor: "CPU1 Temp", Message: "Upper Critical going high"}
	old := Entry{ID: "3", At: noon.Add(-48 * time.Hour), Level: Critical, Message: "Power lost"}
	for name, c := range map[string]struct {
		reading Reading
		want    Verdict
	}{
		"nothing is said":               {Reading{}, Verdict{}},
		"healthy":                       {Reading{Rollup: OK}, Verdict{Level: OK}},
		"the rollup outweighs a sensor": {Reading{Rollup: OK, Detailed: true, Sensors: []Sensor{hot}}, Verdict{Level: OK}},
		"an old entry explains nothing": {Reading{Rollup: OK, Detailed: true, Log: []Entry{old, fresh}}, Verdict{Level: OK}},
		"critical without details":      {Reading{Rollup: Critical}, Verdict{Level: Critical, Causes: []string{"the BMC does not say which part it is"}}},
		"the worst comes first": {
			Reading{Rollup: Critical, Detailed: true, ReadAt: noon, Sensors: []Sensor{slow, fine, hot}, Log: []Entry{fresh, old}},
			Verdict{Level: Critical, Causes: []string{
				"sensor CPU1 Temp is critical: 98 Cel (limit 90 Cel)", "sensor Fan 3 is warning: 1200.5 RPM",
				"event log entry 17 of 2026-07-01T11:59:00Z (CPU1 Temp): Upper Critical going high",
			}},
		},
		"sensors speak where there is no rollup": {Reading{Detailed: true, Sensors: []Sensor{slow}}, Verdict{Level: Warning, Causes: []string{"sensor Fan 3 is warning: 1200.5 RPM"}}},
		"all well without a rollup":              {Reading{Detailed: true, Sensors: []Sensor{fine}}, Verdict{Level: OK}},
		"neither rollup nor sensors":             {Reading{Detailed: true, Log: []Entry{fresh}}, Verdict{}},
		"a state for a reading": {
			Reading{Rollup: Warning, Detailed: true, Sensors: []Sensor{{Name: "PSU 2", Level: Warning, State: "Power Supply AC lost"}}},
			Verdict{Level: Warning, Causes: []string{"sensor PSU 2 is warning: Power Supply AC lost"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, Judge(c.reading)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestDetailDue(t *testing.T) {
	for name, c := range map[string]struct {
		before, now Level
		last        time.Duration // ago; 0: never
		want        bool
	}{
		"healthy":                    {OK, OK, time.Hour, false},
		"never read and healthy":     {Unknown, OK, 0, false},
		"turned bad":                 {OK, Critical, time.Minute, true},
		"first reading is bad":       {Unknown, Warning, 0, true},
		"bad since a minute":         {Critical, Critical, time.Minute, false},
		"bad since half an hour":     {Critical, Critical, 30 * time.Minute, true},
		"got better, not well":       {Critical, Warning, time.Minute, true},
		"no rollup, never read":      {Unknown, Unknown, 0, true},
		"no rollup, an hour ago":     {Unknown, Unknown, time.Hour, false},
		"no rollup, long ago":        {Unknown, Unknown, 2 * time.Hour, true},
		"the clock was set backward": {Critical, Critical, -time.Hour, true},
	} {
		t.Run(name, func(t *testing.T) {
			at := time.Time{}
			if c.last != 0 {
				at = noon.Add(-c.last)
			}
			if got := DetailDue(c.before, c.now, at, noon); got != c.want {
				t.Errorf("%v, want %v", got, c.want)
			}
		})
	}
}

// FuzzJudge: whatever a BMC calls its sensors, the verdict's words can be shown, and are few.
func FuzzJudge(f *testing.F) {
	f.Add("CPU1 Temp", "Upper Critical going high", "17", 98.0)
	f.Add("\x1b[31mFan\x00", strings.Repeat("é", 300), "\xff\xfe", -1e300)
	f.Fuzz(func(t *testing.T, name, message, id string, reading float64) {
		v := Judge(Reading{
			Rollup: Critical, Detailed: true, Sensors: []Sensor{{Name: name, Level: Critical, Reading: &reading, Unit: name, State: message}},
			Log: []Entry{{ID: id, Level: Critical, Sensor: name, Message: message}},
		})
		if v.Level != Critical || len(v.Causes) != 2 {
			t.Fatalf("%+v", v)
		}
		for _, c := range v.Causes {
			if len(c) > maxCause || !utf8.ValidString(c) || strings.ContainsFunc(c, unicode.IsControl) {
				t.Errorf("%q", c)
			}
		}
	})
}
