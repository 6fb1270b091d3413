package bmc

import (
	"context"

	"github.com/ingotmetal/ingot/health"
)

// Vitals are what one request tells: the power and the health as a whole.
type Vitals struct {
	Power  PowerState
	Rollup health.Level
}

// Health reads how the machine is.
type Health interface {
	// Vitals takes one request, the same that Power.State takes.
	Vitals(ctx context.Context) (Vitals, error)
	// Sensors takes from one request to one per sensor. Sensors that are disabled or absent are left out.
	Sensors(ctx context.Context) ([]health.Sensor, error)
	// Log gives the newest entries of the system event log, the newest first, at most so many; none where the BMC keeps no log.
	Log(ctx context.Context, most int) ([]health.Entry, error)
}
