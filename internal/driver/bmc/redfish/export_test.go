package redfish

import (
	"context"
	"time"
)

// SetSettle replaces the wait of a quirk, so that tests see it asked for and do not wait.
func (d *Driver) SetSettle(f func(ctx context.Context, d time.Duration) error) { d.settle = f }

// WithoutQuirks makes the driver treat every make as one by the book.
func (d *Driver) WithoutQuirks() { d.quirks = nil }
