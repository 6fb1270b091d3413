package burnin

import (
	"context"
	"io/fs"
	"strconv"
	"strings"
	"time"
)

// sensorsEvery is how often the sensors are read under load, and progress is told.
const sensorsEvery = 2 * time.Second

// readings are what the sensors showed during a test.
type readings struct {
	// maxCelsius is 0 where no sensor shows a temperature.
	maxCelsius int
	// throttled is how often a processor slowed down for heat.
	throttled int64
}

// watch reads the sensors until ctx ends, and calls tick each time. What it gives waits for that end and says what was seen. sys may be nil.
func watch(ctx context.Context, sys fs.FS, tick func()) (seen func() readings) {
	before := throttles(sys)
	result := make(chan readings, 1)
	go func() {
		r := readings{maxCelsius: hottest(sys)}
		t := time.NewTicker(sensorsEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				r.maxCelsius = max(r.maxCelsius, hottest(sys))
				tick()
			case <-ctx.Done():
				r.maxCelsius = max(r.maxCelsius, hottest(sys))
				r.throttled = max(throttles(sys)-before, 0)
				result <- r
				return
			}
		}
	}()
	return func() readings { return <-result }
}

// hottest is the highest temperature of all sensors, in degrees Celsius. The files hold thousandths (Documentation/ABI/testing/sysfs-class-thermal, hwmon/sysfs-interface). What is beyond
// 150 degrees is a sensor that is not there.
func hottest(sys fs.FS) int {
	const beyond = 150
	top := 0
	for _, n := range numbers(sys, "sys/class/thermal/thermal_zone*/temp", "sys/class/hwmon/hwmon*/temp*_input") {
		if c := int(n / 1000); c < beyond {
			top = max(top, c)
		}
	}
	return top
}

// throttles counts the processors' events of slowing down for heat since the machine was started, by their cores' counters.
func throttles(sys fs.FS) int64 {
	var sum int64
	for _, n := range numbers(sys, "sys/devices/system/cpu/cpu*/thermal_throttle/core_throttle_count") {
		sum += n
	}
	return sum
}

// corrections counts the memory errors that the controllers saw since the machine was started (Documentation/admin-guide/ras.rst).
func corrections(sys fs.FS) (corrected, uncorrected int64) {
	for _, n := range numbers(sys, "sys/devices/system/edac/mc/mc*/ce_count") {
		corrected += n
	}
	for _, n := range numbers(sys, "sys/devices/system/edac/mc/mc*/ue_count") {
		uncorrected += n
	}
	return corrected, uncorrected
}

// numbers reads the files that patterns mean; what cannot be read or is no number is left out. The sensors of a processor that was taken away answer with an error.
func numbers(sys fs.FS, patterns ...string) []int64 {
	if sys == nil {
		return nil
	}
	var all []int64
	for _, pattern := range patterns {
		names, err := fs.Glob(sys, pattern)
		if err != nil {
			continue // the patterns are ours, and good
		}
		for _, name := range names {
			data, err := fs.ReadFile(sys, name)
			if err != nil {
				continue
			}
			if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil {
				all = append(all, n)
			}
		}
	}
	return all
}
