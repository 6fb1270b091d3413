package machine

import (
	"context"
	"io/fs"
	"time"

	"github.com/ingotmetal/ingot/internal/agent/burnin"
	"github.com/ingotmetal/ingot/step"
)

// stress implements agent.Stress on this machine.
type stress struct{ root fs.FS }

// CPU implements agent.Stress.
func (s stress) CPU(ctx context.Context, length time.Duration, report func(time.Duration)) (step.TestResult, error) {
	return burnin.Processors{Sys: s.root}.Run(ctx, length, report)
}

// Memory implements agent.Stress.
func (s stress) Memory(ctx context.Context, passes int, report func(done, total int64)) (step.TestResult, error) {
	return burnin.Memory{Sys: s.root, Hold: burnin.HoldFree(0)}.Run(ctx, passes, report)
}
