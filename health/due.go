package health

import "time"

const (
	// whileBad is how often the details of an unhealthy machine are read again: causes come and go while the rollup stays.
	whileBad = 30 * time.Minute
	// whileUnknown is how often they are read where there is no rollup. IPMI's sensors are some fifty requests: once in two hours is less than one in two minutes.
	whileUnknown = 2 * time.Hour
)

// DetailDue says whether sensors and log are worth reading now. before is the rollup when they were last read, at detailedAt; zero: never.
func DetailDue(before, now Level, detailedAt, at time.Time) bool {
	since := at.Sub(detailedAt)
	switch {
	case now == OK:
		return false
	case detailedAt.IsZero() || since < 0 || before != now:
		return true
	case now == Unknown:
		return since >= whileUnknown
	default:
		return since >= whileBad
	}
}
