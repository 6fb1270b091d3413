package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/ingotmetal/ingot/internal/agent/protocol"
	"github.com/ingotmetal/ingot/step"
)

// execute does one step on the hardware.
func (a *agent) execute(ctx context.Context, s protocol.Step, report func(step.Progress)) step.Outcome {
	switch {
	case s.Kind == step.Inspect:
		return a.inspect(ctx, report)
	case s.Kind == step.PowerOff:
		// The exchange that carries this outcome turns the machine off.
		return step.Outcome{}
	}
	return failed(step.Unsupported, fmt.Sprintf("step %s: this agent (%s) does not know the kind %q, or the step lacks its parameters", s.ID, a.version, s.Kind),
		"use an agent of the same release as the partition role")
}

func (a *agent) inspect(ctx context.Context, report func(step.Progress)) step.Outcome {
	report(step.Progress{Phase: "reading the hardware"})
	inventory, err := a.hardware.Inspector.Inspect(ctx)
	if err != nil {
		return failure(fmt.Errorf("inspect the hardware: %w", err))
	}
	return step.Outcome{Inventory: &inventory}
}

func failed(kind step.FailureKind, message, fix string) step.Outcome {
	return step.Outcome{Failure: &step.Failure{Kind: kind, Message: message, Fix: fix}}
}

// failure makes an outcome of an error; a *step.Failure inside keeps its kind and fix.
func failure(err error) step.Outcome {
	f := &step.Failure{Kind: step.Internal, Message: err.Error()}
	var known *step.Failure
	if errors.As(err, &known) {
		f.Kind, f.Fix = known.Kind, known.Fix
	}
	return step.Outcome{Failure: f}
}
