package lab

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// faultNames are the faults that ParseFaults knows, with how each value is read.
var faultNames = []struct {
	name, help string
	set        func(f *Faults, value string) error
}{
	{"slow", "delay of every BMC answer (200ms)", func(f *Faults, v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("want a duration, for example 200ms")
		}
		f.BMC.SlowMilliseconds = int(d.Milliseconds())
		return nil
	}},
	{"stale", "reads that still show the old power state (2)", func(f *Faults, v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return fmt.Errorf("want a number")
		}
		f.BMC.StalePowerReads = n
		return nil
	}},
	{"errors", "chance of a 500 (0.05)", chance(func(f *Faults) *float64 { return &f.BMC.ErrorChance })},
	{"busy", "chance of a 503 with Retry-After", chance(func(f *Faults) *float64 { return &f.BMC.BusyChance })},
	{"silent", "chance of no answer", chance(func(f *Faults) *float64 { return &f.BMC.HangChance })},
	{"cut", "chance of a connection cut in an answer", chance(func(f *Faults) *float64 { return &f.BMC.DropConnectionChance })},
	{"logout", "chance of a forgotten session", chance(func(f *Faults) *float64 { return &f.BMC.DropSessionChance })},
	{"lost", "chance of a power order accepted and not done", chance(func(f *Faults) *float64 { return &f.BMC.LostPowerChance })},
	{"hang", "chance of a boot that hangs in firmware, simulated machines only", chance(func(f *Faults) *float64 { return &f.HangChance })},
}

func chance(field func(*Faults) *float64) func(*Faults, string) error {
	return func(f *Faults, v string) error {
		c, err := strconv.ParseFloat(v, 64)
		if err != nil || !(c >= 0 && c <= 1) {
			return fmt.Errorf("want a chance from 0 to 1")
		}
		*field(f) = c
		return nil
	}
}

// ParseFaults reads "errors=0.05,slow=200ms". Empty: none.
func ParseFaults(text string) (Faults, error) {
	var f Faults
	if text == "" {
		return f, nil
	}
	for _, part := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(part, "=")
		if !ok {
			return f, fmt.Errorf("fault %q: want <name>=<value>; there are %s", part, faultHelp())
		}
		if err := f.set(name, value); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (f *Faults) set(name, value string) error {
	for _, known := range faultNames {
		if known.name == name {
			if err := known.set(f, value); err != nil {
				return fmt.Errorf("fault %s=%s: %w", name, value, err)
			}
			return nil
		}
	}
	return fmt.Errorf("unknown fault %q; there are %s", name, faultHelp())
}

// faultHelp lists the faults for people.
func faultHelp() string {
	var lines []string
	for _, known := range faultNames {
		lines = append(lines, known.name+" ("+known.help+")")
	}
	return strings.Join(lines, ", ")
}
