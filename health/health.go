// Package health says how a machine is, by what its BMC reports, and why.
//
// It owns the levels, the verdict over one reading (how bad, and which sensor or log entry says so), and when the details are worth their requests. It refuses BMCs, objects and clocks: a
// reading comes in, and `now` is a parameter.
//
// A BMC's rollup (Redfish Status.HealthRollup, the faults of IPMI's chassis status) costs nothing, since it stands in the answer that the power state is read from. Sensors and the event log
// cost a handful of requests, so they are read when the rollup turns bad, and now and then where there is no rollup.
//
// Invariants: an old log entry never makes a machine unhealthy, since logs are rarely cleared; it only explains. A verdict's words are bounded and hold no control characters: a BMC wrote them.
package health

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Level is how bad something is.
type Level string

// The levels, in Redfish's words in lower case (Resource.Health). Unknown: the BMC does not say.
const (
	Unknown  Level = ""
	OK       Level = "ok"
	Warning  Level = "warning"
	Critical Level = "critical"
)

// rank orders levels; unknown is no better than OK, and no worse.
func (l Level) rank() int {
	switch l {
	case Critical:
		return 3
	case Warning:
		return 2
	case OK:
		return 1
	default:
		return 0
	}
}

// Worse is the worse of two levels.
func Worse(a, b Level) Level {
	if b.rank() > a.rank() {
		return b
	}
	return a
}

// ParseLevel reads a level in any case; what is none is Unknown.
func ParseLevel(s string) Level {
	switch l := Level(strings.ToLower(strings.TrimSpace(s))); l {
	case OK, Warning, Critical:
		return l
	default:
		return Unknown
	}
}

// Sensor is one sensor's reading.
type Sensor struct {
	Name  string
	Level Level
	// Reading is in Unit ("Cel", "RPM", "V", "W"), nil where the sensor has only a state or cannot be read now.
	Reading *float64
	Unit    string
	// Limit is the threshold that was crossed, nil where it is not known.
	Limit *float64
	// State is what a sensor without a reading says: "Power Supply AC lost".
	State string
}

// Entry is one line of the event log.
type Entry struct {
	ID string
	// At is zero where the BMC's clock was not set.
	At    time.Time
	Level Level
	// Sensor is its name, may be empty.
	Sensor, Message string
}

// Reading is what a BMC says of its machine at one time.
type Reading struct {
	// Rollup is the machine's health as a whole.
	Rollup Level
	// Detailed: Sensors and Log were read too. Log has the newest entry first.
	Detailed bool
	Sensors  []Sensor
	Log      []Entry
	ReadAt   time.Time
}

// Verdict is a reading's meaning. Causes say which sensor and which log entry, the worst first; empty for a healthy machine.
type Verdict struct {
	Level  Level
	Causes []string
}

const (
	// maxCauses bounds a verdict, maxCause its words.
	maxCauses = 4
	maxCause  = 200
	// recent is how old a log entry may be to explain a state of now.
	recent = 24 * time.Hour
)

// Judge is the verdict over a reading: the worst of the rollup and the sensors. A BMC whose rollup says that all is well is believed; its sensors may have limits that nobody set.
func Judge(r Reading) Verdict {
	v := Verdict{Level: r.Rollup}
	bad := slices.DeleteFunc(slices.Clone(r.Sensors), func(s Sensor) bool { return s.Level.rank() <= OK.rank() })
	slices.SortStableFunc(bad, func(a, b Sensor) int { return cmp.Compare(b.Level.rank(), a.Level.rank()) })
	if r.Rollup == Unknown && r.Detailed && len(r.Sensors) > 0 {
		v.Level = OK
		if len(bad) > 0 {
			v.Level = bad[0].Level
		}
	}
	if v.Level.rank() <= OK.rank() {
		return v
	}
	for _, s := range bad {
		v.add(sensorText(s))
	}
	for _, e := range r.Log {
		if e.Level.rank() > OK.rank() && (e.At.IsZero() || r.ReadAt.Sub(e.At) <= recent) {
			v.add(entryText(e))
		}
	}
	if len(v.Causes) == 0 {
		v.add("the BMC does not say which part it is")
	}
	return v
}

func (v *Verdict) add(cause string) {
	if len(v.Causes) < maxCauses {
		v.Causes = append(v.Causes, clean(cause, maxCause))
	}
}

func sensorText(s Sensor) string {
	text := fmt.Sprintf("sensor %s is %s", clean(s.Name, 60), s.Level)
	if s.Reading != nil {
		text += ": " + number(*s.Reading) + unit(s.Unit)
	}
	if s.Limit != nil {
		text += " (limit " + number(*s.Limit) + unit(s.Unit) + ")"
	}
	if s.State != "" {
		text += ": " + s.State
	}
	return text
}

func entryText(e Entry) string {
	text := "event log entry " + clean(e.ID, 40)
	if !e.At.IsZero() {
		text += " of " + e.At.UTC().Format(time.RFC3339)
	}
	if e.Sensor != "" {
		text += " (" + clean(e.Sensor, 60) + ")"
	}
	return text + ": " + e.Message
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }

func unit(u string) string {
	if u == "" {
		return ""
	}
	return " " + clean(u, 12)
}

// clean bounds a BMC's words and makes control characters spaces.
func clean(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, " "))
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most-3], "") + "..."
	}
	return s
}
